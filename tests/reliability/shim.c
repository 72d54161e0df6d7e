/*
 * shim.c - faults at the n-th system call of one daemon, by LD_PRELOAD.
 *
 * The page named by SHIM_PAGE is shared with the test, which arms it.  While
 * armed, each interposed call takes the next number; the one whose number is
 * `at` meets the fault: the process is killed before the call (KILL), killed
 * after it was done (KILL_AFTER), the call fails with an errno, or it writes
 * less than asked (SHORT).  The call's name is noted, so the test can say
 * what it swept.
 *
 * The page is mapped before the daemon confines itself; afterwards nothing
 * but memory is needed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum action {
	NOTHING,
	KILL,
	KILL_AFTER,
	FAIL,
	SHORT
};

/* Calls that claim success and do nothing. */
enum lie {
	LIE_DIRECTORY_FSYNC = 1,
	LIE_LINK = 2,
	LIE_FILE_SYNC = 4
};

#define NAMES    4000
#define NAME_LEN 16

struct page {
	atomic_uint armed;
	atomic_uint next; /* number of the next call, from 1 */
	uint32_t at;
	uint32_t action;
	int32_t error;
	atomic_uint hit;     /* the fault happened */
	uint32_t files_only; /* count only what touches files */
	uint32_t lies;       /* of enum lie: a broken build, to prove that the tests notice */
	char names[NAMES][NAME_LEN];
};

static struct page *page;

__attribute__((constructor)) static void
map_page(void)
{
	const char *path = getenv("SHIM_PAGE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		page = p;
}

static void
die(void)
{
	atomic_store(&page->hit, 1);
	/* Directly: seccomp lets a process signal itself by tgkill alone. */
	(void)syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), SIGKILL);
	__builtin_trap();
}

/* What shall happen at this call. */
static enum action
step(const char *name, int is_file)
{
	unsigned n;

	if (page == NULL || !atomic_load(&page->armed) || (page->files_only && !is_file))
		return NOTHING;
	n = atomic_fetch_add(&page->next, 1);
	if (n < NAMES)
		strncpy(page->names[n], name, NAME_LEN - 1);
	if (n != page->at)
		return NOTHING;
	if (page->action == KILL)
		die();
	atomic_store(&page->hit, 1);
	return (enum action)page->action;
}

#define REAL(type, name, ...)             \
	static type (*real)(__VA_ARGS__); \
	if (real == NULL)                 \
	*(void **)(&real) = dlsym(RTLD_NEXT, #name)

#define FAULT(call)                                  \
	do {                                         \
		if (a == FAIL) {                     \
			errno = page->error;         \
			return -1;                   \
		}                                    \
		__typeof__(call) r_ = (call);        \
		if (a == KILL_AFTER) {               \
			atomic_store(&page->hit, 0); \
			die();                       \
		}                                    \
		return r_;                           \
	} while (0)

ssize_t
write(int fd, const void *p, size_t n)
{
	enum action a = fd > 2 ? step("write", 1) : NOTHING;
	REAL(ssize_t, write, int, const void *, size_t);
	if (a == SHORT && n > 1)
		n /= 2;
	FAULT(real(fd, p, n));
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	enum action a = step("pwrite", 1);
	REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	if (a == SHORT && n > 1)
		n /= 2;
	FAULT(real(fd, p, n, at));
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	enum action a = step("writev", 1);
	REAL(ssize_t, writev, int, const struct iovec *, int);
	if (a == SHORT && n > 1)
		n = 1;
	FAULT(real(fd, v, n));
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	enum action a = step("pwritev", 1);
	REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
	if (a == SHORT && n > 1)
		n = 1;
	FAULT(real(fd, v, n, at));
}

ssize_t
pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	return pwritev(fd, v, n, at);
}

ssize_t
read(int fd, void *p, size_t n)
{
	enum action a = step("read", 1);
	REAL(ssize_t, read, int, void *, size_t);
	FAULT(real(fd, p, n));
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	enum action a = step("pread", 1);
	REAL(ssize_t, pread, int, void *, size_t, off_t);
	FAULT(real(fd, p, n, at));
}

ssize_t
pread64(int fd, void *p, size_t n, off64_t at)
{
	return pread(fd, p, n, at);
}

static int
lies_about_sync(int fd)
{
	struct stat st;

	if (page == NULL || page->lies == 0 || fstat(fd, &st) != 0)
		return 0;
	return (page->lies & (S_ISDIR(st.st_mode) ? LIE_DIRECTORY_FSYNC : LIE_FILE_SYNC)) != 0;
}

int
fsync(int fd)
{
	enum action a = step("fsync", 1);
	if (lies_about_sync(fd))
		return 0;
	REAL(int, fsync, int);
	FAULT(real(fd));
}

int
fdatasync(int fd)
{
	enum action a = step("fdatasync", 1);
	if (lies_about_sync(fd))
		return 0;
	REAL(int, fdatasync, int);
	FAULT(real(fd));
}

int
ftruncate(int fd, off_t n)
{
	enum action a = step("ftruncate", 1);
	REAL(int, ftruncate, int, off_t);
	FAULT(real(fd, n));
}

int
ftruncate64(int fd, off64_t n)
{
	return ftruncate(fd, n);
}

int
fallocate(int fd, int mode, off_t from, off_t n)
{
	enum action a = step("fallocate", 1);
	REAL(int, fallocate, int, int, off_t, off_t);
	FAULT(real(fd, mode, from, n));
}

int
fallocate64(int fd, int mode, off64_t from, off64_t n)
{
	return fallocate(fd, mode, from, n);
}

int
linkat(int a1, const char *from, int b1, const char *to, int flags)
{
	enum action a = step("linkat", 1);
	if (page != NULL && (page->lies & LIE_LINK) != 0)
		return 0;
	REAL(int, linkat, int, const char *, int, const char *, int);
	FAULT(real(a1, from, b1, to, flags));
}

int
renameat(int a1, const char *from, int b1, const char *to)
{
	enum action a = step("renameat", 1);
	REAL(int, renameat, int, const char *, int, const char *);
	FAULT(real(a1, from, b1, to));
}

int
renameat2(int a1, const char *from, int b1, const char *to, unsigned flags)
{
	enum action a = step("renameat2", 1);
	REAL(int, renameat2, int, const char *, int, const char *, unsigned);
	FAULT(real(a1, from, b1, to, flags));
}

int
unlinkat(int dir, const char *name, int flags)
{
	enum action a = step("unlinkat", 1);
	REAL(int, unlinkat, int, const char *, int);
	FAULT(real(dir, name, flags));
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	enum action a = step("mkdirat", 1);
	REAL(int, mkdirat, int, const char *, mode_t);
	FAULT(real(dir, name, mode));
}

int
openat(int dir, const char *name, int flags, ...)
{
	enum action a = step("openat", 1);
	mode_t mode = 0;
	va_list ap;
	REAL(int, openat, int, const char *, int, ...);
	va_start(ap, flags);
	if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	FAULT(real(dir, name, flags, mode));
}

int
openat64(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	va_start(ap, flags);
	if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return openat(dir, name, flags, mode);
}

int
fstat(int fd, struct stat *st)
{
	enum action a = step("fstat", 1);
	REAL(int, fstat, int, struct stat *);
	FAULT(real(fd, st));
}

int
fstat64(int fd, struct stat64 *st)
{
	return fstat(fd, (struct stat *)st);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	enum action a = step("sendmsg", 0);
	REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
	FAULT(real(fd, m, flags));
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	enum action a = step("recvmsg", 0);
	REAL(ssize_t, recvmsg, int, struct msghdr *, int);
	FAULT(real(fd, m, flags));
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	enum action a = step("send", 0);
	REAL(ssize_t, send, int, const void *, size_t, int);
	FAULT(real(fd, p, n, flags));
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	enum action a = step("recv", 0);
	REAL(ssize_t, recv, int, void *, size_t, int);
	FAULT(real(fd, p, n, flags));
}

/* openat2 and the like have no wrapper in libc. */
long
syscall(long number, ...)
{
	enum action a = NOTHING;
	long v[6];
	va_list ap;
	REAL(long, syscall, long, ...);
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		v[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2)
		a = step("openat2", 1);
	FAULT(real(number, v[0], v[1], v[2], v[3], v[4], v[5]));
}
