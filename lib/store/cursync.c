/*
 * cursync.c - one fsync for all who changed a directory at the same time.
 *
 * Whoever finds no sync running leads: it takes all who wait, itself
 * included, and syncs for them.  Those who come meanwhile wait for the next,
 * which one of them leads.  Nobody waits for a batch to fill.  A sync that
 * failed has failed for its whole batch and is not tried again (faults.md 4).
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/durable.h"
#include "store/core.h"

struct sync_waiter {
	struct sync_waiter *next;
	int error;
	bool taken, done;
	bool abandoned; /* its owner left at the deadline: the leader frees it */
};

void
sync_group_init(struct sync_group *ds)
{
	pthread_condattr_t a;

	*ds = (struct sync_group){ 0 };
	(void)pthread_mutex_init(&ds->lock, NULL);
	(void)pthread_condattr_init(&a);
	(void)pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&ds->done, &a);
	(void)pthread_condattr_destroy(&a);
}

void
sync_group_free(struct sync_group *ds)
{
	assert(ds->waiting == NULL && !ds->running);
	(void)pthread_cond_destroy(&ds->done);
	(void)pthread_mutex_destroy(&ds->lock);
}

static void
lead(struct store *s, struct sync_group *ds, int dir)
{
	struct sync_waiter *batch = ds->waiting, *next;
	int error;

	for (struct sync_waiter *w = batch; w != NULL; w = w->next) {
		w->taken = true;
		if (w != batch)
			COUNT(s, shared_syncs);
	}
	ds->waiting = NULL;
	ds->running = true;
	(void)pthread_mutex_unlock(&ds->lock);
	COUNT(s, syncs);
	error = durable_names(dir) ? 0 : errno;
	(void)pthread_mutex_lock(&ds->lock);
	ds->running = false;
	for (; batch != NULL; batch = next) {
		next = batch->next;
		batch->error = error;
		batch->done = true;
		if (batch->abandoned)
			free(batch);
	}
	(void)pthread_cond_broadcast(&ds->done);
}

static void
leave_queue(struct sync_group *ds, struct sync_waiter *w)
{
	struct sync_waiter **at = &ds->waiting;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

bool
sync_shared(struct store *s, struct sync_group *ds, int dir, struct deadline d)
{
	struct sync_waiter *w = xcalloc(1, sizeof(*w));
	struct timespec until = {
		.tv_sec = (time_t)(d.at_ms / 1000),
		.tv_nsec = (long)(d.at_ms % 1000 * 1000000),
	};
	int error;

	(void)pthread_mutex_lock(&ds->lock);
	w->next = ds->waiting;
	ds->waiting = w;
	while (!w->done) {
		if (!ds->running) {
			lead(s, ds, dir);
			continue;
		}
		if (d.at_ms == INT64_MAX)
			(void)pthread_cond_wait(&ds->done, &ds->lock);
		else if (pthread_cond_timedwait(&ds->done, &ds->lock, &until) == ETIMEDOUT &&
			 !w->done)
			break;
	}
	if (!w->done) {
		if (w->taken)
			w->abandoned = true;
		else
			leave_queue(ds, w);
	}
	error = w->done ? w->error : ETIMEDOUT;
	if (w->done || !w->taken)
		free(w);
	(void)pthread_mutex_unlock(&ds->lock);
	errno = error;
	return error == 0;
}
