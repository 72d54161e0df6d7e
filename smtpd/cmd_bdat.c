/*
 * cmd_bdat.c - BDAT: the message in counted chunks (RFC 3030 2).
 *
 * The octets of a chunk come whatever we think of it, so a refused chunk is
 * read and dropped and then answered; its octets are never taken for commands
 * (CVE-2017-16943).  Where the count itself cannot be read, or is beyond
 * anything we would drain, nobody can say where the next command begins: the
 * connection is closed.
 *
 * After a failure only RSET (or EHLO) opens a new transaction; further chunks,
 * which may be in the pipeline already, are dropped and answered with 503.
 */
#include "smtpd/session.h"

/* chunk-size [SP "LAST"] */
static bool
scan_chunk(struct scan *args, uint64_t *size, bool *last)
{
	*last = false;
	if (!scan_u64(args, size))
		return false;
	if (scan_end(args))
		return true;
	*last = scan_blanks(args) && scan_word(args, "LAST") && scan_end(args);
	return *last;
}

/* May a chunk come now?  Whatever the answer, the octets have to be read. */
static enum outcome
may_come(struct smtp *s, struct why *why)
{
	if (smtp_needs_login(s))
		return fail(PERMFAIL, why, 530, "5.7.0", "Authentication required");
	if (s->tx == NULL)
		return fail(PERMFAIL, why, 503, "5.5.1", "Need MAIL command first");
	if (s->tx->stage == TX_BROKEN)
		return fail(PERMFAIL, why, 503, "5.5.1", "This message has failed, RSET it");
	if (s->tx->count == 0)
		return fail(PERMFAIL, why, 554, "5.5.1", "No valid recipients");
	return s->tx->stage == TX_RECIPIENTS ? message_open(s, why) : DONE;
}

enum outcome
cmd_bdat(struct smtp *s, struct scan args, struct why *why)
{
	uint64_t most = 2 * s->set->conf->message_size + SMTP_SKIP_MAX;
	uint64_t size;
	bool last;

	if (!scan_chunk(&args, &size, &last))
		return hang_up_now(s, 501, "5.5.4", "Syntax: BDAT size [LAST]; closing");
	if (size > most)
		return hang_up_now(s, 552, "5.3.4", "Chunk too large, closing");
	s->held.code = 0; /* 0: take the octets */
	if (may_come(s, &s->held) != DONE && s->tx != NULL)
		s->tx->stage = TX_BROKEN;
	s->chunk_last = last;
	s->chunk_left = size;
	s->text_began_ms = clock_ms();
	s->text_octets = 0;
	s->state = SMTP_CHUNK;
	return DONE;
}

/* The chunk is all there: answer it. */
static enum step
chunk_end(struct smtp *s)
{
	struct tx *tx = s->tx;

	s->state = SMTP_COMMAND;
	if (s->held.code != 0) {
		reply_why(s, &s->held);
		return s->held.code >= 500 ? count_error(s) : STEP_MORE;
	}
	if (s->chunk_last)
		return message_end(s);
	if (tx->body.outcome != DONE) { /* too large, no room: say it now and not at the end */
		tx->stage = TX_BROKEN;
		reply_why(s, &tx->body.why);
		return STEP_MORE;
	}
	(void)reply(s, 250, "2.0.0", "Ok, %llu octets", (unsigned long long)tx->body.octets);
	return STEP_MORE;
}

enum step
bdat_feed(struct smtp *s)
{
	struct str in = str_first(io_input(s->io), MIN(s->chunk_left, (uint64_t)SIZE_MAX));

	if (s->chunk_left == 0)
		return chunk_end(s);
	if (in.n == 0)
		return STEP_WAIT;
	if (s->held.code == 0) {
		undot_look(&s->tx->undot, in);
		message_put(s, in);
	}
	io_consume(s->io, in.n);
	s->chunk_left -= in.n;
	s->text_octets += in.n;
	s->progress = true;
	return STEP_MORE;
}
