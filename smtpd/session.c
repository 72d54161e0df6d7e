/*
 * session.c - one SMTP connection (RFC 5321), turn by turn.
 *
 * Implementation notes.
 *
 * A turn serves whatever has arrived - lines, or octets of a body - and parks
 * when it would have to wait for the peer.  That goes for bodies too: the
 * dot-unstuffer and the BDAT counter keep their state in the session, so a
 * thousand clients that send an octet a minute hold no thread.  The only
 * waits inside a turn are questions to authd and deliver, and writing replies
 * to a peer that does not read.
 *
 * A line ends with CRLF and with nothing else; neither a bare CR nor a bare
 * LF ends a line or a message (RFC 5321 2.3.8, faults.md 1).  A line that
 * holds one, or any other control character, is refused whole.
 *
 * What never happens here: a path is opened (the spool is a descriptor that
 * deliver handed over); a recipient is accepted that authd did not accept
 * (no backscatter, no relay); 250 is said to the end of a message before
 * deliver said DONE; octets that a client meant as message text are run as
 * commands - where text may still come after a refusal, it is read and
 * dropped, or the connection is closed.
 *
 * Replies are gathered and leave in one write before parking, so a pipelined
 * batch (RFC 2920) is answered in one segment.
 *
 * `until` is the deadline of the state as a whole: set when the state begins
 * or a whole command was served, never moved by single octets.
 */
#include "smtpd/session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/codec.h"
#include "base/log.h"
#include "run/tls.h"

#define SMTP_MAGIC 0x534d5450U

static const struct command {
	const char *name;
	enum outcome (*run)(struct smtp *s, struct scan args, struct why *why);
	unsigned flags;
} commands[] = {
	{ "RCPT", cmd_rcpt, AFTER_LOGIN | AFTER_HELLO | IN_TRANSACTION },
	{ "MAIL", cmd_mail, AFTER_LOGIN | AFTER_HELLO },
	{ "DATA", cmd_data, AFTER_LOGIN | AFTER_HELLO | IN_TRANSACTION },
	{ "BDAT", cmd_bdat, MID_CHUNKS }, /* its octets come, whatever we think of it */
	{ "EHLO", cmd_ehlo, MID_CHUNKS | IS_JUNK },
	{ "HELO", cmd_helo, MID_CHUNKS | IS_JUNK },
	{ "RSET", cmd_rset, MID_CHUNKS | NO_ARGUMENT | IS_JUNK },
	{ "QUIT", cmd_quit, MID_CHUNKS },
	{ "NOOP", cmd_noop, MID_CHUNKS | IS_JUNK },
	{ "STARTTLS", cmd_starttls, AFTER_HELLO | NO_ARGUMENT },
	{ "AUTH", cmd_auth, AFTER_HELLO },
	{ "VRFY", cmd_vrfy, AFTER_LOGIN | IS_JUNK },
	{ "EXPN", cmd_vrfy, AFTER_LOGIN | IS_JUNK },
	{ "HELP", cmd_help, MID_CHUNKS | IS_JUNK },
	/* Known, and not for strangers (faults.md 44). */
	{ "ETRN", cmd_refused, IS_JUNK },
	{ "ATRN", cmd_refused, IS_JUNK },
	{ "TURN", cmd_refused, IS_JUNK },
	{ "XCLIENT", cmd_refused, IS_JUNK },
	{ "XFORWARD", cmd_refused, IS_JUNK },
	{ "BURL", cmd_refused, IS_JUNK },
	{ "SEND", cmd_refused, IS_JUNK },
	{ "SOML", cmd_refused, IS_JUNK },
	{ "SAML", cmd_refused, IS_JUNK },
	{ "DEBUG", cmd_refused, IS_JUNK },
	{ "WIZ", cmd_refused, IS_JUNK },
	/* Another protocol: a browser or a proxy that was tricked (faults.md 7). */
	{ "GET", cmd_foreign, ANY_TIME },
	{ "POST", cmd_foreign, ANY_TIME },
	{ "PUT", cmd_foreign, ANY_TIME },
	{ "HEAD", cmd_foreign, ANY_TIME },
	{ "OPTIONS", cmd_foreign, ANY_TIME },
	{ "CONNECT", cmd_foreign, ANY_TIME },
	{ "PATCH", cmd_foreign, ANY_TIME },
	{ "DELETE", cmd_foreign, ANY_TIME },
	{ "TRACE", cmd_foreign, ANY_TIME },
	{ "PROXY", cmd_foreign, ANY_TIME },
};

/* --- replies --- */

enum outcome
reply(struct smtp *s, int code, const char *enhanced, const char *format, ...)
{
	struct buf *out = io_out(s->io);
	va_list ap;

	(void)buf_put_u64(out, (uint64_t)code);
	(void)buf_putc(out, ' ');
	if (enhanced[0] != '\0') { /* RFC 2034 4 */
		(void)buf_puts(out, enhanced);
		(void)buf_putc(out, ' ');
	}
	va_start(ap, format);
	(void)buf_vprintf(out, format, ap);
	va_end(ap);
	(void)buf_puts(out, "\r\n");
	io_spill(s->io);
	return DONE;
}

void
reply_why(struct smtp *s, const struct why *why)
{
	(void)reply(s, why->code, why->enhanced, "%s", why->text);
}

enum step
hang_up(struct smtp *s, int code, const char *enhanced, const char *text)
{
	(void)reply(s, code, enhanced, "%s", text);
	auth_cancel(s);
	tx_close(s);
	if (io_flush(s->io, deadline_in(SMTP_WRITE_MS)) != DONE)
		return STEP_CLOSE;
	/* Closing with input unread would reset the connection and may destroy the reply. */
	if (smtp_has_tls(s) || shutdown(io_fd(s->io), SHUT_WR) != 0)
		return STEP_CLOSE;
	s->state = SMTP_LINGER;
	s->until = deadline_in(SMTP_LINGER_MS);
	return STEP_MORE;
}

enum outcome
hang_up_now(struct smtp *s, int code, const char *enhanced, const char *text)
{
	return hang_up(s, code, enhanced, text) == STEP_CLOSE ? GONE : DONE;
}

enum step
count_error(struct smtp *s)
{
	/* Our own webmail and test tools make many; a stranger who does is guessing. */
	uint64_t most = s->set->conf->smtp_errors * (s->trusted ? 10 : 1);

	if (++s->errors < most)
		return STEP_MORE;
	log_event(LOG_INFO, "smtp.errors", kv_id("s", s->id), kv_cstr("ip", s->ip), KV_END);
	return hang_up(s, 421, "4.7.0", "Too many errors, closing");
}

/* --- state --- */

bool
smtp_has_tls(const struct smtp *s)
{
	return io_tls(s->io) != NULL;
}

bool
smtp_may_auth(const struct smtp *s)
{
	const struct conf *c = s->set->conf;

	if (!s->service->submission && !c->smtp_auth)
		return false;
	/* A password never crosses the net in clear (RFC 4954 4, RFC 8314 3). */
	return smtp_has_tls(s) || c->allow_plaintext_login || s->trusted;
}

bool
smtp_needs_login(const struct smtp *s)
{
	return s->service->submission && s->user.n == 0;
}

void
smtp_logged_in(struct smtp *s)
{
	struct smtp_server *server = s->server;

	s->conn.class = WORK_USER;
	(void)pthread_mutex_lock(&server->lock);
	if (s->stranger)
		TAILQ_REMOVE(&server->strangers, s, older);
	s->stranger = false;
	(void)pthread_mutex_unlock(&server->lock);
	if (s->counted)
		peers_leave(server->peers, s->peer);
	s->counted = false;
}

void
tx_close(struct smtp *s)
{
	struct tx *tx = s->tx;

	if (tx == NULL)
		return;
	if (tx->body.spool.fd >= 0)
		s->server->backend->spool_drop(s->server->backend->arg, &tx->body.spool);
	body_free(&tx->body);
	atomic_fetch_sub(&s->server->body_memory, tx->body_accounted);
	s->tx = NULL;
	arena_reset(s->tx_arena);
}

void
smtp_reset(struct smtp *s)
{
	tx_close(s);
	s->chunk_left = 0;
}

struct smtp *
smtp_new(struct smtp_server *server, struct smtp_settings *set, const struct smtp_service *service,
    int fd, const char *ip)
{
	static const struct io_limits limits = {
		.in_max = 16384, /* over the longest line, SMTP_AUTH_LINE_MAX */
		.out_max = 16384,
		.write_ms = SMTP_WRITE_MS,
		.least_rate = 0, /* bodies have message_deadline */
	};
	struct smtp *s = xcalloc(1, sizeof(*s));

	s->magic = SMTP_MAGIC;
	s->server = server;
	s->set = set;
	s->service = service;
	s->io = io_new(fd, &limits);
	while (s->id == 0)
		s->id = random_u64();
	(void)snprintf(s->ip, sizeof(s->ip), "%s", ip);
	s->state = SMTP_COMMAND;
	s->arena = arena_new(64 * 1024);
	s->command = arena_new(256 * 1024);
	s->tx_arena = arena_new(SMTP_TX_ARENA);
	s->login_by = service->submission ? deadline_in(set->conf->login_time) : DEADLINE_NEVER;
	s->until = deadline_min(s->login_by, deadline_in(SMTP_GREETING_MS));
	return s;
}

void
smtp_free(struct smtp **sp)
{
	struct smtp *s = *sp;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SMTP_MAGIC);
	auth_cancel(s);
	tx_close(s);
	smtp_logged_in(s); /* leaves the lists of strangers */
	io_free(&s->io);
	arena_free(&s->tx_arena);
	arena_free(&s->command);
	arena_free(&s->arena);
	smtp_settings_unref(&s->set);
	s->magic = 0;
	free(s);
	*sp = NULL;
}

/* --- lines --- */

enum line_got {
	LINE_GOT,  /* whole, without its CRLF; consume line.n + 2 */
	LINE_NONE, /* not here yet */
	LINE_BAD,  /* refuse it now and drop the rest of it */
};

/* The same answer however the octets were cut on their way. */
static enum line_got
find_line(struct str in, struct str *line, struct why *why)
{
	const char *from = in.p;
	const char *end = in.p + in.n;
	const char *lf = NULL;
	bool bare = false, whole = false;

	while (!whole && from < end && (lf = memchr(from, '\n', (size_t)(end - from))) != NULL) {
		whole = lf > in.p && lf[-1] == '\r';
		bare = bare || !whole;
		from = lf + 1;
	}
	*line = whole ? str_n(in.p, (size_t)(lf - 1 - in.p)) : in;
	if (bare) { /* say so now: somebody who types into a terminal would wait for ever */
		(void)fail(PERMFAIL, why, 500, "5.5.2", "Lines end with CRLF, not with LF alone");
		return LINE_BAD;
	}
	if (line->n > SMTP_AUTH_LINE_MAX) {
		(void)fail(PERMFAIL, why, 500, "5.5.2", "Line too long");
		return LINE_BAD;
	}
	return whole ? LINE_GOT : LINE_NONE;
}

/* Drop what is left of a line that was refused before its end. */
static enum step
skip_line(struct smtp *s)
{
	struct str in = io_input(s->io);
	ptrdiff_t at = str_find(in, STR("\r\n"));

	if (at >= 0) {
		io_consume(s->io, (size_t)at + 2);
		s->skipping = false;
		return STEP_MORE;
	}
	if (in.n > 0) { /* a CR may be half of the CRLF */
		size_t n = in.p[in.n - 1] == '\r' ? in.n - 1 : in.n;
		s->skipped += n;
		io_consume(s->io, n);
	}
	if (s->skipped > SMTP_SKIP_MAX) /* faults.md 20 */
		return hang_up(s, 421, "4.7.0", "Line without end, closing");
	return STEP_WAIT;
}

static const struct command *
find_command(struct str verb)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (str_eq_nocase(verb, str_of(commands[i].name)))
			return &commands[i];
	return NULL;
}

static bool
printable(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 32 || line.p[i] == 127)
			return false;
	return true;
}

/* May this command run now?  The order of commands is data (RFC 5321 4.1.4). */
static enum outcome
allowed(struct smtp *s, const struct command *c, struct str args, struct why *why)
{
	if ((c->flags & AFTER_HELLO) != 0 && s->helo_n == 0)
		return fail(PERMFAIL, why, 503, "5.5.1", "Say EHLO first");
	if ((c->flags & AFTER_LOGIN) != 0 && smtp_needs_login(s)) {
		if (!smtp_may_auth(s)) /* RFC 3207 4 */
			return fail(
			    PERMFAIL, why, 530, "5.7.0", "Must issue a STARTTLS command first");
		return fail(PERMFAIL, why, 530, "5.7.0", "Authentication required");
	}
	if ((c->flags & MID_CHUNKS) == 0 && s->tx != NULL && s->tx->stage != TX_RECIPIENTS)
		return fail(PERMFAIL, why, 503, "5.5.1", "Only BDAT or RSET here");
	if ((c->flags & IN_TRANSACTION) != 0 && s->tx == NULL)
		return fail(PERMFAIL, why, 503, "5.5.1", "Need MAIL command first");
	if ((c->flags & NO_ARGUMENT) != 0 && args.n > 0)
		return fail(PERMFAIL, why, 501, "5.5.4", "No parameters allowed");
	return DONE;
}

static enum step
run_command(struct smtp *s, struct str line)
{
	const struct command *c;
	struct str verb, args;
	struct why why;
	enum outcome o;

	/* RFC 5321 4.1.1: blanks before the line's end are tolerated. */
	while (line.n > 0 && line.p[line.n - 1] == ' ')
		line.n--;
	(void)str_cut(line, ' ', &verb, &args);
	c = find_command(verb);
	if (!printable(line))
		o = fail(PERMFAIL, &why, 500, "5.5.2", "Control character in command");
	else if (line.n + 2 > SMTP_LINE_MAX && (c == NULL || c->run != cmd_auth))
		o = fail(PERMFAIL, &why, 500, "5.5.2", "Line too long");
	else if (c == NULL)
		o = fail(PERMFAIL, &why, 500, "5.5.2", "Command not recognized");
	else {
		o = allowed(s, c, args, &why);
		if (o == DONE)
			o = c->run(s, scan_of(args), &why);
	}
	if (o == GONE)
		return STEP_CLOSE;
	if (o == DONE) {
		if (c != NULL && (c->flags & IS_JUNK) != 0 && ++s->junk > SMTP_JUNK_MAX)
			return count_error(s);
		return STEP_MORE;
	}
	reply_why(s, &why);
	log_event(LOG_INFO, "smtp.refused", kv_id("s", s->id), kv_str("c", str_first(verb, 16)),
	    kv_str("arg", c == NULL || c->run == cmd_auth ? STR_NONE : args),
	    kv_cstr("o", outcome_name(o)), kv_int("code", why.code), kv_cstr("why", why.text),
	    KV_END);
	return o == PERMFAIL ? count_error(s) : STEP_MORE;
}

static enum step
take_line(struct smtp *s)
{
	struct why why;
	struct str line;
	enum step step;

	if (s->skipping)
		return skip_line(s);
	if (io_input(s->io).n > 0 &&
	    io_input(s->io).p[0] == 0x16) /* a ClientHello (RFC 8446 5.1) */
		return hang_up(s, 554, "5.5.0", "TLS begins with STARTTLS here");
	switch (find_line(io_input(s->io), &line, &why)) {
	case LINE_NONE:
		return STEP_WAIT;
	case LINE_BAD:
		reply_why(s, &why);
		auth_cancel(s);
		s->state = SMTP_COMMAND;
		s->skipping = true;
		s->skipped = 0;
		s->progress = true;
		return count_error(s);
	case LINE_GOT:
		break;
	}
	/*
	 * The line points into the input, which is consumed afterwards: a
	 * command that reads on (STARTTLS drops, BDAT counts) wants it gone
	 * first, so it is copied.
	 */
	line = arena_str(s->command, line);
	io_consume(s->io, line.n + 2);
	s->progress = true;
	step = s->state == SMTP_SASL ? auth_line(s, line) : run_command(s, line);
	arena_reset(s->command);
	return step;
}

/* --- the turn --- */

static enum step
greet(struct smtp *s)
{
	s->greeted = true;
	s->progress = true;
	s->state = SMTP_COMMAND;
	if (s->draining)
		return hang_up(s, 421, "4.3.2", "Service is shutting down");
	/* RFC 5321 4.3.1: who speaks before the greeting is a script that does not listen. */
	if (s->set->conf->smtp_reject_early_talkers && !s->trusted && io_drain(s->io) == IO_GOT) {
		log_event(LOG_INFO, "smtp.early", kv_id("s", s->id), kv_cstr("ip", s->ip), KV_END);
		return hang_up(s, 554, "5.5.0", "Spoke before the greeting");
	}
	(void)reply(s, 220, "", STR_FMT " ESMTP Postroom", STR_ARG(s->set->hostname));
	return STEP_MORE;
}

static enum step
begin(struct smtp *s)
{
	log_event(LOG_INFO, "smtp.connect", kv_id("s", s->id), kv_cstr("ip", s->ip),
	    kv_cstr("service", s->service->name), KV_END);
	if (!s->service->implicit_tls)
		return greet(s);
	if (s->set->tls == NULL)
		return STEP_CLOSE;
	io_start_tls_server(s->io, s->set->tls);
	s->state = SMTP_HANDSHAKE;
	return STEP_MORE;
}

static enum step
shake_hands(struct smtp *s)
{
	switch (io_handshake(s->io)) {
	case DONE:
		log_event(LOG_INFO, "smtp.tls", kv_id("s", s->id),
		    kv_cstr("version", tls_version(io_tls(s->io))),
		    kv_cstr("cipher", tls_cipher(io_tls(s->io))), KV_END);
		s->progress = true;
		if (!s->greeted)
			return greet(s);
		s->state = SMTP_COMMAND;
		return STEP_MORE;
	case TEMPFAIL:
		return STEP_WAIT;
	default:
		log_event(LOG_INFO, "smtp.tls", kv_id("s", s->id), kv_cstr("o", "permfail"),
		    kv_cstr("why", tls_error(io_tls(s->io))), KV_END);
		return STEP_CLOSE;
	}
}

static enum step
linger(struct smtp *s)
{
	struct str in = io_input(s->io);

	s->lingered += in.n;
	io_consume(s->io, in.n);
	return s->lingered > SMTP_LINGER_MAX ? STEP_CLOSE : STEP_WAIT;
}

/* A refusal is being held back; a client that does not wait for it is no client. */
static enum step
penalty(struct smtp *s)
{
	if (io_input(s->io).n > 0)
		return hang_up(s, 421, "4.7.0", "Did not wait for the answer, closing");
	return STEP_WAIT;
}

static enum step
expire(struct smtp *s)
{
	switch (s->state) {
	case SMTP_PENALTY:
		s->state = SMTP_COMMAND;
		s->progress = true;
		reply_why(s, &s->held);
		if (s->auth_failures >= SMTP_AUTH_TRIES)
			return hang_up(s, 421, "4.7.0", "Too many failed logins, closing");
		return STEP_MORE;
	case SMTP_HANDSHAKE:
	case SMTP_LINGER:
		return STEP_CLOSE;
	default:
		log_event(LOG_INFO, "smtp.timeout", kv_id("s", s->id), kv_cstr("ip", s->ip),
		    kv_id("id", s->tx != NULL ? s->tx->id : 0), KV_END);
		return hang_up(s, 421, "4.4.2", "Timeout, closing");
	}
}

/* What is to be done apart from input. */
static enum step
look_around(struct smtp *s, struct wake wake)
{
	if (!s->greeted && s->state != SMTP_HANDSHAKE)
		return begin(s);
	if (wake.expired && deadline_passed(s->until))
		return expire(s);
	return STEP_MORE;
}

/* Nothing more is to be served: is this session asked to go? */
static enum step
leave(struct smtp *s)
{
	bool idle = s->state == SMTP_COMMAND || s->state == SMTP_SASL;

	if (idle && s->tx == NULL && atomic_load(&s->shed))
		return hang_up(s, 421, "4.3.2", "Too busy, try again later");
	if (idle && s->draining && (s->tx == NULL || s->tx->stage == TX_RECIPIENTS))
		return hang_up(s, 421, "4.3.2", "Service is shutting down");
	return STEP_WAIT;
}

static enum step
serve(struct smtp *s)
{
	switch (s->state) {
	case SMTP_HANDSHAKE:
		return shake_hands(s);
	case SMTP_COMMAND:
	case SMTP_SASL:
		return take_line(s);
	case SMTP_DATA:
		return data_feed(s);
	case SMTP_CHUNK:
		return bdat_feed(s);
	case SMTP_PENALTY:
		return penalty(s);
	case SMTP_LINGER:
		return linger(s);
	}
	return STEP_CLOSE;
}

static enum step
wait_for_input(struct smtp *s)
{
	if (s->state == SMTP_HANDSHAKE) /* reads for itself */
		return STEP_WAIT;
	switch (io_drain(s->io)) {
	case IO_GOT:
		return STEP_MORE;
	case IO_NONE:
		return STEP_WAIT;
	case IO_FULL: /* every state takes what it is given: cannot be */
	case IO_EOF:
	case IO_BROKEN:
		break;
	}
	if (s->state == SMTP_DATA || s->state == SMTP_CHUNK)
		log_event(LOG_INFO, "smtp.aborted", kv_id("s", s->id),
		    kv_id("id", s->tx != NULL ? s->tx->id : 0), KV_END);
	return STEP_CLOSE;
}

static struct deadline
next_deadline(struct smtp *s)
{
	int64_t ms =
	    smtp_server_stressed(s->server) ? SMTP_STRESS_MS : s->set->conf->smtp_command_time;
	struct deadline d = deadline_in(s->helo_n == 0 ? MIN(ms, (int64_t)SMTP_GREETING_MS) : ms);

	return smtp_needs_login(s) ? deadline_min(d, s->login_by) : d;
}

/* True when the connection may be parked; false when more input came in meanwhile. */
static bool
park(struct smtp *s)
{
	bool text = s->state == SMTP_DATA || s->state == SMTP_CHUNK;

	if (text) {
		message_park(s);
		if (s->progress)
			s->until = message_deadline(s);
	} else if (s->progress && (s->state == SMTP_COMMAND || s->state == SMTP_SASL)) {
		s->until = next_deadline(s);
	}
	assert(arena_empty(s->command));
	arena_release(s->command);
	if (s->tx == NULL)
		arena_release(s->tx_arena);
	s->conn.want_write = s->state == SMTP_HANDSHAKE && io_wants_write(s->io);
	/* In a transaction the next line is probably on its way. */
	s->conn.linger = s->tx != NULL || !s->service->submission;
	return io_park(s->io);
}

enum turn
smtp_turn(struct smtp *s, struct wake wake)
{
	enum step step;

	s->draining = s->draining || wake.draining;
	s->progress = false;
	step = look_around(s, wake);
	for (;;) {
		while (step == STEP_MORE) {
			step = serve(s);
			if (step == STEP_WAIT)
				step = wait_for_input(s);
			if (step == STEP_WAIT)
				step = leave(s);
		}
		if (io_flush(s->io, deadline_in(SMTP_WRITE_MS)) != DONE || step == STEP_CLOSE)
			return TURN_CLOSE;
		if (park(s))
			return TURN_PARK;
		step = STEP_MORE;
	}
}

static enum turn
turn(struct conn *c, struct wake wake)
{
	struct smtp *s = CONTAINER_OF(c, struct smtp, conn);
	enum turn t;

	CHECK_MAGIC(s, SMTP_MAGIC);
	t = smtp_turn(s, wake);
	if (t == TURN_PARK)
		conn_deadline(c, s->until);
	return t;
}

static void
closed(struct conn *c)
{
	struct smtp *s = CONTAINER_OF(c, struct smtp, conn);

	CHECK_MAGIC(s, SMTP_MAGIC);
	smtp_server_left(s);
	smtp_free(&s);
}

const struct conn_ops smtp_ops = { .name = "smtp", .turn = turn, .closed = closed };
