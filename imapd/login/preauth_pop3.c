/*
 * preauth_pop3.c - POP3 in the AUTHORIZATION state: RFC 1939, CAPA
 * (RFC 2449), STLS (RFC 2595 4), AUTH (RFC 5034), response codes (RFC 3206).
 */
#include "imapd/login/preauth.h"

#include "base/codec.h"
#include "base/secret.h"

static enum preauth_want
ok(const char *text, struct buf *out)
{
	buf_printf(out, "+OK %s\r\n", text);
	return WANT_INPUT;
}

static enum preauth_want
bad(struct preauth *p, const char *text, struct buf *out)
{
	buf_printf(out, "-ERR %s\r\n", text);
	p->errors++;
	return WANT_INPUT;
}

static enum preauth_want
cmd_capa(struct preauth *p, struct str args, struct buf *out)
{
	buf_puts(out, "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n");
	if (p->passwords)
		buf_puts(out, "USER\r\n");
	if (p->mechanisms[0] != '\0')
		buf_printf(out, "SASL %s\r\n", p->mechanisms);
	if (p->may_tls && !p->tls)
		buf_puts(out, "STLS\r\n");
	buf_puts(out, "IMPLEMENTATION Postroom\r\n.\r\n");
	return WANT_INPUT;
}

static enum preauth_want
cmd_user(struct preauth *p, struct str args, struct buf *out)
{
	if (!p->passwords)
		return bad(p, "[AUTH] Use STLS first", out);
	if (args.n == 0)
		return bad(p, "Syntax: USER name", out);
	buf_clear(&p->user);
	if (!buf_put(&p->user, args))
		return bad(p, "Name too long", out);
	/* RFC 1939 7: says nothing of whether there is such a mailbox. */
	return ok("Send PASS.", out);
}

static enum preauth_want
cmd_pass(struct preauth *p, struct str args, struct buf *out)
{
	enum preauth_want want;

	if (!p->passwords)
		return bad(p, "[AUTH] Use STLS first", out);
	if (p->user.n == 0)
		return bad(p, "Send USER first", out);
	/* Everything behind the one space is the password, spaces included (RFC 1939 7). */
	want = preauth_plain(p, buf_str(&p->user), args);
	buf_clear(&p->user);
	return want;
}

static enum preauth_want
cmd_auth(struct preauth *p, struct str args, struct buf *out)
{
	struct str mechanism, initial;
	bool has = str_cut(args, ' ', &mechanism, &initial);

	if (!preauth_begin(p, mechanism, initial, has))
		return bad(p, "Syntax: AUTH mechanism [initial-response]", out);
	return WANT_START;
}

static enum preauth_want
cmd_stls(struct preauth *p, struct str args, struct buf *out)
{
	if (p->tls)
		return bad(p, "TLS is active already", out);
	if (!p->may_tls)
		return bad(p, "TLS is not available", out);
	(void)ok("Begin TLS negotiation.", out);
	return WANT_TLS;
}

static enum preauth_want
cmd_quit(struct preauth *p, struct str args, struct buf *out)
{
	(void)ok("Bye.", out);
	return WANT_CLOSE;
}

static const struct {
	const char *name;
	bool arguments;
	enum preauth_want (*run)(struct preauth *p, struct str args, struct buf *out);
} commands[] = {
	{ "CAPA", false, cmd_capa },
	{ "USER", true, cmd_user },
	{ "PASS", true, cmd_pass },
	{ "AUTH", true, cmd_auth },
	{ "STLS", false, cmd_stls },
	{ "QUIT", false, cmd_quit },
};

static enum preauth_want
run(struct preauth *p, struct str line, struct buf *out)
{
	struct str name, args;

	if (str_chr(line, '\0') >= 0)
		return bad(p, "NUL is not allowed", out);
	(void)str_cut(line, ' ', &name, &args);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (!str_eq_nocase(name, str_of(commands[i].name)))
			continue;
		if (!commands[i].arguments && args.n > 0)
			return bad(p, "No arguments expected", out);
		return commands[i].run(p, args, out);
	}
	return bad(p, "Unknown command, or not before login", out);
}

static enum preauth_want
answer(struct preauth *p, struct str line, struct buf *out)
{
	p->in_exchange = false;
	if (str_eq(line, STR("*"))) { /* RFC 5034 4 */
		(void)bad(p, "Authentication cancelled", out);
		return WANT_ABORT;
	}
	if (p->response.room > 0)
		wipe(p->response.p, p->response.room);
	buf_clear(&p->response);
	if (!base64_take(&p->response, line)) {
		(void)bad(p, "The response is not base64", out);
		return WANT_ABORT;
	}
	p->has_response = true;
	return WANT_STEP;
}

enum preauth_want
preauth_pop3_line(struct preauth *p, struct str in, size_t *used, struct buf *out)
{
	struct str line;
	size_t end = 0;

	*used = 0;
	switch (preauth_line_end(p, in, &end)) {
	case LINE_PARTLY:
		return WANT_INPUT;
	case LINE_TOO_LONG:
		buf_puts(out, "-ERR Line too long\r\n");
		return WANT_CLOSE;
	case LINE_WHOLE:
		break;
	}
	*used = end;
	line = str_first(in, end);
	if (!p->first_line_seen && preauth_is_http(line)) {
		buf_puts(out, "-ERR This is no web server\r\n");
		return WANT_CLOSE;
	}
	if (end < 2 || in.p[end - 2] != '\r') {
		if (p->in_exchange)
			return answer(p, STR("\n"), out);
		return bad(p, "Lines end with CRLF", out);
	}
	line.n -= 2;
	return p->in_exchange ? answer(p, line, out) : run(p, line, out);
}
