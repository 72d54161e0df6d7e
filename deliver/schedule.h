/*
 * schedule.h - when a message that waits is tried again, and when we give up.
 *
 * Ages and delays count monotonic time, carried from one life of the process
 * to the next in bounded steps, so that a wall clock that jumps by years
 * neither freezes the queue nor returns all of it.  Pure.
 */
#ifndef DELIVER_SCHEDULE_H
#define DELIVER_SCHEDULE_H

#include "base/base.h"

struct schedule {
	int64_t first_s;  /* delay after the first try; doubled after each */
	int64_t most_s;   /* but never longer than this */
	int64_t expire_s; /* age after which a message that cannot be delivered is returned */
	int64_t warn_s;   /* age after which the sender is warned, if due; 0: never */
};

/* How long to wait after `tries` tries (1 or more). */
int64_t schedule_delay(const struct schedule *s, uint32_t tries);

/*
 * The age of a message read back from disk: what was noted, and what the wall
 * clock says has gone by since, but never more than twice the longest delay.
 */
int64_t schedule_age(
    const struct schedule *s, uint64_t noted_age_s, uint64_t noted_at_s, int64_t wall_s);

/* What is left of a noted delay, in the same careful way: 0 up to the delay itself. */
int64_t schedule_left(
    const struct schedule *s, uint64_t noted_delay_s, uint64_t noted_at_s, int64_t wall_s);

/* At this age the last try was the last one: a next one would come too late. */
bool schedule_expired(const struct schedule *s, int64_t age_s);
bool schedule_warn(const struct schedule *s, int64_t age_s, bool warned);

#endif
