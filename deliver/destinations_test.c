#include "base/test.h"

#include "deliver/destinations.h"

#define MANY 40

/* The limit grows by one with each success, and all get their turn. */
static void
test_growth(void **state)
{
	struct destinations *d = destinations_new(8);
	struct destination_job jobs[MANY], *under_way[MANY], *more;
	struct destination_jobs resting;
	size_t active = 0, most = 0, done = 0;

	for (size_t i = 0; i < MANY; i++) {
		enum destination_answer want =
		    i < DESTINATION_FIRST ? DESTINATION_GO : DESTINATION_QUEUED;

		assert_int_equal(destination_ask(d, STR("far.example"), &jobs[i]), want);
		if (want == DESTINATION_GO)
			under_way[active++] = &jobs[i];
	}
	while (active > 0) {
		struct destination_job *job = under_way[--active];

		while ((more = destination_more(d, job)) != NULL)
			under_way[active++] = more;
		more = destination_next(d, job, DESTINATION_WORKED, &resting);
		assert_true(TAILQ_EMPTY(&resting));
		if (more != NULL)
			under_way[active++] = more;
		most = MAX(most, active);
		done++;
	}
	assert_int_equal(done, MANY);
	assert_true(most <= 8);
	destinations_free(&d);
}

/* Nobody answers: those who wait are handed back, the next is refused, another place is not. */
static void
test_death(void **state)
{
	struct destinations *d = destinations_new(8);
	struct destination_job jobs[MANY], other;
	struct destination_jobs resting;
	struct destination_job *j;
	size_t n = 0;

	for (size_t i = 0; i < DESTINATION_FIRST + 3; i++)
		(void)destination_ask(d, STR("far.example"), &jobs[i]);
	assert_null(destination_next(d, &jobs[0], DESTINATION_DEAD, &resting));
	TAILQ_FOREACH (j, &resting, link)
		n++;
	assert_int_equal(n, 3);
	assert_int_equal(
	    destination_ask(d, STR("far.example"), &jobs[MANY - 1]), DESTINATION_RESTING);
	assert_int_equal(destination_ask(d, STR("near.example"), &other), DESTINATION_GO);
	destinations_wake(d);
	/* Of the five, four are still under way; half of five is the limit now. */
	assert_int_equal(
	    destination_ask(d, STR("far.example"), &jobs[MANY - 1]), DESTINATION_QUEUED);
	destinations_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
