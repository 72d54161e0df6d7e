/*
 * cmd_capability.c - CAPABILITY: RFC 3501 6.1.1.
 */
#include "imapd/command.h"

enum outcome
cmd_capability(struct imap *s, struct command *c)
{
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	io_printf(s->io, "* CAPABILITY %s\r\n", capabilities);
	return reply_done(c);
}
