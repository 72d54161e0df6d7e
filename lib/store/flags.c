/*
 * flags.c - STORE: any number of messages, one record.
 *
 * A record carries masks and ranges of UIDs; every follower applies it to the
 * rows that live in those ranges, which at that place in the log are the same
 * for all.  Names of files follow later (flush.c).
 */
#include <stdlib.h>

#include "base/crashpoint.h"
#include "store/core.h"

void
flag_result_free(struct flag_result *r)
{
	seqset_free(&r->changed);
	seqset_free(&r->failed);
}

void
ranges_add(struct ranges *r, uint32_t at, uint32_t uid)
{
	if (r->n > 0 && r->last_at + 1 == at) {
		r->v[r->n - 1].hi = uid;
		r->last_at = at;
		return;
	}
	if (r->n == r->room) {
		r->room = r->room * 2 + 16;
		r->v = xreallocarray(r->v, r->room, sizeof(*r->v));
	}
	r->v[r->n++] = (struct seqrange){ uid, uid };
	r->last_at = at;
}

static struct rec_flags
masks(enum flag_op op, unsigned flags, uint64_t keywords)
{
	uint16_t bits = (uint16_t)(flags & MSG_FLAGS);

	switch (op) {
	case FLAGS_ADD:
		return (struct rec_flags){ UINT64_MAX, keywords, UINT16_MAX, bits, 0 };
	case FLAGS_REMOVE:
		return (struct rec_flags){ ~keywords, 0, (uint16_t)~bits, 0, 0 };
	case FLAGS_REPLACE:
		break;
	}
	return (struct rec_flags){ 0, keywords, 0, bits, 0 };
}

/* Which rows change, and what the totals are then. */
static void
choose(struct body *b, const struct seqset *uids, const struct flag_change *c,
    const struct rec_flags *m, struct ranges *ranges, struct totals *t, struct flag_result *out)
{
	for (size_t i = 0; i < uids->n; i++) {
		for (uint32_t at = body_lower(b, uids->v[i].lo);
		     at < body_count(b) && body_row(b, at)->uid <= uids->v[i].hi; at++) {
			const struct msg_row *r = body_row(b, at);
			uint16_t flags = (uint16_t)((r->flags & m->flag_and) | m->flag_or);

			if (row_dead(r))
				continue;
			/* RFC 7162 3.1.3: one that others changed since fails, the rest goes on. */
			if (c->check_modseq && r->modseq > c->unchanged_since) {
				seqset_add(&out->failed, r->uid, r->uid);
				continue;
			}
			if (flags == r->flags &&
			    ((r->keywords & m->keyword_and) | m->keyword_or) == r->keywords)
				continue;
			ranges_add(ranges, at, r->uid);
			seqset_add(&out->changed, r->uid, r->uid);
			totals_flags(t, r->flags, flags);
		}
	}
}

/* Locked, and the log. */
static enum outcome
store_flags(struct folder *f, const struct seqset *uids, const struct flag_change *c,
    struct flag_result *out, struct why *why)
{
	struct ranges ranges = { 0 };
	struct rec_flags m;
	struct batch b;
	uint64_t keywords;
	enum outcome r;

	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	r = keyword_bits(
	    f, &b, c->keywords, c->keyword_count, c->op != FLAGS_REMOVE, &keywords, why);
	if (r != DONE) {
		batch_drop(&b);
		return r;
	}
	m = masks(c->op, c->flags, keywords);
	choose(f->body, uids, c, &m, &ranges, &b.totals, out);
	if (ranges.n == 0) {
		batch_drop(&b);
		return DONE;
	}
	m.ranges = (uint32_t)ranges.n;
	b.totals.modseq++;
	struct str pieces[] = { str_n(&m, sizeof(m)),
		str_n(ranges.v, ranges.n * sizeof(*ranges.v)) };
	batch_put(&b, REC_FLAGS, 0, pieces, 2);
	out->modseq = b.totals.modseq;
	r = folder_append(f, &b, true, why);
	free(ranges.v);
	if (f->dirty_ms == 0)
		f->dirty_ms = clock_ms();
	COUNT(f->store, flag_changes);
	return r;
}

enum outcome
folder_store(struct folder *f, const struct seqset *uids, const struct flag_change *c,
    struct deadline d, struct flag_result *out, struct why *why)
{
	enum outcome r = folder_begin(f, true, d, why);

	*out = (struct flag_result){ 0 };
	if (r != DONE)
		return r;
	r = folder_numbers(f, 0, d, why);
	if (r != DONE) {
		folder_end_unlocked(f, true);
		return r;
	}
	r = store_flags(f, uids, c, out, why);
	folder_log_unlock(f);
	crash_point("flags.logged");
	folder_raise_ahead(f, d);
	folder_end_unlocked(f, true);
	if (r != DONE)
		flag_result_free(out);
	else if (out->modseq != 0)
		folder_tell(f, out->modseq);
	return r;
}
