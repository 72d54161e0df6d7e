/*
 * cmd_subscribe.c - SUBSCRIBE and UNSUBSCRIBE: RFC 3501 6.3.6, 6.3.7.
 *
 * A name that does not exist can be subscribed to: 6.3.6 lets a server
 * check, but clients restore their lists before the folders.
 */
#include "imapd/command.h"

static enum outcome
subscribe(struct imap *s, struct command *c, bool subscribed)
{
	struct why why = { 0 };
	struct str name;
	enum outcome o;

	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	o = home_subscribe(s->home, name, subscribed, imap_store_deadline(s), &why);
	return o == DONE ? reply_done(c) : reply_failed(c, o, &why, "CANNOT");
}

enum outcome
cmd_subscribe(struct imap *s, struct command *c)
{
	return subscribe(s, c, true);
}

enum outcome
cmd_unsubscribe(struct imap *s, struct command *c)
{
	return subscribe(s, c, false);
}
