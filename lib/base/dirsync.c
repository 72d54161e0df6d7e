#include "base/dirsync.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/durable.h"

void
dirsync_init(struct dirsync *s)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof(*s));
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
}

void
dirsync_end(struct dirsync *s)
{
	assert(!s->running);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
}

/* One round for everybody who asked so far; called and left with the lock held. */
static void
run_round(struct dirsync *s, int dir)
{
	uint64_t round = s->wanted;
	int error;

	s->running = true;
	(void)pthread_mutex_unlock(&s->lock);
	error = durable_names(dir) ? 0 : errno;
	(void)pthread_mutex_lock(&s->lock);
	s->running = false;
	s->done = round;
	if (error != 0) {
		s->failed = round;
		s->error = error;
	}
	(void)pthread_cond_broadcast(&s->changed);
}

bool
dirsync_wait(struct dirsync *s, int dir, struct deadline by, bool *led)
{
	struct timespec until = { .tv_sec = (time_t)(by.at_ms / 1000),
		.tv_nsec = (long)(by.at_ms % 1000) * 1000000 };
	uint64_t mine;
	int error = 0;

	*led = false;
	(void)pthread_mutex_lock(&s->lock);
	/* A round that runs already may have begun before our change. */
	mine = ++s->wanted;
	while (error == 0 && s->done < mine) {
		if (!s->running) {
			*led = true;
			run_round(s, dir);
		} else if (by.at_ms == INT64_MAX) {
			(void)pthread_cond_wait(&s->changed, &s->lock);
		} else {
			error = pthread_cond_timedwait(&s->changed, &s->lock, &until);
		}
	}
	/* A failed round since then may have been about our name. */
	if (s->done >= mine)
		error = s->failed >= mine ? s->error : 0;
	(void)pthread_mutex_unlock(&s->lock);
	errno = error;
	return error == 0;
}
