/* seqset_test.c - sequence sets of RFC 3501, and the algebra against a plain array of bits. */
#include "base/test.h"

#include "mail/seqset.h"

static void
parsing(void **state)
{
	static const struct {
		const char *in;
		uint32_t star;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "2,4:7,9,12:*", 15, "2,4:7,9,12:15" },
		{ "*:4,5:7", 10, "4:10" },
		{ "5:2", 9, "2:5" },
		{ "1,2,3", 9, "1:3" },
		{ "7,1,3:5,2", 9, "1:5,7" },
		{ "*", 0, "" },
		{ "5:*", 0, "" },
		{ "5:*", 3, "3:5" },
		{ "4294967295", 9, "4294967295" },
		{ "4294967296", 9, NULL },
		{ "18446744073709551617", 9, NULL },
		{ "0", 9, NULL },
		{ "1:0", 9, NULL },
		{ "01", 9, NULL },
		{ "", 9, NULL },
		{ "1,", 9, NULL },
		{ ",1", 9, NULL },
		{ "1:2:3", 9, NULL },
		{ "1 ", 9, NULL },
		{ "-1", 9, NULL },
		{ "1:4294967295,5", 9, "1:4294967295" },
	};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct seqset s = SEQSET_EMPTY;
		bool ok = seqset_parse(str_of(rows[i].in), rows[i].star, &s);

		buf_clear(&b);
		assert_true(seqset_put(&b, &s));
		if (ok != (rows[i].want != NULL) || (ok && strcmp(buf_cstr(&b), rows[i].want) != 0))
			fail_msg("%s: %d %s", rows[i].in, ok, buf_cstr(&b));
		seqset_free(&s);
	}
	buf_free(&b);
}

#define BITS 40

static uint64_t
bits_of(const struct seqset *s)
{
	struct seqset_iter it = seqset_iter(s);
	uint64_t bits = 0;
	uint32_t x, last = 0;

	while (seqset_next(&it, &x)) {
		assert_true(x > last && x < 64);
		last = x;
		bits |= 1ull << x;
	}
	for (size_t i = 0; i < s->n; i++) {
		assert_true(s->v[i].lo <= s->v[i].hi);
		assert_true(i == 0 || s->v[i - 1].hi + 1 < s->v[i].lo);
	}
	assert_int_equal(seqset_count(s), __builtin_popcountll(bits));
	for (x = 1; x < 64; x++)
		assert_int_equal(seqset_has(s, x), bits >> x & 1);
	return bits;
}

static uint64_t seed = 88172645463325252ull;

static uint32_t
random_upto(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return 1 + (uint32_t)(seed >> 33) % n;
}

static uint64_t
range_bits(uint32_t lo, uint32_t hi)
{
	return (~0ull >> (63 - hi)) & (~0ull << lo);
}

static void
fill(struct seqset *s, uint64_t *bits)
{
	for (int i = 0; i < 6; i++) {
		uint32_t lo = random_upto(BITS), hi = lo + random_upto(4) - 1;

		if (random_upto(3) > 1) {
			seqset_add(s, lo, hi);
			*bits |= range_bits(lo, hi);
		} else {
			seqset_remove(s, lo, hi);
			*bits &= ~range_bits(lo, hi);
		}
		assert_int_equal(bits_of(s), *bits);
	}
}

static void
algebra(void **state)
{
	for (int i = 0; i < 20000; i++) {
		struct seqset a = SEQSET_EMPTY, b = SEQSET_EMPTY, c = SEQSET_EMPTY;
		uint64_t x = 0, y = 0;

		fill(&a, &x);
		fill(&b, &y);
		seqset_copy(&c, &a);
		assert_true(seqset_eq(&c, &a));
		seqset_union(&c, &b);
		assert_int_equal(bits_of(&c), x | y);
		seqset_copy(&c, &a);
		seqset_intersect(&c, &b);
		assert_int_equal(bits_of(&c), x & y);
		seqset_copy(&c, &a);
		seqset_subtract(&c, &b);
		assert_int_equal(bits_of(&c), x & ~y);
		uint32_t e = random_upto(BITS);
		uint64_t low = x & ((1ull << e) - 1);
		seqset_expunge(&a, e);
		assert_int_equal(bits_of(&a), low | (x >> (e + 1) << e));
		seqset_free(&a);
		seqset_free(&b);
		seqset_free(&c);
	}
}

static void
edges(void **state)
{
	struct seqset s = SEQSET_EMPTY;

	seqset_add(&s, UINT32_MAX, UINT32_MAX);
	seqset_add(&s, 1, UINT32_MAX - 2);
	assert_int_equal(s.n, 2);
	seqset_add(&s, UINT32_MAX - 1, UINT32_MAX - 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(seqset_count(&s), UINT32_MAX);
	seqset_remove(&s, UINT32_MAX, UINT32_MAX);
	assert_int_equal(s.v[0].hi, UINT32_MAX - 1);
	seqset_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(algebra),
		cmocka_unit_test(edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
