#include "smtpd/peers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

#define BUCKETS 1024 /* a power of two */

struct entry {
	struct peer_key key;
	unsigned count;
	struct entry *next;
};

struct peers {
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
};

struct peers *
peers_new(void)
{
	struct peers *p = xcalloc(1, sizeof(*p));

	(void)pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
peers_free(struct peers **pp)
{
	struct peers *p = *pp;

	if (p == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->buckets[i] != NULL) {
			struct entry *e = p->buckets[i];
			p->buckets[i] = e->next;
			free(e);
		}
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

struct peer_key
peer_key_of(const struct sockaddr *sa)
{
	struct peer_key k = { { 0 } };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		k.octets[10] = k.octets[11] = 0xff;
		memcpy(k.octets + 12, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
		memcpy(k.octets, &in6->sin6_addr, mapped ? 16 : 8);
	}
	return k;
}

static struct entry **
find(struct peers *p, struct peer_key key)
{
	uint64_t h = hash_str(str_n(key.octets, sizeof(key.octets)));
	struct entry **at = &p->buckets[h & (BUCKETS - 1)];

	while (*at != NULL && memcmp(&(*at)->key, &key, sizeof(key)) != 0)
		at = &(*at)->next;
	return at;
}

bool
peers_enter(struct peers *p, struct peer_key key, unsigned most)
{
	struct entry **at;
	bool ok;

	(void)pthread_mutex_lock(&p->lock);
	at = find(p, key);
	ok = *at == NULL ? most > 0 : (*at)->count < most;
	if (ok && *at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->key = key;
	}
	if (ok)
		(*at)->count++;
	(void)pthread_mutex_unlock(&p->lock);
	return ok;
}

void
peers_leave(struct peers *p, struct peer_key key)
{
	struct entry **at;

	(void)pthread_mutex_lock(&p->lock);
	at = find(p, key);
	assert(*at != NULL && (*at)->count > 0);
	if (--(*at)->count == 0) {
		struct entry *e = *at;
		*at = e->next;
		free(e);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

unsigned
peers_count(struct peers *p, struct peer_key key)
{
	struct entry **at;
	unsigned n;

	(void)pthread_mutex_lock(&p->lock);
	at = find(p, key);
	n = *at != NULL ? (*at)->count : 0;
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}
