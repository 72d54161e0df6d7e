/*
 * sessions.c - the list of sessions: a list under a lock.
 */
#include "imapd/sessions.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, session) all = LIST_HEAD_INITIALIZER(all);
static uint32_t count;

void
session_init(
    struct session *s, struct conn *conn, const struct handover *h, const struct account *a)
{
	s->conn = conn;
	s->id = h->session;
	s->protocol = h->protocol;
	s->user = str_dup(a->user);
	s->client = str_dup(h->client);
	s->since_ms = clock_ms();
}

void
session_enter(struct session *s)
{
	s->listed = true;
	(void)pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&all, s, next);
	count++;
	(void)pthread_mutex_unlock(&lock);
}

void
session_leave(struct session *s)
{
	(void)pthread_mutex_lock(&lock);
	if (s->listed) {
		LIST_REMOVE(s, next);
		count--;
	}
	(void)pthread_mutex_unlock(&lock);
	free(s->user);
	free(s->client);
	s->user = s->client = NULL;
}

void
sessions_put(struct rpc_out *out)
{
	int64_t now = clock_ms();
	struct session *s;
	uint32_t left;

	(void)pthread_mutex_lock(&lock);
	left = MIN(count, (uint32_t)SESSIONS_MAX);
	rpc_put_u32(out, left);
	LIST_FOREACH (s, &all, next) {
		struct session_row row = {
			.session = s->id,
			.protocol = s->protocol,
			.user = str_of(s->user),
			.client = str_of(s->client),
			.idling = atomic_load(&s->idling),
			.since_s = (uint64_t)(now - s->since_ms) / 1000,
		};

		if (left-- == 0)
			break;
		session_row_put(out, &row);
	}
	(void)pthread_mutex_unlock(&lock);
}

unsigned
sessions_kick(uint64_t id, struct str user)
{
	struct session *s;
	unsigned n = 0;

	(void)pthread_mutex_lock(&lock);
	LIST_FOREACH (s, &all, next) {
		if ((id != 0 && s->id == id) || (user.n > 0 && str_eq(str_of(s->user), user))) {
			atomic_store(&s->kicked, true);
			conn_wake(s->conn);
			n++;
		}
	}
	(void)pthread_mutex_unlock(&lock);
	return n;
}
