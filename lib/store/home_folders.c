/*
 * home_folders.c - the folders of a home: list, make, delete, rename.
 *
 * The directories are the truth; what goes beyond them (special uses, names
 * that were used once) is in the home's state file, changed under its lock.
 * A directory moves by one rename; the index inside moves with it.  The
 * home's lock is taken after a folder's, never before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "base/log.h"
#include "mail/mutf7.h"
#include "store/core.h"

#define NO_SUCH "There is no such folder"

/* --- special uses --- */

static const char *const use_names[] = {
	"\\All",
	"\\Archive",
	"\\Drafts",
	"\\Flagged",
	"\\Junk",
	"\\Sent",
	"\\Trash",
	"\\Important",
};

const char *
special_use_name(enum special_use one)
{
	for (unsigned i = 0; i < COUNT_OF(use_names); i++)
		if ((unsigned)one == 1u << i)
			return use_names[i];
	return "";
}

enum special_use
special_use_of(struct str name)
{
	for (unsigned i = 0; i < COUNT_OF(use_names); i++)
		if (str_eq_nocase(name, str_of(use_names[i])))
			return (enum special_use)(1u << i);
	return USE_NONE;
}

/* --- listing --- */

struct list {
	struct arena *arena;
	struct folder_info *v; /* ours */
	size_t n, room;
};

static struct folder_info *
list_add(struct list *l, struct str name)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 32;
		l->v = xreallocarray(l->v, l->room, sizeof(*l->v));
	}
	l->v[l->n] = (struct folder_info){ .name = arena_str(l->arena, name) };
	return &l->v[l->n++];
}

static int
by_name(const void *a, const void *b)
{
	struct str x = ((const struct folder_info *)a)->name;
	struct str y = ((const struct folder_info *)b)->name;
	bool xi = str_eq(x, STR("INBOX")), yi = str_eq(y, STR("INBOX"));

	return xi != yi ? (xi ? -1 : 1) : str_cmp(x, y);
}

/* Sort, and put what is known of one name into one entry. */
static void
list_settle(struct list *l)
{
	size_t kept = 0;

	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	for (size_t i = 0; i < l->n; i++) {
		struct folder_info *e = &l->v[i];

		if (kept > 0 && str_eq(l->v[kept - 1].name, e->name)) {
			l->v[kept - 1].exists |= e->exists;
			l->v[kept - 1].subscribed |= e->subscribed;
			l->v[kept - 1].has_children |= e->has_children;
			l->v[kept - 1].use |= e->use;
			continue;
		}
		l->v[kept++] = *e;
	}
	l->n = kept;
}

/* The levels above an existing folder have children, whether they exist or not. */
static void
add_parents(struct list *l)
{
	size_t n = l->n;

	for (size_t i = 0; i < n; i++) {
		struct str name = l->v[i].name;
		ptrdiff_t dot;

		if (!l->v[i].exists)
			continue;
		while ((dot = str_rchr(name, FOLDER_SEP)) > 0) {
			name = str_first(name, (size_t)dot);
			list_add(l, name)->has_children = true;
		}
	}
}

static enum outcome
list_dirs(struct home *h, struct list *l, struct home_state *state, struct why *why)
{
	char path[HOME_PATH_MAX + 16];
	struct dirent *e;
	struct buf name;
	DIR *dir = NULL;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/Maildir", h->path);
	fd = fs_open_dir(h->store->c.root, path);
	if (fd < 0 && errno == ENOENT)
		return DONE;
	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		int err = errno;

		fd_close(&fd);
		return fs_fail(why, "list folders", home_path(h), err);
	}
	buf_init(&name, 4 * MAILBOX_NAME_MAX);
	while ((e = readdir(dir)) != NULL && l->n < HOME_FOLDERS_MAX) {
		const struct folder_state *s;
		struct folder_info *info;
		struct stat st;

		if (e->d_name[0] != '.' || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type != DT_DIR &&
		    (e->d_type != DT_UNKNOWN ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
			!S_ISDIR(st.st_mode)))
			continue;
		buf_clear(&name);
		if (!folder_name_of_disk(str_of(e->d_name), &name)) {
			log_event(LOG_INFO, "store.odd_folder", kv_str("home", home_path(h)),
			    kv_cstr("name", e->d_name), KV_END);
			continue;
		}
		info = list_add(l, buf_str(&name));
		info->exists = true;
		s = home_state_get(state, str_of(e->d_name), false);
		info->use = s != NULL ? s->use : USE_NONE;
	}
	buf_free(&name);
	(void)closedir(dir);
	return DONE;
}

static void
load_state(struct home *h, struct home_state *state)
{
	char path[HOME_PATH_MAX + 16];
	int dir;

	(void)snprintf(path, sizeof(path), "%s/" HOME_STATE_DIR, h->path);
	dir = fs_open_dir(h->store->c.root, path);
	home_state_load(h, dir, state);
	fd_close(&dir);
}

enum outcome
home_list(struct home *h, struct arena *a, struct folder_info **out, size_t *count, struct why *why)
{
	struct list l = { .arena = a };
	struct str *names;
	struct home_state state;
	enum outcome r;
	size_t n;

	*out = NULL;
	*count = 0;
	load_state(h, &state);
	list_add(&l, STR("INBOX"))->exists = true;
	r = list_dirs(h, &l, &state, why);
	home_state_free(&state);
	if (r == DONE)
		r = subscriptions_read(h, a, &names, &n, why);
	for (size_t i = 0; r == DONE && i < n; i++)
		list_add(&l, names[i])->subscribed = true;
	if (r == DONE) {
		add_parents(&l);
		list_settle(&l);
		*out = arena_array(a, l.n, sizeof(**out));
		memcpy(*out, l.v, l.n * sizeof(**out));
		*count = l.n;
	}
	free(l.v);
	return r;
}

/* --- one folder --- */

/* "HOME/Maildir" or "HOME/Maildir/.Sub" into out. */
static enum outcome
path_of(struct home *h, struct str name, struct buf *out, struct why *why)
{
	buf_init(out, HOME_PATH_MAX + 1024);
	(void)buf_put(out, home_path(h));
	(void)buf_puts(out, "/Maildir");
	if (folder_is_inbox(name))
		return DONE;
	(void)buf_putc(out, '/');
	return folder_disk_name(name, out, why);
}

enum outcome
home_has_folder(struct home *h, struct str name, struct why *why)
{
	struct buf path;
	struct stat st;
	enum outcome r = path_of(h, name, &path, why);

	if (r == DONE && !folder_is_inbox(name) &&
	    (fstatat(h->store->c.root, buf_cstr(&path), &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		!S_ISDIR(st.st_mode)))
		r = errno == ENOENT || errno == ENOTDIR || errno == 0
			? fail(PERMFAIL, why, 0, "", NO_SUCH)
			: fs_fail(why, "stat folder", home_path(h), errno);
	buf_free(&path);
	return r;
}

enum outcome
home_set_use(struct home *h, struct str name, unsigned use, struct deadline d, struct why *why)
{
	struct home_state state;
	struct home_lock l;
	struct buf disk;
	enum outcome r = home_has_folder(h, name, why);

	if (r != DONE)
		return r;
	buf_init(&disk, 1024);
	if (folder_is_inbox(name))
		(void)buf_puts(&disk, "INBOX");
	r = folder_disk_name(name, &disk, why);
	if (r == DONE)
		r = home_lock(h, &l, d, why);
	if (r == DONE) {
		home_state_load(h, l.state, &state);
		home_state_get(&state, buf_str(&disk), true)->use = use;
		if (!home_state_save(&l, &state))
			r = fs_fail(why, "write home", home_path(h), errno);
		home_state_free(&state);
		home_unlock(&l);
	}
	buf_free(&disk);
	return r;
}

enum outcome
home_create_folder(
    struct home *h, struct str name, unsigned use, struct deadline d, struct why *why)
{
	struct arena *a;
	struct folder_info *all;
	struct folder *f;
	size_t n = 0;
	enum outcome r = home_has_folder(h, name, NULL);

	if (r == DONE)
		return fail(PERMFAIL, why, 0, "", "The folder exists already");
	r = folder_name_check(name, why);
	if (r != DONE)
		return r;
	a = arena_new(16 * 1024 * 1024);
	r = home_list(h, a, &all, &n, why);
	arena_free(&a);
	if (r == DONE && n >= HOME_FOLDERS_MAX)
		return fail(PERMFAIL, why, 0, "", "There are too many folders");
	if (r == DONE)
		r = folder_open(h, name, true, d, &f, why);
	if (r != DONE)
		return r;
	/* The first opening makes the index, with a UIDVALIDITY above all before. */
	r = folder_begin(f, false, d, why);
	if (r == DONE) {
		folder_end(f, false);
		folder_unlock(f);
	}
	folder_release(&f);
	if (r == DONE && use != USE_NONE)
		r = home_set_use(h, name, use, d, why);
	return r;
}

/* The last record of a log: whoever follows it knows that the folder is no more. */
static enum outcome
write_dead(struct folder *f, struct deadline d, struct why *why)
{
	enum outcome r = folder_begin(f, false, d, why);
	struct batch b;

	if (r != DONE)
		return r;
	r = folder_log_lock(f, d, why);
	if (r == DONE) {
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		batch_put(&b, REC_DEAD, 0, NULL, 0);
		r = folder_append(f, &b, true, why);
		folder_log_unlock(f);
	}
	folder_set_gone(f);
	folder_end(f, false);
	folder_unlock(f);
	return r;
}

/* Remember the name's UIDVALIDITY and drop its use. */
static enum outcome
remember_gone(
    struct home *h, struct home_lock *l, struct str disk, uint32_t uidvalidity, struct why *why)
{
	struct home_state state;
	struct folder_state *s;
	enum outcome r = DONE;

	home_state_load(h, l->state, &state);
	s = home_state_get(&state, disk, true);
	s->gone = MAX(s->gone, uidvalidity);
	s->use = USE_NONE;
	if (!home_state_save(l, &state))
		r = fs_fail(why, "write home", home_path(h), errno);
	home_state_free(&state);
	return r;
}

static enum outcome
set_aside(struct home *h, struct home_lock *l, struct str disk, struct why *why)
{
	char from[NAME_MAX + 16], to[NAME_MAX + 64];
	enum outcome r = DONE;
	int expunged = fs_make_dirs(l->state, "expunged");

	(void)snprintf(from, sizeof(from), "Maildir/" STR_FMT, STR_ARG(disk));
	(void)snprintf(to, sizeof(to), "%.200s@%lld", disk.p, (long long)wall_us());
	if (expunged < 0 || (renameat(l->home, from, expunged, to) != 0 && errno != ENOENT))
		r = fs_fail(why, "set folder aside", home_path(h), errno);
	else if (h->store->c.keep_expunged_days == 0)
		aside_remove_tree(expunged, to);
	fd_close(&expunged);
	return r;
}

/* The log says dead, but the directory has its name still: somebody was killed in between. */
void
folder_finish_delete(struct folder *f, struct deadline d)
{
	const char *disk = strrchr(f->path, '/');
	struct home_lock l;
	struct stat st;

	if (disk == NULL || disk[1] != '.' || home_lock(f->home, &l, d, NULL) != DONE)
		return;
	if (fstatat(f->store->c.root, f->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (uint64_t)st.st_ino == f->inode &&
	    remember_gone(f->home, &l, str_of(disk + 1), f->uidvalidity, NULL) == DONE)
		(void)!set_aside(f->home, &l, str_of(disk + 1), NULL);
	home_unlock(&l);
}

enum outcome
home_delete_folder(struct home *h, struct str name, struct deadline d, struct why *why)
{
	struct quota_usage used;
	struct home_lock l;
	struct folder *f;
	uint32_t uidvalidity;
	struct buf disk;
	enum outcome r;

	if (folder_is_inbox(name))
		return fail(PERMFAIL, why, 0, "", "INBOX cannot be deleted");
	r = home_has_folder(h, name, why);
	if (r == DONE)
		r = folder_open(h, name, false, d, &f, why);
	if (r != DONE)
		return r;
	r = write_dead(f, d, why);
	uidvalidity = f->uidvalidity;
	if (r == PERMFAIL && folder_gone(f))
		r = DONE; /* begun before, and cut short */
	if (r == DONE)
		folder_tell(f, 0);
	folder_release(&f);
	if (r != DONE)
		return r;
	crash_point("folder.dead");
	buf_init(&disk, 1024);
	r = folder_disk_name(name, &disk, why);
	if (r == DONE)
		r = home_lock(h, &l, d, why);
	if (r == DONE) {
		r = remember_gone(h, &l, str_of(buf_cstr(&disk)), uidvalidity, why);
		if (r == DONE)
			r = set_aside(h, &l, str_of(buf_cstr(&disk)), why);
		home_unlock(&l);
	}
	buf_free(&disk);
	if (r == DONE)
		(void)!home_recount(h, d, &used, NULL);
	return r;
}
