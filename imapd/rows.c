/*
 * rows.c - walking through rows by UID ranges.
 */
#include "imapd/rows.h"

void
rows_begin(struct rows *r, struct imap *s, const struct seqset *uids)
{
	r->s = s;
	r->uids = uids;
	r->range = 0;
	r->next = uids->n > 0 ? uids->v[0].lo : 0;
	r->piece = 1;
	r->n = 0;
}

bool
rows_next(struct rows *r)
{
	while (r->range < r->uids->n) {
		const struct seqrange *range = &r->uids->v[r->range];
		uint32_t from = MAX(r->next, range->lo);
		struct view_cursor at = view_from_uid(from);
		uint32_t last;

		if (from > range->hi) {
			r->range++;
			continue;
		}
		r->n = view_rows(&r->s->view, &at, r->row,
		    MIN(r->piece, (size_t)(range->hi - from) + 1), &r->seq);
		if (r->n == 0)
			return false; /* no message from there on */
		if (r->row[0].uid > range->hi) {
			r->next = r->row[0].uid; /* none in this range */
			r->range++;
			continue;
		}
		while (r->row[r->n - 1].uid > range->hi)
			r->n--;
		last = r->row[r->n - 1].uid;
		if (last == range->hi)
			r->range++;
		else
			r->next = last + 1;
		r->piece = MIN(r->piece * 4, (size_t)VIEW_CHUNK);
		return true;
	}
	return false;
}
