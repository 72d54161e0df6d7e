/*
 * header.c - header fields by line ends and colons.
 *
 * The only structure taken for granted is RFC 5322 2.2: a field runs to the
 * first line end that no blank follows.  memchr does the walking.
 */
#include <stdlib.h>

#include "mail/header.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Behind the LF of the line at p, or end. */
static const char *
line_next(const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	return lf != NULL ? lf + 1 : end;
}

/* Octets of the line end that s ends in. */
static size_t
line_end(struct str s)
{
	if (s.n == 0 || s.p[s.n - 1] != '\n')
		return 0;
	return s.n > 1 && s.p[s.n - 2] == '\r' ? 2 : 1;
}

/* The empty line at p: how many octets, 0 where it is none. */
static size_t
empty_line(const char *p, const char *end)
{
	if (*p == '\n')
		return 1;
	return *p == '\r' && end - p > 1 && p[1] == '\n' ? 2 : 0;
}

/* ftext (RFC 5322 3.6.8), and what is above ASCII (RFC 6532 3.2 has none; mail does). */
static bool
name_valid(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0;
}

static void
split(struct field *f)
{
	struct str line = str_first(f->whole, f->whole.n - line_end(f->whole));
	ptrdiff_t colon = str_chr(line, ':');

	f->name = str_first(line, 0);
	f->value = line;
	if (colon < 0)
		return;
	struct str name = str_first(line, (size_t)colon);
	while (name.n > 0 && is_blank(name.p[name.n - 1]))
		name.n--;
	if (!name_valid(name))
		return;
	f->name = name;
	f->value = str_from(line, (size_t)colon + 1);
}

bool
header_next(struct header_iter *it, struct field *f)
{
	const char *from = it->p;
	const char *p;
	size_t empty;

	if (from == it->end)
		return false;
	empty = empty_line(from, it->end);
	if (empty > 0) {
		it->p += empty;
		return false;
	}
	p = line_next(from, it->end);
	while (p < it->end && is_blank(*p))
		p = line_next(p, it->end);
	f->whole = str_n(from, (size_t)(p - from));
	split(f);
	it->p = p;
	return true;
}

size_t
header_size(struct str message)
{
	const char *p = message.p, *end = message.p + message.n;

	while (p < end) {
		size_t empty = empty_line(p, end);

		if (empty > 0)
			return (size_t)(p - message.p) + empty;
		p = line_next(p, end);
	}
	return message.n;
}

bool
header_find(struct str message, struct str name, struct field *f)
{
	struct header_iter it = header_iter(message);

	while (header_next(&it, f))
		if (str_eq_nocase(f->name, name))
			return true;
	return false;
}

size_t
header_count(struct str message, struct str name, size_t max)
{
	struct header_iter it = header_iter(message);
	struct field f;
	size_t n = 0;

	while (n < max && header_next(&it, &f))
		n += str_eq_nocase(f.name, name);
	return n;
}

bool
header_unfold(struct str value, struct buf *out)
{
	struct str s = str_trim(value);
	char *to = buf_room(out, s.n);
	size_t n = 0;

	if (to == NULL)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		size_t end = 0;

		if (c == '\n')
			end = 1;
		else if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
			end = 2;
		if (end > 0 && i + end < s.n && is_blank(s.p[i + end])) {
			i += end - 1;
			continue;
		}
		to[n++] = c == '\0' || c == '\r' || c == '\n' ? ' ' : c;
	}
	buf_claim(out, n);
	return true;
}

static int
name_cmp(const void *x, const void *y)
{
	return str_cmp_nocase(*(const struct str *)x, *(const struct str *)y);
}

void
header_names_sort(struct header_names *names)
{
	if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), name_cmp);
}

bool
header_names_has(const struct header_names *names, struct str name)
{
	return names->n > 0 &&
	       bsearch(&name, names->v, names->n, sizeof(*names->v), name_cmp) != NULL;
}

/* Whole lines with CRLF; a last line that has no end gets one. */
static bool
put_lines(struct str lines, struct buf *out)
{
	while (lines.n > 0) {
		const char *p = line_next(lines.p, lines.p + lines.n);
		struct str line = str_n(lines.p, (size_t)(p - lines.p));

		lines = str_from(lines, line.n);
		if (!buf_put(out, str_first(line, line.n - line_end(line))) ||
		    !buf_puts(out, "\r\n"))
			return false;
	}
	return true;
}

bool
header_put_fields(struct str message, const struct header_names *names, bool not, struct buf *out)
{
	struct header_iter it = header_iter(message);
	const char *last = it.p;
	struct field f;

	for (; header_next(&it, &f); last = it.p) {
		bool named = f.name.n > 0 && header_names_has(names, f.name);

		if ((f.name.n == 0 && !not ) || named == not )
			continue;
		if (!put_lines(f.whole, out))
			return false;
	}
	return it.p == last || buf_puts(out, "\r\n");
}

/* From behind the '(' of a comment to behind its end. */
static size_t
skip_comment(struct str s, size_t i)
{
	for (size_t depth = 1; i < s.n && depth > 0; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')')
			depth--;
	}
	return i;
}

/* The same for a quoted string. */
static size_t
skip_quoted(struct str s, size_t i)
{
	for (; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return s.n;
}

bool
header_msgid_next(struct str *value, struct str *id)
{
	struct str s = *value;
	size_t i = 0;

	while (i < s.n) {
		char c = s.p[i++];

		if (c == '(') {
			i = skip_comment(s, i);
		} else if (c == '"') {
			i = skip_quoted(s, i);
		} else if (c == '<') {
			struct str rest = str_from(s, i);
			ptrdiff_t close = str_chr(rest, '>');

			if (close < 0)
				break;
			*id = str_trim(str_first(rest, (size_t)close));
			*value = str_from(rest, (size_t)close + 1);
			if (id->n > 0)
				return true;
			s = *value;
			i = 0;
		}
	}
	*value = str_from(s, s.n);
	return false;
}
