/*
 * smtp_client.c - opening, closing, and the exchange of commands and replies.
 * Sending a message is smtp_send.c.
 *
 * What a server says is believed only as an answer: octets that are there
 * before we have asked (injected behind the 220 to STARTTLS, faults.md 5, or
 * left from a reply with too many lines) end the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "deliver/relay/smtp_int.h"

#define CONNECT_MS   30000
#define HANDSHAKE_MS 60000
#define QUIT_MS      2000
#define EHLO_LINES   64

/* --- commands and replies --- */

bool
smtp_reply(struct smtp *s, int64_t wait_ms, struct reply *r,
    void (*each)(struct smtp *s, struct str line, unsigned number))
{
	struct deadline by = deadline_in(wait_ms);
	enum reply_state state = REPLY_MORE;

	reply_begin(r);
	while (state == REPLY_MORE) {
		struct str in = io_input(s->io), line;
		ptrdiff_t end = str_chr(str_first(in, REPLY_LINE_MAX + 2), '\n');

		if (end < 0) {
			if (in.n > REPLY_LINE_MAX || io_fill(s->io, by) != DONE)
				break;
			continue;
		}
		line = str_first(in, (size_t)end);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		state = reply_line(r, line);
		if (each != NULL && state != REPLY_BAD)
			each(s, line, r->lines);
		io_consume(s->io, (size_t)end + 1);
	}
	if (state == REPLY_END)
		return true;
	s->broken = true;
	return false;
}

bool
smtp_ask(struct smtp *s, int64_t wait_ms, struct reply *r, const char *format, ...)
{
	va_list ap;
	bool unasked = io_input(s->io).n > 0;

	va_start(ap, format);
	(void)buf_vprintf(io_out(s->io), format, ap);
	va_end(ap);
	(void)buf_puts(io_out(s->io), "\r\n");
	if (unasked) {
		s->broken = true;
		return false;
	}
	return smtp_reply(s, wait_ms, r, NULL);
}

/* A refusal of this host, in its own words. */
static enum outcome
refused(const struct reply *r, struct why *why)
{
	char text[REPLY_TEXT_MAX + 32];

	reply_print(r, text, sizeof(text));
	return fail(TEMPFAIL, why, r->code, reply_status(r), "%s", text);
}

static enum outcome
broke(struct smtp *s, const char *when, struct why *why)
{
	s->broken = true;
	return fail(TEMPFAIL, why, 451, "4.4.2", "Connection with %s lost %s", s->name, when);
}

/* --- EHLO --- */

static void
ehlo_line(struct smtp *s, struct str line, unsigned number)
{
	struct str text, word, rest;

	if (number == 1 || number > EHLO_LINES || !reply_line_text(line, &text))
		return;
	(void)str_cut(str_trim(text), ' ', &word, &rest);
	if (str_eq_nocase(word, STR("PIPELINING")))
		s->can |= CAN_PIPELINING;
	else if (str_eq_nocase(word, STR("8BITMIME")))
		s->can |= CAN_8BITMIME;
	else if (str_eq_nocase(word, STR("SMTPUTF8")))
		s->can |= CAN_SMTPUTF8;
	else if (str_eq_nocase(word, STR("DSN")))
		s->can |= CAN_DSN;
	else if (str_eq_nocase(word, STR("CHUNKING")))
		s->can |= CAN_CHUNKING;
	else if (str_eq_nocase(word, STR("BINARYMIME")))
		s->can |= CAN_BINARYMIME;
	else if (str_eq_nocase(word, STR("STARTTLS")))
		s->can |= CAN_STARTTLS;
	else if (str_eq_nocase(word, STR("SIZE"))) {
		s->can |= CAN_SIZE;
		if (!str_u64(str_trim(rest), &s->size_max))
			s->size_max = 0;
	} else if (str_eq_nocase(word, STR("AUTH"))) {
		if (str_find_nocase(rest, STR("PLAIN")) >= 0)
			s->can |= CAN_AUTH_PLAIN;
		if (str_find_nocase(rest, STR("LOGIN")) >= 0)
			s->can |= CAN_AUTH_LOGIN;
	}
}

static enum outcome
say_hello(struct smtp *s, const struct smtp_settings *set, struct why *why)
{
	struct reply r;

	s->can = 0;
	s->size_max = 0;
	if (io_input(s->io).n > 0)
		return broke(s, "before EHLO", why);
	io_printf(s->io, "EHLO %s\r\n", set->hostname);
	if (!smtp_reply(s, WAIT_MAIL_MS, &r, ehlo_line))
		return broke(s, "at EHLO", why);
	if (r.code == 250)
		return DONE;
	/* RFC 5321 3.2: a server that does not know EHLO. */
	s->can = 0;
	if (r.code / 100 != 5 || !smtp_ask(s, WAIT_MAIL_MS, &r, "HELO %s", set->hostname))
		return s->broken ? broke(s, "at HELO", why) : refused(&r, why);
	return r.code == 250 ? DONE : refused(&r, why);
}

/* --- STARTTLS --- */

static enum outcome
start_tls(struct smtp *s, const struct smtp_settings *set, bool *failed, struct why *why)
{
	struct reply r;

	if (!smtp_ask(s, WAIT_MAIL_MS, &r, "STARTTLS"))
		return broke(s, "at STARTTLS", why);
	if (r.code != 220)
		return set->tls == SMTP_TLS_MAY ? DONE : refused(&r, why);
	/* RFC 3207 4.2, faults.md 5: what came in clear behind the 220 was put there by somebody
	 * else. */
	if (io_input(s->io).n > 0 || io_drain(s->io) == IO_GOT) {
		s->broken = true;
		return fail(
		    TEMPFAIL, why, 451, "4.7.0", "%s: text injected behind STARTTLS", s->name);
	}
	io_start_tls_client(s->io, set->context, s->name);
	if (io_handshake_wait(s->io, deadline_in(HANDSHAKE_MS)) != DONE) {
		*failed = true;
		log_event(LOG_INFO, "relay.tls", kv_cstr("host", s->name), kv_cstr("o", "failed"),
		    kv_cstr("error", io_tls(s->io) != NULL ? tls_error(io_tls(s->io)) : ""),
		    KV_END);
		s->broken = true;
		return fail(TEMPFAIL, why, 451, "4.7.5", "%s: TLS handshake failed", s->name);
	}
	s->tls = true;
	/* What was offered in clear may have been tampered with: asked again. */
	return say_hello(s, set, why);
}

static enum outcome
secure(struct smtp *s, const struct smtp_settings *set, bool *failed, struct why *why)
{
	bool must = set->tls >= SMTP_TLS_REQUIRE;

	if (set->tls == SMTP_TLS_NONE)
		return DONE;
	if ((s->can & CAN_STARTTLS) != 0) {
		enum outcome o = start_tls(s, set, failed, why);

		if (o != DONE)
			return o;
	}
	if (must && !s->tls)
		return fail(TEMPFAIL, why, 451, "4.7.4", "%s does not offer TLS", s->name);
	return DONE;
}

/* --- AUTH --- */

static void
put_base64_line(struct smtp *s, const char *before, struct str plain)
{
	io_puts(s->io, before);
	(void)base64_put(io_out(s->io), plain);
	io_puts(s->io, "\r\n");
}

static enum outcome
log_in(struct smtp *s, const struct smtp_settings *set, struct why *why)
{
	struct reply r = { 0 };
	struct buf plain;
	bool asked;

	if (set->user == NULL || set->user[0] == '\0')
		return DONE;
	if (!s->tls && set->tls != SMTP_TLS_NONE)
		return fail(TEMPFAIL, why, 451, "4.7.0", "%s: no password without TLS", s->name);
	if ((s->can & CAN_AUTH_PLAIN) != 0) {
		buf_init(&plain, 2048);
		(void)buf_printf(&plain, "%c%s%c%s", 0, set->user, 0, set->password);
		put_base64_line(s, "AUTH PLAIN ", buf_str(&plain));
		if (plain.p != NULL)
			explicit_bzero(plain.p, plain.n);
		buf_free(&plain);
		asked = smtp_reply(s, WAIT_MAIL_MS, &r, NULL);
	} else if ((s->can & CAN_AUTH_LOGIN) != 0) {
		asked = smtp_ask(s, WAIT_MAIL_MS, &r, "AUTH LOGIN");
		if (asked && r.code == 334) {
			put_base64_line(s, "", str_of(set->user));
			asked = smtp_reply(s, WAIT_MAIL_MS, &r, NULL);
		}
		if (asked && r.code == 334) {
			put_base64_line(s, "", str_of(set->password));
			asked = smtp_reply(s, WAIT_MAIL_MS, &r, NULL);
		}
	} else {
		return fail(TEMPFAIL, why, 451, "4.7.0", "%s offers no way to log in", s->name);
	}
	if (!asked)
		return broke(s, "at AUTH", why);
	/* A wrong password is the administrator's mistake, not the sender's: never permanent. */
	return r.code == 235 ? DONE : refused(&r, why);
}

/* --- connecting --- */

static socklen_t
fill_address(const struct smtp_peer *p, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (p->address.family == AF_INET) {
		struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;

		four->sin_family = AF_INET;
		four->sin_port = htons(p->port);
		memcpy(&four->sin_addr, p->address.octets, 4);
		return sizeof(*four);
	}
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;

	six->sin6_family = AF_INET6;
	six->sin6_port = htons(p->port);
	memcpy(&six->sin6_addr, p->address.octets, 16);
	return sizeof(*six);
}

static bool
finish_connect(int fd, struct deadline by)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t n = sizeof(int);
	int error = 0, ready;

	do
		ready = poll(&p, 1, deadline_left_ms(by));
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		errno = ETIMEDOUT;
	if (ready <= 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		return false;
	errno = error;
	return error == 0;
}

static int
dial(const struct smtp_peer *peer)
{
	struct deadline by = deadline_in(CONNECT_MS);
	struct sockaddr_storage to;
	socklen_t n = fill_address(peer, &to);
	int one = 1, fd, error;

	fd = socket(peer->address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&to, n) != 0 &&
	    (errno != EINPROGRESS || !finish_connect(fd, by))) {
		error = errno;
		(void)close(fd);
		errno = error;
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static enum outcome
greet(struct smtp *s, const struct smtp_settings *set, bool *reached, bool *tls_failed,
    struct why *why)
{
	struct reply r;
	enum outcome o;

	if (!smtp_reply(s, WAIT_MAIL_MS, &r, NULL))
		return broke(s, "before its greeting", why);
	*reached = true;
	if (r.code != 220)
		return refused(&r, why);
	o = say_hello(s, set, why);
	if (o == DONE)
		o = secure(s, set, tls_failed, why);
	if (o == DONE)
		o = log_in(s, set, why);
	return o;
}

static enum outcome
open_once(const struct smtp_peer *peer, const struct smtp_settings *set, struct smtp **out,
    bool *reached, bool *tls_failed, struct why *why)
{
	static const struct io_limits limits = {
		.in_max = 64 * 1024,
		.out_max = 64 * 1024,
		.write_ms = WAIT_BLOCK_MS,
	};
	struct smtp *s;
	enum outcome o;
	int fd = dial(peer);

	if (fd < 0)
		return fail(TEMPFAIL, why, 451, "4.4.1", "Cannot connect to " STR_FMT ": %s",
		    STR_ARG(str_first(peer->name, 60)), strerrordesc_np(errno));
	s = xcalloc(1, sizeof(*s));
	(void)snprintf(s->name, sizeof(s->name), STR_FMT, STR_ARG(peer->name));
	s->io = io_new(fd, &limits);
	o = greet(s, set, reached, tls_failed, why);
	if (o == DONE)
		*out = s;
	else
		smtp_close(&s);
	return o;
}

enum outcome
smtp_open(const struct smtp_peer *peer, const struct smtp_settings *settings, struct smtp **out,
    bool *reached, struct why *why)
{
	struct smtp_settings clear = *settings;
	bool tls_failed = false;
	enum outcome o;

	*out = NULL;
	o = open_once(peer, settings, out, reached, &tls_failed, why);
	/* Where we have to log in there is no way without TLS: the password would show. */
	if (o == DONE || !tls_failed || settings->tls != SMTP_TLS_MAY ||
	    (settings->user != NULL && settings->user[0] != '\0'))
		return o;
	/* Opportunistic (RFC 7435): a host whose TLS is broken is spoken to in clear. */
	clear.tls = SMTP_TLS_NONE;
	return open_once(peer, &clear, out, reached, &tls_failed, why);
}

bool
smtp_alive(struct smtp *s)
{
	/* A server that gave up says 421, or just goes. */
	return !s->broken && io_input(s->io).n == 0 && io_drain(s->io) == IO_NONE;
}

void
smtp_close(struct smtp **sp)
{
	struct smtp *s = *sp;
	struct reply r;

	if (s == NULL)
		return;
	if (!s->broken)
		(void)!smtp_ask(s, QUIT_MS, &r, "QUIT");
	io_free(&s->io);
	free(s);
	*sp = NULL;
}

const char *
smtp_host(const struct smtp *s)
{
	return s->name;
}
