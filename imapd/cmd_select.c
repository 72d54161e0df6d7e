/*
 * cmd_select.c - SELECT, EXAMINE, CLOSE, UNSELECT: RFC 3501 6.3.1, 6.3.2,
 * 6.4.2, RFC 3691; the CONDSTORE parameter of RFC 7162 3.1.8.
 */
#include "imapd/announce.h"

/* select-params of RFC 4466 2.1: "(CONDSTORE)". */
static bool
parse_params(struct parse *p, bool *condstore)
{
	if (!parse_char(p, ' ') || scan_end(&p->s))
		return true;
	if (!parse_char(p, '('))
		return parse_wrong(p, "Expected parameters in parentheses");
	do {
		if (!parse_word(p, "CONDSTORE"))
			return parse_wrong(p, "Unknown parameter");
		*condstore = true;
	} while (parse_char(p, ' '));
	return parse_char(p, ')') || parse_wrong(p, "Expected the end of the parameters");
}

static void
put_selected(struct imap *s)
{
	struct folder_summary summary;
	uint32_t unseen = view_first_unseen(&s->view);

	view_summary(&s->view, &summary);
	io_puts(s->io, "* FLAGS ");
	put_flag_names(s, false);
	io_puts(s->io, "\r\n* OK [PERMANENTFLAGS ");
	if (s->read_only)
		io_puts(s->io, "()");
	else
		put_flag_names(s, true);
	io_puts(s->io, "] Flags that stay\r\n");
	io_printf(s->io, "* %u EXISTS\r\n* %u RECENT\r\n", view_count(&s->view), count_recent(s));
	if (unseen != 0)
		io_printf(s->io, "* OK [UNSEEN %u] First unseen message\r\n", unseen);
	io_printf(s->io, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", summary.uidvalidity);
	io_printf(s->io, "* OK [UIDNEXT %u] Predicted next UID\r\n", s->view.uidnext_told);
	/* What the client is told of, which may be less than what has happened by now. */
	io_printf(s->io, "* OK [HIGHESTMODSEQ %llu] Highest modseq\r\n",
	    (unsigned long long)s->view.flags_told);
}

static enum outcome
open_mailbox(struct imap *s, struct command *c, bool read_only)
{
	struct folder *folder = NULL;
	bool condstore = false;
	struct why why = { 0 };
	struct str name;
	enum outcome o;

	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_params(&c->args, &condstore) || !parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	/* RFC 3501 6.3.1: also a SELECT that fails leaves nothing selected. */
	imap_unselect(s);
	if (!folder_get(s, c, name, "NONEXISTENT", &folder))
		return DONE;
	o = view_open(folder, imap_store_deadline(s), &s->view, &why);
	folder_release(&folder);
	if (o != DONE) {
		s->view = (struct view){ 0 };
		return reply_failed(c, o, &why, "NONEXISTENT");
	}
	s->entered = true;
	s->read_only = read_only;
	s->is_inbox = str_eq(name, STR("INBOX"));
	s->condstore |= condstore;
	mailbox_watch(s->d->boxes, home_path(s->home), name, s->view.flags_told, &s->watcher);
	take_recent(s);
	put_selected(s);
	return reply_ok(c, read_only ? "READ-ONLY" : "READ-WRITE", "%s completed", c->row->name);
}

enum outcome
cmd_select(struct imap *s, struct command *c)
{
	return open_mailbox(s, c, false);
}

enum outcome
cmd_examine(struct imap *s, struct command *c)
{
	return open_mailbox(s, c, true);
}

/* RFC 3501 6.4.2: removes what is \Deleted, without EXPUNGE responses. */
enum outcome
cmd_close(struct imap *s, struct command *c)
{
	struct seqset all = SEQSET_EMPTY;
	struct why why = { 0 };
	uint64_t modseq;
	enum outcome o = DONE;

	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if (!s->read_only) {
		seqset_add(&all, 1, UINT32_MAX);
		o = folder_expunge(
		    s->view.folder, &all, true, imap_store_deadline(s), NULL, &modseq, &why);
		seqset_free(&all);
	}
	imap_unselect(s);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "SERVERBUG");
}

enum outcome
cmd_unselect(struct imap *s, struct command *c)
{
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	imap_unselect(s);
	return reply_done(c);
}
