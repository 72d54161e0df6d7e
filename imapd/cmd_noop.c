/*
 * cmd_noop.c - NOOP and CHECK: RFC 3501 6.1.2, 6.4.1.
 *
 * The work is the dispatcher's: both look for foreign changes and then the
 * news is told.  Every change is durable as the index promises before it is
 * answered, so CHECK has nothing to write out.
 */
#include "imapd/command.h"

enum outcome
cmd_noop(struct imap *s, struct command *c)
{
	return parse_end(&c->args) ? reply_done(c) : reply_bad(c, c->args.wrong);
}

enum outcome
cmd_check(struct imap *s, struct command *c)
{
	return cmd_noop(s, c);
}
