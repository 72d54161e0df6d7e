#include "imapd/login/addresses.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/hash.h"

#define BUCKETS 4096

struct address {
	unsigned char key[9]; /* family, then 4 or 8 octets */
	uint64_t count;
	LIST_ENTRY(address) next;
};

LIST_HEAD(bucket, address);

struct addresses {
	struct bucket buckets[BUCKETS];
};

struct addresses *
addresses_new(void)
{
	struct addresses *a = xcalloc(1, sizeof(*a));

	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&a->buckets[i]);
	return a;
}

void
addresses_free(struct addresses **ap)
{
	struct addresses *a = *ap;
	struct address *x;

	for (size_t i = 0; a != NULL && i < BUCKETS; i++)
		while ((x = LIST_FIRST(&a->buckets[i])) != NULL) {
			LIST_REMOVE(x, next);
			free(x);
		}
	free(a);
	*ap = NULL;
}

static void
key_of(const struct sockaddr *sa, unsigned char key[9])
{
	memset(key, 0, 9);
	key[0] = (unsigned char)sa->sa_family;
	if (sa->sa_family == AF_INET6)
		memcpy(key + 1, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 8);
	else if (sa->sa_family == AF_INET)
		memcpy(key + 1, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
}

static struct address *
find(struct addresses *a, const unsigned char key[9], struct bucket **bucket)
{
	struct address *x;

	/* Strangers choose the keys. */
	*bucket = &a->buckets[siphash(hash_process_key(), key, 9) % BUCKETS];
	LIST_FOREACH (x, *bucket, next)
		if (memcmp(x->key, key, 9) == 0)
			return x;
	return NULL;
}

bool
addresses_take(struct addresses *a, const struct sockaddr *sa, uint64_t most)
{
	unsigned char key[9];
	struct bucket *bucket;
	struct address *x;

	key_of(sa, key);
	x = find(a, key, &bucket);
	if (x == NULL) {
		x = xcalloc(1, sizeof(*x));
		memcpy(x->key, key, sizeof(key));
		LIST_INSERT_HEAD(bucket, x, next);
	}
	if (x->count >= most)
		return false;
	x->count++;
	return true;
}

void
addresses_release(struct addresses *a, const struct sockaddr *sa)
{
	unsigned char key[9];
	struct bucket *bucket;
	struct address *x;

	key_of(sa, key);
	x = find(a, key, &bucket);
	assert(x != NULL && x->count > 0);
	if (--x->count > 0)
		return;
	LIST_REMOVE(x, next);
	free(x);
}
