/*
 * folder.c - the life of a folder object: found by name, opened when an
 * operation needs it, parked when nobody has used it for a while, freed when
 * nobody refers to it.
 *
 * The name is checked at each folder_open against the directory that has it
 * now, since other processes rename and delete; an object whose directory is
 * no longer what its name says leaves the table and serves whoever still has
 * it until they let go.
 */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/core.h"

/* --- locks --- */

bool
folder_lock(struct folder *f, struct deadline d)
{
	struct timespec until = {
		.tv_sec = (time_t)(d.at_ms / 1000),
		.tv_nsec = (long)(d.at_ms % 1000 * 1000000),
	};

	if (pthread_mutex_trylock(&f->lock) == 0)
		return true;
#ifdef __SANITIZE_THREAD__
	/* It does not know clocklock, and sees races where there are none. */
	d = DEADLINE_NEVER;
#endif
	if (d.at_ms == INT64_MAX)
		return pthread_mutex_lock(&f->lock) == 0;
	return pthread_mutex_clocklock(&f->lock, CLOCK_MONOTONIC, &until) == 0;
}

void
folder_unlock(struct folder *f)
{
	(void)pthread_mutex_unlock(&f->lock);
}

static enum outcome
too_busy(struct folder *f, struct why *why)
{
	log_event(LOG_WARN, "store.busy", kv_cstr("folder", f->path), KV_END);
	return fail(TEMPFAIL, why, 451, "4.3.0", "The folder is busy");
}

enum outcome
folder_relock(struct folder *f, struct deadline d, struct why *why)
{
	return folder_lock(f, d) ? DONE : too_busy(f, why);
}

/* --- the list of idle folders --- */

static void
idle_remove(struct store *s, struct folder *f)
{
	if (!f->idle)
		return;
	if (f->idle_prev != NULL)
		f->idle_prev->idle_next = f->idle_next;
	else
		s->idle_first = f->idle_next;
	if (f->idle_next != NULL)
		f->idle_next->idle_prev = f->idle_prev;
	else
		s->idle_last = f->idle_prev;
	f->idle = false;
	s->idle_count--;
}

static void
idle_add(struct store *s, struct folder *f)
{
	f->idle_prev = s->idle_last;
	f->idle_next = NULL;
	if (s->idle_last != NULL)
		s->idle_last->idle_next = f;
	else
		s->idle_first = f;
	s->idle_last = f;
	f->idle = true;
	s->idle_count++;
}

/* store.lock held, nobody refers to it and it is not open. */
static void
unlist(struct store *s, struct folder *f)
{
	if (f->listed)
		table_remove(&s->folders, &f->node);
	f->listed = false;
}

static void
folder_free(struct folder *f)
{
	assert(f->o == NULL && f->body == NULL && f->views == NULL);
	home_release(&f->home);
	(void)pthread_mutex_destroy(&f->lock);
	free(f->path);
	free(f);
}

/* Give back a reference; with store.lock held on entry, released on return. */
static void
drop_ref(struct store *s, struct folder *f)
{
	bool last = --f->refs == 0 && !f->idle;

	/* An idle one stays open for the next who asks, as long as the list has room. */
	if (last)
		unlist(s, f);
	(void)pthread_mutex_unlock(&s->lock);
	if (last) {
		folder_park(f);
		folder_free(f);
	}
}

bool
store_evict(struct store *s, bool all)
{
	struct folder *f;

	(void)pthread_mutex_lock(&s->lock);
	f = s->idle_first;
	if (f == NULL || (!all && s->idle_count <= s->c.open_folders)) {
		(void)pthread_mutex_unlock(&s->lock);
		return false;
	}
	idle_remove(s, f);
	f->refs++;
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_mutex_lock(&f->lock);
	/* Somebody may have begun to use it since: then it comes back to the list. */
	if (f->busy == 0)
		folder_park(f);
	(void)pthread_mutex_unlock(&f->lock);
	(void)pthread_mutex_lock(&s->lock);
	drop_ref(s, f);
	return true;
}

void
folder_unidle(struct store *s, struct folder *f)
{
	(void)pthread_mutex_lock(&s->lock);
	idle_remove(s, f);
	(void)pthread_mutex_unlock(&s->lock);
}

/* --- open and parked --- */

bool
folder_sync_cur(struct folder *f, struct deadline d)
{
	bool led;
	bool good = dirsync_wait(&f->o->sync, f->o->cur, d, &led);
	int error = errno;

	if (led)
		COUNT(f->store, syncs);
	else
		COUNT(f->store, shared_syncs);
	errno = error;
	return good;
}

void
folder_park(struct folder *f)
{
	assert(f->busy == 0 && f->pinned == 0);
	body_free(&f->body);
	if (f->o == NULL)
		return;
	dirsync_end(&f->o->sync);
	(void)pthread_cond_destroy(&f->o->scanned);
	gen_unref(&f->o->gen);
	fd_close(&f->o->cur);
	fd_close(&f->o->dir);
	free(f->o);
	f->o = NULL;
}

void
folder_set_gone(struct folder *f)
{
	struct store *s = f->store;

	__atomic_store_n(&f->gone, true, __ATOMIC_RELEASE);
	(void)pthread_mutex_lock(&s->lock);
	unlist(s, f);
	(void)pthread_mutex_unlock(&s->lock);
}

bool
folder_gone(const struct folder *f)
{
	return __atomic_load_n(&f->gone, __ATOMIC_ACQUIRE);
}

static enum outcome
say_gone(struct why *why)
{
	return fail(PERMFAIL, why, 0, "", "The folder is gone");
}

static struct opened *
opened_new(int dir, int cur)
{
	struct opened *o = xcalloc(1, sizeof(*o));
	pthread_condattr_t a;

	o->dir = dir;
	o->cur = cur;
	dirsync_init(&o->sync);
	(void)pthread_condattr_init(&a);
	(void)pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&o->scanned, &a);
	(void)pthread_condattr_destroy(&a);
	return o;
}

static enum outcome
open_dirs(struct folder *f, int *dir, int *cur, struct why *why)
{
	struct stat st;

	*cur = -1;
	*dir = fs_open_dir(f->store->c.root, f->path);
	if (*dir < 0 && errno == ENOENT) {
		folder_set_gone(f);
		return say_gone(why);
	}
	if (*dir < 0 || fstat(*dir, &st) != 0)
		return fs_fail(why, "open folder", str_of(f->path), errno);
	if (f->inode != 0 && f->inode != (uint64_t)st.st_ino) {
		fd_close(dir);
		folder_set_gone(f);
		return say_gone(why);
	}
	__atomic_store_n(&f->inode, (uint64_t)st.st_ino, __ATOMIC_RELAXED);
	*cur = fs_open_dir(*dir, "cur");
	if (*cur < 0 && errno == ENOENT) {
		int made = maildir_make(f->store, f->path);

		fd_close(&made);
		*cur = fs_open_dir(*dir, "cur");
	}
	if (*cur < 0)
		return fs_fail(why, "open cur", str_of(f->path), errno);
	return DONE;
}

/* An index that is there or is made now.  o->gen is set on DONE. */
static enum outcome
open_index(struct folder *f, struct opened *o, struct deadline d, struct why *why)
{
	for (int tries = 0; tries < 4; tries++) {
		enum outcome made;

		switch (gen_open(o->dir, &o->gen)) {
		case GEN_OK:
			if (f->uidvalidity != 0 && f->uidvalidity != o->gen->h.uidvalidity) {
				gen_unref(&o->gen);
				folder_set_gone(f);
				return say_gone(why);
			}
			f->uidvalidity = o->gen->h.uidvalidity;
			tail_start(&o->tail, o->gen);
			return DONE;
		case GEN_ERROR:
			return fs_fail(why, "open index", str_of(f->path), errno);
		case GEN_MISSING:
		case GEN_DAMAGED:
			made = index_create(f, o->dir, d, why);
			if (made != DONE)
				return made;
			break;
		}
	}
	return fs_fail(why, "open index", str_of(f->path), EAGAIN);
}

static enum outcome
open_folder(struct folder *f, struct deadline d, struct why *why)
{
	int dir = -1, cur = -1;
	enum outcome o = open_dirs(f, &dir, &cur, why);

	if (o != DONE) {
		fd_close(&cur);
		fd_close(&dir);
		return o;
	}
	f->o = opened_new(dir, cur);
	o = open_index(f, f->o, d, why);
	if (o == DONE)
		o = folder_settle(f, d, why);
	if (o != DONE && folder_gone(f) && f->o->tail.dead)
		folder_finish_delete(f, d);
	if (o != DONE)
		folder_park(f);
	return o;
}

enum outcome
folder_begin(struct folder *f, bool rows, struct deadline d, struct why *why)
{
	struct store *s = f->store;
	enum outcome o = DONE;

	if (!folder_lock(f, d))
		return too_busy(f, why);
	if (folder_gone(f))
		o = say_gone(why);
	if (o == DONE && f->busy++ == 0) {
		(void)pthread_mutex_lock(&s->lock);
		idle_remove(s, f);
		(void)pthread_mutex_unlock(&s->lock);
	} else if (o != DONE) {
		folder_unlock(f);
		return o;
	}
	f->pinned += rows;
	if (f->o == NULL) {
		f->busy--;
		f->pinned -= rows;
		o = open_folder(f, d, why);
		f->busy++;
		f->pinned += rows;
	}
	if (o == DONE)
		o = folder_catch_up(f, d, why);
	if (o == DONE && rows)
		o = folder_load(f, d, why);
	if (o == DONE)
		return DONE;
	folder_end(f, rows);
	folder_unlock(f);
	return o;
}

void
folder_end(struct folder *f, bool rows)
{
	struct store *s = f->store;

	f->pinned -= rows;
	f->used_ms = clock_ms();
	if (--f->busy > 0 || f->o == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	if (f->listed) {
		idle_add(s, f);
		(void)pthread_mutex_unlock(&s->lock);
		return;
	}
	(void)pthread_mutex_unlock(&s->lock);
	folder_park(f);
}

void
folder_end_unlocked(struct folder *f, bool rows)
{
	(void)pthread_mutex_lock(&f->lock);
	folder_end(f, rows);
	folder_unlock(f);
}

/* --- by name --- */

/* "HOME/Maildir" or "HOME/Maildir/.Sub"; NULL with why for a bad name. */
static char *
folder_path(struct home *h, struct str name, struct why *why)
{
	struct buf b;
	char *path = NULL;

	buf_init(&b, HOME_PATH_MAX + 1024);
	(void)buf_put(&b, home_path(h));
	(void)buf_puts(&b, "/Maildir");
	if (!folder_is_inbox(name))
		(void)buf_putc(&b, '/');
	if (folder_disk_name(name, &b, why) == DONE)
		path = str_dup(buf_str(&b));
	buf_free(&b);
	return path;
}

static struct folder *
folder_new(struct home *h, struct str name, char *path)
{
	struct folder *f = xcalloc(1, sizeof(*f) + name.n + 1);

	f->store = h->store;
	h->refs++;
	f->home = h;
	f->refs = 1;
	(void)pthread_mutex_init(&f->lock, NULL);
	f->path = path;
	f->name_len = name.n;
	memcpy(f->name, name.p, name.n);
	return f;
}

static uint64_t
folder_hash(const struct home *h, struct str name)
{
	return hash_str(name) ^ h->node.hash * 0x9e3779b97f4a7c15ULL;
}

/* Takes over path. */
static struct folder *
find_or_new(struct home *h, struct str name, char *path)
{
	struct store *s = h->store;
	uint64_t hash = folder_hash(h, name);
	struct folder *f;

	(void)pthread_mutex_lock(&s->lock);
	for (struct node *n = table_first(&s->folders, hash); n != NULL; n = n->next) {
		f = CONTAINER_OF(n, struct folder, node);
		if (n->hash == hash && f->home == h && str_eq(folder_name(f), name)) {
			f->refs++;
			(void)pthread_mutex_unlock(&s->lock);
			free(path);
			return f;
		}
	}
	f = folder_new(h, name, path);
	table_add(&s->folders, &f->node, hash);
	f->listed = true;
	(void)pthread_mutex_unlock(&s->lock);
	return f;
}

/* The directory's inode; made when it may be. */
static enum outcome
stat_or_make(struct home *h, const char *path, bool make, uint64_t *inode, struct why *why)
{
	struct store *s = h->store;
	struct stat st;
	int dir;

	if (fstatat(s->c.root, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return fail(PERMFAIL, why, 0, "", "No such folder");
		*inode = (uint64_t)st.st_ino;
		return DONE;
	}
	if (errno != ENOENT)
		return fs_fail(why, "stat folder", str_of(path), errno);
	if (!make)
		return fail(PERMFAIL, why, 0, "", "No such folder");
	dir = maildir_make(s, path);
	if (dir < 0 || fstat(dir, &st) != 0) {
		int e = errno;

		fd_close(&dir);
		return fs_fail(why, "make folder", str_of(path), e);
	}
	fd_close(&dir);
	*inode = (uint64_t)st.st_ino;
	return DONE;
}

enum outcome
folder_open(struct home *h, struct str name, bool create, struct deadline d, struct folder **out,
    struct why *why)
{
	bool inbox = folder_is_inbox(name);
	struct str canonical = inbox ? STR("INBOX") : name;
	char *path = folder_path(h, name, why);
	uint64_t inode = 0;
	enum outcome o;

	(void)d;
	*out = NULL;
	if (path == NULL)
		return PERMFAIL;
	o = stat_or_make(h, path, inbox || create, &inode, why);
	if (o != DONE) {
		free(path);
		return o;
	}
	for (int tries = 0; tries < 8; tries++) {
		struct folder *f = find_or_new(h, canonical, xstrdup(path));
		uint64_t have = __atomic_load_n(&f->inode, __ATOMIC_RELAXED);

		if ((have == 0 || have == inode) && !folder_gone(f)) {
			free(path);
			*out = f;
			return DONE;
		}
		/* Renamed or deleted and made again behind our back. */
		folder_set_gone(f);
		folder_release(&f);
	}
	free(path);
	return fail(TEMPFAIL, why, 451, "4.3.0", "The folder is being changed");
}

struct folder *
folder_ref(struct folder *f)
{
	(void)pthread_mutex_lock(&f->store->lock);
	f->refs++;
	(void)pthread_mutex_unlock(&f->store->lock);
	return f;
}

void
folder_release(struct folder **fp)
{
	struct folder *f = *fp;
	struct store *s;

	*fp = NULL;
	if (f == NULL)
		return;
	s = f->store;
	(void)pthread_mutex_lock(&s->lock);
	if (!f->listed)
		idle_remove(s, f);
	drop_ref(s, f);
	while (store_evict(s, false))
		;
}

struct str
folder_name(const struct folder *f)
{
	return str_n(f->name, f->name_len);
}

struct home *
folder_home(const struct folder *f)
{
	return f->home;
}

void
folder_tell(struct folder *f, uint64_t modseq)
{
	const struct store_config *c = &f->store->c;

	if (c->changed != NULL)
		c->changed(
		    c->changed_arg, home_path(f->home), folder_name(f), modseq, folder_gone(f));
}

uint64_t
folder_told(const struct folder *f)
{
	uint64_t told = UINT64_MAX;

	for (const struct view *v = f->views; v != NULL; v = v->next)
		told = MIN(told, v->expunge_told);
	return told;
}

struct totals
folder_totals(const struct folder *f)
{
	struct totals t = f->o->tail.totals;

	if (f->body != NULL) {
		t.messages = f->body->totals.messages;
		t.unseen = f->body->totals.unseen;
		t.deleted = f->body->totals.deleted;
		t.recent = f->body->totals.recent;
		t.octets = f->body->totals.octets;
	}
	return t;
}
