/*
 * clock.h - deadlines on the monotonic clock, and the wall clock for what
 * people read.
 *
 * Waits are measured on CLOCK_MONOTONIC, so a clock that jumps neither
 * freezes a timer nor fires them all.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

/* Milliseconds on the monotonic clock. */
int64_t clock_ms(void);
/* Microseconds on the monotonic clock. */
int64_t clock_us(void);
/* Seconds and microseconds since 1970. */
int64_t wall_s(void);
int64_t wall_us(void);

/* A moment on the monotonic clock after which a wait is given up. */
struct deadline {
	int64_t at_ms; /* INT64_MAX: never */
};

#define DEADLINE_NEVER ((struct deadline){ INT64_MAX })

struct deadline deadline_in(int64_t ms);
/* The earlier of the two. */
struct deadline deadline_min(struct deadline a, struct deadline b);
bool deadline_passed(struct deadline d);
/* Milliseconds left, 0 when passed; fits poll(2): -1 for never. */
int deadline_left_ms(struct deadline d);

#endif
