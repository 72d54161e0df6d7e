/* dot_test.c - what ends a message and what does not (faults.md 1, 2); line ends as presented. */
#include "base/test.h"

#include "mail/crlf.h"
#include "mail/dot.h"

enum {
	LF = UNDOT_BARE_LF,
	CR = UNDOT_BARE_CR,
	NUL = UNDOT_NUL
};

/* Feed in chunks of `step`; answers the octets consumed. */
static size_t
undot_all(struct str in, size_t step, struct undot *u, struct buf *out)
{
	size_t used = 0;

	*u = (struct undot){ 0 };
	buf_clear(out);
	while (used < in.n && !u->done) {
		struct str chunk = str_first(str_from(in, used), step);
		struct scan s = scan_of(chunk);
		struct str piece;

		while (undot_next(u, &s, &piece)) {
			assert_true(piece.n > 0);
			assert_true(buf_put(out, piece));
		}
		used += (size_t)(s.p - chunk.p);
	}
	return used;
}

static void
unstuff(void **state)
{
	static const struct {
		const char *name;
		struct str in, want;
		bool done;
		unsigned marks;
		size_t left;
	} rows[] = {
		{ "plain", STR("a\r\n.\r\nMAIL"), STR("a\r\n"), true, 0, 4 },
		{ "empty", STR(".\r\n"), STR(""), true, 0, 0 },
		{ "stuffed", STR("..a\r\n..\r\n.\r\n"), STR(".a\r\n.\r\n"), true, 0, 0 },
		{ "dot taken off", STR(".a\r\n.\r\n"), STR("a\r\n"), true, 0, 0 },
		{ "LF.LF", STR("a\n.\nb\r\n.\r\n"), STR("a\n.\nb\r\n"), true, LF, 0 },
		{ "LF.CRLF", STR("a\n.\r\nb\r\n.\r\n"), STR("a\n.\r\nb\r\n"), true, LF, 0 },
		{ "CRLF.LF", STR("a\r\n.\nb\r\n.\r\n"), STR("a\r\n\nb\r\n"), true, LF, 0 },
		{ "CRLF.CR", STR("a\r\n.\rb\r\n.\r\n"), STR("a\r\n\rb\r\n"), true, CR, 0 },
		{ "CR.CR", STR("a\r.\rb\r\n.\r\n"), STR("a\r.\rb\r\n"), true, CR, 0 },
		{ "CR.CRLF", STR("a\r.\r\nb\r\n.\r\n"), STR("a\r.\r\nb\r\n"), true, CR, 0 },
		{ "CRCRLF.", STR("a\r\r\n.\r\n"), STR("a\r\r\n"), true, CR, 0 },
		{ "CRLF.CRCRLF", STR("a\r\n.\r\r\n.\r\n"), STR("a\r\n\r\r\n"), true, CR, 0 },
		{ "NUL", STR("a\r\n.\0\r\n.\r\n"), STR("a\r\n\0\r\n"), true, NUL, 0 },
		{ "space", STR("a\r\n. \r\n.\r\n"), STR("a\r\n \r\n"), true, 0, 0 },
		{ "not yet", STR("a\r\n.\r"), STR("a\r\n"), false, 0, 0 },
		{ "no start", STR("a.\r\n.\r\n"), STR("a.\r\n"), true, 0, 0 },
	};
	struct undot u;
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			size_t used = undot_all(rows[i].in, step, &u, &out);

			if (!str_eq(buf_str(&out), rows[i].want) || u.done != rows[i].done ||
			    u.marks != rows[i].marks || rows[i].in.n - used != rows[i].left)
				fail_msg("%s by %zu: %s done %d marks %u left %zu", rows[i].name,
				    step, buf_cstr(&out), u.done, u.marks, rows[i].in.n - used);
			assert_int_equal(u.octets, out.n);
		}
	}
	buf_free(&out);
}

static void
longest(void **state)
{
	const struct str in = STR("ab\r\nabcd\r\na\nbc\r\nx\r\n.\r\n");
	struct undot u;
	struct buf out;

	buf_init(&out, 100);
	for (size_t step = 1; step <= in.n; step++) {
		(void)undot_all(in, step, &u, &out);
		assert_int_equal(u.longest, 4);
	}
	buf_free(&out);
}

static void
stuff_all(struct str in, size_t step, struct buf *out)
{
	struct dot d = { 0 };

	buf_clear(out);
	for (size_t at = 0; at < in.n; at += step) {
		struct scan s = scan_of(str_first(str_from(in, at), step));
		struct str piece;

		while (dot_next(&d, &s, &piece))
			assert_true(buf_put(out, piece));
	}
	assert_true(buf_put(out, dot_end(&d)));
}

static void
stuff(void **state)
{
	static const struct {
		const char *name;
		struct str in, want;
	} rows[] = {
		{ "empty", STR(""), STR(".\r\n") },
		{ "plain", STR("a\r\nb\r\n"), STR("a\r\nb\r\n.\r\n") },
		{ "no end", STR("a"), STR("a\r\n.\r\n") },
		{ "dots", STR(".\r\n..\r\na.\r\n.b"), STR("..\r\n...\r\na.\r\n..b\r\n.\r\n") },
		{ "LF", STR("a\n.b\n\nc\n"), STR("a\r\n..b\r\n\r\nc\r\n.\r\n") },
		{ "bare CR", STR("a\rb\r\r\nc\r"), STR("a b \r\nc \r\n.\r\n") },
		{ "smuggled", STR("a\r.\r\nb\n.\nc"), STR("a .\r\nb\r\n..\r\nc\r\n.\r\n") },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.n + 1; step++) {
			stuff_all(rows[i].in, step, &out);
			if (!str_eq(buf_str(&out), rows[i].want))
				fail_msg("%s by %zu: %s", rows[i].name, step, buf_cstr(&out));
		}
	}
	buf_free(&out);
}

static void
presented(void **state)
{
	static const struct {
		struct str in, want;
		uint64_t lines, bare;
	} rows[] = {
		{ STR("a\r\nb\nc"), STR("a\r\nb\r\nc"), 2, 1 },
		{ STR("\n\n"), STR("\r\n\r\n"), 2, 2 },
		{ STR("a\rb\r\r\n"), STR("a\rb\r\r\n"), 1, 0 },
		{ STR("a\0\nb\r\n\0"), STR("a\x80\r\nb\r\n\x80"), 2, 1 },
		{ STR(""), STR(""), 0, 0 },
	};
	struct crlf_count n;
	struct buf out;

	buf_init(&out, 100);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		crlf_count(rows[i].in, &n);
		assert_int_equal(n.lines, rows[i].lines);
		assert_int_equal(n.bare, rows[i].bare);
		assert_int_equal(n.size + n.bare, rows[i].want.n);
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			struct crlf c = { 0 };

			buf_clear(&out);
			for (size_t at = 0; at < rows[i].in.n; at += step) {
				struct scan s = scan_of(str_first(str_from(rows[i].in, at), step));
				struct str piece;

				while (crlf_next(&c, &s, &piece))
					assert_true(buf_put(&out, piece));
			}
			assert_true(str_eq(buf_str(&out), rows[i].want));
		}
		/* Every partial is a piece of the whole. */
		for (size_t o = 0; o <= rows[i].want.n + 1; o++) {
			for (size_t k = 0; k <= rows[i].want.n + 1; k++) {
				buf_clear(&out);
				assert_true(crlf_put_partial(&out, rows[i].in, n.bare, o, k));
				if (!str_eq(buf_str(&out), str_first(str_from(rows[i].want, o), k)))
					fail_msg("row %zu <%zu.%zu>", i, o, k);
			}
		}
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unstuff),
		cmocka_unit_test(longest),
		cmocka_unit_test(stuff),
		cmocka_unit_test(presented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
