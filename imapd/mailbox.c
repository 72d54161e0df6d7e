/*
 * mailbox.c - watched folders, in a hash table under one lock.
 *
 * The lock is held for the length of a list of watchers and never over a
 * call into the store or the network.
 */
#include "imapd/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/folder.h"

#define BUCKETS_MIN 64

struct mailbox {
	LIST_ENTRY(mailbox) chain;
	LIST_HEAD(, watcher) watchers;
	uint64_t hash;
	int64_t checked_ms;
	uint64_t modseq; /* as the last check saw it */
	uint16_t home_n, name_n;
	char text[]; /* home, name; no NUL */
};

LIST_HEAD(bucket, mailbox);

struct mailboxes {
	pthread_mutex_t lock;
	struct bucket *buckets; /* ours */
	size_t room;            /* a power of two */
	size_t count;
	size_t round; /* the bucket where the next check goes on */
};

static uint64_t
hash_of(struct str home, struct str folder)
{
	return hash_str(home) * 31 + hash_str(folder);
}

static struct str
home_of(const struct mailbox *b)
{
	return str_n(b->text, b->home_n);
}

static struct str
name_of(const struct mailbox *b)
{
	return str_n(b->text + b->home_n, b->name_n);
}

struct mailboxes *
mailboxes_new(void)
{
	struct mailboxes *m = xcalloc(1, sizeof(*m));

	(void)pthread_mutex_init(&m->lock, NULL);
	m->room = BUCKETS_MIN;
	m->buckets = xcalloc(m->room, sizeof(*m->buckets));
	return m;
}

void
mailboxes_free(struct mailboxes **mp)
{
	struct mailboxes *m = *mp;

	if (m == NULL)
		return;
	assert(m->count == 0);
	(void)pthread_mutex_destroy(&m->lock);
	free(m->buckets);
	free(m);
	*mp = NULL;
}

static struct mailbox *
find(struct mailboxes *m, uint64_t hash, struct str home, struct str folder)
{
	struct mailbox *b;

	LIST_FOREACH (b, &m->buckets[hash & (m->room - 1)], chain) {
		if (b->hash == hash && str_eq(home_of(b), home) && str_eq(name_of(b), folder))
			return b;
	}
	return NULL;
}

static void
grow(struct mailboxes *m)
{
	size_t room = m->room * 2;
	struct bucket *more = xcalloc(room, sizeof(*more));

	for (size_t i = 0; i < m->room; i++) {
		struct mailbox *b;

		while ((b = LIST_FIRST(&m->buckets[i])) != NULL) {
			LIST_REMOVE(b, chain);
			LIST_INSERT_HEAD(&more[b->hash & (room - 1)], b, chain);
		}
	}
	free(m->buckets);
	m->buckets = more;
	m->room = room;
}

static struct mailbox *
make(struct mailboxes *m, uint64_t hash, struct str home, struct str folder)
{
	struct mailbox *b = xcalloc(1, sizeof(*b) + home.n + folder.n);

	if (m->count >= m->room)
		grow(m);
	b->hash = hash;
	b->checked_ms = clock_ms();
	b->home_n = (uint16_t)home.n;
	b->name_n = (uint16_t)folder.n;
	memcpy(b->text, home.p, home.n);
	memcpy(b->text + home.n, folder.p, folder.n);
	LIST_INSERT_HEAD(&m->buckets[hash & (m->room - 1)], b, chain);
	m->count++;
	return b;
}

void
mailbox_watch(
    struct mailboxes *m, struct str home, struct str folder, uint64_t modseq, struct watcher *w)
{
	uint64_t hash = hash_of(home, folder);
	struct mailbox *b;

	assert(w->box == NULL && home.n <= UINT16_MAX && folder.n <= UINT16_MAX);
	(void)pthread_mutex_lock(&m->lock);
	b = find(m, hash, home, folder);
	if (b == NULL) {
		b = make(m, hash, home, folder);
		b->modseq = modseq;
	}
	LIST_INSERT_HEAD(&b->watchers, w, next);
	w->box = b;
	(void)pthread_mutex_unlock(&m->lock);
}

void
mailbox_unwatch(struct mailboxes *m, struct watcher *w)
{
	struct mailbox *b = w->box;

	if (b == NULL)
		return;
	(void)pthread_mutex_lock(&m->lock);
	LIST_REMOVE(w, next);
	w->box = NULL;
	if (LIST_EMPTY(&b->watchers)) {
		LIST_REMOVE(b, chain);
		m->count--;
		free(b);
	}
	(void)pthread_mutex_unlock(&m->lock);
}

/* Under the lock. */
static void
tell(struct mailbox *b)
{
	struct watcher *w;

	LIST_FOREACH (w, &b->watchers, next)
		w->changed(w);
}

void
mailboxes_changed(struct mailboxes *m, struct str home, struct str folder)
{
	struct mailbox *b;

	(void)pthread_mutex_lock(&m->lock);
	if (home.n > 0 && folder.n > 0) {
		b = find(m, hash_of(home, folder), home, folder);
		if (b != NULL)
			tell(b);
	} else {
		for (size_t i = 0; i < m->room; i++) {
			LIST_FOREACH (b, &m->buckets[i], chain) {
				if (home.n == 0 || str_eq(home_of(b), home))
					tell(b);
			}
		}
	}
	(void)pthread_mutex_unlock(&m->lock);
}

unsigned
mailboxes_count(struct mailboxes *m)
{
	unsigned n;

	(void)pthread_mutex_lock(&m->lock);
	n = (unsigned)m->count;
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

/* --- the foreign changes --- */

struct due {
	uint64_t hash;
	char home[HOME_PATH_MAX + 1];
	char name[HOME_PATH_MAX + 1];
	size_t home_n, name_n;
};

/* The next folder whose time has come, from where the last round stopped. */
static bool
next_due(struct mailboxes *m, int64_t before_ms, struct due *out)
{
	bool found = false;

	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->room && !found; i++) {
		struct mailbox *b;

		m->round &= m->room - 1;
		LIST_FOREACH (b, &m->buckets[m->round], chain) {
			if (b->checked_ms > before_ms || b->home_n > HOME_PATH_MAX ||
			    b->name_n > HOME_PATH_MAX)
				continue;
			b->checked_ms = clock_ms();
			out->hash = b->hash;
			out->home_n = b->home_n;
			out->name_n = b->name_n;
			memcpy(out->home, b->text, b->home_n);
			memcpy(out->name, b->text + b->home_n, b->name_n);
			found = true;
			break;
		}
		if (!found)
			m->round++;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return found;
}

static void
check_one(struct mailboxes *m, struct store *s, const struct due *due, struct deadline d)
{
	struct str home_path = str_n(due->home, due->home_n);
	struct str name = str_n(due->name, due->name_n);
	struct folder_summary now = { 0 };
	struct home *home = NULL;
	struct folder *folder = NULL;
	struct mailbox *b;
	enum outcome o;

	o = store_home(s, home_path, false, &home, NULL);
	if (o == DONE)
		o = folder_open(home, name, false, d, &folder, NULL);
	if (o == DONE)
		o = folder_status(folder, d, &now, NULL);
	folder_release(&folder);
	home_release(&home);
	if (o != DONE && o != PERMFAIL)
		return; /* not now; the next round will tell */
	(void)pthread_mutex_lock(&m->lock);
	b = find(m, due->hash, home_path, name);
	if (b != NULL) {
		if (o == PERMFAIL || b->modseq != now.modseq) /* the folder is gone, or has news */
			tell(b);
		b->modseq = now.modseq;
	}
	(void)pthread_mutex_unlock(&m->lock);
}

void
mailboxes_check(struct mailboxes *m, struct store *s, int64_t every_ms, struct deadline d)
{
	int64_t before = clock_ms() - every_ms;
	struct due *due = xmalloc(sizeof(*due));

	while (!deadline_passed(d) && next_due(m, before, due))
		check_one(m, s, due, d);
	free(due);
}
