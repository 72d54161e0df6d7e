/*
 * fs.h - inside the store: the file system as we use it.  Paths below the
 * root only, no links followed, whole reads and writes.
 */
#ifndef STORE_FS_H
#define STORE_FS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/outcome.h"
#include "base/str.h"

/*
 * Open `path` below the directory `at`: openat2 with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS; where the kernel or a filter lacks openat2, component
 * by component with O_NOFOLLOW.  -1 and errno.
 */
int fs_open(int at, const char *path, int flags, mode_t mode);
int fs_open_dir(int at, const char *path);
/* As fs_open, and only a regular file: else -1 with EINVAL.  Never blocks on a FIFO. */
int fs_open_regular(int at, const char *path, int flags, mode_t mode);

/*
 * Make the directories of `path` below `at` that are missing, 0700, each one
 * made durable by a sync of its parent, and open the last.
 */
int fs_make_dirs(int at, const char *path);

/* All n octets or false with errno; a short count at the end of file is false with errno 0. */
must_use bool fs_read(int fd, void *p, size_t n, uint64_t at);
must_use bool fs_write(int fd, const void *p, size_t n, uint64_t at);
/* As many as there are, up to n; -1 with errno. */
ssize_t fs_read_some(int fd, void *p, size_t n, uint64_t at);

/* A whole small file; up to max octets.  False with errno (EFBIG). */
must_use bool fs_read_file(int at, const char *name, size_t max, char **out, size_t *n);
/* Replace a small file: temporary, fdatasync, rename, sync of the directory. */
must_use bool fs_replace(int at, const char *name, const char *temp, struct str content);

/* Copy n octets of one file into another, from the beginning. */
must_use bool fs_copy(int from, int to, uint64_t n);

/* linkat of an open file, named or not, through /proc/self/fd. */
int fs_link_fd(int fd, int dir, const char *name);

/* mtime in nanoseconds. */
static inline int64_t
fs_mtime(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}
static inline int64_t
fs_ctime(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

/* True for the errors of a full disk or quota. */
bool fs_is_full(int err);

/* Log what failed with errno and return TEMPFAIL with a text fit for the peer. */
enum outcome fs_fail(struct why *why, const char *what, struct str where, int err);

/* OFD locks: one octet of the file, retried until the deadline. */
enum fs_lock {
	LOCK_LOG = 0,     /* appending to an index; a home's folder list; a usage file */
	LOCK_COMPACT = 1, /* compacting an index */
};

must_use bool fs_lock(int fd, enum fs_lock what, struct deadline d);
must_use bool fs_try_lock(int fd, enum fs_lock what);
void fs_unlock(int fd, enum fs_lock what);

#endif
