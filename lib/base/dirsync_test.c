/* dirsync_test.c - group commit: everybody is served, few syncs are made, a failure is told. */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/dirsync.h"

enum {
	THREADS = 8,
	ROUNDS = 200
};

static struct dirsync group;
static char folder[] = "/tmp/dirsync-test-XXXXXX";
static int dir;
static atomic_uint led_rounds, failures;

static void *
rider(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		bool led;

		if (!dirsync_wait(&group, dir, deadline_in(30000), &led))
			atomic_fetch_add(&failures, 1);
		else if (led)
			atomic_fetch_add(&led_rounds, 1);
	}
	return NULL;
}

static void
riders_share(void **state)
{
	pthread_t id[THREADS];

	dirsync_init(&group);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, rider, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(id[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	/* Each sync was led by somebody, and no more were made than led. */
	assert_true(atomic_load(&led_rounds) > 0 && atomic_load(&led_rounds) <= THREADS * ROUNDS);
	assert_int_equal(group.done, group.wanted);
	dirsync_end(&group);
}

static void
failure_is_told(void **state)
{
	bool led;

	dirsync_init(&group);
	assert_false(dirsync_wait(&group, -1, deadline_in(1000), &led));
	assert_int_equal(errno, EBADF);
	assert_true(led);
	/* The next round stands for itself. */
	assert_true(dirsync_wait(&group, dir, deadline_in(30000), &led));
	dirsync_end(&group);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(riders_share),
		cmocka_unit_test(failure_is_told),
	};
	int failed;

	if (mkdtemp(folder) == NULL || (dir = open(folder, O_RDONLY | O_DIRECTORY)) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(folder);
	return failed;
}
