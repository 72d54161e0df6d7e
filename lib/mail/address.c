/*
 * address.c - paths and mailboxes of SMTP (RFC 5321 4.1.2, RFC 6531 3.3).
 *
 * The parser follows the grammar from left to right, once.  Where it stops,
 * the octet it stopped at says which fault to report: a control character, a
 * character that wants SMTPUTF8, or plain syntax.
 */
#include <arpa/inet.h>

#include "mail/address.h"
#include "mail/lex.h"

const char *
address_fault_text(enum address_fault f)
{
	switch (f) {
	case ADDRESS_OK:
		return "fine";
	case ADDRESS_SYNTAX:
		return "malformed address";
	case ADDRESS_TOO_LONG:
		return "address too long";
	case ADDRESS_BAD_DOMAIN:
		return "malformed domain";
	case ADDRESS_CONTROL:
		return "control character in address";
	case ADDRESS_NEEDS_UTF8:
		return "address needs SMTPUTF8";
	case ADDRESS_BAD_UTF8:
		return "address is not UTF-8";
	}
	return "malformed address";
}

/* What to say about the octet where the grammar ended. */
static enum address_fault
fault_at(const struct scan *s, unsigned allow)
{
	int c = scan_peek(s);

	if (c >= 0 && (c < 0x20 || c == 0x7f))
		return ADDRESS_CONTROL;
	if (c >= 0x80 && (allow & ADDRESS_ALLOW_UTF8) == 0)
		return ADDRESS_NEEDS_UTF8;
	return ADDRESS_SYNTAX;
}

static bool
is_atext(unsigned char c, unsigned allow)
{
	return lex_is_atext(c) && (c < 0x80 || (allow & ADDRESS_ALLOW_UTF8) != 0);
}

/* RFC 5321 4.1.2: Dot-string = Atom *("."  Atom). */
static enum address_fault
scan_dot_string(struct scan *s, unsigned allow, struct str *out)
{
	const char *from = s->p;

	for (;;) {
		const char *atom = s->p;

		while (s->p < s->end && is_atext((unsigned char)*s->p, allow))
			s->p++;
		if (s->p == atom)
			return fault_at(s, allow);
		if (!scan_char(s, '.'))
			break;
	}
	*out = str_n(from, (size_t)(s->p - from));
	return ADDRESS_OK;
}

/*
 * RFC 5321 4.1.2: Quoted-string, the octets it means into text.  An empty one
 * is in the grammar and names nobody; it is refused.
 */
static enum address_fault
scan_quoted_local(struct scan *s, unsigned allow, char *text, size_t room, size_t *n)
{
	*n = 0;
	if (!scan_char(s, '"'))
		return ADDRESS_SYNTAX;
	for (;;) {
		int c = scan_peek(s);

		if (c == '"')
			break;
		if (c == '\\') {
			s->p++;
			c = scan_peek(s);
			if (c >= 0x80) /* quoted-pairSMTP is ASCII (RFC 6531 3.3 adds none) */
				return ADDRESS_SYNTAX;
		}
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && (allow & ADDRESS_ALLOW_UTF8) == 0))
			return fault_at(s, allow);
		if (*n == room)
			return ADDRESS_TOO_LONG;
		text[(*n)++] = (char)c;
		s->p++;
	}
	s->p++;
	return *n > 0 ? ADDRESS_OK : ADDRESS_SYNTAX;
}

/* U+0080 to U+009F are control characters too. */
static bool
has_c1(struct str s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if ((unsigned char)s.p[i] == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	return false;
}

static enum address_fault
judge_utf8(struct str s, struct mailaddr *m)
{
	if (str_is_ascii(s))
		return ADDRESS_OK;
	if (!str_is_utf8(s))
		return ADDRESS_BAD_UTF8;
	m->marks |= ADDRESS_UTF8;
	return has_c1(s) ? ADDRESS_CONTROL : ADDRESS_OK;
}

static bool
needs_quotes(struct str local)
{
	struct scan s = scan_of(local);
	struct str out;

	return scan_dot_string(&s, ADDRESS_ALLOW_UTF8, &out) != ADDRESS_OK || !scan_end(&s);
}

static enum address_fault
scan_local(struct scan *s, struct arena *a, unsigned allow, struct mailaddr *m)
{
	const size_t max = (allow & ADDRESS_ALLOW_LONG) != 0 ? ADDRESS_LONG_MAX : ADDRESS_LOCAL_MAX;
	char text[ADDRESS_LONG_MAX];
	struct str local;
	enum address_fault f;
	size_t n;

	if (scan_peek(s) == '"') {
		f = scan_quoted_local(s, allow, text, max, &n);
		local = str_n(text, n);
	} else {
		f = scan_dot_string(s, allow, &local);
	}
	if (f != ADDRESS_OK)
		return f;
	if (local.n > max)
		return ADDRESS_TOO_LONG;
	f = judge_utf8(local, m);
	if (f != ADDRESS_OK)
		return f;
	if (needs_quotes(local))
		m->marks |= ADDRESS_QUOTED;
	if (str_chr(local, '%') >= 0)
		m->marks |= ADDRESS_PERCENT;
	if (str_chr(local, '!') >= 0)
		m->marks |= ADDRESS_BANG;
	if (str_chr(local, '@') >= 0)
		m->marks |= ADDRESS_AT;
	m->local = arena_str(a, local);
	return ADDRESS_OK;
}

/* One spelling for each address of the net: as inet_ntop writes it. */
static enum address_fault
scan_domain_literal(struct scan *s, struct arena *a, struct mailaddr *m)
{
	const char *close = memchr(s->p, ']', (size_t)(s->end - s->p));
	char text[INET6_ADDRSTRLEN];
	unsigned char octets[16];
	struct str whole;

	if (close == NULL)
		return ADDRESS_BAD_DOMAIN;
	whole = str_n(s->p, (size_t)(close + 1 - s->p));
	if (!domain_literal_valid(whole))
		return ADDRESS_BAD_DOMAIN;
	s->p = close + 1;
	if (ip_parse(str_n(whole.p + 1, whole.n - 2), octets) == 4) {
		m->domain = arena_str(a, whole);
	} else {
		(void)ip_parse(str_n(whole.p + 6, whole.n - 7), octets);
		(void)inet_ntop(AF_INET6, octets, text, sizeof(text));
		m->domain = str_of(arena_printf(a, "[IPv6:%s]", text));
	}
	m->marks |= ADDRESS_LITERAL;
	return ADDRESS_OK;
}

/* Whatever is not a delimiter of a path; domain_valid judges it. */
static bool
is_domain_octet(unsigned char c)
{
	return c > ' ' && c != 0x7f && strchr("<>@,:;()[]\\\"", c) == NULL;
}

static enum address_fault
scan_domain(struct scan *s, struct arena *a, unsigned allow, struct mailaddr *m)
{
	const bool utf8 = (allow & ADDRESS_ALLOW_UTF8) != 0;
	enum address_fault f;
	struct str d;
	char *lower;

	if (scan_peek(s) == '[')
		return scan_domain_literal(s, a, m);
	if (!scan_while(s, is_domain_octet, &d)) {
		f = fault_at(s, allow);
		return f == ADDRESS_SYNTAX ? ADDRESS_BAD_DOMAIN : f;
	}
	if (!utf8 && !str_is_ascii(d))
		return ADDRESS_NEEDS_UTF8;
	if (d.n > ADDRESS_DOMAIN_MAX)
		return ADDRESS_TOO_LONG;
	f = judge_utf8(d, m);
	if (f != ADDRESS_OK)
		return f;
	if (!domain_valid(d, utf8))
		return ADDRESS_BAD_DOMAIN;
	lower = arena_cstr(a, d);
	for (size_t i = 0; i < d.n; i++)
		lower[i] = ascii_lower(lower[i]);
	m->domain = str_n(lower, d.n);
	return ADDRESS_OK;
}

/*
 * RFC 5321 4.1.2: A-d-l ":".  It must be taken, and is ignored (RFC 5321 C);
 * its domains are checked all the same.
 */
static enum address_fault
scan_route(struct scan *s, unsigned allow)
{
	const bool utf8 = (allow & ADDRESS_ALLOW_UTF8) != 0;
	struct str d;

	do {
		if (!scan_char(s, '@'))
			return fault_at(s, allow);
		if (!scan_while(s, is_domain_octet, &d))
			return fault_at(s, allow);
		if (!domain_valid(d, utf8))
			return !utf8 && !str_is_ascii(d) ? ADDRESS_NEEDS_UTF8 : ADDRESS_BAD_DOMAIN;
	} while (scan_char(s, ','));
	return scan_char(s, ':') ? ADDRESS_OK : fault_at(s, allow);
}

/* Local-part "@" ( Domain / address-literal ), or Postmaster alone. */
static enum address_fault
scan_mailbox(struct scan *s, struct arena *a, unsigned allow, struct mailaddr *m)
{
	enum address_fault f = scan_local(s, a, allow, m);

	if (f != ADDRESS_OK)
		return f;
	if (!scan_char(s, '@')) {
		/* RFC 5321 4.1.1.3: "<Postmaster>" in any case. */
		if ((allow & ADDRESS_ALLOW_POSTMASTER) == 0 ||
		    !str_eq_nocase(m->local, STR("postmaster")))
			return fault_at(s, allow);
		m->marks |= ADDRESS_POSTMASTER;
		m->domain = STR("");
		return ADDRESS_OK;
	}
	f = scan_domain(s, a, allow, m);
	if (f != ADDRESS_OK)
		return f;
	if ((allow & ADDRESS_ALLOW_LONG) == 0 && m->local.n + 1 + m->domain.n > ADDRESS_MAX)
		return ADDRESS_TOO_LONG;
	return ADDRESS_OK;
}

enum address_fault
scan_path(struct scan *s, struct arena *a, unsigned allow, struct mailaddr *out)
{
	struct scan t = *s;
	struct mailaddr m = { STR(""), STR(""), 0 };
	enum address_fault f;

	if (!scan_char(&t, '<'))
		return ADDRESS_SYNTAX;
	if (scan_peek(&t) == '>') {
		if ((allow & ADDRESS_ALLOW_NULL) == 0)
			return ADDRESS_SYNTAX;
		m.marks |= ADDRESS_NULL;
	} else {
		if (scan_peek(&t) == '@') {
			f = scan_route(&t, allow);
			if (f != ADDRESS_OK)
				return f;
			m.marks |= ADDRESS_ROUTED;
		}
		f = scan_mailbox(&t, a, allow, &m);
		if (f != ADDRESS_OK)
			return f;
	}
	if (!scan_char(&t, '>'))
		return fault_at(&t, allow);
	if (t.p - s->p > ADDRESS_PATH_MAX)
		return ADDRESS_TOO_LONG;
	*s = t;
	*out = m;
	return ADDRESS_OK;
}

enum address_fault
address_parse(struct str text, struct arena *a, unsigned allow, struct mailaddr *out)
{
	struct scan s = scan_of(text);
	struct mailaddr m = { STR(""), STR(""), 0 };
	enum address_fault f;

	if (text.n == 0 && (allow & ADDRESS_ALLOW_NULL) != 0) {
		m.marks = ADDRESS_NULL;
		*out = m;
		return ADDRESS_OK;
	}
	f = scan_mailbox(&s, a, allow, &m);
	if (f != ADDRESS_OK)
		return f;
	if (!scan_end(&s))
		return fault_at(&s, allow);
	*out = m;
	return ADDRESS_OK;
}

bool
address_put(struct buf *b, const struct mailaddr *m)
{
	bool ok = true;

	if ((m->marks & ADDRESS_QUOTED) == 0) {
		ok = buf_put(b, m->local);
	} else {
		ok = buf_putc(b, '"');
		for (size_t i = 0; i < m->local.n; i++) {
			char c = m->local.p[i];

			if (c == '"' || c == '\\')
				ok = buf_putc(b, '\\') && ok;
			ok = buf_putc(b, c) && ok;
		}
		ok = buf_putc(b, '"') && ok;
	}
	if (m->domain.n > 0)
		ok = buf_putc(b, '@') && buf_put(b, m->domain) && ok;
	return ok;
}

struct str
address_text(struct arena *a, const struct mailaddr *m)
{
	struct buf b;
	struct str s;

	buf_init(&b, ADDRESS_ARENA);
	(void)address_put(&b, m);
	s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

bool
address_eq(const struct mailaddr *x, const struct mailaddr *y)
{
	return str_eq(x->local, y->local) && str_eq_nocase(x->domain, y->domain);
}

struct str
address_lower(struct arena *a, struct str local)
{
	char *p = arena_cstr(a, local);

	for (size_t i = 0; i < local.n; i++)
		p[i] = ascii_lower(p[i]);
	return str_n(p, local.n);
}

bool
address_subaddress(struct str local, struct str separators, struct str *user, struct str *detail)
{
	for (size_t i = 1; i < local.n; i++) {
		if (str_chr(separators, local.p[i]) < 0)
			continue;
		*user = str_first(local, i);
		*detail = str_from(local, i + 1);
		return true;
	}
	*user = local;
	*detail = str_from(local, local.n);
	return false;
}
