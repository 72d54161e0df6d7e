/*
 * cmd_getquota.c - GETQUOTA, GETQUOTAROOT and SETQUOTA: RFC 9208 (and
 * RFC 2087): one quota root for the whole mailbox.
 */
#include "imapd/command.h"

#define ROOT "User quota"

static enum outcome
put_quota(struct imap *s, struct command *c)
{
	struct quota_usage usage;
	struct why why = { 0 };
	const char *space = "";
	enum outcome o = home_usage(s->home, imap_store_deadline(s), &usage, &why);

	if (o != DONE)
		return reply_failed(c, o, &why, "SERVERBUG");
	io_puts(s->io, "* QUOTA \"" ROOT "\" (");
	if (s->quota.octets > 0) { /* in units of 1024 octets, RFC 9208 5.1 */
		io_printf(s->io, "STORAGE %llu %llu",
		    (unsigned long long)(usage.octets + 1023) / 1024,
		    (unsigned long long)s->quota.octets / 1024);
		space = " ";
	}
	if (s->quota.messages > 0)
		io_printf(s->io, "%sMESSAGE %llu %llu", space, (unsigned long long)usage.messages,
		    (unsigned long long)s->quota.messages);
	io_puts(s->io, ")\r\n");
	return reply_done(c);
}

enum outcome
cmd_getquota(struct imap *s, struct command *c)
{
	struct str root;

	if (!parse_astring(&c->args, &root) || !parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if (!str_eq(root, STR(ROOT)))
		return reply_no(c, "NONEXISTENT", "There is no such quota root");
	return put_quota(s, c);
}

enum outcome
cmd_getquotaroot(struct imap *s, struct command *c)
{
	struct str name;

	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	/* RFC 9208 4.3: also for a name that does not exist (yet). */
	io_puts(s->io, "* QUOTAROOT ");
	mailbox_put(s, name);
	io_puts(s->io, " \"" ROOT "\"\r\n");
	return put_quota(s, c);
}

enum outcome
cmd_setquota(struct imap *s, struct command *c)
{
	return reply_no(c, "NOPERM", "Quota is set by the administrator");
}
