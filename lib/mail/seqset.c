/*
 * seqset.c - sets of numbers as sorted ranges.
 *
 * Most sets are built in ascending order, so the end is where adding looks
 * first.  A client's set comes in any order with any overlap: its ranges are
 * sorted once and merged, so that hostile order costs n log n and not n^2.
 */
#include <stdlib.h>

#include "mail/seqset.h"

void
seqset_free(struct seqset *s)
{
	free(s->v);
	*s = SEQSET_EMPTY;
}

void
seqset_clear(struct seqset *s)
{
	s->n = 0;
}

static void
reserve(struct seqset *s, size_t n)
{
	if (n <= s->room)
		return;
	s->room = MAX(n, s->room > 0 ? s->room * 2 : 4);
	s->v = xreallocarray(s->v, s->room, sizeof(*s->v));
}

/* Behind everything that is in it, or touching the last range. */
static void
append(struct seqset *s, uint32_t lo, uint32_t hi)
{
	struct seqrange *last = s->n > 0 ? &s->v[s->n - 1] : NULL;

	if (last != NULL && (uint64_t)lo <= (uint64_t)last->hi + 1) {
		last->hi = MAX(last->hi, hi);
		return;
	}
	reserve(s, s->n + 1);
	s->v[s->n++] = (struct seqrange){ lo, hi };
}

void
seqset_copy(struct seqset *to, const struct seqset *from)
{
	reserve(to, from->n);
	if (from->n > 0)
		memcpy(to->v, from->v, from->n * sizeof(*from->v));
	to->n = from->n;
}

void
seqset_swap(struct seqset *a, struct seqset *b)
{
	struct seqset t = *a;

	*a = *b;
	*b = t;
}

/* The first range whose hi is at least x; n where there is none. */
static size_t
range_at(const struct seqset *s, uint32_t x)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].hi < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Put k ranges in the place of those in [from, to). */
static void
splice(struct seqset *s, size_t from, size_t to, const struct seqrange *with, size_t k)
{
	size_t tail = s->n - to;

	reserve(s, from + k + tail);
	if (tail > 0)
		memmove(s->v + from + k, s->v + to, tail * sizeof(*s->v));
	for (size_t i = 0; i < k; i++)
		s->v[from + i] = with[i];
	s->n = from + k + tail;
}

void
seqset_add(struct seqset *s, uint32_t lo, uint32_t hi)
{
	struct seqrange all = { lo, hi };
	size_t from, to;

	assert(lo > 0 && lo <= hi);
	if (s->n == 0 || s->v[s->n - 1].lo <= lo) {
		append(s, lo, hi);
		return;
	}
	/* Everything that overlaps or touches becomes one range. */
	from = range_at(s, lo > 1 ? lo - 1 : 1);
	for (to = from; to < s->n && (uint64_t)s->v[to].lo <= (uint64_t)hi + 1; to++) {
		all.lo = MIN(all.lo, s->v[to].lo);
		all.hi = MAX(all.hi, s->v[to].hi);
	}
	splice(s, from, to, &all, 1);
}

void
seqset_remove(struct seqset *s, uint32_t lo, uint32_t hi)
{
	struct seqrange left[2];
	size_t from, to, k = 0;

	assert(lo > 0 && lo <= hi);
	from = range_at(s, lo);
	for (to = from; to < s->n && s->v[to].lo <= hi; to++) {
		if (s->v[to].lo < lo)
			left[k++] = (struct seqrange){ s->v[to].lo, lo - 1 };
		if (s->v[to].hi > hi)
			left[k++] = (struct seqrange){ hi + 1, s->v[to].hi };
	}
	splice(s, from, to, left, k);
}

bool
seqset_has(const struct seqset *s, uint32_t x)
{
	size_t i = range_at(s, x);

	return i < s->n && s->v[i].lo <= x;
}

uint64_t
seqset_count(const struct seqset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)(s->v[i].hi - s->v[i].lo) + 1;
	return n;
}

bool
seqset_eq(const struct seqset *a, const struct seqset *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

void
seqset_union(struct seqset *s, const struct seqset *with)
{
	struct seqset out = SEQSET_EMPTY;
	size_t i = 0, j = 0;

	if (with->n == 0)
		return;
	reserve(&out, s->n + with->n);
	while (i < s->n || j < with->n) {
		const struct seqrange *r;

		if (j == with->n || (i < s->n && s->v[i].lo <= with->v[j].lo))
			r = &s->v[i++];
		else
			r = &with->v[j++];
		append(&out, r->lo, r->hi);
	}
	seqset_swap(s, &out);
	seqset_free(&out);
}

void
seqset_intersect(struct seqset *s, const struct seqset *with)
{
	struct seqset out = SEQSET_EMPTY;
	size_t i = 0, j = 0;

	while (i < s->n && j < with->n) {
		uint32_t lo = MAX(s->v[i].lo, with->v[j].lo);
		uint32_t hi = MIN(s->v[i].hi, with->v[j].hi);

		if (lo <= hi)
			append(&out, lo, hi);
		if (s->v[i].hi < with->v[j].hi)
			i++;
		else
			j++;
	}
	seqset_swap(s, &out);
	seqset_free(&out);
}

void
seqset_subtract(struct seqset *s, const struct seqset *less)
{
	struct seqset out = SEQSET_EMPTY;
	size_t j = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t lo = s->v[i].lo;
		const uint32_t hi = s->v[i].hi;

		while (j < less->n && less->v[j].hi < lo)
			j++;
		for (size_t k = j; k < less->n && less->v[k].lo <= hi; k++) {
			if (less->v[k].lo > lo)
				append(&out, (uint32_t)lo, less->v[k].lo - 1);
			lo = (uint64_t)less->v[k].hi + 1;
			j = k; /* the last one may reach into the next range */
		}
		if (lo <= hi)
			append(&out, (uint32_t)lo, hi);
	}
	seqset_swap(s, &out);
	seqset_free(&out);
}

void
seqset_expunge(struct seqset *s, uint32_t x)
{
	size_t i = range_at(s, x);

	if (i < s->n && s->v[i].lo <= x) {
		if (s->v[i].lo == s->v[i].hi)
			splice(s, i, i + 1, NULL, 0);
		else
			s->v[i++].hi--;
	}
	for (size_t k = i; k < s->n; k++) {
		s->v[k].lo--;
		s->v[k].hi--;
	}
	/* The two sides of the gap may touch now. */
	if (i > 0 && i < s->n && s->v[i - 1].hi + 1 == s->v[i].lo) {
		s->v[i - 1].hi = s->v[i].hi;
		splice(s, i, i + 1, NULL, 0);
	}
}

bool
seqset_next(struct seqset_iter *it, uint32_t *x)
{
	const struct seqrange *r;

	if (it->range == it->s->n)
		return false;
	r = &it->s->v[it->range];
	*x = it->at == 0 ? r->lo : it->at;
	if (*x == r->hi) {
		it->range++;
		it->at = 0;
	} else {
		it->at = *x + 1;
	}
	return true;
}

bool
seqset_put(struct buf *b, const struct seqset *s)
{
	bool ok = true;

	for (size_t i = 0; i < s->n && ok; i++) {
		ok = (i == 0 || buf_putc(b, ',')) && buf_put_u64(b, s->v[i].lo);
		if (s->v[i].hi > s->v[i].lo)
			ok = ok && buf_putc(b, ':') && buf_put_u64(b, s->v[i].hi);
	}
	return ok;
}

/* seq-number = nz-number / "*" (RFC 3501 9); "*" is 0 here. */
static bool
scan_number(struct scan *in, uint32_t *x)
{
	if (scan_char(in, '*')) {
		*x = 0;
		return true;
	}
	return scan_peek(in) != '0' && scan_u32(in, x);
}

static bool
scan_element(struct scan *in, uint32_t *lo, uint32_t *hi)
{
	if (!scan_number(in, lo))
		return false;
	*hi = *lo;
	return !scan_char(in, ':') || scan_number(in, hi);
}

static int
range_cmp(const void *x, const void *y)
{
	const struct seqrange *a = x, *b = y;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

/* What came in some order becomes a normal set. */
static void
normalise(struct seqset *s)
{
	size_t n = s->n;
	bool ascending = true;

	for (size_t i = 1; i < n && ascending; i++)
		ascending = s->v[i - 1].lo <= s->v[i].lo;
	if (!ascending)
		qsort(s->v, n, sizeof(*s->v), range_cmp);
	s->n = 0;
	for (size_t i = 0; i < n; i++)
		append(s, s->v[i].lo, s->v[i].hi); /* writes at or before i */
}

bool
scan_seqset(struct scan *in, uint32_t star, struct seqset *s)
{
	struct seqset got = SEQSET_EMPTY;
	struct scan t = *in;
	size_t elements = 0;
	uint32_t lo, hi;

	do {
		if (++elements > SEQSET_PARSE_MAX || !scan_element(&t, &lo, &hi)) {
			seqset_free(&got);
			return false;
		}
		lo = lo > 0 ? lo : star;
		hi = hi > 0 ? hi : star;
		if (lo == 0 || hi == 0)
			continue; /* "*" of nothing */
		reserve(&got, got.n + 1);
		got.v[got.n++] = (struct seqrange){ MIN(lo, hi), MAX(lo, hi) };
	} while (scan_char(&t, ','));
	normalise(&got);
	seqset_swap(s, &got);
	seqset_free(&got);
	*in = t;
	return true;
}

bool
seqset_parse(struct str text, uint32_t star, struct seqset *s)
{
	struct seqset got = SEQSET_EMPTY;
	struct scan in = scan_of(text);
	bool ok = scan_seqset(&in, star, &got) && scan_end(&in);

	if (ok)
		seqset_swap(s, &got);
	seqset_free(&got);
	return ok;
}

bool
scan_seqset_text(struct scan *in, struct str *text)
{
	struct scan t = *in;
	size_t elements = 0;
	uint32_t lo, hi;

	do {
		if (++elements > SEQSET_PARSE_MAX || !scan_element(&t, &lo, &hi))
			return false;
	} while (scan_char(&t, ','));
	*text = str_n(in->p, (size_t)(t.p - in->p));
	*in = t;
	return true;
}
