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
