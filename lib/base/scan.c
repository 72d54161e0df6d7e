#include "base/scan.h"

bool
scan_char(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

bool
scan_word(struct scan *s, const char *word)
{
	struct str w = str_of(word);

	if (!str_starts_nocase(scan_rest(s), w))
		return false;
	s->p += w.n;
	return true;
}

bool
scan_take(struct scan *s, size_t n, struct str *out)
{
	if ((size_t)(s->end - s->p) < n)
		return false;
	*out = str_n(s->p, n);
	s->p += n;
	return true;
}

bool
scan_while(struct scan *s, bool (*is)(unsigned char), struct str *out)
{
	const char *from = s->p;
	const char *at = from;

	while (at < s->end && is((unsigned char)*at))
		at++;
	if (at == from)
		return false;
	*out = str_n(from, (size_t)(at - from));
	s->p = at;
	return true;
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

bool
scan_u64(struct scan *s, uint64_t *v)
{
	struct scan t = *s;
	struct str digits;

	if (!scan_while(&t, is_digit, &digits) || !str_u64(digits, v))
		return false;
	*s = t;
	return true;
}

bool
scan_u32(struct scan *s, uint32_t *v)
{
	struct scan t = *s;
	uint64_t x;

	if (!scan_u64(&t, &x) || x > UINT32_MAX)
		return false;
	*v = (uint32_t)x;
	*s = t;
	return true;
}

bool
scan_blanks(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
	return s->p > from;
}
