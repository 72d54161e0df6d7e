/*
 * aside.c - where expunged messages wait: `postroom/expunged/FOLDER/` in the
 * home, outside the Maildir, each file under the name it had.  How long is
 * counted from its ctime, which the move sets.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/core.h"
#include "store/names.h"

/* ".Sub", or "INBOX" for the Maildir itself. */
static const char *
disk_part(const struct folder *f)
{
	const char *slash = strrchr(f->path, '/');

	return slash != NULL && slash[1] == '.' ? slash + 1 : "INBOX";
}

int
aside_open(struct folder *f, bool make)
{
	char path[HOME_PATH_MAX + 400];
	int n = snprintf(
	    path, sizeof(path), "%s/" HOME_STATE_DIR "/expunged/%s", f->home->path, disk_part(f));

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return make ? fs_make_dirs(f->store->c.root, path) : fs_open_dir(f->store->c.root, path);
}

bool
aside_has_delivery(struct folder *f, struct str id)
{
	int fd = aside_open(f, false);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool found = false;

	if (dir == NULL) {
		fd_close(&fd);
		return false;
	}
	while (!found && (e = readdir(dir)) != NULL)
		found = str_eq(name_id(str_of(e->d_name)), id);
	(void)closedir(dir);
	return found;
}

/* Remove what is older in one directory; folders set aside are such directories too. */
static void
sweep_one(int parent, const char *name, int64_t before, struct deadline d, int depth)
{
	int fd = fs_open_dir(parent, name);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	struct stat st;

	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while (!deadline_passed(d) && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			if (st.st_ctim.tv_sec < before)
				(void)unlinkat(dirfd(dir), e->d_name, 0);
			continue;
		}
		/* expunged/, FOLDER/, cur/: no deeper. */
		if (depth < 3)
			sweep_one(dirfd(dir), e->d_name, before, d, depth + 1);
		/* Only when it is empty, and not one that was made just now. */
		if (st.st_ctim.tv_sec < before)
			(void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
}

void
home_sweep_expunged(struct home *h, int64_t before, struct deadline d)
{
	char path[HOME_PATH_MAX + 40];

	(void)snprintf(path, sizeof(path), "%s/" HOME_STATE_DIR, h->path);
	int fd = fs_open_dir(h->store->c.root, path);

	if (fd < 0)
		return;
	sweep_one(fd, "expunged", before, d, 0);
	(void)close(fd);
}
