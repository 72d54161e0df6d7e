#include "authd/cookie.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/codec.h"

#define BUCKETS 1024

struct waiting {
	uint64_t number;
	unsigned char cookie[AUTH_COOKIE_OCTETS];
	int64_t until_ms;
	struct arena *arena; /* ours: the texts of who */
	struct auth_home who;
	LIST_ENTRY(waiting) bucket;
	TAILQ_ENTRY(waiting) age;
};

struct cookies {
	pthread_mutex_t lock;
	LIST_HEAD(, waiting) buckets[BUCKETS];
	TAILQ_HEAD(, waiting) ages; /* the oldest first */
	size_t count;
};

struct cookies *
cookies_new(void)
{
	struct cookies *c = xcalloc(1, sizeof(*c));

	(void)pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->ages);
	return c;
}

static void
take_out(struct cookies *c, struct waiting *w)
{
	LIST_REMOVE(w, bucket);
	TAILQ_REMOVE(&c->ages, w, age);
	c->count--;
}

static void
waiting_free(struct waiting *w)
{
	arena_free(&w->arena);
	free(w);
}

void
cookies_free(struct cookies **c)
{
	struct waiting *w;

	if (*c == NULL)
		return;
	while ((w = TAILQ_FIRST(&(*c)->ages)) != NULL) {
		take_out(*c, w);
		waiting_free(w);
	}
	(void)pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

static void
copy_home(struct arena *a, const struct auth_home *from, struct auth_home *to)
{
	*to = *from;
	to->user = arena_str(a, from->user);
	to->home = arena_str(a, from->home);
	to->host = arena_str(a, from->host);
	to->name = arena_str(a, from->name);
}

/* With the lock: those whose time is over. */
static void
sweep(struct cookies *c, int64_t now_ms)
{
	struct waiting *w;

	while ((w = TAILQ_FIRST(&c->ages)) != NULL && w->until_ms < now_ms) {
		take_out(c, w);
		waiting_free(w);
	}
}

enum outcome
cookie_make(struct cookies *c, const struct auth_home *who, int64_t now_ms, uint64_t *number,
    unsigned char cookie[AUTH_COOKIE_OCTETS])
{
	struct waiting *w = xcalloc(1, sizeof(*w));
	enum outcome o = TEMPFAIL;

	w->number = *number = random_u64();
	random_octets(w->cookie, sizeof(w->cookie));
	memcpy(cookie, w->cookie, sizeof(w->cookie));
	w->until_ms = now_ms + AUTH_COOKIE_MS;
	w->arena = arena_new(64 * 1024);
	copy_home(w->arena, who, &w->who);
	(void)pthread_mutex_lock(&c->lock);
	sweep(c, now_ms);
	if (c->count < COOKIES_MAX) {
		LIST_INSERT_HEAD(&c->buckets[w->number % BUCKETS], w, bucket);
		TAILQ_INSERT_TAIL(&c->ages, w, age);
		c->count++;
		o = DONE;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (o != DONE)
		waiting_free(w);
	return o;
}

enum outcome
cookie_redeem(struct cookies *c, uint64_t number, struct str cookie, int64_t now_ms,
    struct arena *a, struct auth_home *who)
{
	enum outcome o = PERMFAIL;
	struct waiting *w;

	*who = (struct auth_home){ 0 };
	(void)pthread_mutex_lock(&c->lock);
	sweep(c, now_ms);
	LIST_FOREACH (w, &c->buckets[number % BUCKETS], bucket)
		if (w->number == number)
			break;
	if (w != NULL)
		take_out(c, w);
	(void)pthread_mutex_unlock(&c->lock);
	if (w == NULL)
		return PERMFAIL;
	if (cookie.n == sizeof(w->cookie) && mem_eq_secret(cookie.p, w->cookie, cookie.n)) {
		copy_home(a, &w->who, who);
		o = DONE;
	}
	waiting_free(w);
	return o;
}
