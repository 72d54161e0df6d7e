#include "authd/lastlogin.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

struct last_logins {
	pthread_mutex_t lock;
	struct login_note notes[LAST_LOGINS_MAX];
};

struct last_logins *
last_logins_new(void)
{
	struct last_logins *l = xcalloc(1, sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	return l;
}

void
last_logins_free(struct last_logins **l)
{
	if (*l == NULL)
		return;
	for (size_t i = 0; i < LAST_LOGINS_MAX; i++)
		free((*l)->notes[i].address);
	(void)pthread_mutex_destroy(&(*l)->lock);
	free(*l);
	*l = NULL;
}

/* Its place or a free one near it; NULL when the neighbourhood is full. */
static struct login_note *
place(struct last_logins *l, struct str address, const char *service)
{
	size_t at = hash_str(address) % LAST_LOGINS_MAX;

	for (size_t i = 0; i < 16; i++) {
		struct login_note *n = &l->notes[(at + i) % LAST_LOGINS_MAX];

		if (n->address == NULL ||
		    (str_eq(str_of(n->address), address) && strcmp(n->service, service) == 0))
			return n;
	}
	return NULL;
}

void
last_login_note(struct last_logins *l, struct str address, const char *service, const char *remote)
{
	struct login_note *n;

	(void)pthread_mutex_lock(&l->lock);
	n = place(l, address, service);
	if (n != NULL) {
		if (n->address == NULL)
			n->address = str_dup(address);
		(void)snprintf(n->service, sizeof(n->service), "%s", service);
		(void)snprintf(n->remote, sizeof(n->remote), "%s", remote);
	}
	(void)pthread_mutex_unlock(&l->lock);
}

void
last_logins_write(struct last_logins *l, struct tables *t, struct deadline d)
{
	struct login_note *taken = xcalloc(LAST_LOGINS_MAX, sizeof(*taken));
	size_t n = 0;

	(void)pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < LAST_LOGINS_MAX; i++) {
		if (l->notes[i].address == NULL)
			continue;
		taken[n++] = l->notes[i];
		l->notes[i] = (struct login_note){ 0 };
	}
	(void)pthread_mutex_unlock(&l->lock);
	if (n > 0)
		tables_count_logins(t, taken, n, d);
	for (size_t i = 0; i < n; i++)
		free(taken[i].address);
	free(taken);
}
