/*
 * cmd_logout.c - LOGOUT: RFC 3501 6.1.3.
 */
#include "imapd/command.h"

enum outcome
cmd_logout(struct imap *s, struct command *c)
{
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	imap_bye(s, "Good bye");
	return reply_done(c);
}
