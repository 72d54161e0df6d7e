/*
 * codec.h - base64 (RFC 4648 4), hexadecimal, and random octets.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"

/* Append s in base64 with padding, no line breaks.  False when out is full. */
bool base64_put(struct buf *out, struct str s);

/*
 * Strict decoding as SASL wants it: canonical padding, no white space, no
 * stray bits.  False on anything else or when out is full; out then holds
 * what it held before.
 */
must_use bool base64_take(struct buf *out, struct str s);

bool hex_put(struct buf *out, const void *p, size_t n); /* lower case */
/* Exactly n octets from 2n hexadecimal digits of either case. */
must_use bool hex_take(void *out, size_t n, struct str s);

/* From getrandom(2); ends the process if the kernel has none. */
void random_octets(void *p, size_t n);
uint64_t random_u64(void);

#endif
