/* migrate_test.c - SQL files are cut into statements as the mysql client cuts them. */
#include "base/test.h"

#include "sql/migrate.h"

static void
statements(void **state)
{
	struct str text =
	    STR("-- head; not an end\nSELECT 1;\nSELECT ';', \"a\\\";\", `;` /* ; */;\n"
		"DELIMITER //\nCREATE FUNCTION f() BEGIN a; b; END//\nDELIMITER ;\n"
		"SELECT 3;\n-- tail\n");
	static const char *const want[] = { "-- head; not an end\nSELECT 1",
		"SELECT ';', \"a\\\";\", `;` /* ; */", "CREATE FUNCTION f() BEGIN a; b; END",
		"SELECT 3" };
	struct str delimiter = STR(";"), got;
	size_t i = 0;

	while (sql_next_statement(&text, &delimiter, &got)) {
		assert_true(i < COUNT_OF(want));
		if (!str_eq(got, str_of(want[i])))
			fail_msg("%zu: got \"" STR_FMT "\"", i, STR_ARG(got));
		i++;
	}
	assert_int_equal(i, COUNT_OF(want));
}

static void
last_statement_without_end(void **state)
{
	struct str text = STR("SELECT 1"), delimiter = STR(";"), got;

	assert_true(sql_next_statement(&text, &delimiter, &got));
	assert_true(str_eq(got, STR("SELECT 1")));
	assert_false(sql_next_statement(&text, &delimiter, &got));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements),
		cmocka_unit_test(last_statement_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
