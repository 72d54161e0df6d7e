/*
 * cmd_hello.c - EHLO and HELO: who the client says it is (RFC 5321 4.1.1.1).
 *
 * The name is kept for the Received line and the log and is never believed,
 * nor is mail refused because it is wrong (RFC 5321 4.1.4).  What could not
 * stand in a Received line (blanks, control characters, octets above 127) is
 * refused here.
 *
 * Either command ends a transaction that is open (RFC 5321 4.1.4).
 */
#include "smtpd/session.h"

static enum outcome
hello(struct smtp *s, struct scan args, struct why *why)
{
	struct str name = str_trim(scan_rest(&args));

	if (name.n == 0)
		return fail(PERMFAIL, why, 501, "5.5.4", "Say your domain name or address");
	if (name.n > SMTP_HELO_MAX || !str_is_ascii(name) || str_chr(name, ' ') >= 0)
		return fail(PERMFAIL, why, 501, "5.5.2", "That is no domain name or address");
	smtp_reset(s);
	memcpy(s->helo, name.p, name.n);
	s->helo_n = name.n;
	return DONE;
}

enum outcome
cmd_helo(struct smtp *s, struct scan args, struct why *why)
{
	enum outcome o = hello(s, args, why);

	if (o != DONE)
		return o;
	s->esmtp = false;
	return reply(s, 250, "", STR_FMT, STR_ARG(s->set->hostname));
}

enum outcome
cmd_ehlo(struct smtp *s, struct scan args, struct why *why)
{
	const struct conf *conf = s->set->conf;
	enum outcome o = hello(s, args, why);

	if (o != DONE)
		return o;
	s->esmtp = true;
	io_printf(s->io,
	    "250-" STR_FMT "\r\n"
	    "250-PIPELINING\r\n"
	    "250-SIZE %llu\r\n",
	    STR_ARG(s->set->hostname), (unsigned long long)conf->message_size);
	if (s->set->tls != NULL && !smtp_has_tls(s)) /* RFC 3207 4.2: not again under TLS */
		io_puts(s->io, "250-STARTTLS\r\n");
	auth_offer(s);
	io_printf(s->io,
	    "250-ENHANCEDSTATUSCODES\r\n"
	    "250-8BITMIME\r\n"
	    "250-DSN\r\n"
	    "250-SMTPUTF8\r\n"
	    "250-CHUNKING\r\n"
	    "250-BINARYMIME\r\n"
	    "250 LIMITS RCPTMAX=%llu\r\n", /* RFC 9422 */
	    (unsigned long long)conf->smtp_recipients);
	return DONE;
}
