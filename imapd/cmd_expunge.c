/*
 * cmd_expunge.c - EXPUNGE: RFC 3501 6.4.3; UID EXPUNGE: RFC 4315 2.1.
 *
 * The EXPUNGE responses are the news that the dispatcher tells.
 */
#include "imapd/command.h"

enum outcome
cmd_expunge(struct imap *s, struct command *c)
{
	struct why why = { 0 };
	uint64_t modseq = 0;
	enum outcome o;

	if (c->uid && !set_parse(s, c))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	/* Only what this client knows of: not what came in the meantime. */
	if (!c->uid && view_last_uid(&s->view) != 0)
		seqset_add(&c->uids, 1, view_last_uid(&s->view));
	o = folder_expunge(
	    s->view.folder, &c->uids, true, imap_store_deadline(s), NULL, &modseq, &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "SERVERBUG");
}
