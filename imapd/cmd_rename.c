/*
 * cmd_rename.c - RENAME: RFC 3501 6.3.5.
 */
#include "imapd/command.h"

/* The selected folder goes with its name: what was known of it under the old one is over. */
static bool
moves_along(struct imap *s, struct str from)
{
	struct str name;

	if (!selected(s) || str_eq(from, STR("INBOX"))) /* only its messages move */
		return false;
	name = folder_name(s->view.folder);
	return str_starts(name, from) && (name.n == from.n || name.p[from.n] == FOLDER_SEP);
}

enum outcome
cmd_rename(struct imap *s, struct command *c)
{
	struct why why = { 0 };
	struct str from, to;
	enum outcome o;

	if (!mailbox_parse(c, &from))
		return DONE;
	if (!parse_sp(&c->args))
		return reply_bad(c, c->args.wrong);
	if (!mailbox_parse(c, &to))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	o = home_has_folder(s->home, from, &why);
	if (o == PERMFAIL)
		return reply_no(c, "NONEXISTENT", "There is no such mailbox");
	if (o == DONE && home_has_folder(s->home, to, NULL) == DONE)
		return reply_no(c, "ALREADYEXISTS", "There is a mailbox of the new name");
	if (o == DONE && moves_along(s, from))
		imap_unselect(s);
	if (o == DONE)
		o = home_rename_folder(s->home, from, to, imap_store_deadline(s), &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "CANNOT");
}
