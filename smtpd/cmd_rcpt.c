/*
 * cmd_rcpt.c - RCPT: one more recipient.
 *
 * RFC 5321 4.1.1.3; DSN parameters RFC 3461.  Where mail for the address goes,
 * or why it is refused, is authd's answer, passed on as it is.  What has been
 * accepted here can be delivered: nothing bounces later for a reason that was
 * known now (faults.md 11).
 *
 * No relay: mail for domains that are not ours is taken from users only.
 * authd says so; it is checked here once more (faults.md 10).
 */
#include "base/log.h"
#include "smtpd/session.h"

static enum outcome
bad_recipient(enum address_fault fault, struct why *why)
{
	if (fault == ADDRESS_NEEDS_UTF8) /* RFC 6531 3.5 */
		return fail(PERMFAIL, why, 553, "5.6.7", "That recipient needs SMTPUTF8");
	return fail(
	    PERMFAIL, why, 501, "5.1.3", "Bad recipient address: %s", address_fault_text(fault));
}

static enum outcome
find_route(struct smtp *s, struct str address, struct smtp_route *route, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct smtp_route_ask ask = { .session = s->id, .address = address };
	enum outcome o = b->route(b->arg, &ask, s->tx_arena, route, why);

	if (o != DONE)
		return o;
	assert(route->target_count > 0);
	if (!route->hosted && s->user.n == 0)
		return fail(PERMFAIL, why, 550, "5.7.1", "Relaying denied");
	return DONE;
}

/* A mailbox that is full now would only make the queue longer. */
static enum outcome
check_quota(struct smtp *s, const struct smtp_route *route, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;

	/* With several targets delivery decides for each; one full one must not stop the rest. */
	if (!route->limited)
		return DONE;
	return b->quota(b->arg, route->targets[0].address, s->tx->params.size, why);
}

/* Said twice, delivered once. */
static bool
known(const struct tx *tx, struct str address)
{
	for (size_t i = 0; i < tx->count; i++) /* at most smtp_recipients */
		if (str_eq(tx->recipients[i].address, address))
			return true;
	return false;
}

static void
add(struct smtp *s, struct str address, const struct rcpt_params *params,
    const struct smtp_route *route)
{
	struct tx *tx = s->tx;
	struct deliver_recipient *r;

	if (tx->count == tx->room) {
		size_t room = tx->room > 0 ? tx->room * 2 : 4;
		r = arena_array(s->tx_arena, room, sizeof(*r));
		if (tx->count > 0)
			memcpy(r, tx->recipients, tx->count * sizeof(*r));
		tx->recipients = r;
		tx->room = room;
	}
	r = &tx->recipients[tx->count++];
	r->address = address;
	r->orcpt = arena_str(s->tx_arena, params->orcpt);
	r->notify = params->notify;
	r->targets = route->targets;
	r->target_count = route->target_count;
	tx->targets += route->target_count;
}

enum outcome
cmd_rcpt(struct smtp *s, struct scan args, struct why *why)
{
	bool utf8 = s->tx->params.smtputf8;
	struct smtp_route route = { 0 };
	struct rcpt_params params;
	enum address_fault fault;
	struct mailaddr to;
	struct str address;
	enum outcome o;

	if (!scan_word(&args, "TO:"))
		return fail(PERMFAIL, why, 501, "5.5.4", "Syntax: RCPT TO:<address>");
	(void)scan_blanks(&args);
	fault = scan_path(
	    &args, s->command, ADDRESS_ALLOW_POSTMASTER | (utf8 ? ADDRESS_ALLOW_UTF8 : 0), &to);
	if (fault != ADDRESS_OK)
		return bad_recipient(fault, why);
	o = rcpt_params_parse(&args, utf8, &params, why);
	if (o != DONE)
		return o;
	/* RFC 5321 4.5.3.1.10: 452, and the client comes back with the rest. */
	if (s->tx->count >= s->set->conf->smtp_recipients || s->tx->targets >= SMTP_TARGETS_MAX ||
	    !arena_has_room(s->tx_arena, SMTP_RECIPIENT_ROOM)) {
		if (++s->surplus > SMTP_SURPLUS_MAX)
			return fail(PERMFAIL, why, 552, "5.5.3", "Too many recipients");
		return fail(TEMPFAIL, why, 452, "4.5.3", "Too many recipients");
	}
	address = address_text(s->tx_arena, &to);
	if (known(s->tx, address))
		return reply(s, 250, "2.1.5", "Ok");
	o = find_route(s, address, &route, why);
	if (o == DONE)
		o = check_quota(s, &route, why);
	if (o != DONE)
		return o;
	add(s, address, &params, &route);
	return reply(s, 250, "2.1.5", "Ok");
}
