/*
 * news.c - what happened in a folder beyond what a session was told: new
 * messages, expunges, flags, and \Recent.
 */
#include <stdlib.h>

#include "store/numbers.h"

void
view_news(struct view *v, struct view_news *out)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t dead_in_view = 0;

	*out = (struct view_news){ .uidnext = b->totals.uidnext, .modseq = b->totals.modseq };
	for (uint32_t i = 0; i < b->dead_count && b->dead[i] < h->end; i++)
		dead_in_view++;
	out->expunged = dead_in_view - h->count;
	out->count = body_count(b) - b->dead_count;
	out->flags = b->totals.modseq > v->flags_told;
	view_unlock(b);
}

void
view_expunged(
    struct view *v, const struct view_news *news, struct seqset *seqs, struct seqset *uids)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);

	for (uint32_t i = 0; i < b->dead_count && b->dead[i] < h->end; i++) {
		const struct msg_row *r = body_row(b, b->dead[i]);
		uint32_t seq;

		if (r->modseq <= v->expunge_told || r->modseq > news->modseq)
			continue;
		seq = b->dead[i] - hidden_before(h, b->dead[i]) + 1;
		if (seqs != NULL)
			seqset_add(seqs, seq, seq);
		if (uids != NULL)
			seqset_add(uids, r->uid, r->uid);
	}
	view_unlock(b);
}

/* Watermarks are read by others under the folder's lock. */
static void
set_told(struct view *v, uint64_t *mark, uint64_t value)
{
	(void)pthread_mutex_lock(&v->folder->lock);
	*mark = MAX(*mark, value);
	folder_unlock(v->folder);
}

void
view_told_expunges(struct view *v, const struct view_news *news)
{
	/*
	 * A message that came and went unseen is in nobody's numbers: it is
	 * passed over by either watermark.
	 */
	set_told(v, &v->expunge_told, news->modseq);
}

void
view_told_new(struct view *v, const struct view_news *news)
{
	(void)pthread_mutex_lock(&v->folder->lock);
	v->uidnext_told = MAX(v->uidnext_told, news->uidnext);
	folder_unlock(v->folder);
}

void
view_told_flags(struct view *v, const struct view_news *news)
{
	set_told(v, &v->flags_told, news->modseq);
}

size_t
view_changed(struct view *v, struct view_cursor *c, uint64_t after_modseq, struct msg_row *rows,
    uint32_t *seqs, size_t max)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at = c->seq != 0 ? hidden_position(h, c->seq) : MIN(body_lower(b, c->uid), h->end);
	size_t n = 0;

	for (; at < h->end && n < max; at++) {
		const struct msg_row *r = body_row(b, at);

		if (row_dead(r) || r->modseq <= after_modseq)
			continue;
		rows[n] = *r;
		seqs[n++] = at - hidden_before(h, at) + 1;
	}
	c->seq = 0;
	c->uid = at < h->end ? body_row(b, at)->uid : UINT32_MAX;
	view_unlock(b);
	return n;
}

/* --- QRESYNC --- */

static void
add_tombs(const struct tomb *t, uint32_t n, uint64_t modseq, struct seqset *out)
{
	for (uint32_t i = 0; i < n; i++)
		if (t[i].modseq > modseq)
			seqset_add(out, t[i].lo, t[i].hi);
}

/* All of `known` below the view's end that are not in it. */
static void
add_absent(struct view *v, const struct body *b, const struct seqset *known, struct seqset *out)
{
	struct seqset there = SEQSET_EMPTY;
	uint32_t last = v->uidnext_told > 1 ? v->uidnext_told - 1 : 0;

	if (last == 0)
		return;
	view_add_uids(v, b, 0, view_hide(v, b)->end, &there);
	if (known != NULL)
		seqset_union(out, known);
	else
		seqset_add(out, 1, last);
	if (last < UINT32_MAX)
		seqset_remove(out, last + 1, UINT32_MAX);
	seqset_subtract(out, &there);
	seqset_free(&there);
}

bool
view_vanished_since(struct view *v, uint64_t modseq, const struct seqset *known, struct seqset *out)
{
	struct body *b = view_lock(v);
	const struct index_header *h = &b->gen->h;
	bool complete = modseq >= h->tomb_floor;

	if (complete) {
		add_tombs((const struct tomb *)(const void *)(b->gen->map + h->tombs_at),
		    h->tomb_count, modseq, out);
		add_tombs(b->tombs, b->tomb_count, modseq, out);
		if (known != NULL)
			seqset_intersect(out, known);
	} else {
		add_absent(v, b, known, out);
	}
	view_unlock(b);
	return complete;
}

/* --- \Recent --- */

/* The log remembers that these are somebody's.  Locked. */
static enum outcome
claim(struct folder *f, uint32_t upto, struct deadline d)
{
	enum outcome r = folder_log_lock(f, d, NULL);
	struct batch b;

	if (r != DONE)
		return r;
	if (f->o->tail.totals.recent_from < upto) {
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		b.totals.recent_from = upto;
		b.totals.recent = body_recent(f->body, upto);
		batch_put(&b, REC_TOTALS, 0, NULL, 0);
		r = folder_append(f, &b, true, NULL);
	} else {
		r = GONE; /* another session was quicker */
	}
	folder_log_unlock(f);
	return r;
}

enum outcome
view_recent(
    struct view *v, bool wanted, struct deadline d, uint32_t *lo, uint32_t *hi, struct why *why)
{
	struct folder *f = v->folder;
	enum outcome r = folder_relock(f, d, why);
	uint32_t from;

	*lo = *hi = 0;
	if (r != DONE)
		return r;
	if (wanted) {
		/* What others claimed in the meantime is theirs. */
		r = folder_catch_up(f, d, why);
		if (r != DONE) {
			folder_unlock(f);
			return r;
		}
	}
	from = f->o->tail.totals.recent_from;
	/* When nothing can be written (a full disk) they are recent to whoever looks. */
	if (from < v->uidnext_told && (!wanted || claim(f, v->uidnext_told, d) != GONE)) {
		*lo = from;
		*hi = v->uidnext_told;
	}
	folder_unlock(f);
	return DONE;
}
