#include "deliver/dirsync.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/log.h"

void
dirsync_init(struct dirsync *s, int fd)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
}

void
dirsync_end(struct dirsync *s)
{
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
}

/* One round for everybody who asked so far; called and left with the lock held. */
static void
run_round(struct dirsync *s)
{
	uint64_t round = s->wanted;
	bool good;

	s->running = true;
	(void)pthread_mutex_unlock(&s->lock);
	good = durable_names(s->fd);
	if (!good)
		log_event(
		    LOG_WARN, "queue.fsync", kv_cstr("error", strerrorname_np(errno)), KV_END);
	(void)pthread_mutex_lock(&s->lock);
	s->running = false;
	if (!good)
		s->failed = round;
	s->done = round;
	(void)pthread_cond_broadcast(&s->changed);
}

enum outcome
dirsync_wait(struct dirsync *s, struct deadline by)
{
	struct timespec at = { .tv_sec = (time_t)(by.at_ms / 1000),
		.tv_nsec = (long)(by.at_ms % 1000) * 1000000 };
	uint64_t mine;
	enum outcome o = DONE;

	(void)pthread_mutex_lock(&s->lock);
	/* A round that runs already may have begun before our change. */
	mine = ++s->wanted;
	while (o == DONE && s->done < mine) {
		if (!s->running)
			run_round(s);
		else if (pthread_cond_timedwait(&s->changed, &s->lock, &at) == ETIMEDOUT)
			o = TEMPFAIL;
	}
	/* A failed round since then may have been about our name. */
	if (o == DONE && s->failed >= mine)
		o = TEMPFAIL;
	(void)pthread_mutex_unlock(&s->lock);
	return o;
}
