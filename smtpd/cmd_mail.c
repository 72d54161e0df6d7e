/*
 * cmd_mail.c - MAIL: open a mail transaction.
 *
 * RFC 5321 4.1.1.2.  Parameters: params.h.
 *
 * A transaction lives from a successful MAIL to the reply that ends DATA or
 * the last BDAT, or to RSET, EHLO, STARTTLS or QUIT, whichever is first.
 *
 * A user may only use senders that are his (RFC 6409 6.1); whether they are
 * is authd's answer.  The null sender is everybody's: read receipts need it.
 */
#include "base/codec.h"
#include "smtpd/session.h"

static enum outcome
bad_sender(enum address_fault fault, struct why *why)
{
	if (fault == ADDRESS_NEEDS_UTF8) /* RFC 6531 3.5 */
		return fail(PERMFAIL, why, 553, "5.6.7", "That sender needs SMTPUTF8");
	return fail(
	    PERMFAIL, why, 501, "5.1.7", "Bad sender address: %s", address_fault_text(fault));
}

static void
tx_open(struct smtp *s, const struct mailaddr *from, const struct mail_params *params)
{
	struct tx *tx = ARENA_NEW(s->tx_arena, struct tx);

	while (tx->id == 0)
		tx->id = random_u64();
	tx->began_us = clock_us();
	tx->from = address_text(s->tx_arena, from);
	tx->params = *params;
	tx->params.envid = arena_str(s->tx_arena, params->envid);
	tx->params.auth = arena_str(s->tx_arena, params->auth);
	body_init(&tx->body, s->set->conf->message_size);
	s->tx = tx;
}

enum outcome
cmd_mail(struct smtp *s, struct scan args, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct mail_params params;
	enum address_fault fault;
	struct mailaddr from;
	enum outcome o;

	if (s->tx != NULL) /* RFC 5321 4.1.4: no nested transactions */
		return fail(PERMFAIL, why, 503, "5.5.1", "A transaction is open");
	if (!scan_word(&args, "FROM:"))
		return fail(PERMFAIL, why, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
	(void)scan_blanks(&args); /* "FROM: <a@b>" is wrong and common */
	fault = scan_path(&args, s->command, ADDRESS_ALLOW_NULL | ADDRESS_ALLOW_UTF8, &from);
	if (fault != ADDRESS_OK)
		return bad_sender(fault, why);
	o = mail_params_parse(&args, &params, why);
	if (o != DONE)
		return o;
	if ((from.marks & ADDRESS_UTF8) != 0 && !params.smtputf8)
		return bad_sender(ADDRESS_NEEDS_UTF8, why);

	/* RFC 1870 6.1: the declared size is a hint; the body is counted. */
	if (params.size > s->set->conf->message_size)
		return fail(PERMFAIL, why, 552, "5.3.4", "Message too large, the limit is %llu",
		    (unsigned long long)s->set->conf->message_size);
	if (s->user.n > 0 && (from.marks & ADDRESS_NULL) == 0) {
		o = b->may_send(b->arg, s->id, s->user, address_text(s->command, &from), why);
		if (o != DONE)
			return o;
	}
	tx_open(s, &from, &params);
	return reply(s, 250, "2.1.0", "Ok");
}
