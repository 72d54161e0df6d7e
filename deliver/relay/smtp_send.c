/*
 * smtp_send.c - one message over an open session.
 *
 * With PIPELINING (RFC 2920) MAIL, all RCPT and DATA leave together; without,
 * one by one.  Line ends: the file's LF and CRLF both go out as CRLF and a bare
 * CR never leaves (mail/dot.h; faults.md 1).
 *
 * A message with octets above 127 goes to a server without 8BITMIME as it is:
 * RFC 6152 3 would have it recoded or returned, but recoding breaks
 * signatures, returning breaks mail, and such servers have passed eight bits
 * for thirty years.  Binary (RFC 3030) and UTF-8 (RFC 6531) mail is different:
 * without the extension it would be damaged, so it is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "deliver/relay/smtp_int.h"
#include "mail/dot.h"
#include "mail/header.h"

#define PIECE      (64 * 1024)
#define HEADER_MAX (64 * 1024)

/* --- results --- */

static void
result_of(
    struct relay_result *out, const struct smtp *s, const struct reply *r, struct arena *arena)
{
	char print[REPLY_TEXT_MAX + 32];

	reply_print(r, print, sizeof(print));
	out->outcome = r->code / 100 == 2 ? DONE : r->code / 100 == 5 ? PERMFAIL : TEMPFAIL;
	out->dsn = (s->can & CAN_DSN) != 0;
	out->status = arena_str(arena, str_of(reply_status(r)));
	out->reply = arena_str(arena, str_of(print));
	out->mta = arena_str(arena, str_of(s->name));
}

static void
all_of(struct relay_result *results, size_t n, const struct smtp *s, const struct reply *r,
    struct arena *arena)
{
	for (size_t i = 0; i < n; i++)
		result_of(&results[i], s, r, arena);
}

/* We will not send it to this host, for a reason of our own. */
static enum outcome
not_to_be_sent(struct relay_result *results, size_t n, const struct smtp *s, struct arena *arena,
    int code, const char *status, const char *text)
{
	char print[200];

	(void)snprintf(print, sizeof(print), "%d %s %s", code, status, text);
	for (size_t i = 0; i < n; i++) {
		results[i].outcome = code / 100 == 5 ? PERMFAIL : TEMPFAIL;
		results[i].status = arena_str(arena, str_of(status));
		results[i].reply = arena_str(arena, str_of(print));
		results[i].mta = arena_str(arena, str_of(s->name));
	}
	return DONE;
}

/* --- what the message needs --- */

/* RFC 6531 3.1: an address or a header field beyond ASCII. */
static bool
needs_utf8(const struct relay_job *job, struct arena *arena)
{
	char *head;
	ssize_t n;

	if ((job->flags & DELIVER_SMTPUTF8) == 0)
		return false;
	if (!str_is_ascii(job->from) && job->from.n > 0)
		return true;
	for (size_t i = 0; i < job->recipient_count; i++)
		if (!str_is_ascii(job->recipients[i].address))
			return true;
	head = arena_alloc(arena, HEADER_MAX);
	n = pread(job->fd, head, HEADER_MAX, (off_t)job->skip);
	if (n <= 0)
		return true;
	for (size_t i = 0, end = header_size(str_n(head, (size_t)n)); i < end; i++)
		if ((unsigned char)head[i] > 0x7f)
			return true;
	return false;
}

/* --- MAIL and RCPT --- */

static void
put_mail(struct smtp *s, const struct relay_job *job, bool utf8)
{
	static const char *const rets[] = { "", " RET=FULL", " RET=HDRS" };

	io_printf(s->io, "MAIL FROM:<" STR_FMT ">", STR_ARG(job->from));
	if ((s->can & CAN_SIZE) != 0)
		io_printf(s->io, " SIZE=%llu", (unsigned long long)job->size);
	if ((job->flags & DELIVER_BINARY) != 0)
		io_puts(s->io, " BODY=BINARYMIME");
	else if ((job->flags & DELIVER_EIGHTBIT) != 0 && (s->can & CAN_8BITMIME) != 0)
		io_puts(s->io, " BODY=8BITMIME");
	if (utf8)
		io_puts(s->io, " SMTPUTF8");
	if ((s->can & CAN_DSN) != 0) {
		io_puts(s->io, rets[job->ret]);
		if (job->envid.n > 0)
			io_printf(s->io, " ENVID=" STR_FMT, STR_ARG(job->envid));
	}
	io_puts(s->io, "\r\n");
}

/* RFC 3461 5.2.1: NOTIFY and ORCPT go along as they came. */
static void
put_rcpt(struct smtp *s, const struct relay_recipient *r)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {
		{ DELIVER_NOTIFY_NEVER, "NEVER" },
		{ DELIVER_NOTIFY_SUCCESS, "SUCCESS" },
		{ DELIVER_NOTIFY_FAILURE, "FAILURE" },
		{ DELIVER_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	io_printf(s->io, "RCPT TO:<" STR_FMT ">", STR_ARG(r->address));
	if ((s->can & CAN_DSN) != 0) {
		for (size_t i = 0; i < COUNT_OF(words); i++)
			if ((r->notify & words[i].bit) != 0) {
				io_printf(s->io, "%s%s", before, words[i].word);
				before = ",";
			}
		if (r->orcpt.n > 0)
			io_printf(s->io, " ORCPT=" STR_FMT, STR_ARG(r->orcpt));
	}
	io_puts(s->io, "\r\n");
}

struct sending {
	struct smtp *s;
	const struct relay_job *job;
	struct arena *arena;
	struct relay_result *results;
	bool *taken; /* this recipient was accepted */
	size_t taken_count;
};

static void
take_rcpt_reply(struct sending *x, size_t i, const struct reply *r)
{
	if (r->code / 100 == 2) {
		x->taken[i] = true;
		x->taken_count++;
		return;
	}
	result_of(&x->results[i], x->s, r, x->arena);
	/* RFC 5321 4.5.3.1.10: too many at a time; the others are sent another time. */
	if (r->code == 552) {
		x->results[i].outcome = TEMPFAIL;
		x->results[i].status = STR("4.5.3");
	}
}

/* Everybody who was accepted gets this word. */
static void
word_for_taken(struct sending *x, const struct reply *r)
{
	for (size_t i = 0; i < x->job->recipient_count; i++)
		if (x->taken[i])
			result_of(&x->results[i], x->s, r, x->arena);
}

static enum outcome
forget(struct smtp *s)
{
	struct reply r;

	return smtp_ask(s, WAIT_MAIL_MS, &r, "RSET") && r.code == 250 ? DONE : GONE;
}

enum envelope_end {
	ENVELOPE_GO,   /* 354 was said, or BDAT may begin */
	ENVELOPE_OVER, /* all recipients have their word; the session is clean */
	ENVELOPE_LOST, /* the session is broken */
};

/* The reply to what was just put; nothing may have been said before it is asked for. */
static bool
step(struct smtp *s, struct reply *r)
{
	if (io_input(s->io).n > 0) {
		s->broken = true;
		return false;
	}
	return smtp_reply(s, WAIT_MAIL_MS, r, NULL);
}

/* One by one. */
static enum envelope_end
envelope_in_steps(struct sending *x, bool utf8, bool chunks)
{
	struct smtp *s = x->s;
	struct reply r;

	put_mail(s, x->job, utf8);
	if (!step(s, &r))
		return ENVELOPE_LOST;
	if (r.code / 100 != 2) {
		all_of(x->results, x->job->recipient_count, s, &r, x->arena);
		return ENVELOPE_OVER;
	}
	for (size_t i = 0; i < x->job->recipient_count; i++) {
		put_rcpt(s, &x->job->recipients[i]);
		if (!step(s, &r))
			return ENVELOPE_LOST;
		take_rcpt_reply(x, i, &r);
	}
	if (x->taken_count == 0)
		return forget(s) == DONE ? ENVELOPE_OVER : ENVELOPE_LOST;
	if (chunks)
		return ENVELOPE_GO;
	if (!smtp_ask(s, WAIT_DATA_MS, &r, "DATA"))
		return ENVELOPE_LOST;
	if (r.code == 354)
		return ENVELOPE_GO;
	word_for_taken(x, &r);
	return forget(s) == DONE ? ENVELOPE_OVER : ENVELOPE_LOST;
}

/* RFC 2920 3.1: in one segment; the replies come in order. */
static enum envelope_end
envelope_at_once(struct sending *x, bool utf8, bool chunks)
{
	struct smtp *s = x->s;
	struct reply mail, data, r;

	put_mail(s, x->job, utf8);
	for (size_t i = 0; i < x->job->recipient_count; i++)
		put_rcpt(s, &x->job->recipients[i]);
	if (!chunks)
		io_puts(s->io, "DATA\r\n");
	if (!smtp_reply(s, WAIT_MAIL_MS, &mail, NULL))
		return ENVELOPE_LOST;
	for (size_t i = 0; i < x->job->recipient_count; i++) {
		if (!smtp_reply(s, WAIT_MAIL_MS, &r, NULL))
			return ENVELOPE_LOST;
		/* With MAIL refused what is said to RCPT only says that. */
		if (mail.code / 100 == 2)
			take_rcpt_reply(x, i, &r);
	}
	if (mail.code / 100 != 2)
		all_of(x->results, x->job->recipient_count, s, &mail, x->arena);
	if (chunks)
		return x->taken_count > 0     ? ENVELOPE_GO
		       : mail.code / 100 != 2 ? ENVELOPE_OVER
		       : forget(s) == DONE    ? ENVELOPE_OVER
					      : ENVELOPE_LOST;
	if (!smtp_reply(s, WAIT_DATA_MS, &data, NULL))
		return ENVELOPE_LOST;
	if (data.code == 354 && x->taken_count > 0)
		return ENVELOPE_GO;
	if (data.code == 354) {
		/* It wants a message for nobody: an empty one, and its verdict does not matter. */
		return smtp_ask(s, WAIT_END_MS, &r, ".") ? ENVELOPE_OVER : ENVELOPE_LOST;
	}
	word_for_taken(x, &data);
	return forget(s) == DONE ? ENVELOPE_OVER : ENVELOPE_LOST;
}

/* --- the message --- */

static bool
read_piece(const struct relay_job *job, uint64_t at, char *piece, size_t *n)
{
	ssize_t got;

	do
		got = pread(job->fd, piece, (size_t)MIN(job->size - at, (uint64_t)PIECE),
		    (off_t)(job->skip + at));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		log_event(LOG_WARN, "relay.read", kv_id("t", job->id),
		    kv_int("errno", got < 0 ? errno : 0), KV_END);
	*n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* False: the file could not be read to its end, so the session must not end the message. */
static bool
put_data(struct sending *x)
{
	char *piece = arena_alloc(x->arena, PIECE);
	struct dot d = { 0 };
	size_t n;

	for (uint64_t at = 0; at < x->job->size; at += n) {
		struct scan in;
		struct str out;

		if (!read_piece(x->job, at, piece, &n))
			return false;
		in = scan_of(str_n(piece, n));
		while (dot_next(&d, &in, &out))
			io_put(x->s->io, out);
		io_spill(x->s->io);
	}
	io_put(x->s->io, dot_end(&d));
	return true;
}

/* RFC 3030: the octets as they are, in one chunk. */
static bool
put_chunk(struct sending *x)
{
	char *piece = arena_alloc(x->arena, PIECE);
	size_t n;

	io_printf(x->s->io, "BDAT %llu LAST\r\n", (unsigned long long)x->job->size);
	for (uint64_t at = 0; at < x->job->size; at += n) {
		if (!read_piece(x->job, at, piece, &n))
			return false;
		io_put(x->s->io, str_n(piece, n));
		io_spill(x->s->io);
	}
	return true;
}

static enum outcome
send_message(struct sending *x, bool utf8, bool chunks)
{
	struct smtp *s = x->s;
	struct reply r;

	switch ((s->can & CAN_PIPELINING) != 0 ? envelope_at_once(x, utf8, chunks)
					       : envelope_in_steps(x, utf8, chunks)) {
	case ENVELOPE_GO:
		break;
	case ENVELOPE_OVER:
		return s->broken ? GONE : DONE;
	case ENVELOPE_LOST:
		return GONE;
	}
	if (!(chunks ? put_chunk(x) : put_data(x))) {
		s->broken = true;
		return GONE;
	}
	if (!smtp_reply(s, WAIT_END_MS, &r, NULL))
		return GONE;
	word_for_taken(x, &r);
	return r.code == 421 ? GONE : DONE;
}

enum outcome
smtp_send(
    struct smtp *s, const struct relay_job *job, struct arena *arena, struct relay_result *results)
{
	struct sending x = {
		.s = s,
		.job = job,
		.arena = arena,
		.results = results,
		.taken = arena_array(arena, job->recipient_count, sizeof(*x.taken)),
	};
	size_t n = job->recipient_count;
	bool utf8 = needs_utf8(job, arena);
	bool binary = (job->flags & DELIVER_BINARY) != 0;

	if (utf8 && (s->can & CAN_SMTPUTF8) == 0)
		return not_to_be_sent(results, n, s, arena, 553, "5.6.7",
		    "The next host does not take internationalized mail");
	if (binary && (s->can & (CAN_CHUNKING | CAN_BINARYMIME)) != (CAN_CHUNKING | CAN_BINARYMIME))
		return not_to_be_sent(
		    results, n, s, arena, 554, "5.6.1", "The next host does not take binary mail");
	if (s->size_max > 0 && job->size > s->size_max) /* RFC 1870 6.2 */
		return not_to_be_sent(
		    results, n, s, arena, 552, "5.3.4", "Too large for the next host");
	return send_message(&x, utf8, binary);
}
