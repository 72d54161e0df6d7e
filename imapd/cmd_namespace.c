/*
 * cmd_namespace.c - NAMESPACE: RFC 2342.  One personal namespace, no prefix.
 */
#include "imapd/command.h"

enum outcome
cmd_namespace(struct imap *s, struct command *c)
{
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	io_printf(s->io, "* NAMESPACE ((\"\" \"%c\")) NIL NIL\r\n", FOLDER_SEP);
	return reply_done(c);
}
