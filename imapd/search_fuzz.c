/*
 * search_fuzz.c - SEARCH programs: what is taken ends in yes or no within as
 * many steps as it has.
 */
#include "base/fuzz.h"

#include "imapd/search_parse.h"

FUZZ(data, n)
{
	struct arena *arena = arena_new(256 * 1024 * 1024);
	struct parse p = parse_of(str_n(data, n), arena);
	struct search_program prog;

	if (search_parse(&p, &prog) && !prog.bad_charset) {
		assert(prog.count <= SEARCH_TESTS_MAX);
		for (unsigned truth = 0; truth < 8; truth++) {
			int at = prog.first;
			size_t steps = 0;

			while (at >= 0) {
				const struct search_step *s = &prog.steps[at];

				assert((size_t)at < prog.count && steps++ <= prog.count);
				at = ((unsigned)s->test * 2654435761u >> truth & 1) != 0 ? s->yes
											 : s->no;
			}
			assert(at == SEARCH_YES || at == SEARCH_NO);
		}
	}
	arena_free(&arena);
}
