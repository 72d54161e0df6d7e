/*
 * parse.c - the tokens of IMAP: RFC 3501 9, with the leniencies that clients
 * have needed for decades and no more.
 */
#include "imapd/parse.h"

#include "mail/seqset.h"

struct parse
parse_of(struct str text, struct arena *arena)
{
	return (struct parse){ .s = scan_of(text), .arena = arena };
}

bool
parse_wrong(struct parse *p, const char *what)
{
	if (p->wrong == NULL)
		p->wrong = what;
	return false;
}

bool
is_atom_char(unsigned char c)
{
	/* atom-specials: ( ) { SP CTL % * " \ ] */
	if (c <= 0x20 || c >= 0x7f)
		return false;
	return c != '(' && c != ')' && c != '{' && c != '%' && c != '*' && c != '"' && c != '\\' &&
	       c != ']';
}

bool
is_astring_char(unsigned char c)
{
	return c == ']' || is_atom_char(c);
}

static bool
is_list_char(unsigned char c)
{
	return c == '%' || c == '*' || is_astring_char(c);
}

bool
parse_sp(struct parse *p)
{
	return scan_char(&p->s, ' ') || parse_wrong(p, "Expected a space");
}

bool
parse_end(struct parse *p)
{
	/* Some clients leave a space at the end of a command. */
	struct scan s = p->s;

	while (scan_char(&s, ' '))
		;
	return scan_end(&s) || parse_wrong(p, "Unexpected text at the end of the command");
}

bool
parse_char(struct parse *p, char c)
{
	return scan_char(&p->s, c);
}

bool
parse_word(struct parse *p, const char *word)
{
	struct scan s = p->s;
	int next;

	if (!scan_word(&s, word))
		return false;
	next = scan_peek(&s);
	if (next >= 0 && is_atom_char((unsigned char)next) && next != '[' && next != '<')
		return false;
	p->s = s;
	return true;
}

bool
parse_atom(struct parse *p, struct str *out)
{
	return scan_while(&p->s, is_atom_char, out) || parse_wrong(p, "Expected a word");
}

static void
skip_char(struct scan *s, char c)
{
	if (!scan_end(s) && *s->p == c)
		s->p++;
}

/* {n} or {n+} CRLF n octets; the reader has seen that they are there. */
static bool
parse_literal(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	uint32_t n;

	if (!scan_char(&s, '{') || !scan_u32(&s, &n))
		return false;
	skip_char(&s, '+');
	if (!scan_char(&s, '}'))
		return false;
	skip_char(&s, '\r');
	if (!scan_char(&s, '\n') || !scan_take(&s, n, out))
		return false;
	p->s = s;
	return true;
}

static bool
parse_quoted(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	const char *from;
	bool escaped = false;
	char *copy;
	size_t n = 0;

	if (!scan_char(&s, '"'))
		return false;
	from = s.p;
	while (!scan_end(&s) && *s.p != '"') {
		if (*s.p == '\r' || *s.p == '\n')
			return false;
		if (*s.p == '\\') {
			escaped = true;
			s.p++;
			if (scan_end(&s) || (*s.p != '\\' && *s.p != '"'))
				return false;
		}
		s.p++;
	}
	if (scan_end(&s))
		return false;
	*out = str_n(from, (size_t)(s.p - from));
	s.p++;
	if (escaped) {
		copy = arena_alloc(p->arena, out->n);
		for (size_t i = 0; i < out->n; i++) {
			if (out->p[i] == '\\')
				i++;
			copy[n++] = out->p[i];
		}
		*out = str_n(copy, n);
	}
	p->s = s;
	return true;
}

bool
parse_string(struct parse *p, struct str *out)
{
	if (parse_quoted(p, out) || parse_literal(p, out))
		return true;
	return parse_wrong(p, "Expected a string");
}

bool
parse_astring(struct parse *p, struct str *out)
{
	if (scan_while(&p->s, is_astring_char, out))
		return true;
	return parse_string(p, out);
}

bool
parse_nstring(struct parse *p, struct str *out)
{
	if (parse_word(p, "NIL")) {
		*out = STR_NONE;
		return true;
	}
	return parse_string(p, out);
}

bool
parse_list_mailbox(struct parse *p, struct str *out)
{
	if (scan_while(&p->s, is_list_char, out))
		return true;
	return parse_string(p, out);
}

bool
parse_number(struct parse *p, uint32_t *v)
{
	return scan_u32(&p->s, v) || parse_wrong(p, "Expected a number");
}

bool
parse_nz_number(struct parse *p, uint32_t *v)
{
	struct scan s = p->s;

	if (!scan_u32(&s, v) || *v == 0)
		return parse_wrong(p, "Expected a number from 1 on");
	p->s = s;
	return true;
}

bool
parse_number64(struct parse *p, uint64_t *v)
{
	struct scan s = p->s;

	if (!scan_u64(&s, v) || *v > INT64_MAX)
		return parse_wrong(p, "Expected a number below 2^63");
	p->s = s;
	return true;
}

bool
parse_modseq(struct parse *p, uint64_t *v)
{
	return parse_number64(p, v);
}

bool
parse_set_text(struct parse *p, struct str *out)
{
	return scan_seqset_text(&p->s, out) || parse_wrong(p, "Expected a sequence set");
}

bool
parse_flag(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	struct str name;
	const char *from = s.p;

	skip_char(&s, '\\');
	if (!scan_while(&s, is_atom_char, &name) || (size_t)(s.p - from) > PARSE_FLAG_MAX)
		return parse_wrong(p, "Expected a flag");
	*out = str_n(from, (size_t)(s.p - from));
	p->s = s;
	return true;
}

bool
parse_flag_list(struct parse *p, bool bare, struct flag_list *out)
{
	struct scan before = p->s;
	bool list = scan_char(&p->s, '(');

	out->count = 0;
	if (!list && !bare)
		return parse_wrong(p, "Expected a list of flags");
	if (list && scan_char(&p->s, ')'))
		return true;
	do {
		if (out->count == PARSE_FLAGS_MAX) {
			p->s = before;
			return parse_wrong(p, "Too many flags");
		}
		if (!parse_flag(p, &out->flag[out->count])) {
			p->s = before;
			return false;
		}
		out->count++;
	} while (scan_char(&p->s, ' '));
	if (list && !scan_char(&p->s, ')')) {
		p->s = before;
		return parse_wrong(p, "Expected the end of the list of flags");
	}
	return true;
}

bool
parse_date(struct parse *p, int64_t *day)
{
	struct scan s = p->s;
	bool quoted = scan_char(&s, '"');
	struct str text;

	if (!scan_while(&s, is_atom_char, &text) || !date_parse_day(text, day) ||
	    (quoted && !scan_char(&s, '"')))
		return parse_wrong(p, "Expected a date such as 1-Feb-1994");
	p->s = s;
	return true;
}

bool
parse_date_time(struct parse *p, struct maildate *out)
{
	struct scan s = p->s;
	struct str text;

	if (!parse_quoted(p, &text) || !date_parse_internal(text, out)) {
		p->s = s;
		return parse_wrong(p, "Expected a date such as \"17-Jul-1996 02:44:25 -0700\"");
	}
	return true;
}
