/* authproto_fuzz.c - authd's requests and answers as a broken peer might send them. */
#include "base/fuzz.h"
#include "rpc/auth_proto.h"

FUZZ(data, n)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	union {
		struct route route;
		struct auth_begin begin;
		struct auth_answer answer;
		struct auth_home home;
		struct auth_counts counts;
	} got;
	enum outcome verdict;
	struct why why;

	if (n == 0 || n > 256 * 1024)
		goto out;
	for (unsigned kind = 0; kind < 6; kind++) {
		struct rpc_in in = { .p = (const char *)data, .end = (const char *)data + n };

		switch (kind) {
		case 0:
			if (route_get(&in, a, &got.route))
				assert(got.route.target_count <= AUTH_TARGETS_MAX);
			break;
		case 1:
			if (auth_begin_get(&in, a, &got.begin))
				assert(got.begin.initial.n <= AUTH_DATA_MAX);
			break;
		case 2:
			if (auth_answer_get(&in, a, &got.answer))
				assert(got.answer.cookie.n <= AUTH_COOKIE_OCTETS);
			break;
		case 3:
			if (auth_home_get(&in, a, &got.home))
				assert(got.home.user.n > 0);
			break;
		case 4:
			if (auth_counts_get(&in, a, &got.counts))
				assert(!in.bad);
			break;
		default:
			if (auth_verdict_get(&in, &verdict, &why))
				assert(verdict <= GONE);
			break;
		}
	}
out:
	arena_free(&a);
}
