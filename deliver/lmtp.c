/*
 * lmtp.c - the LMTP protocol, RFC 2033 over the grammar of RFC 5321.
 *
 * The peer is another MTA on this machine.  A turn serves the complete lines
 * that are here and parks; a message body holds its thread, with a deadline.
 * What the peer meant as message text is never run as a command: a body that
 * cannot be kept is read to its end and refused then.
 */
#include "deliver/lmtp.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/log.h"
#include "mail/dot.h"

#define LMTP_MAGIC 0x4c4d5450U
#define WRITE_MS   60000
#define CHUNK      65536

struct lmtp {
	struct conn conn; /* first */
	uint32_t magic;
	const struct lmtp_backend *backend;
	struct io *io;
	uint64_t id;
	struct arena *tx; /* of the transaction */
	char helo[256];
	bool greeted;
	bool closing;
	unsigned errors;
	/* The transaction: from MAIL to the last reply. */
	bool mail;
	struct lmtp_message message;
	size_t room; /* of message.recipients */
	/* The body. */
	void *file;
	uint64_t octets;
	enum outcome outcome; /* DONE so far, or why the body is thrown away */
	struct why why;
	bool chunking; /* BDAT has begun */
};

static void
reply(struct lmtp *s, int code, const char *enhanced, const char *text)
{
	io_printf(s->io, "%d %s%s%s\r\n", code, enhanced, enhanced[0] != '\0' ? " " : "", text);
}

static void
reply_why(struct lmtp *s, const struct why *why)
{
	reply(s, why->code, why->enhanced, why->text);
}

static void
refuse(struct lmtp *s, int code, const char *enhanced, const char *text)
{
	reply(s, code, enhanced, text);
	if (++s->errors >= LMTP_ERRORS_MAX)
		s->closing = true;
}

static void
tx_end(struct lmtp *s)
{
	if (s->file != NULL)
		s->backend->discard(s->backend->arg, s->file);
	s->file = NULL;
	free(s->message.recipients);
	memset(&s->message, 0, sizeof(s->message));
	s->room = 0;
	s->mail = false;
	s->chunking = false;
	s->octets = 0;
	s->outcome = DONE;
	arena_reset(s->tx);
}

/* --- commands --- */

static void
cmd_lhlo(struct lmtp *s, struct scan args)
{
	char name[sizeof(s->helo)];

	(void)scan_blanks(&args);
	if (scan_end(&args)) {
		refuse(s, 501, "5.5.4", "LHLO wants a name");
		return;
	}
	tx_end(s);
	log_escape(str_first(scan_rest(&args), 200), name, sizeof(name));
	memcpy(s->helo, name, sizeof(name));
	s->greeted = true;
	io_printf(s->io,
	    "250-%s\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
	    "250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 SIZE %llu\r\n",
	    s->backend->hostname, (unsigned long long)s->backend->size_max);
}

/* RFC 1870, RFC 6152, RFC 3030, RFC 6531: what may stand behind MAIL's path. */
static bool
mail_params(struct lmtp *s, struct str params)
{
	while ((params = str_trim(params)).n > 0) {
		struct str one, key, value;
		uint64_t size;

		(void)str_cut(params, ' ', &one, &params);
		(void)str_cut(one, '=', &key, &value);
		if (str_eq_nocase(key, STR("SIZE")) && str_u64(value, &size)) {
			if (size > s->backend->size_max) {
				refuse(s, 552, "5.3.4", "Message too large");
				return false;
			}
		} else if (str_eq_nocase(key, STR("BODY")) && str_eq_nocase(value, STR("7BIT"))) {
			continue;
		} else if (str_eq_nocase(key, STR("BODY")) &&
			   str_eq_nocase(value, STR("8BITMIME"))) {
			s->message.flags |= DELIVER_EIGHTBIT;
		} else if (str_eq_nocase(key, STR("BODY")) &&
			   str_eq_nocase(value, STR("BINARYMIME"))) {
			s->message.flags |= DELIVER_BINARY;
		} else if (str_eq_nocase(one, STR("SMTPUTF8"))) {
			s->message.flags |= DELIVER_SMTPUTF8;
		} else {
			refuse(s, 555, "5.5.4", "Unknown parameter");
			return false;
		}
	}
	return true;
}

/* SMTPUTF8 stands behind the path that it widens, so it is looked for first. */
static bool
asks_utf8(struct str args)
{
	return str_ends(args, STR(" SMTPUTF8")) || str_find_nocase(args, STR(" SMTPUTF8 ")) >= 0;
}

static void
cmd_mail(struct lmtp *s, struct scan args)
{
	struct mailaddr from;
	unsigned allow = ADDRESS_ALLOW_NULL;
	enum address_fault fault;

	if (!s->greeted) {
		refuse(s, 503, "5.5.1", "Say LHLO first");
		return;
	}
	if (s->mail) {
		refuse(s, 503, "5.5.1", "A transaction is open");
		return;
	}
	if (asks_utf8(scan_rest(&args)))
		allow |= ADDRESS_ALLOW_UTF8;
	if (!scan_word(&args, "FROM:")) {
		refuse(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return;
	}
	(void)scan_blanks(&args);
	fault = scan_path(&args, s->tx, allow, &from);
	if (fault != ADDRESS_OK || (!scan_end(&args) && scan_peek(&args) != ' ')) {
		refuse(s, 501, "5.1.7", address_fault_text(fault));
		return;
	}
	if (!mail_params(s, scan_rest(&args))) {
		tx_end(s);
		return;
	}
	s->message.from = address_text(s->tx, &from);
	s->message.id = random_u64() | 1;
	s->message.helo = str_of(s->helo);
	s->mail = true;
	reply(s, 250, "2.1.0", "Ok");
}

static struct lmtp_recipient *
new_recipient(struct lmtp *s)
{
	if (s->message.count == s->room) {
		s->room = s->room > 0 ? 2 * s->room : 8;
		s->message.recipients =
		    xreallocarray(s->message.recipients, s->room, sizeof(*s->message.recipients));
	}
	memset(&s->message.recipients[s->message.count], 0, sizeof(*s->message.recipients));
	return &s->message.recipients[s->message.count];
}

static void
cmd_rcpt(struct lmtp *s, struct scan args)
{
	unsigned allow = ADDRESS_ALLOW_POSTMASTER;
	struct lmtp_recipient *r;
	struct mailaddr to;
	struct why why = { 0 };
	enum address_fault fault;
	enum outcome o;

	if (!s->mail || s->chunking) {
		refuse(s, 503, "5.5.1", "MAIL comes first");
		return;
	}
	if (s->message.count >= DELIVER_RECIPIENTS_MAX || !arena_has_room(s->tx, LMTP_ARENA / 8)) {
		reply(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	if ((s->message.flags & DELIVER_SMTPUTF8) != 0)
		allow |= ADDRESS_ALLOW_UTF8;
	if (!scan_word(&args, "TO:")) {
		refuse(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return;
	}
	(void)scan_blanks(&args);
	fault = scan_path(&args, s->tx, allow, &to);
	if (fault != ADDRESS_OK) {
		refuse(s, 501, "5.1.3", address_fault_text(fault));
		return;
	}
	if (!scan_end(&args)) {
		refuse(s, 555, "5.5.4", "Unknown parameter");
		return;
	}
	r = new_recipient(s);
	r->address = address_text(s->tx, &to);
	o = s->backend->route(s->backend->arg, s->tx, r, &why);
	if (o != DONE) {
		reply_why(s, &why);
		return;
	}
	s->message.count++;
	reply(s, 250, "2.1.5", "Ok");
}

/* --- the body --- */

static void
body_begin(struct lmtp *s)
{
	s->outcome = s->backend->begin(s->backend->arg, &s->message, &s->file, &s->why);
	s->octets = 0;
}

/* Keep a piece, or count and forget it once something has failed. */
static void
body_put(struct lmtp *s, struct str piece)
{
	s->octets += piece.n;
	if (s->outcome == DONE && s->octets > s->backend->size_max)
		s->outcome = fail(PERMFAIL, &s->why, 552, "5.3.4", "Message too large");
	if (s->outcome == DONE)
		s->outcome = s->backend->write(s->backend->arg, s->file, piece, &s->why);
	if (s->outcome != DONE && s->file != NULL) {
		s->backend->discard(s->backend->arg, s->file);
		s->file = NULL;
	}
}

/* RFC 2033 4.2: one reply for each recipient that was accepted, in their order. */
static void
body_end(struct lmtp *s)
{
	void *file = s->file;

	s->file = NULL;
	if (s->outcome == DONE)
		s->backend->deliver(s->backend->arg, file, &s->message);
	for (size_t i = 0; i < s->message.count; i++) {
		const struct lmtp_recipient *r = &s->message.recipients[i];

		if (s->outcome != DONE)
			reply_why(s, &s->why);
		else if (r->outcome == DONE)
			reply(s, 250, "2.0.0", "Delivered");
		else
			reply_why(s, &r->why);
	}
	tx_end(s);
}

static bool
may_have_body(struct lmtp *s)
{
	if (!s->mail) {
		refuse(s, 503, "5.5.1", "MAIL comes first");
		return false;
	}
	if (s->message.count == 0) {
		refuse(s, 503, "5.5.1", "No valid recipients");
		return false;
	}
	return true;
}

static enum outcome
cmd_data(struct lmtp *s, struct scan args)
{
	struct deadline by = deadline_in(LMTP_BODY_MS);
	struct undot u = { 0 };

	if (s->chunking || (s->message.flags & DELIVER_BINARY) != 0) {
		refuse(s, 503, "5.5.1", "BDAT has to be used"); /* RFC 3030 3 */
		return DONE;
	}
	if (!may_have_body(s))
		return DONE;
	body_begin(s);
	if (s->outcome != DONE) {
		/* Nothing of the message was sent yet: the peer need not send it. */
		reply_why(s, &s->why);
		tx_end(s);
		return DONE;
	}
	reply(s, 354, "", "Go on");
	while (!u.done) {
		struct str here = io_input(s->io), piece;
		struct scan in = scan_of(here);

		while (undot_next(&u, &in, &piece))
			body_put(s, piece);
		io_consume(s->io, (size_t)(in.p - here.p));
		if (!u.done && io_fill(s->io, by) == GONE)
			return GONE;
	}
	body_end(s);
	return DONE;
}

/* The octets of a chunk that was refused are read and dropped (RFC 3030 2). */
static enum outcome
take_chunk(struct lmtp *s, uint64_t n, bool keep)
{
	struct deadline by = deadline_in(LMTP_BODY_MS);

	while (n > 0) {
		struct str here = io_input(s->io);

		here = str_first(here, (size_t)MIN(n, (uint64_t)CHUNK));
		if (here.n == 0) {
			if (io_fill(s->io, by) == GONE)
				return GONE;
			continue;
		}
		if (keep)
			body_put(s, here);
		n -= here.n;
		io_consume(s->io, here.n);
	}
	return DONE;
}

static enum outcome
cmd_bdat(struct lmtp *s, struct scan args)
{
	uint64_t n;
	bool last = false, good;

	(void)scan_blanks(&args);
	if (!scan_u64(&args, &n)) {
		/* How many octets follow is anybody's guess: they must not be run as commands. */
		reply(s, 501, "5.5.4", "Syntax: BDAT size [LAST]");
		s->closing = true;
		return DONE;
	}
	if (scan_blanks(&args) && scan_word(&args, "LAST"))
		last = true;
	good = scan_end(&args) && s->mail && s->message.count > 0;
	if (good && !s->chunking) {
		body_begin(s);
		s->chunking = true;
	}
	if (take_chunk(s, n, good) == GONE)
		return GONE;
	if (!good) {
		refuse(s, 503, "5.5.1", "MAIL and RCPT come first");
		return DONE;
	}
	if (last)
		body_end(s);
	else if (s->outcome == DONE)
		reply(s, 250, "2.0.0", "Ok");
	else
		reply_why(s, &s->why);
	return DONE;
}

static enum outcome
run(struct lmtp *s, struct str line)
{
	struct scan args = scan_of(line);

	/* A control character in a command is nothing any client means (faults.md 17, 19). */
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f) {
			refuse(s, 500, "5.5.2", "Control character in a command");
			return DONE;
		}
	if (scan_word(&args, "RCPT "))
		cmd_rcpt(s, args);
	else if (scan_word(&args, "MAIL "))
		cmd_mail(s, args);
	else if (scan_word(&args, "DATA") && scan_end(&args))
		return cmd_data(s, args);
	else if (scan_word(&args, "BDAT "))
		return cmd_bdat(s, args);
	else if (scan_word(&args, "LHLO "))
		cmd_lhlo(s, args);
	else if (scan_word(&args, "RSET")) {
		tx_end(s);
		reply(s, 250, "2.0.0", "Ok");
	} else if (scan_word(&args, "NOOP"))
		reply(s, 250, "2.0.0", "Ok");
	else if (scan_word(&args, "VRFY"))
		reply(s, 252, "2.5.2", "Try RCPT");
	else if (scan_word(&args, "QUIT")) {
		reply(s, 221, "2.0.0", "Bye");
		s->closing = true;
	} else /* HELO and EHLO too: RFC 2033 4.1 */
		refuse(s, 500, "5.5.1", "Unknown command");
	return DONE;
}

/* --- turns --- */

/* A complete line, copied, without its CRLF; also one that ends in LF alone. */
static bool
take_line(struct lmtp *s, char line[static LMTP_LINE_MAX], size_t *n)
{
	struct str in = io_input(s->io);
	ptrdiff_t end = str_chr(str_first(in, LMTP_LINE_MAX), '\n');

	if (end < 0)
		return false;
	*n = (size_t)end;
	memcpy(line, in.p, *n);
	io_consume(s->io, *n + 1);
	if (*n > 0 && line[*n - 1] == '\r')
		--*n;
	return true;
}

static enum turn
lmtp_turn(struct conn *c, struct wake why)
{
	struct lmtp *s = CONTAINER_OF(c, struct lmtp, conn);
	char line[LMTP_LINE_MAX];
	size_t n;

	assert(s->magic == LMTP_MAGIC);
	if (!s->greeted && !why.readable && !why.expired && !why.draining)
		io_printf(s->io, "220 %s LMTP Postroom\r\n", s->backend->hostname);
	if (why.expired || (why.draining && !s->mail)) {
		reply(s, 421, "4.3.2", "Closing");
		s->closing = true;
	}
	for (;;) {
		enum io_got got;

		while (!s->closing && take_line(s, line, &n))
			if (run(s, str_n(line, n)) == GONE)
				return TURN_CLOSE;
		if (s->closing) {
			(void)!io_flush(s->io, deadline_in(WRITE_MS));
			return TURN_CLOSE;
		}
		if (io_input(s->io).n >= LMTP_LINE_MAX) {
			reply(s, 500, "5.5.2", "Line too long");
			s->closing = true;
			continue;
		}
		got = io_drain(s->io);
		if (got == IO_NONE)
			break;
		if (got == IO_EOF || got == IO_BROKEN)
			return TURN_CLOSE;
	}
	if (io_flush(s->io, deadline_in(WRITE_MS)) != DONE)
		return TURN_CLOSE;
	conn_deadline(&s->conn, deadline_in(LMTP_IDLE_MS));
	if (!s->mail)
		arena_release(s->tx);
	(void)io_park(s->io);
	return TURN_PARK;
}

static void
lmtp_closed(struct conn *c)
{
	struct lmtp *s = CONTAINER_OF(c, struct lmtp, conn);

	assert(s->magic == LMTP_MAGIC);
	tx_end(s);
	io_free(&s->io);
	c->fd = -1;
	arena_free(&s->tx);
	s->magic = 0;
	free(s);
}

const struct conn_ops lmtp_ops = { "lmtp", lmtp_turn, lmtp_closed };

struct lmtp *
lmtp_new(int fd, const struct lmtp_backend *backend)
{
	static const struct io_limits limits = {
		.in_max = CHUNK,
		.out_max = 16 * 1024,
		.write_ms = WRITE_MS,
	};
	struct lmtp *s = xcalloc(1, sizeof(*s));

	s->magic = LMTP_MAGIC;
	s->backend = backend;
	s->io = io_new(fd, &limits);
	s->id = random_u64();
	s->tx = arena_new(LMTP_ARENA);
	return s;
}

struct conn *
lmtp_conn(struct lmtp *s)
{
	return &s->conn;
}

uint64_t
lmtp_id(const struct lmtp *s)
{
	return s->id;
}
