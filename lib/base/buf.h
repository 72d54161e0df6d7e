/*
 * buf.h - growing text with a maximum it is born with.
 *
 * Passing the maximum is an outcome, not an overflow: the buffer remembers
 * it (`full`), keeps what fitted, and the put functions return false.  So a
 * row of puts may be checked once at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/str.h"

struct buf {
	char *p; /* ours; NULL until something is put */
	size_t n;
	size_t room; /* allocated */
	size_t max;
	bool full; /* something did not fit since the last clear */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);  /* releases the memory; b stays usable */
void buf_clear(struct buf *b); /* empties it, keeps the memory */

/* Append.  False, and nothing of this piece appended, beyond the maximum. */
bool buf_put(struct buf *b, struct str s);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool buf_put_u64(struct buf *b, uint64_t v);
bool buf_printf(struct buf *b, const char *format, ...) printf_like(2, 3);
bool buf_vprintf(struct buf *b, const char *format, va_list ap) printf_like(2, 0);

/*
 * Room for n more octets at the end, to be written by the caller and then
 * claimed with buf_claim; NULL beyond the maximum.
 */
char *buf_room(struct buf *b, size_t n);
void buf_claim(struct buf *b, size_t n);

/* Drop n octets from the front. */
void buf_drop(struct buf *b, size_t n);

/* What is in it; valid until the next change. */
static inline struct str
buf_str(const struct buf *b)
{
	return str_n(b->p, b->n);
}

/* As C text (a NUL is kept behind it); "" when empty. */
const char *buf_cstr(struct buf *b);

#endif
