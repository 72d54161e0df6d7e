/*
 * confine.h - what a daemon gives up after it has everything it needs:
 * Landlock for files and ports, seccomp for system calls, capabilities,
 * no_new_privs, core dumps.
 *
 * A daemon's row of the process table (docs/overview.md) is one struct
 * confinement in its main.c.  Called once, from the main thread, before any
 * other thread exists.
 */
#ifndef RUN_CONFINE_H
#define RUN_CONFINE_H

#include "base/base.h"

enum confine_allow {
	ALLOW_FILES = 1 << 0,       /* openat2, link, rename, unlink, fsync below the listed dirs */
	ALLOW_ACCEPT = 1 << 1,      /* accept on the listeners it was handed */
	ALLOW_CONNECT_TCP = 1 << 2, /* connect to other machines */
	ALLOW_CONNECT_UNIX = 1 << 3, /* connect to a unix socket (the database's) */
	ALLOW_DNS = 1 << 4,          /* UDP and TCP sockets for look-ups */
	ALLOW_LEASE = 1 << 5,        /* fcntl F_SETLEASE */
	ALLOW_PAIRS = 1 << 6,        /* make pairs of unix sockets */
};

struct confine_dir {
	int fd;           /* an O_PATH or readable directory descriptor */
	const char *path; /* or, with fd -1, a path; skipped where it does not exist */
	bool write;       /* make, change, rename, link and remove below it; else only read */
};

struct confinement {
	const char *daemon;
	unsigned allow; /* of enum confine_allow */
	const struct confine_dir *dirs;
	size_t dir_count;
	uint64_t address_space; /* RLIMIT_AS in octets; 0: none */
};

/*
 * Ends the process when a restriction that the kernel has cannot be put in
 * force; logs what the kernel lacks.  In sanitizer builds the seccomp filter
 * is wider and there is no RLIMIT_AS.
 */
void confine(const struct confinement *c);

/* Wide enough for a process that must not be confined yet: only no_new_privs, no core, limits. */
void confine_early(void);

#endif
