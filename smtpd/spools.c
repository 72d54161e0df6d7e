#include "smtpd/spools.h"

#include <pthread.h>
#include <stdlib.h>

struct spools {
	struct rpc_client *deliver;
	struct pool *pool;
	pthread_mutex_t lock; /* never held over a call of deliver */
	unsigned generation;  /* of the wire: what was fetched before is void */
	unsigned n;
	struct {
		struct deliver_spool spool;
		int64_t since_ms;
	} kept[SPOOLS_KEPT]; /* the oldest first */
	bool fetching;
};

struct spools *
spools_new(struct rpc_client *deliver, struct pool *pool)
{
	struct spools *s = xcalloc(1, sizeof(*s));

	s->deliver = deliver;
	s->pool = pool;
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
spools_free(struct spools **sp)
{
	struct spools *s = *sp;

	if (s == NULL)
		return;
	spools_forget(s);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}

void
spools_forget(struct spools *s)
{
	(void)pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n; i++)
		fd_close(&s->kept[i].spool.fd);
	s->n = 0;
	s->generation++;
	(void)pthread_mutex_unlock(&s->lock);
}

void
spools_drop(struct spools *s, struct deliver_spool *spool)
{
	fd_close(&spool->fd);
	deliver_discard(s->deliver, spool->id);
}

/* Fetch some and keep them. */
static enum outcome
fetch(struct spools *s, struct why *why)
{
	struct deliver_spool got[DELIVER_SPOOLS_A_CALL];
	unsigned n, generation, taken = 0;
	enum outcome o;

	(void)pthread_mutex_lock(&s->lock);
	generation = s->generation;
	(void)pthread_mutex_unlock(&s->lock);
	o = deliver_spools(s->deliver, COUNT_OF(got), deadline_in(SPOOLS_WAIT_MS), got, &n, why);
	if (o != DONE)
		return o;
	(void)pthread_mutex_lock(&s->lock);
	while (taken < n && generation == s->generation && s->n < SPOOLS_KEPT) {
		s->kept[s->n].spool = got[taken++];
		s->kept[s->n++].since_ms = clock_ms();
	}
	(void)pthread_mutex_unlock(&s->lock);
	for (; taken < n; taken++)
		spools_drop(s, &got[taken]);
	return DONE;
}

static void
fetch_later(void *arg)
{
	struct spools *s = arg;
	struct why why;
	bool more = true;

	while (more) {
		more = fetch(s, &why) == DONE; /* else the next message asks for itself */
		(void)pthread_mutex_lock(&s->lock);
		more = more && s->n < SPOOLS_LOW;
		s->fetching = more;
		(void)pthread_mutex_unlock(&s->lock);
	}
}

/* Take the oldest; give those back that are too old. */
static bool
pop(struct spools *s, struct deliver_spool *out)
{
	struct deliver_spool stale[SPOOLS_KEPT];
	unsigned old = 0;
	bool low, found;

	(void)pthread_mutex_lock(&s->lock);
	while (old < s->n && clock_ms() - s->kept[old].since_ms > SPOOLS_AGE_MS) {
		stale[old] = s->kept[old].spool;
		old++;
	}
	s->n -= old;
	memmove(s->kept, s->kept + old, s->n * sizeof(s->kept[0]));
	found = s->n > 0;
	if (found && out != NULL) {
		*out = s->kept[0].spool;
		memmove(s->kept, s->kept + 1, --s->n * sizeof(s->kept[0]));
	}
	low = found && s->n < SPOOLS_LOW && !s->fetching;
	if (low)
		s->fetching = true;
	(void)pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < old; i++)
		spools_drop(s, &stale[i]);
	if (low && !pool_run(s->pool, WORK_WAKE, fetch_later, s)) {
		(void)pthread_mutex_lock(&s->lock);
		s->fetching = false;
		(void)pthread_mutex_unlock(&s->lock);
	}
	return found;
}

enum outcome
spools_ready(struct spools *s, struct why *why)
{
	return pop(s, NULL) ? DONE : fetch(s, why);
}

enum outcome
spools_take(struct spools *s, struct deliver_spool *out, struct why *why)
{
	for (int tries = 0; tries < 10; tries++) { /* others may be quicker */
		enum outcome o;

		if (pop(s, out))
			return DONE;
		o = fetch(s, why);
		if (o != DONE)
			return o;
	}
	return fail(TEMPFAIL, why, 451, "4.3.1", "Too busy, try again later");
}
