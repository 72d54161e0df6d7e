/* Whatever a disk gives back: an envelope file is read, set aside, or cut at a torn record. */
#include "base/fuzz.h"

#include "deliver/envfile.h"

FUZZ(data, n)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct env env;

	if (n >= 16) {
		uint64_t id = 0;

		for (int i = 0; i < 8; i++)
			id |= (uint64_t)data[8 + i] << (8 * i);
		if (envfile_read(str_n(data, n), id, arena, &env) != ENVFILE_DAMAGED) {
			assert(env.end <= n);
			assert(env_pending(&env) <= env.target_count);
		}
	}
	arena_free(&arena);
}
