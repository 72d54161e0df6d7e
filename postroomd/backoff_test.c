#include "base/test.h"

#include "postroomd/backoff.h"

struct end {
	int64_t at_ms, served_ms;
	bool killed;
	int64_t wait_ms;
	bool alarm;
};

static const struct {
	const char *name;
	struct end ends[12];
	size_t count;
} rows[] = {
	{ "one crash", { { 5000, 4000, false, 100, false } }, 1 },
	{ "never ready",
	    { { 0, -1, false, 100, false }, { 200, -1, false, 200, false },
		{ 500, -1, false, 400, false }, { 1000, -1, false, 800, false },
		{ 2000, -1, false, 1600, true }, { 4000, -1, false, 3200, true },
		{ 8000, -1, false, 6400, true }, { 15000, -1, false, 12800, true },
		{ 28000, -1, false, 25600, true }, { 54000, -1, false, 30000, true },
		{ 84000, -1, false, 30000, false } },
	    11 },
	{ "served well in between",
	    { { 0, -1, false, 100, false }, { 200, -1, false, 200, false },
		{ 20000, 19000, false, 100, false } },
	    3 },
	{ "killed again and again",
	    { { 1000, 900, true, 100, false }, { 2000, 900, true, 100, false },
		{ 3000, 900, true, 100, false }, { 4000, 900, true, 100, false },
		{ 5000, 900, true, 100, true } },
	    5 },
};

static void
test_backoff(void **state)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct backoff b = { 0 };

		for (size_t j = 0; j < rows[i].count; j++) {
			const struct end *e = &rows[i].ends[j];
			int64_t wait = backoff_ended(&b, e->at_ms, e->served_ms, e->killed);

			if (wait != e->wait_ms || backoff_alarm(&b, e->at_ms) != e->alarm)
				fail_msg("%s, end %zu: got %lld %d want %lld %d", rows[i].name, j,
				    (long long)wait, backoff_alarm(&b, e->at_ms),
				    (long long)e->wait_ms, e->alarm);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
