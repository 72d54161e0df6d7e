#include "base/test.h"

#include "store/names.h"

static void
splits(void **state)
{
	static const struct {
		const char *name, *base;
		uint32_t flags;
		bool ok;
	} rows[] = {
		{ "1.a.host:2,FS", "1.a.host", MSG_FLAGGED | MSG_SEEN, true },
		{ "1.a.host:2,", "1.a.host", 0, true },
		{ "1.a.host", "1.a.host", 0, true },
		{ "1.a.host:1,x", "1.a.host", 0, true },
		{ "1.a.host,S=5,W=6:2,DFPRSTab", "1.a.host,S=5,W=6",
		    MSG_FLAGS | NAME_PASSED | 1u << 6 | 1u << 7, true },
		{ "1.a.host:2,S,X", "1.a.host", MSG_SEEN, true },
		{ ".hidden:2,", NULL, 0, false },
		{ ":2,S", NULL, 0, false },
		{ "", NULL, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str base;
		uint32_t flags;
		char again[NAME_ROOM];

		if (name_split(str_of(rows[i].name), &base, &flags) != rows[i].ok)
			fail_msg("%s: split", rows[i].name);
		if (!rows[i].ok)
			continue;
		if (!str_eq(base, str_of(rows[i].base)) || flags != rows[i].flags)
			fail_msg("%s: got " STR_FMT " %x", rows[i].name, STR_ARG(base), flags);
		name_join(base, flags, again);
		assert_true(name_split(str_of(again), &base, &flags));
		assert_int_equal(flags, rows[i].flags);
	}
}

static void
makes(void **state)
{
	char base[BASE_MAX + 1];
	char id[90];
	uint64_t size, vsize;

	(void)state;
	assert_true(name_make(1763637682, STR("k3j2-h1"), "mail.example", 1234, 1260, base));
	assert_string_equal(base, "1763637682.PRk3j2-h1.mail.example,S=1234,W=1260");
	assert_true(str_eq(name_id(str_of(base)), STR("k3j2-h1")));
	assert_true(name_sizes(str_of(base), &size, &vsize));
	assert_int_equal(size, 1234);
	assert_int_equal(vsize, 1260);
	assert_int_equal(name_id(STR("1763637682.M1P2.host,S=1")).n, 0);
	memset(id, 'x', sizeof(id));
	assert_true(name_id_valid(str_n(id, 80)));
	assert_false(name_id_valid(str_n(id, 81)));
	assert_false(name_id_valid(STR("a/b")));
	assert_false(name_id_valid(STR("a.b")));
	assert_false(name_id_valid(STR("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits),
		cmocka_unit_test(makes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
