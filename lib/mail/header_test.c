/* header_test.c - fields with their octets, folds, and what is no field. */
#include "base/test.h"

#include "mail/header.h"

static const struct str message = STR("Return-Path: <a@b>\r\n"
				      "Subject : folded\r\n\tand on\n more\r\n"
				      "no colon here\r\n"
				      "bad name: x\r\n"
				      "X-Bare: a\rb\0c\r\n"
				      "Received: 1\nRECEIVED: 2\r\n"
				      "Empty:\r\n"
				      "\r\n"
				      "Received: in the body\r\n");

static void
walk(void **state)
{
	static const struct {
		struct str name, value;
	} want[] = {
		{ STR("Return-Path"), STR(" <a@b>") },
		{ STR("Subject"), STR(" folded\r\n\tand on\n more") },
		{ STR(""), STR("no colon here") },
		{ STR(""), STR("bad name: x") },
		{ STR("X-Bare"), STR(" a\rb\0c") },
		{ STR("Received"), STR(" 1") },
		{ STR("RECEIVED"), STR(" 2") },
		{ STR("Empty"), STR("") },
	};
	struct header_iter it = header_iter(message);
	struct field f;
	size_t total = 0;

	for (size_t i = 0; i < COUNT_OF(want); i++) {
		assert_true(header_next(&it, &f));
		total += f.whole.n;
		if (!str_eq(f.name, want[i].name) || !str_eq(f.value, want[i].value))
			fail_msg("field %zu: " STR_FMT "|" STR_FMT, i, STR_ARG(f.name),
			    STR_ARG(f.value));
	}
	assert_false(header_next(&it, &f));
	assert_int_equal(total + 2, header_size(message));
	assert_ptr_equal(it.p, message.p + header_size(message));
}

static void
lookup(void **state)
{
	struct field f;
	struct buf b;

	assert_true(header_find(message, STR("SUBJECT"), &f));
	buf_init(&b, 100);
	assert_true(header_unfold(f.value, &b));
	assert_string_equal(buf_cstr(&b), "folded\tand on more");
	buf_clear(&b);
	assert_true(header_unfold(STR(" a\rb\n"), &b));
	assert_string_equal(buf_cstr(&b), "a b");
	assert_false(header_find(message, STR("bad name"), &f));
	assert_int_equal(header_count(message, STR("received"), 100), 2);
	assert_int_equal(header_count(message, STR("received"), 1), 1);
	buf_free(&b);
}

static void
subset(void **state)
{
	static const struct {
		const char *name;
		struct str message;
		const char *names[3];
		bool not ;
		struct str want;
	} rows[] = {
		{ "two of three", STR("A: 1\r\nB: 2\n x\nC: 3\r\n\r\nbody"), { "c", "B" }, false,
		    STR("B: 2\r\n x\r\nC: 3\r\n\r\n") },
		{ "not", STR("A: 1\r\njunk\r\nB: 2\r\n\r\nbody"), { "b" }, true,
		    STR("A: 1\r\njunk\r\n\r\n") },
		{ "none", STR("A: 1\r\n\r\n"), { "x" }, false, STR("\r\n") },
		{ "no blank line", STR("A: 1\r\nB: 2"), { "b" }, false, STR("B: 2\r\n") },
	};
	struct buf b;

	buf_init(&b, 200);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str v[3];
		struct header_names names = { v, 0 };

		while (names.n < 3 && rows[i].names[names.n] != NULL) {
			v[names.n] = str_of(rows[i].names[names.n]);
			names.n++;
		}
		header_names_sort(&names);
		buf_clear(&b);
		assert_true(header_put_fields(rows[i].message, &names, rows[i].not, &b));
		if (!str_eq(buf_str(&b), rows[i].want))
			fail_msg("%s: got %s", rows[i].name, buf_cstr(&b));
	}
	buf_free(&b);
}

static void
msgids(void **state)
{
	struct str v = STR(" <a@b> (comment <x@y>) \"quoted <z@z>\"\r\n\t< c@d ><> <e@f");
	struct str id;

	assert_true(header_msgid_next(&v, &id));
	assert_true(str_eq(id, STR("a@b")));
	assert_true(header_msgid_next(&v, &id));
	assert_true(str_eq(id, STR("c@d")));
	assert_false(header_msgid_next(&v, &id));
	assert_int_equal(v.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk),
		cmocka_unit_test(lookup),
		cmocka_unit_test(subset),
		cmocka_unit_test(msgids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
