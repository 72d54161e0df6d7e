/* seqset_fuzz.c - two sets with a semicolon between: print, parse, algebra. */
#include "base/fuzz.h"
#include "mail/seqset.h"

static void
check(const struct seqset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		assert(s->v[i].lo > 0 && s->v[i].lo <= s->v[i].hi);
		assert(i == 0 || (uint64_t)s->v[i - 1].hi + 1 < s->v[i].lo);
	}
}

FUZZ(data, n)
{
	struct seqset a = SEQSET_EMPTY, b = SEQSET_EMPTY, c = SEQSET_EMPTY, d = SEQSET_EMPTY;
	struct scan text = scan_of(str_n(data, n));
	struct str x, y, grammar;
	struct buf out;
	bool ok;

	(void)str_cut(str_n(data, n), ';', &x, &y);
	ok = seqset_parse(x, 1000, &a);
	if (scan_seqset_text(&text, &grammar))
		assert(!ok || grammar.n >= x.n || x.n == 0);
	if (ok && seqset_parse(y, 0, &b)) {
		check(&a);
		check(&b);
		buf_init(&out, 32 * n + 64);
		assert(seqset_put(&out, &a));
		if (a.n > 0)
			assert(seqset_parse(buf_str(&out), 0, &c) && seqset_eq(&a, &c));
		/* |a| + |b| = |a u b| + |a n b|, a - b = a - (a n b) */
		seqset_copy(&c, &a);
		seqset_union(&c, &b);
		seqset_copy(&d, &a);
		seqset_intersect(&d, &b);
		check(&c);
		check(&d);
		assert(seqset_count(&a) + seqset_count(&b) == seqset_count(&c) + seqset_count(&d));
		seqset_subtract(&c, &b);
		seqset_subtract(&a, &d);
		check(&c);
		assert(seqset_eq(&a, &c));
		for (size_t i = 0; i < b.n; i++)
			seqset_add(&c, b.v[i].lo, b.v[i].hi);
		check(&c);
		for (size_t i = 0; i < b.n; i++)
			seqset_remove(&c, b.v[i].lo, b.v[i].hi);
		check(&c);
		assert(seqset_eq(&a, &c));
		if (b.n > 0)
			seqset_expunge(&c, b.v[0].lo);
		check(&c);
		buf_free(&out);
	}
	seqset_free(&a);
	seqset_free(&b);
	seqset_free(&c);
	seqset_free(&d);
}
