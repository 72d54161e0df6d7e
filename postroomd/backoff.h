/*
 * backoff.h - when a daemon that ended is started again.
 *
 * The first time at once (a tenth of a second), so that one crash costs a
 * blink; doubling to 30 s while it keeps ending by itself; from the beginning
 * after it has served for ten seconds.  A SIGKILL comes from outside (the
 * operator, the kernel's OOM killer) and says nothing about the daemon, so
 * it does not lengthen the wait.
 *
 * Pure: the time comes in by argument.
 */
#ifndef POSTROOMD_BACKOFF_H
#define POSTROOMD_BACKOFF_H

#include "base/base.h"

#define BACKOFF_FIRST_MS  100
#define BACKOFF_MOST_MS   30000
#define BACKOFF_GOOD_MS   10000 /* served this long: it works */
#define BACKOFF_ALARM     5     /* ends within ... */
#define BACKOFF_WINDOW_MS 60000 /* ... this long: a crash loop */

struct backoff {
	int64_t wait_ms;                /* the last wait; 0: none yet */
	int64_t ends_ms[BACKOFF_ALARM]; /* of the latest ends, a ring */
	unsigned ends;                  /* how many there were ever */
};

/*
 * It ended at now_ms.  served_ms: how long after READY, -1 if it never was.
 * Says after how many milliseconds to start it again.
 */
int64_t backoff_ended(struct backoff *b, int64_t now_ms, int64_t served_ms, bool killed);

/* Has it ended BACKOFF_ALARM times within BACKOFF_WINDOW_MS? */
bool backoff_alarm(const struct backoff *b, int64_t now_ms);

#endif
