#include "postroomd/backoff.h"

int64_t
backoff_ended(struct backoff *b, int64_t now_ms, int64_t served_ms, bool killed)
{
	b->ends_ms[b->ends++ % BACKOFF_ALARM] = now_ms;
	if (b->wait_ms == 0 || served_ms >= BACKOFF_GOOD_MS)
		b->wait_ms = BACKOFF_FIRST_MS;
	else if (!killed)
		b->wait_ms = MIN(b->wait_ms * 2, (int64_t)BACKOFF_MOST_MS);
	return b->wait_ms;
}

bool
backoff_alarm(const struct backoff *b, int64_t now_ms)
{
	/* The oldest of the ring is the next to be written over. */
	return b->ends >= BACKOFF_ALARM &&
	       now_ms - b->ends_ms[b->ends % BACKOFF_ALARM] <= BACKOFF_WINDOW_MS;
}
