#include "deliver/schedule.h"

int64_t
schedule_delay(const struct schedule *s, uint32_t tries)
{
	int64_t delay = s->first_s;

	for (uint32_t i = 1; i < tries && delay < s->most_s; i++)
		delay *= 2;
	return MAX(MIN(delay, s->most_s), 1);
}

/* Seconds since then, as far as they can be believed. */
static int64_t
gone_by(const struct schedule *s, uint64_t then_s, int64_t wall_s)
{
	int64_t most = 2 * s->most_s;

	if (then_s > (uint64_t)INT64_MAX / 2 || wall_s < (int64_t)then_s)
		return 0;
	return MIN(wall_s - (int64_t)then_s, most);
}

int64_t
schedule_age(const struct schedule *s, uint64_t noted_age_s, uint64_t noted_at_s, int64_t wall_s)
{
	uint64_t believed = MIN(noted_age_s, (uint64_t)INT64_MAX / 4);

	return (int64_t)believed + gone_by(s, noted_at_s, wall_s);
}

int64_t
schedule_left(const struct schedule *s, uint64_t noted_delay_s, uint64_t noted_at_s, int64_t wall_s)
{
	int64_t delay = noted_delay_s > (uint64_t)s->most_s ? s->most_s : (int64_t)noted_delay_s;

	return MAX(delay - gone_by(s, noted_at_s, wall_s), 0);
}

bool
schedule_expired(const struct schedule *s, int64_t age_s)
{
	return age_s >= s->expire_s;
}

bool
schedule_warn(const struct schedule *s, int64_t age_s, bool warned)
{
	return s->warn_s > 0 && !warned && age_s >= s->warn_s;
}
