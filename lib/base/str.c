#include "base/str.h"

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && str_cmp_nocase(a, b) == 0;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_first(s, prefix.n), prefix);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq_nocase(str_first(s, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_from(s, s.n - suffix.n), suffix);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

int
str_cmp_nocase(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);

	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)ascii_lower(a.p[i]);
		unsigned char y = (unsigned char)ascii_lower(b.p[i]);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a.n > b.n) - (a.n < b.n);
}

struct str
str_from(struct str s, size_t from)
{
	if (from >= s.n)
		return str_n(s.p != NULL ? s.p + s.n : NULL, 0);
	return str_n(s.p + from, s.n - from);
}

struct str
str_first(struct str s, size_t n)
{
	return str_n(s.p, MIN(s.n, n));
}

ptrdiff_t
str_chr(struct str s, char c)
{
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
str_rchr(struct str s, char c)
{
	const char *at = s.n > 0 ? memrchr(s.p, c, s.n) : NULL;

	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	if (s.n < needle.n)
		return -1;
	at = memmem(s.p, s.n, needle.p, needle.n);
	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
str_find_nocase(struct str s, struct str needle)
{
	if (needle.n == 0)
		return 0;
	for (size_t i = 0; i + needle.n <= s.n; i++)
		if (ascii_lower(s.p[i]) == ascii_lower(needle.p[0]) &&
		    str_eq_nocase(str_n(s.p + i, needle.n), needle))
			return (ptrdiff_t)i;
	return -1;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = str_from(s, 1);
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
str_cut(struct str s, char sep, struct str *head, struct str *rest)
{
	ptrdiff_t at = str_chr(s, sep);

	if (at < 0) {
		*head = s;
		*rest = str_from(s, s.n);
		return false;
	}
	*head = str_first(s, (size_t)at);
	*rest = str_from(s, (size_t)at + 1);
	return true;
}

bool
str_u64(struct str s, uint64_t *v)
{
	uint64_t x = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_digit(s.p[i]) || __builtin_mul_overflow(x, (uint64_t)10, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(s.p[i] - '0'), &x))
			return false;
	}
	*v = x;
	return true;
}

bool
str_u32(struct str s, uint32_t *v)
{
	uint64_t x;

	if (!str_u64(s, &x) || x > UINT32_MAX)
		return false;
	*v = (uint32_t)x;
	return true;
}

bool
str_is_utf8(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t more;
		uint32_t v, least;

		if (c < 0x80) {
			i++;
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf) {
			more = 1, least = 0x80, v = c & 0x1f;
		} else if (c >= 0xe0 && c <= 0xef) {
			more = 2, least = 0x800, v = c & 0x0f;
		} else if (c >= 0xf0 && c <= 0xf4) {
			more = 3, least = 0x10000, v = c & 0x07;
		} else {
			return false;
		}
		if (s.n - i <= more)
			return false;
		for (size_t k = 1; k <= more; k++) {
			unsigned char d = (unsigned char)s.p[i + k];
			if ((d & 0xc0) != 0x80)
				return false;
			v = v << 6 | (d & 0x3f);
		}
		if (v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
		i += more + 1;
	}
	return true;
}

bool
str_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0' || (unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

char *
str_dup(struct str s)
{
	char *p = xmalloc(s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

bool
mem_eq_secret(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	volatile unsigned char diff = 0;

	for (size_t i = 0; i < n; i++)
		diff = (unsigned char)(diff | (x[i] ^ y[i]));
	return diff == 0;
}
