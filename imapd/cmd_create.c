/*
 * cmd_create.c - CREATE: RFC 3501 6.3.3, with USE of RFC 6154 5.
 */
#include "imapd/command.h"

/* " (USE (\Sent \Junk))" */
static bool
parse_use(struct parse *p, unsigned *use, bool *unknown)
{
	struct flag_list list;

	if (!parse_char(p, ' ') || scan_end(&p->s))
		return true;
	if (!parse_char(p, '(') || !parse_word(p, "USE") || !parse_sp(p) ||
	    !parse_flag_list(p, false, &list) || !parse_char(p, ')'))
		return parse_wrong(p, "Expected (USE (...))");
	for (size_t i = 0; i < list.count; i++) {
		enum special_use one = special_use_of(list.flag[i]);

		if (one == USE_NONE)
			*unknown = true;
		*use |= one;
	}
	return true;
}

enum outcome
cmd_create(struct imap *s, struct command *c)
{
	bool unknown = false;
	unsigned use = 0;
	struct str raw, name;
	struct why why = { 0 };
	enum outcome o;

	if (!parse_astring(&c->args, &raw))
		return reply_bad(c, "Expected a mailbox name");
	if (!parse_use(&c->args, &use, &unknown) || !parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	/* A separator at the end says that names below it will follow: nothing to do for us. */
	if (raw.n > 1 && raw.p[raw.n - 1] == FOLDER_SEP)
		raw.n--;
	if (!mailbox_decode(c, raw, &name))
		return DONE;
	if (unknown) /* RFC 6154 5.2 */
		return reply_no(c, "USEATTR", "That special use is not known here");
	if (home_has_folder(s->home, name, NULL) == DONE)
		return reply_no(c, "ALREADYEXISTS", "There is a mailbox of this name");
	o = home_create_folder(s->home, name, use, imap_store_deadline(s), &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "CANNOT");
}
