/*
 * str.h - a borrowed piece of text: pointer and length, never owned, never
 * assumed to end in NUL.  Pass it by value.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <string.h>

#include "base/base.h"

struct str {
	const char *p;
	size_t n;
};

#define STR(lit)   ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_NONE   ((struct str){ NULL, 0 })
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).n, (s).n > 0 ? (s).p : ""

static inline struct str
str_of(const char *c)
{
	return (struct str){ c, c != NULL ? strlen(c) : 0 };
}

static inline struct str
str_n(const void *p, size_t n)
{
	return (struct str){ p, n };
}

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII only, as SMTP and IMAP want */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* <0, 0, >0 as memcmp, the shorter first where one is a prefix. */
int str_cmp(struct str a, struct str b);
int str_cmp_nocase(struct str a, struct str b);

/* The text from octet `from` on; empty beyond the end. */
struct str str_from(struct str s, size_t from);
/* At most n octets of it. */
struct str str_first(struct str s, size_t n);

/* Index of the first (last) c, or -1. */
ptrdiff_t str_chr(struct str s, char c);
ptrdiff_t str_rchr(struct str s, char c);

/* Index of the first needle, or -1; an empty needle is at 0. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_find_nocase(struct str s, struct str needle); /* ASCII folding */

/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);

/*
 * Cut at the first sep: *head gets what is before it, *rest what is after.
 * Without sep all is head, rest is empty and the answer is false.
 */
bool str_cut(struct str s, char sep, struct str *head, struct str *rest);

/* Only decimal digits, at least one, no overflow; *v unchanged when false. */
must_use bool str_u64(struct str s, uint64_t *v);
must_use bool str_u32(struct str s, uint32_t *v);

/* True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool str_is_utf8(struct str s);
bool str_is_ascii(struct str s); /* octets 1 to 127 */

/* A NUL-terminated copy from xmalloc; s must not hold NUL where the text is a name. */
char *str_dup(struct str s);

/* ASCII case and classes without the locale. */
static inline char
ascii_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static inline char
ascii_upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
}

static inline bool
ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
ascii_alnum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

/* Constant time in n: for secrets and cookies. */
bool mem_eq_secret(const void *a, const void *b, size_t n);

#endif
