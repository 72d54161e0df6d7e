/*
 * cmd_status.c - STATUS: RFC 3501 6.3.10, HIGHESTMODSEQ: RFC 7162 3.1.7.
 */
#include "imapd/status.h"

#include "imapd/announce.h"

static const struct {
	const char *name;
	unsigned item;
} items_known[] = {
	{ "MESSAGES", STATUS_MESSAGES },
	{ "RECENT", STATUS_RECENT },
	{ "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY },
	{ "UNSEEN", STATUS_UNSEEN },
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
};

bool
status_parse(struct parse *p, unsigned *items)
{
	*items = 0;
	if (!parse_char(p, '('))
		return parse_wrong(p, "Expected a list of status items");
	do {
		size_t i = 0;

		while (i < COUNT_OF(items_known) && !parse_word(p, items_known[i].name))
			i++;
		if (i == COUNT_OF(items_known))
			return parse_wrong(p, "Unknown status item");
		*items |= items_known[i].item;
	} while (parse_char(p, ' '));
	return parse_char(p, ')') || parse_wrong(p, "Expected the end of the status items");
}

enum outcome
status_put(struct imap *s, struct str name, unsigned items, struct why *why)
{
	struct deadline d = imap_store_deadline(s);
	struct folder_summary sum;
	struct folder *folder = NULL;
	const char *space = "";
	enum outcome o;

	o = folder_open(s->home, name, false, d, &folder, why);
	if (o == DONE)
		o = folder_status(folder, d, &sum, why);
	folder_release(&folder);
	if (o != DONE)
		return o;
	io_puts(s->io, "* STATUS ");
	mailbox_put(s, name);
	io_puts(s->io, " (");
	for (size_t i = 0; i < COUNT_OF(items_known); i++) {
		unsigned long long v = 0;

		if ((items & items_known[i].item) == 0)
			continue;
		switch ((enum status_item)items_known[i].item) {
		case STATUS_MESSAGES:
			v = sum.messages;
			break;
		case STATUS_RECENT:
			v = sum.recent;
			break;
		case STATUS_UIDNEXT:
			v = sum.uidnext;
			break;
		case STATUS_UIDVALIDITY:
			v = sum.uidvalidity;
			break;
		case STATUS_UNSEEN:
			v = sum.unseen;
			break;
		case STATUS_HIGHESTMODSEQ:
			v = sum.modseq;
			break;
		}
		io_printf(s->io, "%s%s %llu", space, items_known[i].name, v);
		space = " ";
	}
	io_puts(s->io, ")\r\n");
	return DONE;
}

enum outcome
cmd_status(struct imap *s, struct command *c)
{
	struct why why = { 0 };
	struct str name;
	unsigned items;
	enum outcome o;

	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_sp(&c->args) || !status_parse(&c->args, &items) || !parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if ((items & STATUS_HIGHESTMODSEQ) != 0) /* RFC 7162 3.1: a CONDSTORE enabling command */
		enable_condstore(s);
	o = status_put(s, name, items, &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "NONEXISTENT");
}
