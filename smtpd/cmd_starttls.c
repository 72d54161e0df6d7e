/*
 * cmd_starttls.c - STARTTLS (RFC 3207).
 *
 * Everything the client said in clear is forgotten (RFC 3207 4.2): its name,
 * its transaction, and above all the octets that stand behind the command in
 * the same segment, which somebody on the way may have put there
 * (CVE-2011-0411).
 */
#include "base/log.h"
#include "smtpd/session.h"

enum outcome
cmd_starttls(struct smtp *s, struct scan args, struct why *why)
{
	if (smtp_has_tls(s))
		return fail(PERMFAIL, why, 503, "5.5.1", "TLS is there already");
	if (s->set->tls == NULL)
		return fail(PERMFAIL, why, 502, "5.5.1", "No TLS here");
	if (s->user.n > 0) /* in clear by setting only; RFC 3207 4.2 would have to forget it */
		return fail(PERMFAIL, why, 503, "5.5.1", "Not after AUTH");

	(void)reply(s, 220, "2.0.0", "Ready to start TLS");
	if (io_flush(s->io, deadline_in(SMTP_WRITE_MS)) != DONE)
		return GONE;
	if (io_input(s->io).n > 0)
		log_event(LOG_WARN, "smtp.injected", kv_id("s", s->id), kv_cstr("ip", s->ip),
		    kv_uint("octets", io_input(s->io).n), KV_END);
	smtp_reset(s);
	s->helo_n = 0;
	s->esmtp = false;
	arena_reset(s->arena);
	io_start_tls_server(s->io, s->set->tls); /* drops what was read */
	s->state = SMTP_HANDSHAKE;
	return DONE;
}
