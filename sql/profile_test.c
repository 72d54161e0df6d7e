/* profile_test.c - statements by name, parameters, overriding, and what is refused. */
#include "base/test.h"

#include "sql/profile.h"

static void
parameters_become_marks(void **state)
{
	struct profile *p = profile_new();
	const struct statement *st;
	struct why why;

	assert_int_equal(
	    profile_parse(p,
		STR("-- a comment; with :things\n-- name: one\n-- why\n"
		    "SELECT ':no', \"a:b\", `c:d` FROM t # :neither\n"
		    " WHERE a = :a AND b=:b_2 AND c = :a;\n\n-- name: two\nDELETE FROM t;\n"),
		"test", &why),
	    DONE);
	st = profile_find(p, "one");
	assert_non_null(st);
	assert_int_equal(st->param_count, 3);
	assert_string_equal(st->params[0], "a");
	assert_string_equal(st->params[1], "b_2");
	assert_string_equal(st->params[2], "a");
	assert_true(st->reads);
	assert_true(str_find(str_of(st->sql), STR("':no', \"a:b\", `c:d` FROM t")) >= 0);
	assert_true(str_ends(str_of(st->sql), STR("WHERE a = ? AND b=? AND c = ?")));
	assert_false(profile_find(p, "two")->reads);
	assert_null(profile_find(p, "three"));
	assert_int_equal(profile_need(p, "three", &st, &why), PERMFAIL);
	assert_string_equal(why.text, "this database profile has no statement \"three\"");
	profile_free(&p);
}

static void
a_later_file_overrides(void **state)
{
	struct profile *p = profile_new();
	unsigned before;

	assert_int_equal(profile_parse(p, STR("-- name: a\nSELECT 1;"), "x", NULL), DONE);
	before = profile_find(p, "a")->number;
	assert_int_equal(profile_parse(p, STR("-- name: a\nSELECT 2;"), "y", NULL), DONE);
	assert_string_equal(profile_find(p, "a")->sql, "SELECT 2");
	assert_int_not_equal(profile_find(p, "a")->number, before);
	profile_free(&p);
}

static void
mistakes_are_named(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		const char *want;
	} rows[] = {
		{ "no name", STR("SELECT 1;"),
		    "f:1: expected \"-- name: NAME\" before a statement" },
		{ "no end", STR("-- name: a\nSELECT 1\n"), "f:3: statement a does not end in ';'" },
		{ "no end before next", STR("-- name: a\nSELECT 1\n-- name: b\nSELECT 2;"),
		    "f:3: statement a does not end in ';'" },
		{ "open quote", STR("-- name: a\nSELECT 'x;\n"),
		    "f:3: statement a does not end in ';'" },
		{ "bare colon", STR("-- name: a\nSELECT : ;"),
		    "f:2: a parameter's name is missing after ':'" },
		{ "empty", STR("-- name: a\n;"), "f:2: statement a is empty" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct profile *p = profile_new();
		struct why why = { 0 };

		if (profile_parse(p, rows[i].in, "f", &why) != PERMFAIL ||
		    strcmp(why.text, rows[i].want) != 0)
			fail_msg("%s: got \"%s\"", rows[i].name, why.text);
		assert_null(profile_find(p, "a"));
		profile_free(&p);
	}
}

static void
our_own_profile_parses(void **state)
{
	struct profile *p = profile_new();
	struct why why = { 0 };

	if (profile_load(p, SQL_DIR "/profiles/postroom.sql", &why) != DONE)
		fail_msg("%s", why.text);
	assert_int_equal(profile_find(p, "route")->param_count, 6);
	assert_true(profile_find(p, "route")->reads);
	profile_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_become_marks),
		cmocka_unit_test(a_later_file_overrides),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(our_own_profile_parses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
