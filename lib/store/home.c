/*
 * home.c - a mailbox's home: found by path, made on demand.
 */
#include "store/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/hash.h"
#include "store/core.h"

/* faults.md 15: each component is a name and nothing else. */
bool
home_path_clean(struct str path)
{
	struct str part, rest = path;

	if (path.n == 0 || path.n > HOME_PATH_MAX)
		return false;
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
			return false;
	do {
		path = rest;
		(void)str_cut(path, '/', &part, &rest);
		if (part.n == 0 || part.n > 255 || part.p[0] == '.')
			return false;
	} while (part.n < path.n);
	return true;
}

static struct home *
home_find_or_new(struct store *s, struct str path)
{
	uint64_t hash = hash_str(path);
	struct home *h;

	(void)pthread_mutex_lock(&s->lock);
	for (struct node *n = table_first(&s->homes, hash); n != NULL; n = n->next) {
		h = CONTAINER_OF(n, struct home, node);
		if (n->hash == hash && str_eq(home_path(h), path)) {
			h->refs++;
			(void)pthread_mutex_unlock(&s->lock);
			return h;
		}
	}
	h = xcalloc(1, sizeof(*h) + path.n + 1);
	h->store = s;
	h->refs = 1;
	h->path_len = path.n;
	memcpy(h->path, path.p, path.n);
	table_add(&s->homes, &h->node, hash);
	(void)pthread_mutex_unlock(&s->lock);
	return h;
}

enum outcome
store_home(struct store *s, struct str path, bool create, struct home **out, struct why *why)
{
	struct home *h;
	struct stat st;

	*out = NULL;
	if (!home_path_clean(path))
		return fail(PERMFAIL, why, 550, "5.1.1", "That is no place for a mailbox");
	h = home_find_or_new(s, path);
	if (fstatat(s->c.root, h->path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
		*out = h;
		return DONE;
	}
	if (create) {
		int fd = fs_make_dirs(s->c.root, h->path);

		if (fd >= 0) {
			(void)close(fd);
			*out = h;
			return DONE;
		}
	}
	if (!create && errno != ENOENT && errno != ENOTDIR) {
		int e = errno;

		home_release(&h);
		return fs_fail(why, "stat home", path, e);
	}
	if (create) {
		int e = errno;

		home_release(&h);
		return fs_fail(why, "make home", path, e);
	}
	home_release(&h);
	return fail(PERMFAIL, why, 0, "", "There is no such mailbox here yet");
}

void
home_release(struct home **hp)
{
	struct home *h = *hp;
	struct store *s;
	bool last;

	*hp = NULL;
	if (h == NULL)
		return;
	s = h->store;
	(void)pthread_mutex_lock(&s->lock);
	last = --h->refs == 0;
	if (last)
		table_remove(&s->homes, &h->node);
	(void)pthread_mutex_unlock(&s->lock);
	if (last)
		free(h);
}

struct str
home_path(const struct home *h)
{
	return str_n(h->path, h->path_len);
}

int
maildir_make(struct store *s, const char *path)
{
	static const char *const subs[] = { "cur", "new", "tmp" };
	int dir = fs_make_dirs(s->c.root, path);
	bool made = false;

	for (size_t i = 0; dir >= 0 && i < COUNT_OF(subs); i++) {
		if (mkdirat(dir, subs[i], 0700) == 0) {
			made = true;
		} else if (errno != EEXIST) {
			int e = errno;

			fd_close(&dir);
			errno = e;
		}
	}
	/* What Maildir++ marks a folder with; an inbox is known by its own name. */
	if (dir >= 0 && made && strrchr(path, '/') != NULL && strrchr(path, '/')[1] == '.') {
		int mark = fs_open(dir, "maildirfolder", O_WRONLY | O_CREAT, 0600);

		fd_close(&mark);
	}
	if (dir >= 0 && made && !durable_names(dir))
		fd_close(&dir);
	return dir;
}
