/*
 * scan.c - reading a Maildir: what other programs put in, renamed or removed.
 *
 * It costs nothing as long as the mtimes of cur/ and new/ are those we left.
 * When only new/ changed, only new/ is read, and its files move to cur/.  When
 * cur/ changed, it is read whole and compared with the rows.
 *
 * readdir may miss a file that is being renamed meanwhile: nothing counts as
 * gone that is still there under the name we expect, or in a second reading.
 * A directory is clean only when it was quiet for 10 ms before we read it;
 * where mtimes come from a server, for 2 s.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/names.h"
#include "store/scan.h"

#define QUIET_NS        10000000
#define QUIET_SERVER_NS 2000000000
#define VERIFY_S        3600 /* read again what rests on our own claims alone */
#define NEW_ROUNDS      3
#define SCAN_AGAIN_MS   30000 /* after one that failed */

/* --- are they as we left them? --- */

static int64_t
new_mtime(struct folder *f)
{
	struct stat st;

	return fstatat(f->o->dir, "new", &st, AT_SYMLINK_NOFOLLOW) == 0 ? fs_mtime(&st) : 0;
}

static bool
cur_clean(struct folder *f)
{
	const struct tail *t = &f->o->tail;
	int64_t now = wall_s();

	return t->cur_clean != 0 && dir_mtime(f->o->cur) == t->cur_clean &&
	       (t->unsettled == 0 || now - t->unsettled <= YOUNG_S) &&
	       (!t->claimed || now - t->scanned <= VERIFY_S);
}

bool
folder_dirs_clean(struct folder *f)
{
	return f->o->tail.new_clean != 0 && new_mtime(f) == f->o->tail.new_clean && cur_clean(f);
}

static int64_t
wall_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wait until an mtime is old enough to be trusted; false: it takes too long to wait. */
static bool
wait_quiet(const struct store *s, int64_t mtime)
{
	int64_t quiet = s->unnamed ? QUIET_NS : QUIET_SERVER_NS;
	int64_t age = wall_ns() - mtime;
	struct timespec t = { .tv_nsec = (long)(QUIET_NS - MAX(age, 0)) };

	/* An mtime in the future (a clock set back) gets no older by waiting. */
	if (age >= quiet || age < 0)
		return true;
	if (!s->unnamed)
		return false;
	(void)nanosleep(&t, NULL);
	return true;
}

/* --- reading --- */

typedef bool (*each_name)(struct scan_state *s, struct str name);

static enum outcome
read_dir(struct scan_state *s, const char *which, each_name each, struct why *why)
{
	int fd = fs_open_dir(s->f->o->dir, which);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (dir == NULL) {
		int err = errno;

		fd_close(&fd);
		return fs_fail(why, "read directory", str_of(s->f->path), err);
	}
	for (errno = 0; (e = readdir(dir)) != NULL; errno = 0)
		if (e->d_name[0] != '.' && !each(s, str_of(e->d_name)))
			break;
	if (errno != 0) {
		int err = errno;

		(void)closedir(dir);
		return fs_fail(why, "read directory", str_of(s->f->path), err);
	}
	(void)closedir(dir);
	return DONE;
}

static void
add_found(struct scan_state *s, struct str base, struct str name, uint32_t flags)
{
	struct found *n;

	if (s->found_count == s->found_room) {
		s->found_room = s->found_room * 2 + 64;
		s->found = xreallocarray(s->found, s->found_room, sizeof(*s->found));
	}
	n = &s->found[s->found_count++];
	*n = (struct found){
		.name = str_of(str_dup(name)),
		.base_len = (uint16_t)base.n,
		.name_flags = flags,
	};
}

/*
 * A name is to be what we expect when we know its flags: without ":2," it
 * gets it, letters in another order are put in order.  One with letters we do
 * not know is left alone.
 */
static struct str
tidy_name(struct scan_state *s, struct str name, struct str base, uint32_t flags,
    char room[static NAME_ROOM])
{
	int cur = s->f->o->cur;

	name_join(base, flags, room);
	if (str_eq(str_of(room), name) || (name.n != base.n && strlen(room) != name.n) ||
	    renameat2(cur, name.p, cur, room, RENAME_NOREPLACE) != 0)
		return name;
	return str_of(room);
}

static bool
each_in_cur(struct scan_state *s, struct str name)
{
	char room[NAME_ROOM];
	struct str base;
	struct known *k;
	uint32_t flags;

	if (!name_split(name, &base, &flags))
		return true;
	name = tidy_name(s, name, base, flags, room);
	base = str_first(name, base.n);
	k = known_find(s, base);
	if (k == NULL) {
		add_found(s, base, name, flags);
	} else if (!k->seen) {
		k->seen = true;
		k->moved = flags != k->name_flags;
		k->found_flags = flags;
	}
	return true;
}

static bool
each_again(struct scan_state *s, struct str name)
{
	struct str base;
	struct known *k;
	uint32_t flags;

	k = name_split(name, &base, &flags) ? known_find(s, base) : NULL;
	if (k != NULL && !k->seen) {
		k->seen = true;
		k->moved = flags != k->name_flags;
		k->found_flags = flags;
	}
	return true;
}

static bool
still_there(struct scan_state *s, struct known *k)
{
	char base[BASE_MAX + 1], name[NAME_ROOM];
	struct str b;
	struct stat st;

	if (!gen_name(s->gen, k->name_ref, base, &b))
		return false;
	name_join(b, k->name_flags, name);
	return fstatat(s->f->o->cur, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum outcome
read_cur(struct scan_state *s, struct why *why)
{
	uint32_t missing = 0;
	enum outcome r;

	for (int tries = 0; tries < 3; tries++) {
		s->cur_mtime = dir_mtime(s->f->o->cur);
		s->cur_quiet = wait_quiet(s->f->store, s->cur_mtime);
		if (dir_mtime(s->f->o->cur) == s->cur_mtime)
			break;
	}
	r = read_dir(s, "cur", each_in_cur, why);
	if (r != DONE)
		return r;
	s->cur_read = true;
	for (uint32_t i = 0; i < s->known_count; i++)
		if (!s->known[i].seen && !(s->known[i].seen = still_there(s, &s->known[i])))
			missing++;
	return missing > 0 ? read_dir(s, "cur", each_again, why) : DONE;
}

/* --- new/ to cur/ --- */

static bool
each_in_new(struct scan_state *s, struct str name)
{
	struct folder *f = s->f;
	char from[NAME_MAX + 8], to[NAME_ROOM];
	struct str base;
	uint32_t flags;
	struct stat st;

	if (!name_split(name, &base, &flags) || name.n > NAME_MAX)
		return true;
	memcpy(from, "new/", 4);
	memcpy(from + 4, name.p, name.n);
	from[4 + name.n] = '\0';
	name_join(base, flags, to);
	if (fstatat(f->o->dir, from, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return true;
	s->new_files++;
	/* Never over a file that is there: a link and an unlink where rename cannot promise it. */
	if (renameat2(f->o->dir, from, f->o->cur, to, RENAME_NOREPLACE) != 0) {
		if (errno != EINVAL && errno != ENOSYS)
			return true;
		if (linkat(f->o->dir, from, f->o->cur, to, 0) != 0)
			return true;
		(void)unlinkat(f->o->dir, from, 0);
	}
	s->moved_new = true;
	if (known_find(s, base) == NULL)
		add_found(s, base, str_of(to), flags);
	return true;
}

static enum outcome
take_new(struct scan_state *s, struct why *why)
{
	for (int round = 0; round < NEW_ROUNDS; round++) {
		int64_t mtime = new_mtime(s->f);
		bool quiet = wait_quiet(s->f->store, mtime);
		enum outcome r;

		s->new_files = 0;
		r = read_dir(s, "new", each_in_new, why);
		if (r != DONE)
			return r;
		if (s->new_files == 0) {
			s->new_mtime = quiet && new_mtime(s->f) == mtime ? mtime : 0;
			if (s->new_mtime != 0)
				return DONE;
		}
	}
	return DONE;
}

/* --- what was found --- */

static int64_t
number_before_dot(struct str s)
{
	int64_t v = 0;
	size_t i;

	for (i = 0; i < s.n && i < 12 && ascii_digit(s.p[i]); i++)
		v = v * 10 + (s.p[i] - '0');
	return i > 0 && i < s.n && s.p[i] == '.' ? v : 0;
}

static int
by_arrival(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return str_cmp(x->name, y->name);
}

static bool
look_at(struct scan_state *s, struct found *n)
{
	int64_t now = wall_s();
	struct str base = str_first(n->name, n->base_len);
	uint64_t size, vsize;
	struct stat st;

	if (fstatat(s->f->o->cur, n->name.p, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return false;
	if (name_id(base).n > 0 && now - st.st_ctim.tv_sec <= YOUNG_S && s->how != SCAN_ADOPT) {
		s->unsettled = true;
		return false;
	}
	n->orphan = name_id(base).n > 0;
	n->young = n->orphan && now - st.st_ctim.tv_sec <= YOUNG_KEPT_S;
	n->size = (uint64_t)st.st_size;
	n->date = st.st_mtim.tv_sec;
	n->order = number_before_dot(base);
	if (n->order == 0)
		n->order = n->date;
	n->vsize = name_sizes(base, &size, &vsize) && size == n->size ? vsize : VSIZE_UNKNOWN;
	return true;
}

static void
look_at_found(struct scan_state *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->found_count; i++) {
		if (look_at(s, &s->found[i]))
			s->found[kept++] = s->found[i];
		else
			free((char *)(uintptr_t)s->found[i].name.p);
	}
	s->found_count = kept;
	if (kept > 0)
		qsort(s->found, kept, sizeof(*s->found), by_arrival);
}

/* --- one scan at a time --- */

/* Locked.  False: at the deadline. */
static bool
begin_scan(struct folder *f, struct deadline d)
{
	struct timespec until = {
		.tv_sec = (time_t)(d.at_ms / 1000),
		.tv_nsec = (long)(d.at_ms % 1000 * 1000000),
	};

	while (f->o->scanning) {
		if (d.at_ms == INT64_MAX)
			(void)pthread_cond_wait(&f->o->scanned, &f->lock);
		else if (pthread_cond_timedwait(&f->o->scanned, &f->lock, &until) == ETIMEDOUT)
			return false;
	}
	f->o->scanning = true;
	return true;
}

static enum outcome
scan(struct scan_state *s, bool read_all, struct deadline d, struct why *why)
{
	int64_t begun = clock_us(), before = dir_mtime(s->f->o->cur);
	enum outcome r = take_new(s, why);

	if (r == DONE && s->moved_new && !read_all)
		s->span = dir_span_end(s->f->o->cur, before, begun);
	if (r == DONE && read_all) {
		/* What was moved from new/ is found again in cur/. */
		scan_forget_found(s);
		r = read_cur(s, why);
	}
	if (r != DONE)
		return r;
	look_at_found(s);
	COUNT(s->f->store, scans);
	return scan_record(s, d, why);
}

enum outcome
folder_scan(struct folder *f, enum scan_how how, struct deadline d, struct why *why)
{
	struct scan_state s = { .f = f, .how = how };
	bool read_all;
	enum outcome r;

	r = folder_relock(f, d, why);
	if (r != DONE)
		return r;
	if (!begin_scan(f, d)) {
		folder_unlock(f);
		return fs_fail(why, "scan", str_of(f->path), ETIMEDOUT);
	}
	r = folder_catch_up(f, d, why);
	if (r == DONE && (how != SCAN_IF_CHANGED || !folder_dirs_clean(f))) {
		/* A new index takes in all there is: nothing tells what was recorded before. */
		if (f->o->tail.scanned == 0)
			s.how = SCAN_ADOPT;
		read_all = how != SCAN_IF_CHANGED || !cur_clean(f);
		scan_know(&s);
		if (s.names_bad) {
			/* Rows we cannot name go, and their files get new UIDs. */
			scan_free(&s);
			s = (struct scan_state){ .f = f, .how = SCAN_ADOPT };
			r = index_rebuild(f, d, why);
			if (r == DONE)
				scan_know(&s);
			read_all = true;
		}
		folder_unlock(f);
		if (r == DONE)
			r = scan(&s, read_all, d, why);
		scan_free(&s);
		(void)pthread_mutex_lock(&f->lock);
	}
	if (f->o != NULL) {
		f->o->scanning = false;
		(void)pthread_cond_broadcast(&f->o->scanned);
	}
	folder_unlock(f);
	if (s.octets != 0 || s.messages != 0)
		home_count(f->home, s.octets, s.messages);
	if (s.changed)
		folder_tell(f, s.modseq);
	return r;
}

static bool
scan_failed_lately(const struct folder *f)
{
	int64_t at = __atomic_load_n(&f->o->scan_failed_ms, __ATOMIC_RELAXED);

	return at != 0 && clock_ms() - at < SCAN_AGAIN_MS;
}

enum outcome
folder_sync(struct folder *f, struct deadline d, struct why *why)
{
	enum outcome r = folder_begin(f, false, d, why);
	bool clean;

	if (r != DONE)
		return r;
	clean = folder_dirs_clean(f) || scan_failed_lately(f);
	if (!clean)
		r = folder_load(f, d, why);
	f->pinned += !clean && r == DONE;
	if (clean || r != DONE) {
		folder_end(f, false);
		folder_unlock(f);
		return r;
	}
	folder_unlock(f);
	/*
	 * What cannot be taken in now (a full disk, a read-only one) is taken in
	 * later: what the index knows can be read all the same.
	 */
	if (folder_scan(f, SCAN_IF_CHANGED, d, NULL) != DONE && !folder_gone(f))
		__atomic_store_n(&f->o->scan_failed_ms, clock_ms(), __ATOMIC_RELAXED);
	if (folder_gone(f))
		r = fail(PERMFAIL, why, 0, "", "The folder is gone");
	folder_end_unlocked(f, true);
	return r;
}
