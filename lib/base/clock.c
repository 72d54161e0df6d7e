#include "base/clock.h"

#include <limits.h>
#include <time.h>

static int64_t
us_of(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_us(void)
{
	return us_of(CLOCK_MONOTONIC);
}

int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t
wall_us(void)
{
	return us_of(CLOCK_REALTIME);
}

int64_t
wall_s(void)
{
	return wall_us() / 1000000;
}

struct deadline
deadline_in(int64_t ms)
{
	return (struct deadline){ clock_ms() + ms };
}

struct deadline
deadline_min(struct deadline a, struct deadline b)
{
	return a.at_ms < b.at_ms ? a : b;
}

bool
deadline_passed(struct deadline d)
{
	return d.at_ms != INT64_MAX && clock_ms() >= d.at_ms;
}

int
deadline_left_ms(struct deadline d)
{
	int64_t left;

	if (d.at_ms == INT64_MAX)
		return -1;
	left = d.at_ms - clock_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
