/*
 * varint.h - numbers in base 128, low seven bits first, as packed structures
 * and index records hold them.
 */
#ifndef MAIL_VARINT_H
#define MAIL_VARINT_H

#include "base/buf.h"
#include "base/scan.h"

static inline bool
varint_put(struct buf *b, uint64_t v)
{
	char octets[10];
	size_t n = 0;

	while (v >= 0x80) {
		octets[n++] = (char)(v | 0x80);
		v >>= 7;
	}
	octets[n++] = (char)v;
	return buf_put(b, str_n(octets, n));
}

/* False at the end of the input or beyond 64 bits; the cursor then stays. */
must_use static inline bool
varint_take(struct scan *s, uint64_t *v)
{
	uint64_t x = 0;
	unsigned shift = 0;

	for (const char *p = s->p; p < s->end && shift < 64; p++, shift += 7) {
		uint64_t bits = (unsigned char)*p & 0x7f;

		if (shift == 63 && bits > 1)
			return false;
		x |= bits << shift;
		if (((unsigned char)*p & 0x80) == 0) {
			s->p = p + 1;
			*v = x;
			return true;
		}
	}
	return false;
}

#endif
