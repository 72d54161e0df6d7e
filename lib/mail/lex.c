/*
 * lex.c - the words of structured header fields.
 *
 * Header fields come from strangers and follow the grammar by chance, so each
 * function here takes the longest thing that makes sense and never looks at an
 * octet twice.  Comments nest (RFC 5322 3.2.2) by a counter, not by calls.
 */
#include "mail/lex.h"

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The cursor is on '('.  Leaves it behind the matching ')' or at the end. */
static struct str
comment_skip(struct scan *s)
{
	const char *from = s->p + 1;
	size_t depth = 0;

	while (s->p < s->end) {
		char c = *s->p++;

		if (c == '\\' && s->p < s->end)
			s->p++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return str_n(from, (size_t)(s->p - 1 - from));
	}
	return str_n(from, (size_t)(s->p - from));
}

void
lex_cfws(struct scan *s, struct str *comment)
{
	for (;;) {
		while (s->p < s->end && is_blank((unsigned char)*s->p))
			s->p++;
		if (s->p == s->end || *s->p != '(')
			return;
		struct str text = comment_skip(s);
		if (comment != NULL)
			*comment = text;
	}
}

bool
lex_is_atext(unsigned char c)
{
	if (c >= 0x80 || ascii_alnum((char)c))
		return true;
	switch (c) {
	case '!':
	case '#':
	case '$':
	case '%':
	case '&':
	case '\'':
	case '*':
	case '+':
	case '-':
	case '/':
	case '=':
	case '?':
	case '^':
	case '_':
	case '`':
	case '{':
	case '|':
	case '}':
	case '~':
		return true;
	default:
		return false;
	}
}

bool
lex_is_token(unsigned char c)
{
	if (c <= ' ' || c == 0x7f)
		return false;
	switch (c) {
	case '(':
	case ')':
	case '<':
	case '>':
	case '@':
	case ',':
	case ';':
	case ':':
	case '\\':
	case '"':
	case '/':
	case '[':
	case ']':
	case '?':
	case '=':
		return false;
	default:
		return true;
	}
}

bool
lex_atom(struct scan *s, struct str *out)
{
	return scan_while(s, lex_is_atext, out);
}

bool
lex_token(struct scan *s, struct str *out)
{
	return scan_while(s, lex_is_token, out);
}

/* From behind an opening delimiter to behind the closing one, or to the end. */
static struct str
delimited(struct scan *s, char close)
{
	const char *from = s->p;

	while (s->p < s->end) {
		char c = *s->p++;

		if (c == close)
			return str_n(from, (size_t)(s->p - 1 - from));
		if (c == '\\' && s->p < s->end)
			s->p++;
	}
	return str_n(from, (size_t)(s->p - from));
}

bool
lex_quoted(struct scan *s, struct str *inside)
{
	if (!scan_char(s, '"'))
		return false;
	*inside = delimited(s, '"');
	return true;
}

bool
lex_literal(struct scan *s, struct str *whole)
{
	const char *from = s->p;

	if (!scan_char(s, '['))
		return false;
	(void)delimited(s, ']');
	*whole = str_n(from, (size_t)(s->p - from));
	return true;
}

bool
lex_unquote(struct str inside, struct buf *out)
{
	char *to = buf_room(out, inside.n);
	size_t n = 0;

	if (to == NULL)
		return false;
	for (size_t i = 0; i < inside.n; i++) {
		char c = inside.p[i];

		if (c == '\\' && i + 1 < inside.n)
			c = inside.p[++i];
		if (c != '\0' && c != '\r' && c != '\n')
			to[n++] = c;
	}
	buf_claim(out, n);
	return true;
}
