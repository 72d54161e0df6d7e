/*
 * preauth_imap.c - IMAP in the not authenticated state (RFC 9051 6.1, 6.2;
 * RFC 3501 likewise), with LITERAL+ (RFC 7888), ID (RFC 2971), SASL-IR
 * (RFC 4959).
 *
 * A command is gathered whole, literals and all, before it is parsed: they
 * are few and small here, and what is too large is refused by its announced
 * size without being read.
 */
#include "imapd/login/preauth.h"

#include "base/codec.h"
#include "base/secret.h"

#define ID_STRINGS_MAX 60 /* RFC 2971 3.3: 30 pairs */

/* --- replies --- */

static void
put_capabilities(const struct preauth *p, struct buf *out)
{
	struct str rest = str_of(p->mechanisms), word;
	bool more = rest.n > 0;

	buf_puts(out, "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE");
	if (p->may_tls && !p->tls)
		buf_puts(out, " STARTTLS");
	if (!p->passwords)
		buf_puts(out, " LOGINDISABLED");
	while (more) {
		more = str_cut(rest, ' ', &word, &rest);
		if (word.n > 0)
			buf_printf(out, " AUTH=" STR_FMT, STR_ARG(word));
	}
}

static enum preauth_want
tagged(struct preauth *p, const char *text, struct buf *out)
{
	buf_printf(out, "%s %s\r\n", p->tag[0] != '\0' ? p->tag : "*", text);
	return WANT_INPUT;
}

static enum preauth_want
bad(struct preauth *p, const char *text, struct buf *out)
{
	buf_printf(out, "%s BAD %s\r\n", p->tag[0] != '\0' ? p->tag : "*", text);
	p->errors++;
	return WANT_INPUT;
}

/* --- gathering a command --- */

/* "{12}" or "{12+}" at the end of a line without its CRLF. */
static bool
announces_literal(struct str line, uint64_t *n, bool *waits)
{
	ptrdiff_t open = str_rchr(line, '{');
	struct str digits;

	if (open < 0 || line.n == 0 || line.p[line.n - 1] != '}')
		return false;
	digits = str_n(line.p + open + 1, line.n - (size_t)open - 2);
	*waits = true;
	if (digits.n > 0 && digits.p[digits.n - 1] == '+') {
		digits.n--;
		*waits = false;
	}
	if (digits.n == 0)
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (!ascii_digit(digits.p[i]))
			return false;
	if (!str_u64(digits, n))
		*n = UINT64_MAX; /* more than fits is more than we take */
	return true;
}

static void
take_tag(struct preauth *p, struct str line)
{
	size_t n = 0;

	p->tag[0] = '\0';
	while (n < line.n && line.p[n] > ' ' && line.p[n] < 0x7f &&
	       strchr("(){%*\"\\+", line.p[n]) == NULL)
		n++;
	if (n == 0 || n > PREAUTH_TAG_MAX || n == line.n || line.p[n] != ' ')
		return;
	memcpy(p->tag, line.p, n);
	p->tag[n] = '\0';
}

enum gathered {
	PARTLY,
	WHOLE,
	REFUSED,  /* an answer was given, *used says how much is dropped */
	HOPELESS, /* close */
};

static enum gathered
refuse_literal(struct preauth *p, bool waits, struct buf *out)
{
	/*
	 * RFC 7888 4: a client that does not wait sends the octets whatever we
	 * say, so the connection ends; one that waits is told no.
	 */
	if (waits) {
		(void)bad(p, "[TOOBIG] Literal too large", out);
		return REFUSED;
	}
	buf_puts(out, "* BYE Literal too large\r\n");
	return HOPELESS;
}

/*
 * Is there a whole command at the start of in?  *end: where it ends.
 * p->scanned is where the line that is being looked at begins its search, so
 * no octet is searched twice however slowly they come.
 */
static enum gathered
gather(struct preauth *p, struct str in, size_t *end, struct buf *out)
{
	enum preauth_line found;

	while ((found = preauth_line_end(p, in, end)) == LINE_WHOLE) {
		struct str line = str_n(in.p + p->segment, *end - 1 - p->segment);
		uint64_t n;
		bool waits;

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (!announces_literal(line, &n, &waits))
			return WHOLE;
		if (p->literals == 0)
			take_tag(p, line);
		if (n > PREAUTH_LITERAL_MAX || *end + n > PREAUTH_INPUT_MAX ||
		    p->literals == PREAUTH_LITERALS)
			return refuse_literal(p, waits, out);
		p->literals++;
		p->scanned = p->segment = *end + (size_t)n;
		if (waits)
			buf_puts(out, "+ OK\r\n");
	}
	if (found == LINE_PARTLY)
		return PARTLY;
	buf_puts(out, "* BYE Command too long\r\n");
	return HOPELESS;
}

/* --- strings --- */

static bool
quoted(struct scan *s, struct buf *out)
{
	struct scan at = *s;

	if (!scan_char(&at, '"'))
		return false;
	while (!scan_end(&at) && *at.p != '"') {
		if (*at.p == '\\') {
			at.p++;
			if (scan_end(&at) || (*at.p != '"' && *at.p != '\\'))
				return false;
		}
		if (*at.p == '\r' || *at.p == '\n' || !buf_putc(out, *at.p))
			return false;
		at.p++;
	}
	if (!scan_char(&at, '"'))
		return false;
	*s = at;
	return true;
}

static bool
literal(struct scan *s, struct buf *out)
{
	struct scan at = *s;
	struct str octets;
	uint64_t n;

	if (!scan_char(&at, '{') || !scan_u64(&at, &n))
		return false;
	(void)!scan_char(&at, '+');
	if (!scan_char(&at, '}') || !scan_char(&at, '\r') || !scan_char(&at, '\n') ||
	    !scan_take(&at, n, &octets) || !buf_put(out, octets))
		return false;
	*s = at;
	return true;
}

static bool
is_astring_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\", c) == NULL;
}

static bool
astring(struct scan *s, struct buf *out)
{
	struct str atom;

	if (quoted(s, out) || literal(s, out))
		return true;
	return scan_while(s, is_astring_char, &atom) && buf_put(out, atom);
}

static bool
is_base64_char(unsigned char c)
{
	return ascii_alnum((char)c) || c == '+' || c == '/' || c == '=';
}

/* --- commands --- */

static enum preauth_want
cmd_capability(struct preauth *p, struct scan args, struct buf *out)
{
	if (!scan_end(&args))
		return bad(p, "CAPABILITY has no arguments", out);
	buf_puts(out, "* ");
	put_capabilities(p, out);
	buf_puts(out, "\r\n");
	return tagged(p, "OK Capability completed.", out);
}

static enum preauth_want
cmd_noop(struct preauth *p, struct scan args, struct buf *out)
{
	if (!scan_end(&args))
		return bad(p, "NOOP has no arguments", out);
	return tagged(p, "OK Nothing done.", out);
}

static enum preauth_want
cmd_logout(struct preauth *p, struct scan args, struct buf *out)
{
	if (!scan_end(&args))
		return bad(p, "LOGOUT has no arguments", out);
	buf_puts(out, "* BYE Logging out\r\n");
	(void)tagged(p, "OK Logout completed.", out);
	return WANT_CLOSE;
}

static enum preauth_want
cmd_starttls(struct preauth *p, struct scan args, struct buf *out)
{
	if (!scan_end(&args))
		return bad(p, "STARTTLS has no arguments", out);
	if (p->tls)
		return bad(p, "TLS is active already", out);
	if (!p->may_tls)
		return bad(p, "TLS is not available", out);
	(void)tagged(p, "OK Begin TLS negotiation now.", out);
	return WANT_TLS;
}

static enum preauth_want
cmd_login(struct preauth *p, struct scan args, struct buf *out)
{
	struct buf user, password;
	enum preauth_want want;

	if (!p->passwords) /* RFC 9051 6.2.3, RFC 5530 */
		return tagged(p, "NO [PRIVACYREQUIRED] Use STARTTLS first", out);
	buf_init(&user, PREAUTH_LITERAL_MAX);
	buf_init(&password, PREAUTH_LITERAL_MAX);
	(void)buf_room(&password, PREAUTH_LITERAL_MAX); /* growing would leave a copy behind */
	if (astring(&args, &user) && scan_char(&args, ' ') && astring(&args, &password) &&
	    scan_end(&args)) {
		want = preauth_plain(p, buf_str(&user), buf_str(&password));
	} else {
		want = bad(p, "Syntax: LOGIN user password", out);
	}
	if (password.room > 0)
		wipe(password.p, password.room);
	buf_free(&user);
	buf_free(&password);
	return want;
}

static enum preauth_want
cmd_authenticate(struct preauth *p, struct scan args, struct buf *out)
{
	struct str mechanism, initial = STR_NONE;
	bool has = false;

	if (!scan_while(&args, is_astring_char, &mechanism))
		return bad(p, "Syntax: AUTHENTICATE mechanism [initial-response]", out);
	if (scan_char(&args, ' ')) {
		has = scan_while(&args, is_base64_char, &initial);
		if (!has)
			return bad(p, "The initial response is not base64", out);
	}
	if (!scan_end(&args) || !preauth_begin(p, mechanism, initial, has))
		return bad(p, "Invalid mechanism name or base64", out);
	return WANT_START;
}

/* RFC 2971 3.1: NIL, or a list of strings where values may be NIL. */
static bool
id_parameters(struct scan *s, struct buf *out)
{
	if (scan_word(s, "NIL"))
		return true;
	if (!scan_char(s, '('))
		return false;
	for (int i = 0; i < ID_STRINGS_MAX && !scan_char(s, ')'); i++) {
		struct buf word;
		bool good;

		buf_init(&word, PREAUTH_LITERAL_MAX);
		if (i > 0 && !scan_char(s, ' '))
			return false;
		good = quoted(s, &word) || literal(s, &word) || (i % 2 == 1 && scan_word(s, "NIL"));
		/* What is too much for the log is left out. */
		if (good && out->n > 0)
			buf_putc(out, i % 2 == 1 ? '=' : ' ');
		if (good)
			buf_put(out, buf_str(&word));
		buf_free(&word);
		if (!good)
			return false;
	}
	return s->p[-1] == ')';
}

static enum preauth_want
cmd_id(struct preauth *p, struct scan args, struct buf *out)
{
	buf_clear(&p->id);
	if (!id_parameters(&args, &p->id) || !scan_end(&args))
		return bad(p, "Syntax: ID (\"field\" \"value\" ...) or ID NIL", out);
	buf_puts(out, "* ID (\"name\" \"Postroom\")\r\n");
	return tagged(p, "OK ID completed.", out);
}

static const struct {
	const char *name;
	enum preauth_want (*run)(struct preauth *p, struct scan args, struct buf *out);
} commands[] = {
	{ "CAPABILITY", cmd_capability },
	{ "NOOP", cmd_noop },
	{ "LOGOUT", cmd_logout },
	{ "STARTTLS", cmd_starttls },
	{ "LOGIN", cmd_login },
	{ "AUTHENTICATE", cmd_authenticate },
	{ "ID", cmd_id },
};

/* They exist, after login. */
static const char *const later[] = { "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE",
	"UNSUBSCRIBE", "LIST", "LSUB", "STATUS", "APPEND", "CHECK", "CLOSE", "EXPUNGE", "SEARCH",
	"FETCH", "STORE", "COPY", "MOVE", "UID", "IDLE", "ENABLE", "NAMESPACE", "UNSELECT",
	"GETQUOTA", "GETQUOTAROOT" };

static enum preauth_want
run(struct preauth *p, struct str command, struct buf *out)
{
	struct scan s;
	struct str name;

	take_tag(p, command);
	if (str_chr(command, '\0') >= 0)
		return bad(p, "NUL is not allowed", out);
	if (p->tag[0] == '\0')
		return bad(p, "Expected a tag and a command", out);
	s = scan_of(str_from(command, strlen(p->tag) + 1));
	if (!scan_while(&s, is_astring_char, &name))
		return bad(p, "Expected a command", out);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (str_eq_nocase(name, str_of(commands[i].name))) {
			if (!scan_end(&s) && !scan_char(&s, ' '))
				return bad(p, "Expected a space", out);
			return commands[i].run(p, s, out);
		}
	for (size_t i = 0; i < COUNT_OF(later); i++)
		if (str_eq_nocase(name, str_of(later[i])))
			return bad(p, "Log in first", out);
	return bad(p, "Unknown command", out);
}

/* A line that answers a challenge. */
static enum preauth_want
answer(struct preauth *p, struct str line, struct buf *out)
{
	p->in_exchange = false;
	if (str_eq(line, STR("*"))) { /* RFC 9051 6.2.2 */
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

static bool
cut_crlf(struct str in, size_t end, struct str *line)
{
	*line = str_first(in, end);
	if (end < 2 || in.p[end - 2] != '\r')
		return false;
	line->n -= 2;
	return true;
}

static enum preauth_want
answer_line(struct preauth *p, struct str in, size_t *used, struct buf *out)
{
	struct str line;
	size_t end = 0;

	switch (preauth_line_end(p, in, &end)) {
	case LINE_PARTLY:
		return WANT_INPUT;
	case LINE_TOO_LONG:
		buf_puts(out, "* BYE Response too long\r\n");
		return WANT_CLOSE;
	case LINE_WHOLE:
		break;
	}
	*used = end;
	if (!cut_crlf(in, end, &line))
		line = STR("\n"); /* no base64: refused below */
	return answer(p, line, out);
}

enum preauth_want
preauth_imap_line(struct preauth *p, struct str in, size_t *used, struct buf *out)
{
	struct str line;
	size_t end = 0;

	*used = 0;
	if (p->in_exchange)
		return answer_line(p, in, used, out);
	switch (gather(p, in, &end, out)) {
	case PARTLY:
		return WANT_INPUT;
	case REFUSED:
		*used = end;
		return WANT_INPUT;
	case HOPELESS:
		return WANT_CLOSE;
	case WHOLE:
		break;
	}
	*used = end;
	if (!p->first_line_seen && preauth_is_http(str_first(in, end))) {
		buf_puts(out, "* BYE This is no web server\r\n");
		return WANT_CLOSE;
	}
	if (!cut_crlf(in, end, &line)) {
		take_tag(p, line);
		return bad(p, "Lines end with CRLF", out);
	}
	return run(p, line, out);
}

void
preauth_greet(struct preauth *p, struct buf *out)
{
	if (p->protocol == PREAUTH_POP3) {
		buf_puts(out, "+OK Postroom ready.\r\n");
		return;
	}
	buf_puts(out, "* OK [");
	put_capabilities(p, out);
	buf_printf(out, "] %s Postroom ready.\r\n", p->hostname);
}

void
preauth_challenge(struct preauth *p, struct str challenge, struct buf *out)
{
	buf_puts(out, "+ ");
	base64_put(out, challenge);
	buf_puts(out, "\r\n");
	p->in_exchange = true;
}

void
preauth_bye(const struct preauth *p, const char *text, struct buf *out)
{
	if (p->protocol == PREAUTH_IMAP)
		buf_printf(out, "* BYE %s\r\n", text);
	else
		buf_printf(out, "-ERR %s\r\n", text);
}

/* RFC 5530 for IMAP, RFC 3206 for POP3. */
static const char *
refusal_code(const struct preauth *p, enum outcome o, const struct why *why)
{
	bool imap = p->protocol == PREAUTH_IMAP;

	if (o == TEMPFAIL)
		return imap ? "[UNAVAILABLE] " : "[SYS/TEMP] ";
	switch (why->code) {
	case 535:
		return imap ? "[AUTHENTICATIONFAILED] " : "[AUTH] ";
	case 534:
	case 538:
		return imap ? "[PRIVACYREQUIRED] " : "[AUTH] ";
	case 525: /* 4.7.13, 5.7.13 (RFC 5248 2.4): switched off */
		return imap ? "[CONTACTADMIN] " : "[AUTH] ";
	default:
		return "";
	}
}

enum preauth_want
preauth_refused(struct preauth *p, enum outcome o, const struct why *why, struct buf *out)
{
	const char *code = refusal_code(p, o, why);
	bool syntax = o == PERMFAIL && (why->code == 501 || why->code == 500);

	p->in_exchange = false;
	p->guesses++;
	if (p->protocol == PREAUTH_IMAP)
		buf_printf(out, "%s %s %s%s\r\n", p->tag, syntax ? "BAD" : "NO", code, why->text);
	else
		buf_printf(out, "-ERR %s%s\r\n", code, why->text);
	if (p->guesses < PREAUTH_GUESSES_MAX)
		return WANT_INPUT;
	preauth_bye(p, "Too many failed logins", out);
	return WANT_CLOSE;
}
