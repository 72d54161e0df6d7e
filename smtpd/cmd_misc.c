/*
 * cmd_misc.c - commands of a line or two: RSET, NOOP, VRFY, EXPN, HELP, QUIT
 * (RFC 5321 4.1.1.5 to 4.1.1.10), and those we know only to refuse.
 */
#include "base/log.h"
#include "smtpd/session.h"

enum outcome
cmd_rset(struct smtp *s, struct scan args, struct why *why)
{
	smtp_reset(s);
	return reply(s, 250, "2.0.0", "Ok");
}

enum outcome
cmd_noop(struct smtp *s, struct scan args, struct why *why)
{
	return reply(s, 250, "2.0.0", "Ok");
}

/* RFC 5321 3.5.3 and 7.3: who is a mailbox here is told at RCPT, not before. */
enum outcome
cmd_vrfy(struct smtp *s, struct scan args, struct why *why)
{
	if (scan_end(&args))
		return fail(PERMFAIL, why, 501, "5.5.4", "Of whom?");
	return reply(s, 252, "2.5.0", "Cannot verify, but will take a message and try");
}

enum outcome
cmd_help(struct smtp *s, struct scan args, struct why *why)
{
	return reply(s, 214, "2.0.0",
	    "HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT HELP AUTH STARTTLS");
}

enum outcome
cmd_quit(struct smtp *s, struct scan args, struct why *why)
{
	(void)reply(s, 221, "2.0.0", "Bye");
	return GONE;
}

enum outcome
cmd_refused(struct smtp *s, struct scan args, struct why *why)
{
	return fail(PERMFAIL, why, 502, "5.5.1", "Command not implemented");
}

/* faults.md 7: a web page can make a browser speak to us; nothing it says is run. */
enum outcome
cmd_foreign(struct smtp *s, struct scan args, struct why *why)
{
	log_event(LOG_INFO, "smtp.foreign", kv_id("s", s->id), kv_cstr("ip", s->ip), KV_END);
	return hang_up_now(s, 421, "4.7.0", "This is SMTP, closing");
}
