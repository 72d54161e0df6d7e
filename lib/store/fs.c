/*
 * fs.c - paths below the root, whole reads and writes, locks.
 *
 * faults.md 15, 18: a store path is made of checked components, resolved
 * beneath a descriptor, never through a link, and ends in a regular file.
 */
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/log.h"

#define PATH_ROOM 1024

/* Component by component, for kernels and filters without openat2. */
static int
open_stepwise(int at, const char *path, int flags, mode_t mode)
{
	char part[256];
	int dir = at;

	for (;;) {
		const char *slash = strchr(path, '/');
		size_t n = slash != NULL ? (size_t)(slash - path) : strlen(path);
		int fd;

		if (n == 0 || n >= sizeof(part)) {
			errno = n == 0 ? EINVAL : ENAMETOOLONG;
			fd = -1;
		} else {
			memcpy(part, path, n);
			part[n] = '\0';
			if (strcmp(part, "..") == 0) {
				errno = EXDEV;
				fd = -1;
			} else if (slash == NULL) {
				fd = openat(dir, part, flags | O_NOFOLLOW | O_CLOEXEC, mode);
			} else {
				fd = openat(
				    dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			}
		}
		if (dir != at) {
			int e = errno;

			(void)close(dir);
			errno = e;
		}
		if (fd < 0 || slash == NULL)
			return fd;
		dir = fd;
		path = slash + 1;
	}
}

int
fs_open(int at, const char *path, int flags, mode_t mode)
{
	static atomic_bool lacking;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	if (!atomic_load_explicit(&lacking, memory_order_relaxed)) {
		int fd;

		/* EAGAIN: a rename raced with ".." protection; the kernel asks to try again. */
		for (int tries = 0; tries < 16; tries++) {
			fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
			if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
				break;
		}
		if (fd >= 0 || errno != ENOSYS)
			return fd;
		atomic_store(&lacking, true);
	}
	return open_stepwise(at, path, flags, mode);
}

int
fs_open_dir(int at, const char *path)
{
	return fs_open(at, path, O_RDONLY | O_DIRECTORY, 0);
}

int
fs_open_regular(int at, const char *path, int flags, mode_t mode)
{
	int fd = fs_open(at, path, flags | O_NONBLOCK | O_NOCTTY, mode);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

int
fs_make_dirs(int at, const char *path)
{
	char part[PATH_ROOM];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t end = 0; end <= n; end++) {
		int parent;
		char *slash;

		if (end != n && path[end] != '/')
			continue;
		memcpy(part, path, end);
		part[end] = '\0';
		slash = strrchr(part, '/');
		if (slash != NULL)
			*slash = '\0';
		parent = slash != NULL ? fs_open_dir(at, part) : fcntl(at, F_DUPFD_CLOEXEC, 0);
		if (parent < 0)
			return -1;
		if (mkdirat(parent, slash != NULL ? slash + 1 : part, 0700) == 0) {
			if (!durable_names(parent)) {
				int e = errno;

				(void)close(parent);
				errno = e;
				return -1;
			}
		} else if (errno != EEXIST) {
			int e = errno;

			(void)close(parent);
			errno = e;
			return -1;
		}
		(void)close(parent);
	}
	return fs_open_dir(at, path);
}

ssize_t
fs_read_some(int fd, void *p, size_t n, uint64_t at)
{
	char *to = p;
	size_t done = 0;

	while (done < n) {
		ssize_t k = pread(fd, to + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		done += (size_t)k;
	}
	return (ssize_t)done;
}

bool
fs_read(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t k = fs_read_some(fd, p, n, at);

	if (k >= 0 && (size_t)k < n)
		errno = 0;
	return k >= 0 && (size_t)k == n;
}

bool
fs_write(int fd, const void *p, size_t n, uint64_t at)
{
	const char *from = p;
	size_t done = 0;

	while (done < n) {
		ssize_t k = pwrite(fd, from + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return false;
		if (k == 0) {
			errno = EIO;
			return false;
		}
		done += (size_t)k;
	}
	return true;
}

bool
fs_read_file(int at, const char *name, size_t max, char **out, size_t *n)
{
	int fd = fs_open_regular(at, name, O_RDONLY, 0);
	struct stat st;
	char *p = NULL;
	ssize_t k;
	int e;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0)
		goto bad;
	if ((uint64_t)st.st_size > max) {
		errno = EFBIG;
		goto bad;
	}
	p = xmalloc((size_t)st.st_size + 1);
	k = fs_read_some(fd, p, (size_t)st.st_size, 0);
	if (k < 0)
		goto bad;
	p[k] = '\0';
	(void)close(fd);
	*out = p;
	*n = (size_t)k;
	return true;
bad:
	e = errno;
	free(p);
	(void)close(fd);
	errno = e;
	return false;
}

bool
fs_replace(int at, const char *name, const char *temp, struct str content)
{
	int fd, e;

	(void)unlinkat(at, temp, 0);
	fd = fs_open(at, temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return false;
	if (!fs_write(fd, content.p, content.n, 0) || !durable_data(fd) ||
	    renameat(at, temp, at, name) != 0) {
		e = errno;
		(void)close(fd);
		(void)unlinkat(at, temp, 0);
		errno = e;
		return false;
	}
	(void)close(fd);
	return durable_names(at);
}

bool
fs_copy(int from, int to, uint64_t n)
{
	char block[64 * 1024];
	uint64_t done = 0;

	/* Shared extents where the file system has them, else in the kernel. */
	while (done < n) {
		loff_t in = (loff_t)done, out = (loff_t)done;
		ssize_t k = copy_file_range(from, &in, to, &out, (size_t)(n - done), 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			break;
		done += (uint64_t)k;
	}
	while (done < n) {
		size_t want = MIN((uint64_t)sizeof(block), n - done);

		if (!fs_read(from, block, want, done) || !fs_write(to, block, want, done)) {
			if (errno == 0)
				errno = EIO;
			return false;
		}
		done += want;
	}
	return true;
}

int
fs_link_fd(int fd, int dir, const char *name)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW);
}

bool
fs_is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

enum outcome
fs_fail(struct why *why, const char *what, struct str where, int err)
{
	log_event(LOG_WARN, "store.error", kv_cstr("what", what), kv_str("where", where),
	    kv_cstr("error", strerrordesc_np(err)), KV_END);
	if (fs_is_full(err))
		return fail(TEMPFAIL, why, 452, "4.3.1", "Mail system is full");
	return fail(TEMPFAIL, why, 451, "4.3.0", "Mail store is not available now");
}

static bool
set_lock(int fd, enum fs_lock what, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = what, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

bool
fs_try_lock(int fd, enum fs_lock what)
{
	return set_lock(fd, what, F_WRLCK);
}

/* Held for microseconds by others, so we come back soon, then less often. */
bool
fs_lock(int fd, enum fs_lock what, struct deadline d)
{
	long ns = 10000;

	while (!set_lock(fd, what, F_WRLCK)) {
		struct timespec t = { .tv_nsec = ns };

		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return false;
		if (deadline_passed(d)) {
			errno = ETIMEDOUT;
			return false;
		}
		(void)nanosleep(&t, NULL);
		ns = MIN(ns * 2, 2000000L);
	}
	return true;
}

void
fs_unlock(int fd, enum fs_lock what)
{
	(void)set_lock(fd, what, F_UNLCK);
}
