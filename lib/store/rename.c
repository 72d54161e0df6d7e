/*
 * rename.c - RENAME (RFC 3501 6.3.5), and homes as a whole.
 *
 * The index moves with its directory, so UIDVALIDITY and UIDs stay.  Only
 * where a folder of the new name once had a higher UIDVALIDITY would a client
 * be misled: then the index is left behind and a new one, with a UIDVALIDITY
 * above all, is made from the files, whose names carry the flags.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "base/durable.h"
#include "store/core.h"

struct moving {
	struct str from, to; /* on disk, ".A.x"; in the arena */
	uint32_t uidvalidity;
};

/* Objects of this process let go of the old name; flags get into file names first. */
static enum outcome
let_go(struct home *h, struct str name, struct deadline d, uint32_t *uidvalidity, struct why *why)
{
	struct folder *f;
	enum outcome r = folder_open(h, name, false, d, &f, why);

	if (r != DONE)
		return r;
	r = folder_flush_names(f, d, why);
	*uidvalidity = f->uidvalidity;
	if (r == DONE) {
		folder_set_gone(f);
		folder_tell(f, 0);
	}
	folder_release(&f);
	return r;
}

static struct str
disk_of(struct arena *a, struct str name)
{
	struct buf b;
	struct str s = STR_NONE;

	buf_init(&b, 1024);
	if (folder_disk_name(name, &b, NULL) == DONE)
		s = arena_str(a, buf_str(&b));
	buf_free(&b);
	return s;
}

/* "from" and its children, with where they go. */
static enum outcome
plan(struct home *h, struct arena *a, struct str from, struct str to, struct moving **out,
    size_t *n, struct deadline d, struct why *why)
{
	struct folder_info *all;
	size_t count;
	enum outcome r = home_list(h, a, &all, &count, why);

	*n = 0;
	if (r != DONE)
		return r;
	*out = arena_array(a, count, sizeof(**out));
	for (size_t i = 0; r == DONE && i < count; i++) {
		struct str name = all[i].name, rest;
		struct moving *m = &(*out)[*n];
		struct str new_name;

		rest = str_from(name, from.n);
		if (!all[i].exists || !str_starts(name, from) ||
		    (rest.n > 0 && rest.p[0] != FOLDER_SEP))
			continue;
		new_name = str_of(arena_printf(a, STR_FMT STR_FMT, STR_ARG(to), STR_ARG(rest)));
		r = folder_name_check(new_name, why);
		if (r == DONE && home_has_folder(h, new_name, NULL) == DONE)
			r = fail(PERMFAIL, why, 0, "", "The folder exists already");
		if (r == DONE)
			r = let_go(h, name, d, &m->uidvalidity, why);
		m->from = disk_of(a, name);
		m->to = disk_of(a, new_name);
		(*n)++;
	}
	return r;
}

static enum outcome
move_dir(
    struct home *h, struct home_lock *l, const struct moving *m, bool leave_index, struct why *why)
{
	char from[NAME_MAX + 16], to[NAME_MAX + 64];

	(void)snprintf(from, sizeof(from), "Maildir/" STR_FMT, STR_ARG(m->from));
	(void)snprintf(to, sizeof(to), "Maildir/" STR_FMT, STR_ARG(m->to));
	if (leave_index) {
		char index[2 * NAME_MAX];

		(void)snprintf(index, sizeof(index), "%s/" INDEX_NAME, from);
		(void)unlinkat(l->home, index, 0);
	}
	if (renameat2(l->home, from, l->home, to, RENAME_NOREPLACE) != 0 &&
	    (errno != EINVAL || renameat(l->home, from, l->home, to) != 0))
		return fs_fail(why, "rename folder", home_path(h), errno);
	crash_point("rename.moved");
	return DONE;
}

/* Under the home's lock: the directories, then what the state says of them. */
static enum outcome
move_all(struct home *h, struct home_lock *l, const struct moving *v, size_t n, struct why *why)
{
	struct home_state state;
	enum outcome r = DONE;
	int maildir;

	home_state_load(h, l->state, &state);
	for (size_t i = 0; r == DONE && i < n; i++) {
		const struct folder_state *at = home_state_get(&state, v[i].to, false);
		uint32_t once = MAX(state.gone_floor, at != NULL ? at->gone : 0);
		struct folder_state *old;
		unsigned use;

		r = move_dir(h, l, &v[i], v[i].uidvalidity < once, why);
		if (r != DONE)
			break;
		old = home_state_get(&state, v[i].from, true);
		old->gone = MAX(old->gone, v[i].uidvalidity);
		use = old->use;
		old->use = USE_NONE;
		home_state_get(&state, v[i].to, true)->use = use;
	}
	maildir = fs_open_dir(l->home, "Maildir");
	if (!home_state_save(l, &state) || maildir < 0 || !durable_names(maildir))
		r = r != DONE ? r : fs_fail(why, "write home", home_path(h), errno);
	fd_close(&maildir);
	home_state_free(&state);
	return r;
}

/* INBOX keeps its name, its children and its UIDVALIDITY; its messages go. */
static enum outcome
rename_inbox(struct home *h, struct str to, struct deadline d, struct why *why)
{
	struct seqset all = SEQSET_EMPTY;
	struct copy_result copied;
	struct folder *inbox = NULL, *f = NULL;
	enum outcome r = home_create_folder(h, to, USE_NONE, d, why);

	if (r == DONE)
		r = folder_open(h, STR("INBOX"), false, d, &inbox, why);
	if (r == DONE)
		r = folder_open(h, to, false, d, &f, why);
	if (r == DONE)
		r = folder_sync(inbox, d, why);
	if (r == DONE) {
		seqset_add(&all, 1, UINT32_MAX);
		r = folder_copy(inbox, &all, f, true, d, &copied, why);
		if (r == DONE)
			copy_result_free(&copied);
		seqset_free(&all);
	}
	folder_release(&f);
	folder_release(&inbox);
	return r;
}

enum outcome
home_rename_folder(
    struct home *h, struct str from, struct str to, struct deadline d, struct why *why)
{
	struct moving *v;
	struct home_lock l;
	struct arena *a;
	size_t n;
	enum outcome r;

	if (folder_is_inbox(to) || home_has_folder(h, to, NULL) == DONE)
		return fail(PERMFAIL, why, 0, "", "The folder exists already");
	r = folder_name_check(to, why);
	if (r != DONE)
		return r;
	if (folder_is_inbox(from))
		return rename_inbox(h, to, d, why);
	if (str_starts(to, from) && to.n > from.n && to.p[from.n] == FOLDER_SEP)
		return fail(PERMFAIL, why, 0, "", "A folder cannot go into itself");
	a = arena_new(32 * 1024 * 1024);
	r = plan(h, a, from, to, &v, &n, d, why);
	if (r == DONE && n == 0)
		r = fail(PERMFAIL, why, 0, "", "There is no such folder");
	if (r == DONE)
		r = home_lock(h, &l, d, why);
	if (r == DONE) {
		r = move_all(h, &l, v, n, why);
		home_unlock(&l);
	}
	arena_free(&a);
	return r;
}

/* --- homes --- */

/* Sessions end, descriptors are closed: nothing of it is used any more. */
static void
close_folders(struct home *h)
{
	struct folder_info *all;
	struct arena *a = arena_new(16 * 1024 * 1024);
	size_t n;

	if (home_list(h, a, &all, &n, NULL) == DONE)
		for (size_t i = 0; i < n; i++) {
			struct folder *f;

			if (!all[i].exists ||
			    folder_open(h, all[i].name, false, deadline_in(1000), &f, NULL) != DONE)
				continue;
			(void)!folder_flush_names(f, deadline_in(10000), NULL);
			folder_set_gone(f);
			folder_tell(f, 0);
			folder_release(&f);
		}
	arena_free(&a);
}

static enum outcome
move_home(struct store *s, struct str from, const char *to, struct why *why)
{
	struct home *h;
	char parent[HOME_PATH_MAX + 64];
	char *slash;
	int dir;
	enum outcome r = store_home(s, from, false, &h, why);

	if (r != DONE)
		return r;
	close_folders(h);
	(void)snprintf(parent, sizeof(parent), "%s", to);
	slash = strrchr(parent, '/');
	if (slash != NULL) {
		*slash = '\0';
		dir = fs_make_dirs(s->c.root, parent);
		if (dir < 0)
			r = fs_fail(why, "move home", from, errno);
		fd_close(&dir);
	}
	if (r == DONE && renameat2(s->c.root, h->path, s->c.root, to, RENAME_NOREPLACE) != 0)
		r = errno == EEXIST ? fail(PERMFAIL, why, 0, "", "The mailbox exists already")
				    : fs_fail(why, "move home", from, errno);
	if (r == DONE && !durable_names(s->c.root))
		r = fs_fail(why, "move home", from, errno);
	home_release(&h);
	return r;
}

enum outcome
store_home_remove(struct store *s, struct str home, struct why *why)
{
	char to[HOME_PATH_MAX + 64];

	if (home.n > HOME_PATH_MAX)
		return fail(PERMFAIL, why, 550, "5.1.1", "That is no place for a mailbox");
	(void)snprintf(
	    to, sizeof(to), ".removed/" STR_FMT "@%lld", STR_ARG(home), (long long)wall_us());
	return move_home(s, home, to, why);
}

enum outcome
store_home_rename(struct store *s, struct str from, struct str to, struct why *why)
{
	char path[HOME_PATH_MAX + 64];

	if (!home_path_clean(to))
		return fail(PERMFAIL, why, 550, "5.1.1", "That is no place for a mailbox");
	(void)snprintf(path, sizeof(path), STR_FMT, STR_ARG(to));
	return move_home(s, from, path, why);
}
