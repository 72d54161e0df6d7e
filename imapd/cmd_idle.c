/*
 * cmd_idle.c - IDLE: RFC 2177.
 *
 * The session is marked and parks; what wakes it is in session.c.
 */
#include "imapd/command.h"

enum outcome
cmd_idle(struct imap *s, struct command *c)
{
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	s->idle_tag = str_dup(c->tag);
	/* From here on a change wakes us; what came before is looked up now, and told behind this.
	 */
	atomic_store(&s->session.idling, true);
	imap_leave(s);
	if (selected(s) && imap_enter(s, true) == GONE)
		return GONE;
	io_puts(s->io, "+ idling\r\n");
	c->kind = REPLY_NONE;
	return DONE;
}
