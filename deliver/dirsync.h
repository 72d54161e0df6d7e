/*
 * dirsync.h - fsync of one directory, shared by all who want it at the same
 * time.  Nobody waits for a batch to fill: whoever comes first syncs, whoever
 * comes while a sync runs shares the next one.  Any thread.
 */
#ifndef DELIVER_DIRSYNC_H
#define DELIVER_DIRSYNC_H

#include <pthread.h>

#include "base/clock.h"
#include "base/outcome.h"

struct dirsync {
	int fd; /* the directory; the owner's */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t wanted; /* rounds asked for so far */
	uint64_t done;   /* rounds finished */
	uint64_t failed; /* the last round that failed, and all its riders with it */
	bool running;
};

void dirsync_init(struct dirsync *s, int fd);
void dirsync_end(struct dirsync *s);

/*
 * DONE: every name made or removed before this call is on disk.  TEMPFAIL:
 * the sync failed, or somebody else's has not come back by the deadline.
 */
must_use enum outcome dirsync_wait(struct dirsync *s, struct deadline by);

#endif
