/*
 * maintain.c - what a folder needs once in a while, done by the daemon's
 * timer rather than by a session: flags into names, compaction, parking.
 */
#include <stdlib.h>

#include "store/core.h"

#define FLUSH_AGE_MS 30000
#define PARK_AGE_MS  10000

/* References to all folders that have something in memory. */
static struct folder **
all_folders(struct store *s, size_t *count)
{
	struct folder **v;
	size_t n = 0;

	(void)pthread_mutex_lock(&s->lock);
	v = xreallocarray(NULL, s->folders.n + 1, sizeof(struct folder *));
	for (size_t i = 0; i < s->folders.room; i++)
		for (struct node *e = s->folders.v[i]; e != NULL; e = e->next) {
			struct folder *f = CONTAINER_OF(e, struct folder, node);

			if (!f->idle && f->refs == 0)
				continue;
			f->refs++;
			v[n++] = f;
		}
	(void)pthread_mutex_unlock(&s->lock);
	*count = n;
	return v;
}

/* What it needs now.  False: it could not be looked at. */
static bool
look(struct folder *f, bool flush_all, bool *flush, bool *compact, uint64_t *bytes)
{
	int64_t now = clock_ms();

	if (pthread_mutex_trylock(&f->lock) != 0)
		return false;
	*flush = f->dirty_ms != 0 && (flush_all || now - f->dirty_ms >= FLUSH_AGE_MS);
	*compact = folder_wants_compaction(f);
	*bytes = f->body != NULL ? body_bytes(f->body) : 0;
	folder_unlock(f);
	return true;
}

/* Close what nobody has used for a while, or all that is not used. */
static uint64_t
park(struct folder *f, bool now)
{
	struct store *s = f->store;
	uint64_t freed = 0;
	bool parked = false;

	if (pthread_mutex_trylock(&f->lock) != 0)
		return 0;
	if (f->busy == 0 && f->o != NULL && f->dirty_ms == 0 &&
	    (now || clock_ms() - f->used_ms >= PARK_AGE_MS)) {
		freed = f->body != NULL ? body_bytes(f->body) : 0;
		/* In a process that only delivers the descriptors are worth keeping. */
		if (now || f->body != NULL) {
			folder_park(f);
			parked = true;
		}
	}
	if (parked)
		folder_unidle(s, f);
	folder_unlock(f);
	return freed;
}

static void
maintain(struct store *s, bool everything, struct deadline d)
{
	size_t n;
	struct folder **v = all_folders(s, &n);
	uint64_t warm = 0;

	for (size_t i = 0; i < n; i++) {
		bool flush = false, compact = false;
		uint64_t bytes = 0;

		if (!deadline_passed(d) && look(v[i], everything, &flush, &compact, &bytes)) {
			if (flush)
				(void)!folder_flush_names(v[i], d, NULL);
			if (compact)
				(void)!folder_compact(v[i], d, NULL);
		}
		warm += bytes;
	}
	for (size_t i = 0; i < n; i++) {
		warm -= MIN(warm, park(v[i], warm > s->c.warm_bytes));
		folder_release(&v[i]);
	}
	__atomic_store_n(&s->counters.warm_bytes, warm, __ATOMIC_RELAXED);
	free(v);
}

void
store_maintain(struct store *s, struct deadline d)
{
	maintain(s, false, d);
	sweep_some(s, d);
}

void
store_flush(struct store *s, struct deadline d)
{
	maintain(s, true, d);
}
