#include "authd/limit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "mail/address.h"

#define BUCKETS 8192

/* A network, or an account. */
struct counter {
	uint64_t key;
	int64_t since_ms; /* the window's beginning */
	unsigned count;
	unsigned row;                            /* failures in a row, for the delay */
	uint64_t guesses[LIMIT_ACCOUNT_GUESSES]; /* keyed hashes of wrong passwords */
	uint64_t good[LIMIT_GOOD_NETWORKS];      /* networks of the owner, the latest first */
	LIST_ENTRY(counter) bucket;
	TAILQ_ENTRY(counter) age;
};

struct table {
	struct counter *list; /* ours */
	size_t used;
	LIST_HEAD(, counter) buckets[BUCKETS];
	TAILQ_HEAD(, counter) ages;
};

struct limits {
	pthread_mutex_t lock;
	struct table networks, accounts;
};

static void
table_init(struct table *t)
{
	t->list = xcalloc(LIMIT_ENTRIES, sizeof(*t->list));
	TAILQ_INIT(&t->ages);
}

struct limits *
limits_new(void)
{
	struct limits *l = xcalloc(1, sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	table_init(&l->networks);
	table_init(&l->accounts);
	return l;
}

void
limits_free(struct limits **l)
{
	if (*l == NULL)
		return;
	free((*l)->networks.list);
	free((*l)->accounts.list);
	(void)pthread_mutex_destroy(&(*l)->lock);
	free(*l);
	*l = NULL;
}

/* The network of an address as text: a /24 or a /64. */
static uint64_t
network_of(struct str client)
{
	unsigned char octets[16] = { 0 };
	size_t n = ip_parse(client, octets);

	if (n == 0)
		return hash_str(client);
	return siphash(hash_process_key(), octets, n == 4 ? 3 : 8);
}

/*
 * Guesses by way of webmail are counted apart: else strangers could close
 * webmail to the owner, who comes from there as everybody does.
 */
static uint64_t
account_of(struct str user, bool trusted)
{
	return trusted ? ~hash_str(user) : hash_str(user);
}

static struct counter *
look(struct table *t, uint64_t key)
{
	struct counter *c;

	LIST_FOREACH (c, &t->buckets[key % BUCKETS], bucket)
		if (c->key == key)
			return c;
	return NULL;
}

static struct counter *
get(struct table *t, uint64_t key, int64_t now_ms)
{
	struct counter *c = look(t, key);

	if (c != NULL) {
		TAILQ_REMOVE(&t->ages, c, age);
	} else {
		if (t->used < LIMIT_ENTRIES) {
			c = &t->list[t->used++];
		} else {
			c = TAILQ_FIRST(&t->ages);
			TAILQ_REMOVE(&t->ages, c, age);
			LIST_REMOVE(c, bucket);
		}
		*c = (struct counter){ .key = key, .since_ms = now_ms };
		LIST_INSERT_HEAD(&t->buckets[key % BUCKETS], c, bucket);
	}
	TAILQ_INSERT_TAIL(&t->ages, c, age);
	return c;
}

static void
roll(struct counter *c, int64_t window_ms, int64_t now_ms)
{
	if (now_ms - c->since_ms < window_ms)
		return;
	c->since_ms = now_ms;
	c->count = 0;
	c->row = 0;
}

static bool
is_good(const struct counter *account, uint64_t network)
{
	for (size_t i = 0; i < LIMIT_GOOD_NETWORKS; i++)
		if (account->good[i] == network)
			return true;
	return false;
}

static enum outcome
limited(struct why *why, const char *what, int64_t left_ms)
{
	return fail(TEMPFAIL, why, 454, "4.7.0", "Too many failed logins %s, try again in %lld s",
	    what, (long long)(left_ms / 1000 + 1));
}

enum outcome
limits_check(struct limits *l, struct str client, struct str user, bool trusted, int64_t now_ms,
    struct why *why)
{
	uint64_t network = network_of(client);
	enum outcome o = DONE;
	struct counter *c;
	bool owner = false;

	(void)pthread_mutex_lock(&l->lock);
	c = look(&l->accounts, account_of(user, trusted));
	if (c != NULL) {
		roll(c, LIMIT_ACCOUNT_MS, now_ms);
		owner = !trusted && is_good(c, network);
		if (c->count >= LIMIT_ACCOUNT_GUESSES && !owner)
			o = limited(
			    why, "for this account", c->since_ms + LIMIT_ACCOUNT_MS - now_ms);
	}
	c = o == DONE && !trusted && !owner ? look(&l->networks, network) : NULL;
	if (c != NULL) {
		roll(c, LIMIT_NETWORK_MS, now_ms);
		if (c->count >= LIMIT_NETWORK_FAILURES)
			o = limited(
			    why, "from your network", c->since_ms + LIMIT_NETWORK_MS - now_ms);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return o;
}

/* False when this very guess was counted before. */
static bool
new_guess(struct counter *account, const struct secret *guess)
{
	uint64_t h = guess != NULL ? hash_str(secret_reveal(guess)) : 0;
	unsigned n = MIN(account->count, (unsigned)LIMIT_ACCOUNT_GUESSES);

	for (unsigned i = 0; guess != NULL && i < n; i++)
		if (account->guesses[i] == h)
			return false;
	if (n < LIMIT_ACCOUNT_GUESSES)
		account->guesses[n] = h;
	return true;
}

uint32_t
limits_failed(struct limits *l, struct str client, struct str user, const struct secret *guess,
    bool trusted, int64_t now_ms)
{
	struct counter *account, *network;
	unsigned row;
	uint32_t delay = LIMIT_DELAY_FIRST_MS;

	(void)pthread_mutex_lock(&l->lock);
	account = get(&l->accounts, account_of(user, trusted), now_ms);
	roll(account, LIMIT_ACCOUNT_MS, now_ms);
	if (new_guess(account, guess))
		account->count++;
	row = account->count > 0 ? account->count - 1 : 0;
	if (!trusted) {
		network = get(&l->networks, network_of(client), now_ms);
		roll(network, LIMIT_NETWORK_MS, now_ms);
		network->count++;
		row = MAX(row, network->row);
		network->row++;
	}
	(void)pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < row && delay < LIMIT_DELAY_MAX_MS; i++)
		delay *= 2;
	return MIN(delay, (uint32_t)LIMIT_DELAY_MAX_MS);
}

void
limits_passed(struct limits *l, struct str client, struct str user, bool trusted, int64_t now_ms)
{
	uint64_t network = network_of(client);
	struct counter *account, *c;
	size_t i;

	if (trusted)
		return;
	(void)pthread_mutex_lock(&l->lock);
	account = get(&l->accounts, account_of(user, false), now_ms);
	roll(account, LIMIT_ACCOUNT_MS, now_ms);
	/* To the front, the oldest falls out. */
	for (i = 0; i < LIMIT_GOOD_NETWORKS - 1 && account->good[i] != network; i++)
		;
	for (; i > 0; i--)
		account->good[i] = account->good[i - 1];
	account->good[0] = network;
	c = look(&l->networks, network);
	if (c != NULL)
		c->row = 0;
	(void)pthread_mutex_unlock(&l->lock);
}
