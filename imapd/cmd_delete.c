/*
 * cmd_delete.c - DELETE: RFC 3501 6.3.4.
 *
 * A folder with others below it goes like any other; the name is then listed
 * as \NonExistent \HasChildren.
 */
#include "imapd/command.h"

enum outcome
cmd_delete(struct imap *s, struct command *c)
{
	struct why why = { 0 };
	struct str name;
	enum outcome o;

	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if (str_eq(name, STR("INBOX")))
		return reply_no(c, "CANNOT", "INBOX cannot be deleted");
	o = home_has_folder(s->home, name, &why);
	if (o == PERMFAIL)
		return reply_no(c, "NONEXISTENT", "There is no such mailbox");
	if (o != DONE)
		return reply_failed(c, o, &why, "CANNOT");
	/* RFC 9051 6.3.5 leaves open what becomes of the selected one: here it is left first. */
	if (selected(s) && str_eq(folder_name(s->view.folder), name))
		imap_unselect(s);
	o = home_delete_folder(s->home, name, imap_store_deadline(s), &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "CANNOT");
}
