#include "base/test.h"

#include "deliver/schedule.h"

#define HOUR 3600
#define YEAR (365 * 24 * HOUR)

static const struct schedule usual = { 300, 4 * HOUR, 5 * 24 * HOUR, 4 * HOUR };

static void
test_delay(void **state)
{
	static const struct {
		uint32_t tries;
		int64_t want;
	} rows[] = {
		{ 1, 300 },
		{ 2, 600 },
		{ 3, 1200 },
		{ 6, 9600 },
		{ 7, 4 * HOUR },
		{ 8, 4 * HOUR },
		{ 0xffffffffu, 4 * HOUR },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(schedule_delay(&usual, rows[i].tries), rows[i].want);
}

static void
test_clock(void **state)
{
	static const struct {
		const char *name;
		uint64_t age, at;
		int64_t wall, want_age, want_left; /* of a delay of an hour */
	} rows[] = {
		{ "ten minutes later", 100, 1000, 1600, 700, 3000 },
		{ "two hours later", 100, 1000, 1000 + 2 * HOUR, 100 + 2 * HOUR, 0 },
		{ "clock ten years back", 100, 10 * YEAR, 1000, 100, HOUR },
		{ "clock ten years on", 100, 1000, 10 * YEAR, 100 + 8 * HOUR, 0 },
		{ "nonsense noted", UINT64_MAX, UINT64_MAX, 1000, INT64_MAX / 4, HOUR },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t age = schedule_age(&usual, rows[i].age, rows[i].at, rows[i].wall);
		int64_t left = schedule_left(&usual, HOUR, rows[i].at, rows[i].wall);

		if (age != rows[i].want_age || left != rows[i].want_left)
			fail_msg("%s: age %lld, left %lld", rows[i].name, (long long)age,
			    (long long)left);
	}
}

static void
test_ends(void **state)
{
	assert_false(schedule_expired(&usual, 5 * 24 * HOUR - 1));
	assert_true(schedule_expired(&usual, 5 * 24 * HOUR));
	assert_false(schedule_warn(&usual, 4 * HOUR - 1, false));
	assert_true(schedule_warn(&usual, 4 * HOUR, false));
	assert_false(schedule_warn(&usual, 4 * HOUR, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
