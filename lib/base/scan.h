/*
 * scan.h - a cursor over text.  Each scan_* consumes on success and leaves
 * the cursor where it was on failure, so alternatives read as grammar.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include "base/str.h"

struct scan {
	const char *p;
	const char *end;
};

static inline struct scan
scan_of(struct str s)
{
	return (struct scan){ s.p, s.p + s.n };
}

static inline bool
scan_end(const struct scan *s)
{
	return s->p == s->end;
}

static inline struct str
scan_rest(const struct scan *s)
{
	return str_n(s->p, (size_t)(s->end - s->p));
}

/* The next octet without taking it, or -1 at the end. */
static inline int
scan_peek(const struct scan *s)
{
	return s->p < s->end ? (unsigned char)*s->p : -1;
}

must_use bool scan_char(struct scan *s, char c);
/* This text, whatever its ASCII case. */
must_use bool scan_word(struct scan *s, const char *word);
/* n octets whatever they are. */
must_use bool scan_take(struct scan *s, size_t n, struct str *out);
/* The longest run, at least one, of octets for which is(octet) holds. */
must_use bool scan_while(struct scan *s, bool (*is)(unsigned char), struct str *out);
/* Decimal digits; no sign; false on overflow. */
must_use bool scan_u64(struct scan *s, uint64_t *v);
must_use bool scan_u32(struct scan *s, uint32_t *v);
/* Spaces and tabs, perhaps none; says whether there were any. */
bool scan_blanks(struct scan *s);

#endif
