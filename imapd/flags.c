/*
 * flags.c - flags as IMAP writes them.
 */
#include "imapd/flags.h"

static const struct {
	struct str name;
	unsigned bit;
} system_flags[] = {
	{ { "\\Answered", 9 }, MSG_ANSWERED },
	{ { "\\Flagged", 8 }, MSG_FLAGGED },
	{ { "\\Deleted", 8 }, MSG_DELETED },
	{ { "\\Seen", 5 }, MSG_SEEN },
	{ { "\\Draft", 6 }, MSG_DRAFT },
};

/* All system flags and \Recent, with spaces between them. */
#define SYSTEM_ROOM 64

bool
flags_put(struct buf *b, const struct msg_row *row, bool recent, const struct str *keywords,
    size_t keyword_count)
{
	char *room = buf_room(b, SYSTEM_ROOM);
	char *p = room;
	uint64_t left = row->keywords;

	if (room == NULL)
		return false;
	for (size_t i = 0; i < COUNT_OF(system_flags); i++) {
		if ((row->flags & system_flags[i].bit) == 0)
			continue;
		if (p > room)
			*p++ = ' ';
		memcpy(p, system_flags[i].name.p, system_flags[i].name.n);
		p += system_flags[i].name.n;
	}
	if (recent) {
		if (p > room)
			*p++ = ' ';
		memcpy(p, "\\Recent", 7);
		p += 7;
	}
	buf_claim(b, (size_t)(p - room));
	for (bool first = p == room; left != 0; left &= left - 1, first = false) {
		size_t bit = (size_t)__builtin_ctzll(left);

		if (bit >= keyword_count)
			break; /* of a keyword that came after this list of them */
		if (!first && !buf_putc(b, ' '))
			return false;
		if (!buf_put(b, keywords[bit]))
			return false;
	}
	return true;
}

bool
flags_take(
    const struct flag_list *list, unsigned *flags, struct str *keywords, size_t *keyword_count)
{
	*flags = 0;
	*keyword_count = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct str f = list->flag[i];
		size_t k = 0;

		if (f.p[0] != '\\') {
			keywords[(*keyword_count)++] = f;
			continue;
		}
		while (k < COUNT_OF(system_flags) && !str_eq_nocase(f, system_flags[k].name))
			k++;
		if (k == COUNT_OF(system_flags))
			return false;
		*flags |= system_flags[k].bit;
	}
	return true;
}
