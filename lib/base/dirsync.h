/*
 * dirsync.h - fsync of one directory, shared by all who want it at the same
 * time: group commit.
 *
 * Nobody waits for a batch to fill: whoever finds no sync running makes one,
 * whoever comes while one runs shares the next, since the running one may
 * have begun before his change.  A round that failed has failed for all its
 * riders and is not tried again (durable.h).  Any thread.
 */
#ifndef BASE_DIRSYNC_H
#define BASE_DIRSYNC_H

#include <pthread.h>

#include "base/clock.h"

struct dirsync {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t wanted; /* rounds asked for so far */
	uint64_t done;   /* rounds finished */
	uint64_t failed; /* the last round that failed, and all its riders with it */
	int error;       /* errno of that */
	bool running;
};

void dirsync_init(struct dirsync *s);
void dirsync_end(struct dirsync *s); /* nobody may be waiting */

/*
 * True: every name made or removed in dir before this call is on disk; led
 * says whether this thread made the sync or rode on another's.  False with
 * errno: it failed, or (ETIMEDOUT) somebody else's has not come back by the
 * deadline.  Always called with the same directory for one s.
 */
must_use bool dirsync_wait(struct dirsync *s, int dir, struct deadline by, bool *led);

#endif
