/*
 * confine.c - Landlock, seccomp, capabilities.
 *
 * Order: capabilities and no_new_privs first (Landlock and seccomp want
 * them), then Landlock, then seccomp, which forbids changing any of it.
 */
#include "run/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define SANITIZED 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	    __has_feature(memory_sanitizer)
#		define SANITIZED 1
#	endif
#endif
#ifndef SANITIZED
#	define SANITIZED 0
#endif

/* Newer than Debian 12's headers; the kernel says by its ABI number whether it knows them. */
#define FS_TRUNCATE         (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV        (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP        (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP     (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL        (1ULL << 1)

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                           \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |   \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER)

static void
set_limits(uint64_t address_space)
{
	struct rlimit none = { 0, 0 };
	struct rlimit space = { address_space, address_space };

	(void)setrlimit(RLIMIT_CORE, &none);
	if (address_space > 0 && !SANITIZED)
		(void)setrlimit(RLIMIT_AS, &space);
}

void
confine_early(void)
{
	set_limits(0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_fatal("no_new_privs: errno %d", errno);
	/* The leak checker of the sanitizers traces its own process. */
	if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_fatal("dumpable: errno %d", errno);
}

static void
drop_capabilities(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	/* Emptying the bounding set needs CAP_SETPCAP, which our users never had. */
	if (capng_apply(geteuid() == 0 ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
		log_fatal("cannot drop capabilities: errno %d", errno);
}

/* --- Landlock --- */

static uint64_t
known_fs(int abi)
{
	uint64_t fs = (1ULL << 13) - 1; /* ABI 1: EXECUTE to MAKE_SYM */

	if (abi >= 2)
		fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static void
allow_dir(int ruleset, const struct confine_dir *dir, uint64_t known)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = (FS_READ | (dir->write ? FS_WRITE | FS_TRUNCATE : 0)) & known,
		.parent_fd = dir->fd,
	};
	int own = -1;

	if (dir->fd < 0) {
		own = open(dir->path, O_PATH | O_CLOEXEC);
		if (own < 0)
			return;
		rule.parent_fd = own;
	}
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		log_fatal("Landlock: cannot allow a directory: errno %d", errno);
	fd_close(&own);
}

static void
landlock(const struct confinement *c)
{
	struct ruleset_attr attr = { 0 };
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* ..._VERSION */);
	size_t size = sizeof(attr.fs);
	int ruleset;

	if (abi < 1) {
		log_say(
		    LOG_WARN, "this kernel has no Landlock: files are guarded by seccomp alone");
		return;
	}
	attr.fs = known_fs(abi);
	if (abi >= 4) {
		attr.net = NET_BIND_TCP;
		if ((c->allow & (ALLOW_CONNECT_TCP | ALLOW_DNS)) == 0)
			attr.net |= NET_CONNECT_TCP;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		log_fatal("Landlock: no ruleset: errno %d", errno);
	for (size_t i = 0; i < c->dir_count; i++)
		allow_dir(ruleset, &c->dirs[i], attr.fs);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		log_fatal("Landlock: cannot restrict: errno %d", errno);
	(void)close(ruleset);
}

/* --- seccomp --- */

/* What every daemon needs: memory, threads, waiting, descriptors it already has. */
static const int always[] = {
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(memfd_create),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(pread64),
	SCMP_SYS(prlimit64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(rseq),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(time),
	SCMP_SYS(write),
	SCMP_SYS(writev),
};

static const int files[] = {
	SCMP_SYS(copy_file_range),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(fallocate),
	SCMP_SYS(fchmod),
	SCMP_SYS(fdatasync),
	SCMP_SYS(flock),
	SCMP_SYS(fstatfs),
	SCMP_SYS(fsync),
	SCMP_SYS(getdents64),
	SCMP_SYS(linkat),
	SCMP_SYS(mkdirat),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(readlinkat),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(sendfile),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(syncfs),
	SCMP_SYS(unlinkat),
	SCMP_SYS(unlink),
	SCMP_SYS(utimensat),
	SCMP_SYS(umask),
};

/*
 * Nothing of ours or of a library's ever has a reason to do these: whoever
 * tries has taken over the process.  Every other call that is not allowed
 * gets EPERM, since libraries probe (locale, time zone) and live without.
 */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(listen),
	SCMP_SYS(io_uring_setup),
};

static const int sanitizers[] = {
	SCMP_SYS(getcwd),
	SCMP_SYS(getppid),
	SCMP_SYS(getrusage),
	SCMP_SYS(ioctl),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(personality),
	SCMP_SYS(prctl),
	SCMP_SYS(ptrace),
	SCMP_SYS(readlink),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(wait4),
	SCMP_SYS(stat),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(uname),
	SCMP_SYS(tgkill),
	SCMP_SYS(kill),
	SCMP_SYS(sysinfo),
	SCMP_SYS(mprotect),
	SCMP_SYS(mmap),
	SCMP_SYS(clone),
	SCMP_SYS(newfstatat),
};

static void
allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0) != 0)
			log_fatal("seccomp: cannot allow system call %d", calls[i]);
}

static void
allow_socket(scmp_filter_ctx f, int family)
{
	if (seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family)) != 0)
		log_fatal("seccomp: cannot allow sockets of family %d", family);
}

/* This call, when the argument of that number has these bits. */
static void
allow_bits(scmp_filter_ctx f, int call, unsigned arg, uint64_t mask, uint64_t bits)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, bits);

	if (seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &cmp) != 0)
		log_fatal("seccomp: cannot allow system call %d in part", call);
}

static void
allow_threads_and_memory(scmp_filter_ctx f)
{
	/* Nothing may become executable once we run. */
	allow_bits(f, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	allow_bits(f, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	/* Threads, never processes.  clone3 hides its flags in memory: glibc falls back to clone.
	 */
	allow_bits(f, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
	if (seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0)
		log_fatal("seccomp: cannot answer clone3");
	/* glibc's fstat(2). */
	allow_bits(f, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	/* Threads name themselves and glibc names its mappings. */
	allow_bits(f, SCMP_SYS(prctl), 0, UINT32_MAX, PR_SET_NAME);
	/* A process may end itself by abort, and signal nobody else. */
	allow_bits(f, SCMP_SYS(tgkill), 0, UINT32_MAX, (uint64_t)getpid());
}

static void
seccomp(const struct confinement *c)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (f == NULL)
		log_fatal("seccomp: no filter");
	allow(f, always, COUNT_OF(always));
	allow_threads_and_memory(f);
	if ((c->allow & ALLOW_FILES) != 0) {
		allow(f, files, COUNT_OF(files));
		allow(f, (const int[]){ SCMP_SYS(newfstatat) }, 1);
	}
	if ((c->allow & ALLOW_LEASE) != 0)
		allow(f, (const int[]){ SCMP_SYS(fcntl) }, 1);
	else if (seccomp_rule_add(
		     f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_NE, F_SETLEASE)) != 0)
		log_fatal("seccomp: cannot allow fcntl in part");
	if ((c->allow & ALLOW_ACCEPT) != 0)
		allow(f, (const int[]){ SCMP_SYS(accept4) }, 1);
	if ((c->allow & ALLOW_PAIRS) != 0 &&
	    seccomp_rule_add(
		f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) != 0)
		log_fatal("seccomp: cannot allow pairs of sockets");
	if ((c->allow & (ALLOW_CONNECT_TCP | ALLOW_CONNECT_UNIX | ALLOW_DNS)) != 0)
		allow(f, (const int[]){ SCMP_SYS(connect) }, 1);
	if ((c->allow & (ALLOW_CONNECT_TCP | ALLOW_DNS)) != 0) {
		allow_socket(f, AF_INET);
		allow_socket(f, AF_INET6);
	}
	if ((c->allow & ALLOW_DNS) != 0) /* unbound binds its random ports, and makes pipes */
		allow(f, (const int[]){ SCMP_SYS(bind), SCMP_SYS(pipe2), SCMP_SYS(socketpair) }, 3);
	if ((c->allow & ALLOW_CONNECT_UNIX) != 0)
		allow_socket(f, AF_UNIX);
	if (SANITIZED)
		allow(f, sanitizers, COUNT_OF(sanitizers));
	for (size_t i = 0; !SANITIZED && i < COUNT_OF(deadly); i++)
		if (seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0) != 0)
			log_fatal("seccomp: cannot forbid system call %d", deadly[i]);
	if (seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) /* a binary tree */
		log_say(LOG_INFO, "seccomp: linear filter");
	if (seccomp_load(f) != 0)
		log_fatal("seccomp: cannot load the filter");
	seccomp_release(f);
}

void
confine(const struct confinement *c)
{
	confine_early();
	set_limits(c->address_space);
	drop_capabilities();
	landlock(c);
	seccomp(c);
}
