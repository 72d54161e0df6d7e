/*
 * listen.h - the doors: TCP listeners of the configuration, unix sockets in
 * the run directory.  Bound here as root, served by the daemons.
 */
#ifndef POSTROOMD_LISTEN_H
#define POSTROOMD_LISTEN_H

#include "base/outcome.h"
#include "conf/conf.h"

#define LISTENERS_MAX      256
#define LISTENER_NAME_MAX  32
#define LISTENER_WHERE_MAX 128

struct listener {
	char name[LISTENER_NAME_MAX];   /* "imaps", "lmtp", "imapd-0.sock" */
	char where[LISTENER_WHERE_MAX]; /* "192.0.2.1:993", "[::]:993" or a path */
	int fd;
};

struct listeners {
	struct listener *items; /* ours */
	size_t n;
};

/*
 * Every listener that the configuration wants; those that `have` holds under
 * the same name and place are taken over from there (their fd is then -1 in
 * `have`).  PERMFAIL: one cannot be had; `errors` says which, `have` is as it
 * was, *out is empty.
 */
must_use enum outcome listeners_make(
    const struct conf *c, struct listeners *have, struct listeners *out, struct buf *errors);

/*
 * Stop listening: also for the daemons that hold a copy of the descriptor
 * (shutdown reaches the socket itself), and remove the names.
 */
void listeners_end(struct listeners *l);
void listeners_free(struct listeners *l); /* closes our descriptors, the sockets stay */

#endif
