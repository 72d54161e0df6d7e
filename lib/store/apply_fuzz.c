#include "base/fuzz.h"

#include <stdlib.h>

#include "store/index.h"

/*
 * Records as they would come from a file whose checksums somebody made right:
 * whatever they say, the rows stay within themselves.
 */
FUZZ(data, n)
{
	static _Alignas(8) char map[INDEX_PAGE];
	struct gen g = {
		.fd = -1,
		.packed_fd = -1,
		.map = map,
		.h = { .tombs_at = INDEX_PAGE,
		    .names_at = INDEX_PAGE,
		    .keywords_at = INDEX_PAGE,
		    .sums_at = INDEX_PAGE,
		    .log_at = INDEX_PAGE,
		    .totals = { .uidnext = 1, .modseq = 1, .recent_from = 1 } },
	};
	struct body *b;
	size_t at = 0;

	atomic_init(&g.refs, 100); /* never freed: it is not ours to free */
	b = body_new(&g, 0);
	while (n - at >= 4) {
		size_t payload = MIN((size_t)data[at] * 8, (n - at - 4) & ~(size_t)7);
		struct record *r = xcalloc(1, sizeof(*r) + payload);

		r->len = (uint32_t)(sizeof(*r) + payload);
		r->type = data[at + 1] % (REC_DEAD + 2);
		r->arg = data[at + 2];
		r->totals =
		    (struct totals){ .uidnext = data[at + 3], .modseq = at, .recent_from = 1 };
		memcpy(r + 1, data + at + 4, payload);
		body_apply(b, r, INDEX_PAGE + at);
		free(r);
		at += 4 + payload;
		for (uint32_t i = 1; i < body_count(b); i++)
			assert(body_row(b, i - 1)->uid < body_row(b, i)->uid);
		for (uint32_t i = 0; i < b->dead_count; i++)
			assert(b->dead[i] < body_count(b) && row_dead(body_row(b, b->dead[i])));
	}
	body_compact(b, UINT64_MAX);
	body_free(&b);
}
