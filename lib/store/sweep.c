/*
 * sweep.c - what was kept aside goes when its days are over: expunged
 * messages by the ctime that setting them aside gave them, deleted folders
 * and removed mailboxes by the time in their names, `NAME@MICROSECONDS`.
 *
 * One process does it (the one that sweeps the spool), once a day, home by
 * home within the deadlines of store_maintain.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/core.h"

#define TREE_DEPTH  8 /* directories below one that was set aside */
#define HOME_DEPTH  5 /* directories above a home, as a template may have it */
#define SWEEP_FIRST 60000
#define SWEEP_EVERY (24 * 3600 * 1000)

static DIR *
open_list(int parent, const char *name)
{
	int fd = fs_open_dir(parent, name);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL)
		fd_close(&fd);
	return dir;
}

/* The next entry that is not "." or ".."; *is_dir says what it is. */
static const char *
next_entry(DIR *dir, struct stat *st, bool *is_dir)
{
	struct dirent *e;

	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), e->d_name, st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		*is_dir = S_ISDIR(st->st_mode);
		return e->d_name;
	}
	return NULL;
}

static void
remove_tree(int parent, const char *name, int depth)
{
	DIR *dir = open_list(parent, name);
	const char *entry;
	struct stat st;
	bool is_dir;

	if (dir == NULL)
		return;
	while ((entry = next_entry(dir, &st, &is_dir)) != NULL) {
		if (!is_dir)
			(void)unlinkat(dirfd(dir), entry, 0);
		else if (depth < TREE_DEPTH)
			remove_tree(dirfd(dir), entry, depth + 1);
	}
	(void)closedir(dir);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

void
aside_remove_tree(int parent, const char *name)
{
	remove_tree(parent, name, 0);
}

/* Seconds since 1970 in "NAME@MICROSECONDS"; -1: it is no such name. */
static int64_t
time_in_name(const char *name)
{
	struct str s = str_of(name);
	ptrdiff_t at = str_rchr(s, '@');
	uint64_t us;

	if (at < 0 || s.n - (size_t)at < 16 || !str_u64(str_from(s, (size_t)at + 1), &us))
		return -1;
	return (int64_t)(us / 1000000);
}

static void
sweep_files(int parent, const char *name, int64_t before, struct deadline d)
{
	DIR *dir = open_list(parent, name);
	const char *entry;
	struct stat st;
	bool is_dir;

	if (dir == NULL)
		return;
	while (!deadline_passed(d) && (entry = next_entry(dir, &st, &is_dir)) != NULL)
		if (!is_dir && st.st_ctim.tv_sec < before)
			(void)unlinkat(dirfd(dir), entry, 0);
	(void)closedir(dir);
}

void
home_sweep_expunged(struct home *h, int64_t before, struct deadline d)
{
	char path[HOME_PATH_MAX + 40];
	const char *entry;
	struct stat st;
	bool is_dir;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/" HOME_STATE_DIR "/expunged", h->path);
	dir = open_list(h->store->c.root, path);
	if (dir == NULL)
		return;
	while (!deadline_passed(d) && (entry = next_entry(dir, &st, &is_dir)) != NULL) {
		int64_t at = time_in_name(entry);

		if (!is_dir)
			continue;
		if (at < 0)
			sweep_files(dirfd(dir), entry, before, d);
		else if (at < before)
			remove_tree(dirfd(dir), entry, 0);
	}
	(void)closedir(dir);
}

/* --- all homes --- */

struct sweeping {
	char **homes; /* ours, each one too */
	size_t n, room, at;
	int64_t before;
};

static void
add_home(struct sweeping *w, const char *path)
{
	if (w->n == w->room) {
		w->room = w->room * 2 + 64;
		w->homes = xreallocarray(w->homes, w->room, sizeof(*w->homes));
	}
	w->homes[w->n++] = xstrdup(path);
}

static bool
is_home(int dir)
{
	struct stat st;

	return fstatat(dir, HOME_STATE_DIR, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Homes below a directory; in `.removed` also what is to go. */
static void
walk(struct sweeping *w, int parent, const char *name, const char *path, int depth, bool removed)
{
	DIR *dir = open_list(parent, name);
	const char *entry;
	struct stat st;
	bool dir_there;

	if (dir == NULL)
		return;
	if (!removed && is_home(dirfd(dir))) {
		add_home(w, path);
		(void)closedir(dir);
		return;
	}
	while (depth < HOME_DEPTH && (entry = next_entry(dir, &st, &dir_there)) != NULL) {
		char below[HOME_PATH_MAX + 1];
		int64_t at = time_in_name(entry);
		int n =
		    snprintf(below, sizeof(below), "%s%s%s", path, *path != '\0' ? "/" : "", entry);

		if (!dir_there || entry[0] == '.' || n < 0 || (size_t)n >= sizeof(below))
			continue;
		if (removed && at >= 0) {
			if (at < w->before)
				remove_tree(dirfd(dir), entry, 0);
			continue;
		}
		walk(w, dirfd(dir), entry, below, depth + 1, removed);
	}
	(void)closedir(dir);
}

static void
sweeping_free(struct sweeping **wp)
{
	struct sweeping *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++)
		free(w->homes[i]);
	free(w->homes);
	free(w);
}

void
sweep_own(struct store *s)
{
	s->sweep_next_ms = clock_ms() + SWEEP_FIRST;
}

void
sweep_some(struct store *s, struct deadline d)
{
	struct sweeping *w = s->sweeping;

	if (s->sweep_next_ms == 0 || (w == NULL && clock_ms() < s->sweep_next_ms))
		return;
	if (w == NULL) {
		w = s->sweeping = xcalloc(1, sizeof(*w));
		w->before = wall_s() - (int64_t)s->c.keep_expunged_days * 24 * 3600;
		walk(w, s->c.root, ".removed", "", 0, true);
		walk(w, s->c.root, ".", "", 0, false);
	}
	for (; w->at < w->n && !deadline_passed(d); w->at++) {
		struct home *h;

		if (store_home(s, str_of(w->homes[w->at]), false, &h, NULL) != DONE)
			continue;
		home_sweep_expunged(h, w->before, d);
		home_release(&h);
	}
	if (w->at < w->n)
		return;
	log_event(LOG_INFO, "store.swept", kv_uint("homes", w->n), KV_END);
	sweeping_free(&s->sweeping);
	s->sweep_next_ms = clock_ms() + SWEEP_EVERY;
}

void
sweep_stop(struct store *s)
{
	sweeping_free(&s->sweeping);
}
