/*
 * envelope.c - ENVELOPE (RFC 3501 7.4.2) read back.  The text is our own
 * (mail/imap.h), but it came from a file and is not trusted.
 */
#include "imapd/envelope.h"

#include "mail/words.h"

#define VALUES_MAX 100000 /* strings in one list */

/* An address list, without looking into its strings. */
static bool
take_list(struct parse *p, struct str *raw)
{
	const char *from = p->s.p;
	unsigned depth = 0;
	struct str skip;

	for (size_t i = 0; i < VALUES_MAX; i++) {
		if (parse_char(p, '('))
			depth++;
		else if (parse_char(p, ')')) {
			if (depth == 0)
				return false;
			depth--;
		} else if (parse_char(p, ' '))
			continue;
		else if (!parse_nstring(p, &skip))
			return false;
		if (depth == 0) {
			*raw = str_n(from, (size_t)(p->s.p - from));
			return true;
		}
	}
	return false;
}

bool
envelope_split(struct str text, struct arena *arena, struct envelope *out)
{
	struct parse p = parse_of(text, arena);

	if (!parse_char(&p, '(') || !parse_nstring(&p, &out->date) || !parse_sp(&p) ||
	    !parse_nstring(&p, &out->subject) || !parse_sp(&p))
		return false;
	for (size_t i = 0; i < ENVELOPE_LISTS; i++) {
		if (!take_list(&p, &out->lists[i]) || !parse_sp(&p))
			return false;
	}
	return parse_nstring(&p, &out->in_reply_to) && parse_sp(&p) &&
	       parse_nstring(&p, &out->message_id) && parse_char(&p, ')');
}

struct parse
envelope_addresses(struct str raw, struct arena *arena)
{
	struct parse p = parse_of(raw, arena);

	if (!parse_char(&p, '('))
		p.s.p = p.s.end; /* NIL */
	return p;
}

bool
envelope_next_address(struct parse *list, struct buf *out)
{
	struct str name, route, local, domain;

	(void)parse_char(list, ' '); /* our own text has none between addresses; others do */
	if (!parse_char(list, '(') || !parse_nstring(list, &name) || !parse_sp(list) ||
	    !parse_nstring(list, &route) || !parse_sp(list) || !parse_nstring(list, &local) ||
	    !parse_sp(list) || !parse_nstring(list, &domain) || !parse_char(list, ')'))
		return false;
	if (name.n > 0) {
		(void)words_decode(name, out);
		(void)buf_putc(out, ' ');
	}
	if (local.p != NULL) {
		(void)buf_putc(out, '<');
		(void)words_decode(local, out);
		if (domain.p != NULL)
			(void)(buf_putc(out, '@') && buf_put(out, domain));
		(void)buf_putc(out, '>');
	}
	return true;
}
