#include "deliver/relay/idle.h"

#include <pthread.h>
#include <stdlib.h>

struct kept {
	struct smtp *session; /* NULL: free */
	char *destination;
	unsigned uses;
	struct deadline until;
};

struct idle {
	pthread_mutex_t lock;
	struct kept kept[IDLE_SESSIONS_MAX];
};

struct idle *
idle_new(void)
{
	struct idle *i = xcalloc(1, sizeof(*i));

	(void)pthread_mutex_init(&i->lock, NULL);
	return i;
}

/* Called with the lock held. */
static struct smtp *
remove_kept(struct kept *k)
{
	struct smtp *s = k->session;

	free(k->destination);
	k->destination = NULL;
	k->session = NULL;
	return s;
}

struct smtp *
idle_take(struct idle *i, struct str destination, unsigned *uses)
{
	struct smtp *s = NULL;

	(void)pthread_mutex_lock(&i->lock);
	for (size_t n = 0; n < IDLE_SESSIONS_MAX && s == NULL; n++) {
		struct kept *k = &i->kept[n];

		if (k->session == NULL || !str_eq(str_of(k->destination), destination) ||
		    deadline_passed(k->until))
			continue;
		*uses = k->uses;
		s = remove_kept(k);
	}
	(void)pthread_mutex_unlock(&i->lock);
	return s;
}

void
idle_give(struct idle *i, struct str destination, struct smtp *s, unsigned uses)
{
	(void)pthread_mutex_lock(&i->lock);
	for (size_t n = 0; n < IDLE_SESSIONS_MAX && uses < IDLE_USES_MAX; n++) {
		struct kept *k = &i->kept[n];

		if (k->session != NULL)
			continue;
		*k = (struct kept){ s, str_dup(destination), uses, deadline_in(IDLE_MS) };
		s = NULL;
		break;
	}
	(void)pthread_mutex_unlock(&i->lock);
	smtp_close(&s);
}

/* One that has to go, out of the table; NULL when there is none. */
static struct smtp *
take_old(struct idle *i, bool all)
{
	struct smtp *s = NULL;

	(void)pthread_mutex_lock(&i->lock);
	for (size_t n = 0; n < IDLE_SESSIONS_MAX && s == NULL; n++)
		if (i->kept[n].session != NULL && (all || deadline_passed(i->kept[n].until)))
			s = remove_kept(&i->kept[n]);
	(void)pthread_mutex_unlock(&i->lock);
	return s;
}

void
idle_sweep(struct idle *i)
{
	struct smtp *s;

	while ((s = take_old(i, false)) != NULL)
		smtp_close(&s); /* waits for the reply to QUIT: without the lock */
}

void
idle_free(struct idle **ip)
{
	struct idle *i = *ip;
	struct smtp *s;

	if (i == NULL)
		return;
	while ((s = take_old(i, true)) != NULL)
		smtp_close(&s);
	(void)pthread_mutex_destroy(&i->lock);
	free(i);
	*ip = NULL;
}
