#include "deliver/destinations.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

#define BUCKETS 1024
/* Destinations nobody uses are forgotten when there are more than this. */
#define KEEP    4096

struct destination {
	LIST_ENTRY(destination) chain;
	struct str name; /* ours, lower case */
	unsigned active;
	unsigned limit;
	unsigned waiting_count;
	struct destination_jobs waiting;
	unsigned deaths; /* in a row */
	struct deadline rests_until;
};

LIST_HEAD(bucket, destination);

struct destinations {
	pthread_mutex_t lock;
	unsigned most;
	size_t count;
	struct bucket buckets[BUCKETS];
};

struct destinations *
destinations_new(unsigned most_at_a_time)
{
	struct destinations *d = xcalloc(1, sizeof(*d));

	(void)pthread_mutex_init(&d->lock, NULL);
	d->most = MAX(most_at_a_time, 1u);
	return d;
}

static void
forget(struct destinations *d, struct destination *t)
{
	LIST_REMOVE(t, chain);
	d->count--;
	free((void *)(uintptr_t)t->name.p);
	free(t);
}

void
destinations_free(struct destinations **dp)
{
	struct destinations *d = *dp;

	if (d == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (!LIST_EMPTY(&d->buckets[i]))
			forget(d, LIST_FIRST(&d->buckets[i]));
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	*dp = NULL;
}

/* Those nobody uses and that do not rest: their history is no loss. */
static void
sweep(struct destinations *d)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct destination *t = LIST_FIRST(&d->buckets[i]), *next; t != NULL;
		     t = next) {
			next = LIST_NEXT(t, chain);
			if (t->active == 0 && t->waiting_count == 0 &&
			    (t->deaths == 0 || deadline_passed(t->rests_until)))
				forget(d, t);
		}
}

static struct destination *
find(struct destinations *d, struct str name)
{
	struct bucket *b = &d->buckets[hash_str(name) % BUCKETS];
	struct destination *t;

	LIST_FOREACH (t, b, chain)
		if (str_eq(t->name, name))
			return t;
	if (d->count >= KEEP)
		sweep(d);
	t = xcalloc(1, sizeof(*t));
	t->name = str_n(str_dup(name), name.n);
	t->limit = MIN((unsigned)DESTINATION_FIRST, d->most);
	TAILQ_INIT(&t->waiting);
	LIST_INSERT_HEAD(b, t, chain);
	d->count++;
	return t;
}

enum destination_answer
destination_ask(struct destinations *d, struct str name, struct destination_job *job)
{
	enum destination_answer answer;
	struct destination *t;

	(void)pthread_mutex_lock(&d->lock);
	t = find(d, name);
	job->destination = t;
	if (t->deaths > 0 && !deadline_passed(t->rests_until)) {
		answer = DESTINATION_RESTING;
	} else if (t->active < t->limit) {
		t->active++;
		answer = DESTINATION_GO;
	} else if (t->waiting_count < DESTINATION_WAITING_MAX) {
		TAILQ_INSERT_TAIL(&t->waiting, job, link);
		t->waiting_count++;
		answer = DESTINATION_QUEUED;
	} else {
		answer = DESTINATION_BUSY;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return answer;
}

static void
learn(struct destinations *d, struct destination *t, enum destination_result result)
{
	int64_t rest = DESTINATION_REST_MS;

	switch (result) {
	case DESTINATION_WORKED:
		t->deaths = 0;
		t->limit = MIN(t->limit + 1, d->most);
		break;
	case DESTINATION_DEAD:
		/* Those who were under way together die together, and count once. */
		if (t->deaths > 0 && !deadline_passed(t->rests_until))
			break;
		for (unsigned i = 0; i < t->deaths && rest < DESTINATION_REST_MAX_MS; i++)
			rest *= 2;
		t->deaths++;
		t->limit = MAX(t->limit / 2, 1u);
		t->rests_until = deadline_in(MIN(rest, (int64_t)DESTINATION_REST_MAX_MS));
		break;
	case DESTINATION_NEITHER:
		break;
	}
}

/* One that waits, now active; NULL when there is none, or no room. */
static struct destination_job *
take_waiting(struct destination *t)
{
	struct destination_job *job = TAILQ_FIRST(&t->waiting);

	if (job == NULL || t->active >= t->limit)
		return NULL;
	TAILQ_REMOVE(&t->waiting, job, link);
	t->waiting_count--;
	t->active++;
	return job;
}

struct destination_job *
destination_more(struct destinations *d, struct destination_job *job)
{
	struct destination_job *more;

	(void)pthread_mutex_lock(&d->lock);
	more = take_waiting(job->destination);
	(void)pthread_mutex_unlock(&d->lock);
	return more;
}

struct destination_job *
destination_next(struct destinations *d, struct destination_job *job,
    enum destination_result result, struct destination_jobs *resting)
{
	struct destination *t = job->destination;
	struct destination_job *next = NULL;

	TAILQ_INIT(resting);
	(void)pthread_mutex_lock(&d->lock);
	learn(d, t, result);
	t->active--;
	if (result == DESTINATION_DEAD) {
		TAILQ_CONCAT(resting, &t->waiting, link);
		t->waiting_count = 0;
	} else {
		next = take_waiting(t);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return next;
}

void
destinations_wake(struct destinations *d)
{
	struct destination *t;

	(void)pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_FOREACH (t, &d->buckets[i], chain)
			t->rests_until = deadline_in(0);
	(void)pthread_mutex_unlock(&d->lock);
}
