/*
 * seqset.h - sets of 32-bit numbers as sorted ranges: IMAP sequence sets
 * (RFC 3501 9) of sequence numbers and UIDs, search results, the index log.
 *
 * A set is normal: ranges ascending, disjoint, never adjacent, none holding
 * 0.  It owns its memory.  Every operation is linear in the ranges or better;
 * adding at the end is O(1).
 */
#ifndef MAIL_SEQSET_H
#define MAIL_SEQSET_H

#include "base/buf.h"
#include "base/scan.h"

struct seqrange {
	uint32_t lo, hi; /* both in it; 1 <= lo <= hi */
};

struct seqset {
	struct seqrange *v; /* ours */
	size_t n;
	size_t room;
};

#define SEQSET_EMPTY     ((struct seqset){ NULL, 0, 0 })
/* Ranges in a set that a client writes. */
#define SEQSET_PARSE_MAX 65536

void seqset_free(struct seqset *s);  /* releases the memory; s is then empty and usable */
void seqset_clear(struct seqset *s); /* keeps the memory */
void seqset_copy(struct seqset *to, const struct seqset *from);
void seqset_swap(struct seqset *a, struct seqset *b);

/*
 * Parse `1,3:5,7:*`.  "*" stands for `star`: the highest number in use; where
 * there is none (star == 0) it stands for nothing, and "*:5" or "5:*" too.  A
 * range may be written either way round (RFC 3501 9).  0, numbers over 2^32-1,
 * empty elements, more than SEQSET_PARSE_MAX elements: false, *s unchanged and
 * the cursor too.  On true the cursor stands behind the set.
 */
must_use bool scan_seqset(struct scan *in, uint32_t star, struct seqset *s);
/* All of text. */
must_use bool seqset_parse(struct str text, uint32_t star, struct seqset *s);

/* Grammar alone, as commands are read before a mailbox's highest number is known. */
must_use bool scan_seqset_text(struct scan *in, struct str *text);

/* "1,3:5"; an empty set prints nothing.  False when b is full. */
bool seqset_put(struct buf *b, const struct seqset *s);

void seqset_add(struct seqset *s, uint32_t lo, uint32_t hi); /* 1 <= lo <= hi */
void seqset_remove(struct seqset *s, uint32_t lo, uint32_t hi);
bool seqset_has(const struct seqset *s, uint32_t x);
/* The number of numbers in it: up to 2^32 - 1. */
uint64_t seqset_count(const struct seqset *s);
bool seqset_eq(const struct seqset *a, const struct seqset *b);

void seqset_union(struct seqset *s, const struct seqset *with);     /* s |= with */
void seqset_intersect(struct seqset *s, const struct seqset *with); /* s &= with */
void seqset_subtract(struct seqset *s, const struct seqset *less);  /* s &= ~less */

/*
 * Close a gap: x is removed and every greater number becomes one less, as
 * sequence numbers do at EXPUNGE.
 */
void seqset_expunge(struct seqset *s, uint32_t x);

/*
 *	struct seqset_iter it = seqset_iter(&s);
 *	uint32_t x;
 *	while (seqset_next(&it, &x)) ...
 * Ascending.  The set must not change meanwhile.
 */
struct seqset_iter {
	const struct seqset *s;
	size_t range;
	uint32_t at; /* next in the range; 0: its first */
};

static inline struct seqset_iter
seqset_iter(const struct seqset *s)
{
	return (struct seqset_iter){ s, 0, 0 };
}
bool seqset_next(struct seqset_iter *it, uint32_t *x);

#endif
