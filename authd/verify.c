#include "authd/verify.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"

#define BUCKETS 4096

struct entry {
	unsigned char key[32];
	bool right;
	LIST_ENTRY(entry) bucket;
	TAILQ_ENTRY(entry) age;
};

struct verifier {
	char unprefixed[32];
	unsigned char secret[32];

	pthread_mutex_t lock; /* guards what follows; never held while hashing */
	pthread_cond_t freed;
	unsigned at_once, running, waiting;
	struct secret model; /* a stored password of this installation, for nobody's logins */
	LIST_HEAD(, entry) buckets[BUCKETS];
	TAILQ_HEAD(, entry) ages; /* the longest unused first */
	struct entry entries[VERIFY_REMEMBERED];
	size_t used;
	uint64_t computed, remembered;
};

/* Until a real one is seen: an Argon2id string like those we make ("" hashed, never right). */
static const char first_model[] = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
				  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct verifier *
verifier_new(const char *unprefixed, unsigned at_once)
{
	struct verifier *v = xcalloc(1, sizeof(*v));
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_condattr_t attr;

	(void)snprintf(v->unprefixed, sizeof(v->unprefixed), "%s", unprefixed);
	random_octets(v->secret, sizeof(v->secret));
	v->at_once = at_once > 0 ? at_once : processors > 1 ? (unsigned)processors : 1;
	(void)pthread_mutex_init(&v->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&v->freed, &attr);
	(void)pthread_condattr_destroy(&attr);
	TAILQ_INIT(&v->ages);
	verifier_learn(v, str_of(first_model));
	return v;
}

void
verifier_free(struct verifier **v)
{
	if (*v == NULL)
		return;
	secret_free(&(*v)->model);
	(void)pthread_cond_destroy(&(*v)->freed);
	(void)pthread_mutex_destroy(&(*v)->lock);
	wipe(*v, sizeof(**v));
	free(*v);
	*v = NULL;
}

void
verifier_learn(struct verifier *v, struct str stored)
{
	struct secret fresh = { 0 };

	if (stored.n == 0 || !secret_set(&fresh, stored))
		return;
	(void)pthread_mutex_lock(&v->lock);
	secret_free(&v->model);
	v->model = fresh;
	(void)pthread_mutex_unlock(&v->lock);
}

/* --- what is remembered --- */

static void
key_of(const struct verifier *v, struct str user, struct str stored, const struct secret *password,
    unsigned char key[32])
{
	struct str parts[] = { user, stored, secret_reveal(password) };
	unsigned char text[3 * (8 + SECRET_MAX)];
	size_t n = 0;

	/* Lengths before the texts, so that no two questions read the same. */
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct str s = str_first(parts[i], SECRET_MAX);
		uint64_t length = parts[i].n;

		memcpy(text + n, &length, sizeof(length));
		n += sizeof(length);
		if (s.n > 0)
			memcpy(text + n, s.p, s.n);
		n += s.n;
	}
	if (HMAC(EVP_sha256(), v->secret, sizeof(v->secret), text, n, key, NULL) == NULL)
		log_fatal("HMAC-SHA-256 does not work");
	wipe(text, sizeof(text));
}

static size_t
bucket_of(const unsigned char key[32])
{
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	return k % BUCKETS;
}

/* With the lock. */
static struct entry *
find(struct verifier *v, const unsigned char key[32])
{
	struct entry *e;

	LIST_FOREACH (e, &v->buckets[bucket_of(key)], bucket)
		if (memcmp(e->key, key, sizeof(e->key)) == 0)
			return e;
	return NULL;
}

static bool
recall(struct verifier *v, const unsigned char key[32], bool *right)
{
	struct entry *e;

	(void)pthread_mutex_lock(&v->lock);
	e = find(v, key);
	if (e != NULL) {
		*right = e->right;
		v->remembered++;
		TAILQ_REMOVE(&v->ages, e, age);
		TAILQ_INSERT_TAIL(&v->ages, e, age);
	}
	(void)pthread_mutex_unlock(&v->lock);
	return e != NULL;
}

static void
remember(struct verifier *v, const unsigned char key[32], bool right)
{
	struct entry *e;

	(void)pthread_mutex_lock(&v->lock);
	v->computed++;
	e = find(v, key);
	if (e == NULL) {
		if (v->used < VERIFY_REMEMBERED) {
			e = &v->entries[v->used++];
		} else {
			e = TAILQ_FIRST(&v->ages);
			TAILQ_REMOVE(&v->ages, e, age);
			LIST_REMOVE(e, bucket);
		}
		memcpy(e->key, key, sizeof(e->key));
		LIST_INSERT_HEAD(&v->buckets[bucket_of(key)], e, bucket);
		TAILQ_INSERT_TAIL(&v->ages, e, age);
	}
	e->right = right;
	(void)pthread_mutex_unlock(&v->lock);
}

/* --- taking turns --- */

static bool
enter(struct verifier *v, struct deadline d)
{
	struct timespec at = { .tv_sec = (time_t)(d.at_ms / 1000),
		.tv_nsec = (long)(d.at_ms % 1000) * 1000000 };
	bool in = true;

	(void)pthread_mutex_lock(&v->lock);
	if (v->running >= v->at_once && v->waiting >= VERIFY_WAITING) {
		(void)pthread_mutex_unlock(&v->lock);
		return false;
	}
	v->waiting++;
	while (in && v->running >= v->at_once) {
		if (d.at_ms == INT64_MAX)
			(void)pthread_cond_wait(&v->freed, &v->lock);
		else
			in = pthread_cond_timedwait(&v->freed, &v->lock, &at) != ETIMEDOUT;
	}
	v->waiting--;
	if (in)
		v->running++;
	(void)pthread_mutex_unlock(&v->lock);
	return in;
}

static void
leave(struct verifier *v)
{
	(void)pthread_mutex_lock(&v->lock);
	v->running--;
	(void)pthread_cond_signal(&v->freed);
	(void)pthread_mutex_unlock(&v->lock);
}

/* The stored text to verify against, and whether being right counts. */
static bool
model_for(struct verifier *v, struct str stored, struct secret *model)
{
	bool ok;

	if (stored.n > 0)
		return secret_set(model, stored);
	(void)pthread_mutex_lock(&v->lock);
	ok = secret_set(model, secret_reveal(&v->model));
	(void)pthread_mutex_unlock(&v->lock);
	return ok;
}

enum outcome
verify(struct verifier *v, struct str user, struct str stored, const struct secret *password,
    struct deadline d, bool *computed)
{
	struct secret model = { 0 };
	unsigned char key[32];
	bool right = false, known = stored.n > 0;
	enum passwd_verdict verdict;

	if (computed != NULL)
		*computed = false;
	if (secret_reveal(password).n == 0 || !model_for(v, stored, &model))
		return PERMFAIL;
	if (known)
		verifier_learn(v, stored);
	key_of(v, user, known ? stored : STR(""), password, key);
	if (recall(v, key, &right)) {
		secret_free(&model);
		return right && known ? DONE : PERMFAIL;
	}
	if (!enter(v, d)) {
		secret_free(&model);
		return TEMPFAIL;
	}
	verdict = passwd_verify(secret_reveal(&model), password, v->unprefixed);
	leave(v);
	secret_free(&model);
	if (verdict == PASSWD_UNUSABLE && known)
		log_event(LOG_WARN, "auth.unusable", kv_str("user", user),
		    kv_cstr("what", "the stored password has no known form"), KV_END);
	right = verdict == PASSWD_RIGHT && known;
	remember(v, key, right);
	if (computed != NULL)
		*computed = right;
	return right ? DONE : PERMFAIL;
}

void
verifier_count(struct verifier *v, uint64_t *computed, uint64_t *remembered)
{
	(void)pthread_mutex_lock(&v->lock);
	*computed = v->computed;
	*remembered = v->remembered;
	(void)pthread_mutex_unlock(&v->lock);
}
