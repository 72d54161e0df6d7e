/*
 * pool.c - an elastic thread pool.
 *
 * One mutex guards queues and the stack of idle threads; it is held for a
 * few instructions and never while work runs.  Each idle thread sleeps on a
 * condition of its own, so that exactly the one chosen wakes.
 */
#include "run/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "base/log.h"

#define IDLE_SECONDS 30
#define STACK_OCTETS (256 * 1024) /* address space; only what is touched costs memory */

struct work {
	void (*run)(void *arg);
	void *arg;
	STAILQ_ENTRY(work) next;
};

struct worker {
	struct pool *pool;
	pthread_cond_t wake;
	struct work work; /* what it was given while idle; run is NULL when woken for nothing */
	bool given;
	LIST_ENTRY(worker) idle;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t quiet; /* a thread ended */
	struct pool_limits limits;
	unsigned reserve[WORK_CLASSES];
	unsigned threads;
	unsigned idle;
	atomic_uint queued; /* changed under the lock */
	bool ending;
	uint64_t done;
	uint64_t refused;
	STAILQ_HEAD(, work) queue[WORK_CLASSES];
	STAILQ_HEAD(, work) spare; /* empty work structs */
	LIST_HEAD(, worker) sleepers;
};

struct pool *
pool_new(const struct pool_limits *limits)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	assert(limits->threads > 0);
	p->limits = *limits;
	p->reserve[WORK_WAKE] = 0;
	p->reserve[WORK_USER] = limits->threads / 16;
	p->reserve[WORK_NEW] = limits->threads / 8;
	p->reserve[WORK_BODY] = limits->threads / 4;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->quiet, NULL);
	for (int c = 0; c < WORK_CLASSES; c++)
		STAILQ_INIT(&p->queue[c]);
	STAILQ_INIT(&p->spare);
	LIST_INIT(&p->sleepers);
	return p;
}

/* May one more thread be busy with this class?  Under the lock. */
static bool
may_run(const struct pool *p, enum work_class class)
{
	return p->threads - p->idle + p->reserve[class] < p->limits.threads;
}

/* The most important waiting work that may run now.  Under the lock. */
static bool
take_work(struct pool *p, struct work *out)
{
	for (int c = 0; c < WORK_CLASSES; c++) {
		struct work *w = STAILQ_FIRST(&p->queue[c]);
		if (w == NULL || !may_run(p, (enum work_class)c))
			continue;
		STAILQ_REMOVE_HEAD(&p->queue[c], next);
		*out = *w;
		STAILQ_INSERT_HEAD(&p->spare, w, next);
		p->queued--;
		return true;
	}
	return false;
}

/* Sleep until work is given, the pool ends, or the thread is idle for too long. */
static bool
wait_for_work(struct worker *w)
{
	struct pool *p = w->pool;
	struct timespec until;
	int err = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	w->given = false;
	LIST_INSERT_HEAD(&p->sleepers, w, idle);
	while (!w->given && !p->ending && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&w->wake, &p->lock, &until);
	if (w->given)
		return true; /* whoever gave took w off the stack and counted it busy */
	LIST_REMOVE(w, idle);
	return false;
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	struct work now = w->work;

	for (;;) {
		now.run(now.arg);
		(void)pthread_mutex_lock(&p->lock);
		p->done++;
		/* Counted idle while it looks, so that its own slot is free for what it finds. */
		p->idle++;
		if (take_work(p, &now)) {
			p->idle--;
		} else if (wait_for_work(w)) {
			now = w->work;
		} else if (!p->ending && p->idle <= p->limits.keep && wait_for_work(w)) {
			now = w->work;
		} else {
			p->idle--;
			p->threads--;
			(void)pthread_cond_broadcast(&p->quiet);
			(void)pthread_mutex_unlock(&p->lock);
			(void)pthread_cond_destroy(&w->wake);
			free(w);
			return NULL;
		}
		(void)pthread_mutex_unlock(&p->lock);
	}
}

/* Under the lock; false when the system gives no thread. */
static bool
start_worker(struct pool *p, struct work work)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	pthread_condattr_t clock;
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t id;
	int err;

	w->pool = p;
	w->work = work;
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &clock);
	(void)pthread_condattr_destroy(&clock);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
#if !defined(__SANITIZE_ADDRESS__)
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
#endif
	/* Signals are the main thread's business (signalfd). */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&id, &attr, worker_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	if (err != 0) {
		(void)pthread_cond_destroy(&w->wake);
		free(w);
		return false;
	}
	p->threads++;
	return true;
}

static void
enqueue(struct pool *p, enum work_class class, struct work work)
{
	struct work *w = STAILQ_FIRST(&p->spare);

	if (w != NULL)
		STAILQ_REMOVE_HEAD(&p->spare, next);
	else
		w = xmalloc(sizeof(*w));
	*w = work;
	STAILQ_INSERT_TAIL(&p->queue[class], w, next);
	p->queued++;
}

static bool
submit(struct pool *p, enum work_class class, struct work work, bool always)
{
	struct worker *w;
	bool ok = true;

	(void)pthread_mutex_lock(&p->lock);
	w = LIST_FIRST(&p->sleepers);
	if (!always && p->queued >= p->limits.queue) {
		p->refused++;
		ok = false;
	} else if (!may_run(p, class)) {
		enqueue(p, class, work);
	} else if (w != NULL) {
		LIST_REMOVE(w, idle);
		w->work = work;
		w->given = true;
		p->idle--;
		(void)pthread_cond_signal(&w->wake);
	} else if (!start_worker(p, work)) {
		if (p->threads == 0) /* nobody would ever look at the queue */
			log_fatal("cannot start a single thread");
		enqueue(p, class, work);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return ok;
}

bool
pool_run(struct pool *p, enum work_class class, void (*run)(void *arg), void *arg)
{
	return submit(p, class, (struct work){ .run = run, .arg = arg }, false);
}

void
pool_run_always(struct pool *p, enum work_class class, void (*run)(void *arg), void *arg)
{
	(void)submit(p, class, (struct work){ .run = run, .arg = arg }, true);
}

bool
pool_pressed(const struct pool *p)
{
	return atomic_load_explicit(&p->queued, memory_order_relaxed) > 0;
}

void
pool_count(struct pool *p, struct pool_counts *out)
{
	(void)pthread_mutex_lock(&p->lock);
	*out = (struct pool_counts){
		.threads = p->threads,
		.idle = p->idle,
		.queued = p->queued,
		.done = p->done,
		.refused = p->refused,
	};
	(void)pthread_mutex_unlock(&p->lock);
}

void
pool_free(struct pool **pool)
{
	struct pool *p = *pool;
	struct worker *w;
	struct work *spare;

	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	/* Work that is queued still runs: its threads find it before they sleep. */
	while (p->queued > 0 || p->threads > p->idle) {
		struct timespec soon;
		(void)clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 5000000;
		if (soon.tv_nsec >= 1000000000) {
			soon.tv_sec++;
			soon.tv_nsec -= 1000000000;
		}
		(void)pthread_cond_timedwait(&p->quiet, &p->lock, &soon);
	}
	p->ending = true;
	LIST_FOREACH (w, &p->sleepers, idle)
		(void)pthread_cond_signal(&w->wake);
	while (p->threads > 0)
		(void)pthread_cond_wait(&p->quiet, &p->lock);
	(void)pthread_mutex_unlock(&p->lock);
	while ((spare = STAILQ_FIRST(&p->spare)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->spare, next);
		free(spare);
	}
	(void)pthread_cond_destroy(&p->quiet);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
	*pool = NULL;
}
