/*
 * cmd_enable.c - ENABLE: RFC 5161.
 */
#include "imapd/announce.h"

enum outcome
cmd_enable(struct imap *s, struct command *c)
{
	bool condstore = false;
	struct str name;

	do {
		if (!parse_atom(&c->args, &name))
			return reply_bad(c, "Expected a capability");
		/* What is not known is passed over (RFC 5161 3.1). */
		if (str_eq_nocase(name, STR("CONDSTORE")))
			condstore = true;
	} while (parse_char(&c->args, ' ') && !scan_end(&c->args.s));
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	/* "ENABLED" names what this command turned on; again is not on anew. */
	io_puts(s->io, condstore && !s->condstore ? "* ENABLED CONDSTORE\r\n" : "* ENABLED\r\n");
	if (condstore)
		enable_condstore(s);
	return reply_done(c);
}
