/*
 * message.c - from the first octet of a message to the reply that ends it.
 *
 * When the message's header has arrived (with the last octet of a short
 * message, when memory is full with a long one) it is looked at once and the
 * lines that go in front of it are made: Return-Path and Delivered-To as
 * deliver wants them (deliver_proto.h), Received, and on submission what the
 * client forgot.  All that Received says was known before.
 *
 * 250 is said when deliver has said DONE, and never else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mail/header.h"
#include "mail/trace.h"
#include "run/tls.h"
#include "smtpd/session.h"

#define LINES_MAX (16 * 1024) /* ours, in front of a message */

enum outcome
message_open(struct smtp *s, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	enum outcome o = b->spool_ready(b->arg, why);

	if (o == DONE)
		s->tx->stage = TX_TEXT;
	return o;
}

/* RFC 3848, and RFC 6531 4.3 where the transaction is one of SMTPUTF8. */
static const char *
with_protocol(const struct smtp *s)
{
	static const char *const names[2][4] = {
		{ "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" },
		{ "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" },
	};

	if (!s->esmtp && s->user.n == 0 && !smtp_has_tls(s))
		return "SMTP";
	return names[s->tx->params.smtputf8][(smtp_has_tls(s) ? 2 : 0) + (s->user.n > 0 ? 1 : 0)];
}

static struct str
tls_words(struct smtp *s)
{
	const struct tls *t = io_tls(s->io);

	if (t == NULL)
		return STR_NONE;
	return str_of(arena_printf(s->tx_arena, "%s %s", tls_version(t), tls_cipher(t)));
}

static struct deliver_envelope
envelope(struct smtp *s)
{
	const struct tx *tx = s->tx;

	return (struct deliver_envelope){
		.id = tx->id,
		.client_ip = str_of(s->ip),
		.helo = str_n(s->helo, s->helo_n),
		.protocol = str_of(with_protocol(s)),
		.auth_user = s->user,
		.from = tx->from,
		.envid = tx->params.envid,
		.ret = tx->params.ret,
		.flags =
		    (tx->params.body == BODY_8BITMIME || tx->body.eightbit ? DELIVER_EIGHTBIT : 0) |
		    (tx->params.body == BODY_BINARYMIME ? DELIVER_BINARY : 0) |
		    (tx->params.smtputf8 ? DELIVER_SMTPUTF8 : 0),
		.size = tx->body.written,
		.recipients = tx->recipients,
		.recipient_count = tx->count,
	};
}

static void
put_received(struct smtp *s, struct buf *lines)
{
	const struct tx *tx = s->tx;
	bool user = s->user.n > 0;
	char id[17];
	struct received r = {
		/* Where a user sits is nobody's business (design: privacy of submission). */
		.helo = user ? STR_NONE : str_n(s->helo, s->helo_n),
		.ip = user ? STR_NONE : str_of(s->ip),
		.by = s->set->hostname,
		.with = str_of(with_protocol(s)),
		.tls = tls_words(s),
		/* RFC 5321 7.6: several would show blind copies to all. */
		.for_address = tx->count == 1 ? tx->recipients[0].address : STR_NONE,
		.date = { .time = wall_s() },
	};

	(void)snprintf(id, sizeof(id), "%llx", (unsigned long long)tx->id);
	r.id = str_of(id);
	(void)received_put(lines, &r);
}

/*
 * What is in front of the text has to be a header: where the text begins with
 * something else (no field at all, or a continuation, which would become part
 * of a line of ours), an empty line goes between.
 */
static bool
begins_with_field(struct str text)
{
	struct header_iter it = header_iter(text);
	struct field f;

	if (text.n > 0 && (text.p[0] == '\r' || text.p[0] == '\n'))
		return true; /* an empty header is one */
	return header_next(&it, &f) && f.name.n > 0;
}

/* The header is in memory: judge it, and make the lines in front of it. */
static enum outcome
make_lines(struct smtp *s, struct buf *lines, struct why *why)
{
	struct str text = buf_str(&s->tx->body.memory);
	size_t header = header_size(text);
	struct deliver_envelope e = envelope(s);
	enum outcome o = DONE;

	/* header_size is all of it when no empty line is there. */
	if (header == text.n && text.n > BODY_MEMORY / 2 && !str_ends(text, STR("\r\n\r\n")))
		return fail(PERMFAIL, why, 552, "5.3.4", "Message header too large");
	text = str_first(text, header);
	if (header_count(text, STR("Received"), SMTP_RECEIVED_MAX) >= SMTP_RECEIVED_MAX)
		return fail(PERMFAIL, why, 554, "5.4.6", "Too many hops, mail is looping");
	if (!deliver_prefix(&e, lines))
		return fail(TEMPFAIL, why, 451, "4.3.0", "Local error");
	put_received(s, lines);
	if (s->service->submission)
		o = submission_check(s, text, lines, why);
	if (!begins_with_field(text))
		(void)buf_puts(lines, "\r\n");
	if (o == DONE && lines->full)
		o = fail(TEMPFAIL, why, 451, "4.3.0", "Local error");
	return o;
}

/* Our lines and what is in memory go to the file.  A failure is remembered. */
static void
begin_file(struct smtp *s)
{
	const struct smtp_backend *b = s->server->backend;
	struct body *body = &s->tx->body;
	struct buf lines;
	struct why why;
	enum outcome o;

	buf_init(&lines, LINES_MAX);
	o = make_lines(s, &lines, &why);
	if (o == DONE)
		o = b->spool_take(b->arg, &body->spool, &why);
	if (o == DONE)
		body_begin(body, buf_str(&lines));
	else
		body_fail(body, o, &why);
	buf_free(&lines);
}

static void
account(struct smtp *s)
{
	struct tx *tx = s->tx;
	size_t now = tx->body.memory.room;

	atomic_fetch_add(&s->server->body_memory, now - tx->body_accounted); /* may wrap: adds up */
	tx->body_accounted = now;
}

void
message_put(struct smtp *s, struct str piece)
{
	struct body *body = &s->tx->body;

	if (body_put(body, piece))
		return;
	if (body->begun)
		body_spill(body);
	else
		begin_file(s);
	if (!body_put(body, piece)) /* an empty memory has room */
		abort();
}

void
message_park(struct smtp *s)
{
	struct tx *tx = s->tx;

	if (tx == NULL)
		return;
	account(s);
	if (atomic_load(&s->server->body_memory) <= SMTP_BODY_MEMORY_ALL)
		return;
	/* Only once the header is known to be complete; else it is still short. */
	if (tx->body.begun)
		body_spill(&tx->body);
	else if (tx->body.outcome == DONE && tx->body.memory.n > BODY_MEMORY / 2)
		begin_file(s);
	if (tx->body.memory.n == 0)
		buf_free(&tx->body.memory);
	account(s);
}

struct deadline
message_deadline(const struct smtp *s)
{
	int64_t rate =
	    s->text_began_ms + SMTP_BODY_GRACE_MS +
	    (int64_t)(MIN(s->text_octets, (uint64_t)INT64_MAX / 2000) * 1000 / SMTP_BODY_RATE);

	return deadline_min(deadline_in(SMTP_BLOCK_MS),
	    (struct deadline){ MIN(rate, s->text_began_ms + SMTP_BODY_MS) });
}

/* What the whole text showed. */
static enum outcome
judge(struct smtp *s, struct why *why)
{
	const struct tx *tx = s->tx;

	/* faults.md 1: to somebody behind us a bare LF may end a line, and so a message. */
	if ((tx->undot.marks & UNDOT_BARE_LF) != 0 && tx->params.body != BODY_BINARYMIME &&
	    s->set->conf->smtp_bare_lf == 0)
		return fail(
		    PERMFAIL, why, 550, "5.6.11", "Bare LF in message, lines end with CRLF");
	return DONE;
}

static enum outcome
commit(struct smtp *s, enum deliver_how *how, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct body *body = &s->tx->body;
	struct deliver_envelope e;
	enum outcome o = DONE;

	if (body->outcome == DONE)
		o = judge(s, why);
	if (o != DONE)
		return o;
	if (body->outcome == DONE && body->begun)
		body_spill(body);
	else if (body->outcome == DONE)
		begin_file(s);
	if (body->outcome != DONE) {
		*why = body->why;
		return body->outcome;
	}
	e = envelope(s);
	return b->commit(b->arg, &body->spool, &e, how, why);
}

enum step
message_end(struct smtp *s)
{
	struct tx *tx = s->tx;
	enum deliver_how how = DELIVER_HOW_QUEUED;
	struct why why = { 0 };
	enum outcome o = commit(s, &how, &why);

	log_event(LOG_INFO, "smtp.message", kv_id("s", s->id), kv_id("id", tx->id),
	    kv_str("from", tx->from),
	    kv_str("to", tx->count > 0 ? tx->recipients[0].address : STR_NONE),
	    kv_uint("rcpts", tx->count), kv_uint("size", tx->body.octets),
	    kv_cstr("o", outcome_name(o)), kv_int("code", o == DONE ? 250 : why.code),
	    kv_cstr("how", o != DONE                      ? why.text
			   : how == DELIVER_HOW_DELIVERED ? "delivered"
							  : "queued"),
	    kv_int("us", clock_us() - tx->began_us), KV_END);
	if (o == DONE) {
		(void)reply(s, 250, "2.0.0", "Ok: %s as %llx",
		    how == DELIVER_HOW_DELIVERED ? "delivered" : "queued",
		    (unsigned long long)tx->id);
		s->messages++;
		s->junk = 0;
		s->surplus = 0;
		atomic_fetch_add(&s->server->counts.accepted, 1);
	} else {
		reply_why(s, &why);
		atomic_fetch_add(&s->server->counts.refused, 1);
	}
	tx_close(s);
	return o == PERMFAIL ? count_error(s) : STEP_MORE;
}
