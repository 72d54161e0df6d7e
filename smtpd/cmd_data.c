/*
 * cmd_data.c - DATA: the message as text, to CRLF.CRLF (RFC 5321 4.1.1.4).
 *
 * A client waits for 354 before it sends the text (RFC 2920 3.1).  One that
 * does not is served all the same when DATA is accepted; but when DATA is
 * refused and something stands behind it already, that may be a message, whose
 * lines must not be run as commands: the connection is closed.
 */
#include "smtpd/session.h"

static enum outcome
may_begin(struct smtp *s, struct why *why)
{
	if (s->tx->count == 0)
		return fail(PERMFAIL, why, 554, "5.5.1", "No valid recipients");
	if (s->tx->params.body == BODY_BINARYMIME) /* RFC 3030 3 */
		return fail(PERMFAIL, why, 503, "5.5.1", "BINARYMIME needs BDAT");
	return message_open(s, why);
}

enum outcome
cmd_data(struct smtp *s, struct scan args, struct why *why)
{
	enum outcome o;

	if (!scan_end(&args))
		return fail(PERMFAIL, why, 501, "5.5.4", "No parameters allowed");
	o = may_begin(s, why);
	if (o != DONE) {
		if (io_input(s->io).n == 0)
			return o;
		reply_why(s, why);
		return hang_up_now(s, 421, "4.5.0", "Text behind a DATA that was refused, closing");
	}
	s->state = SMTP_DATA;
	s->text_began_ms = clock_ms();
	s->text_octets = 0;
	return reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
}

enum step
data_feed(struct smtp *s)
{
	struct scan in = scan_of(io_input(s->io));
	const char *from = in.p;
	struct str piece;

	if (scan_end(&in))
		return STEP_WAIT;
	while (undot_next(&s->tx->undot, &in, &piece))
		message_put(s, piece);
	io_consume(s->io, (size_t)(in.p - from));
	s->text_octets += (size_t)(in.p - from);
	s->progress = true;
	if (s->tx->undot.done) {
		s->state = SMTP_COMMAND;
		return message_end(s);
	}
	if (s->tx->body.octets > 2 * s->tx->body.max + SMTP_SKIP_MAX)
		return hang_up(s, 421, "4.3.4", "Message without end, closing");
	return STEP_MORE;
}
