/*
 * heavy.c - counters by the account's keyed hash: two accounts that share one
 * share an allowance, which is rare and harmless.
 */
#include "imapd/heavy.h"

#include <stdatomic.h>

#include "base/hash.h"

static atomic_uint held[4096];

static atomic_uint *
counter(struct str user)
{
	return &held[hash_str(user) % COUNT_OF(held)];
}

bool
heavy_begin(struct str user)
{
	if (atomic_fetch_add(counter(user), 1) < HEAVY_PER_ACCOUNT)
		return true;
	heavy_end(user);
	return false;
}

void
heavy_end(struct str user)
{
	(void)atomic_fetch_sub(counter(user), 1);
}
