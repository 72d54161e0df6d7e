/*
 * submission.c - what a submission server mends (RFC 6409 8) and refuses.
 *
 * Date and Message-ID are added when they are missing, in front, so that the
 * client's own header stays as it is (and its signature valid).  With
 * submission_check_from the From field has to be an address of the user, like
 * the envelope's sender (RFC 6409 6.1): it is what people read.
 */
#include "base/codec.h"
#include "base/log.h"
#include "mail/addrlist.h"
#include "mail/header.h"
#include "mail/trace.h"
#include "smtpd/session.h"

#define FROM_MAX 20 /* addresses in From that are looked up */

/* Each mailbox of a From value must be the user's. */
static enum outcome
check_from(struct smtp *s, struct str value, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct addrlist list;
	enum outcome o = DONE;

	if (!arena_has_room(s->tx_arena, 2 * value.n + 96 * FROM_MAX + 64 * 1024))
		return fail(PERMFAIL, why, 550, "5.7.1", "From field too long");
	addrlist_parse(value, s->tx_arena, FROM_MAX, &list);
	if (list.cut)
		return fail(PERMFAIL, why, 550, "5.7.1", "Too many addresses in From");
	for (size_t i = 0; i < list.n && o == DONE; i++) {
		const struct addr *a = &list.v[i];
		struct str text;

		if (a->kind != ADDR_MAILBOX)
			continue;
		text = str_of(arena_printf(
		    s->tx_arena, STR_FMT "@" STR_FMT, STR_ARG(a->local), STR_ARG(a->domain)));
		if (str_eq_nocase(text, s->tx->from)) /* judged at MAIL */
			continue;
		o = b->may_send(b->arg, s->id, s->user, text, why);
		if (o == PERMFAIL) /* as RFC 6409 6.1 says it of the envelope */
			o = fail(PERMFAIL, why, 550, "5.7.1", "From is not an address of yours");
	}
	return o;
}

enum outcome
submission_check(struct smtp *s, struct str header, struct buf *lines, struct why *why)
{
	struct header_iter it = header_iter(header);
	bool date = false, id = false;
	struct field f;

	while (header_next(&it, &f)) { /* at most BODY_MEMORY octets */
		if (str_eq_nocase(f.name, STR("Date")))
			date = true;
		else if (str_eq_nocase(f.name, STR("Message-ID")))
			id = true;
		else if (s->set->conf->submission_check_from &&
			 str_eq_nocase(f.name, STR("From"))) {
			enum outcome o = check_from(s, f.value, why);
			if (o != DONE)
				return o;
		}
	}
	if (!id) { /* RFC 6409 8.3 */
		unsigned char random[16];

		random_octets(random, sizeof(random));
		(void)buf_puts(lines, "Message-ID: ");
		(void)msgid_put(lines, wall_s(), random, s->set->hostname);
		(void)buf_puts(lines, "\r\n");
	}
	if (!date) { /* RFC 6409 8.2 */
		(void)buf_puts(lines, "Date: ");
		(void)date_put(lines, (struct maildate){ .time = wall_s() });
		(void)buf_puts(lines, "\r\n");
	}
	return DONE;
}
