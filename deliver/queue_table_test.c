#include "base/test.h"

#include <stdlib.h>

#include "deliver/queue_table.h"

#define MANY 5000

/* A little generator of our own: the same numbers in every run. */
static uint64_t
next_number(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 11;
}

static void
test_order(void **state)
{
	uint64_t seed = 1;
	struct queue_table t;
	int64_t last = INT64_MIN;
	size_t n = 0;

	queue_table_init(&t);
	for (size_t i = 1; i <= MANY; i++)
		assert_non_null(queue_table_add(&t, i, (int64_t)(next_number(&seed) % 1000)));
	assert_null(queue_table_add(&t, 7, 0));
	/* Some move, some go. */
	for (uint64_t i = 1; i <= MANY; i += 3)
		queue_table_wait(&t, queue_table_find(&t, i), (int64_t)(next_number(&seed) % 1000));
	for (uint64_t i = 2; i <= MANY; i += 5)
		queue_table_remove(&t, queue_table_find(&t, i));
	while (queue_table_first(&t) != NULL) {
		struct queued *q = queue_table_first(&t);

		assert_true(q->due_ms >= last);
		last = q->due_ms;
		queue_table_activate(&t, q);
		n++;
	}
	assert_int_equal(n, MANY - MANY / 5);
	assert_int_equal(t.count, n);
	assert_null(queue_table_find(&t, 2));
	assert_non_null(queue_table_find(&t, 3));
	queue_table_free(&t);
}

static void
test_page(void **state)
{
	struct queue_table t;
	uint64_t ids[64], after = 0, seed = 9, last = 0;
	size_t n, seen = 0;

	queue_table_init(&t);
	for (size_t i = 0; i < MANY; i++)
		(void)queue_table_add(&t, 1 + next_number(&seed), 0);
	while ((n = queue_table_page(&t, after, ids, 64)) > 0) {
		for (size_t i = 0; i < n; i++) {
			assert_true(ids[i] > last);
			last = ids[i];
		}
		seen += n;
		after = ids[n - 1];
	}
	assert_int_equal(seen, t.count);
	queue_table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
