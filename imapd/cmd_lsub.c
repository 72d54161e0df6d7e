/*
 * cmd_lsub.c - LSUB: RFC 3501 6.3.9.
 *
 * A level that is not subscribed itself, but above a subscribed name that the
 * pattern does not reach, is told as \Noselect.
 */
#include "imapd/list.h"
#include "imapd/pattern.h"

static bool
hides_subscribed(const struct folder_tree *t, struct str name, struct str pattern)
{
	size_t from, to;

	tree_below(t, name, &from, &to);
	for (size_t i = from; i < to; i++) {
		if (t->v[i].subscribed && !pattern_match(pattern, t->v[i].name, FOLDER_SEP))
			return true;
	}
	return false;
}

enum outcome
cmd_lsub(struct imap *s, struct command *c)
{
	struct str reference, raw, pattern;
	struct folder_tree tree;
	struct why why = { 0 };
	enum outcome o;

	if (!parse_astring(&c->args, &reference) || !parse_sp(&c->args) ||
	    !parse_list_mailbox(&c->args, &raw) || !parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if (raw.n == 0) {
		list_put_root(s, "LSUB");
		return reply_done(c);
	}
	if (!list_pattern(c, reference, raw, &pattern))
		return reply_done(c); /* no name is like that */
	o = tree_load(s, c, &tree, &why);
	if (o != DONE)
		return reply_failed(c, o, &why, "SERVERBUG");
	for (size_t i = 0; i < tree.n; i++) {
		const struct folder_info *f = &tree.v[i];

		if (!pattern_match(pattern, f->name, FOLDER_SEP) ||
		    (!f->subscribed && !hides_subscribed(&tree, f->name, pattern)))
			continue;
		io_printf(
		    s->io, "* LSUB (%s) \"%c\" ", f->subscribed ? "" : "\\Noselect", FOLDER_SEP);
		mailbox_put(s, f->name);
		io_puts(s->io, "\r\n");
	}
	return reply_done(c);
}
