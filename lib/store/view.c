/*
 * view.c - numbers for one session.
 *
 * A row is in the view when its UID is below what the client was told of and
 * it lives, or died after what the client was told.  So a sequence number is
 * the row's position less the dead before it that the client knows of
 * ("hidden"), and needs no array of the session's own.  Mostly nothing is
 * hidden, and a number is a position.
 */
#include "store/view.h"

#include <stdlib.h>

#include "store/core.h"

/* Positions the view passes over, as of one epoch of the body. */
struct view_hidden {
	uint64_t epoch;
	uint64_t told;
	uint32_t uidnext;
	uint32_t end;   /* positions below this have a UID below uidnext_told */
	uint32_t count; /* hidden below end */
	uint32_t room;
	uint32_t *at; /* ours, ascending */
};

static struct body *
read_lock(struct view *v)
{
	struct body *b = v->folder->body;

	assert(v->entered > 0 && b != NULL);
	(void)pthread_rwlock_rdlock(&b->lock);
	return b;
}

static void
unlock(struct body *b)
{
	(void)pthread_rwlock_unlock(&b->lock);
}

/* What is hidden now.  Body locked for reading. */
static const struct view_hidden *
hidden(const struct view *v, const struct body *b)
{
	struct view_hidden *h = v->hidden;

	if (h->epoch == b->epoch && h->told == v->expunge_told && h->uidnext == v->uidnext_told &&
	    h->end <= body_count(b) &&
	    (h->end == body_count(b) || body_row(b, h->end)->uid >= v->uidnext_told))
		return h;
	h->epoch = b->epoch;
	h->told = v->expunge_told;
	h->uidnext = v->uidnext_told;
	h->end = body_lower(b, v->uidnext_told);
	h->count = 0;
	if (h->room < b->dead_count) {
		h->room = b->dead_count;
		h->at = xreallocarray(h->at, h->room, sizeof(*h->at));
	}
	for (uint32_t i = 0; i < b->dead_count && b->dead[i] < h->end; i++)
		if (body_row(b, b->dead[i])->modseq <= v->expunge_told)
			h->at[h->count++] = b->dead[i];
	return h;
}

/* How many are hidden before a position. */
static uint32_t
hidden_before(const struct view_hidden *h, uint32_t at)
{
	uint32_t lo = 0, hi = h->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (h->at[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The position of number seq; h->end when there is none. */
static uint32_t
position_of(const struct view_hidden *h, uint32_t seq)
{
	uint32_t lo = 0, hi = h->count;

	if (seq == 0 || seq > h->end - h->count)
		return h->end;
	/* The hidden that come before it: hidden k does when at[k] - k <= seq - 1. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (h->at[mid] - mid <= seq - 1)
			lo = mid + 1;
		else
			hi = mid;
	}
	return seq - 1 + lo;
}

/* Row is in the view (its position is below h->end). */
static bool
visible(const struct view *v, const struct msg_row *r)
{
	return !row_dead(r) || r->modseq > v->expunge_told;
}

/* --- a turn --- */

static void
link_view(struct view *v)
{
	struct folder *f = v->folder;

	v->prev = NULL;
	v->next = f->views;
	if (f->views != NULL)
		f->views->prev = v;
	f->views = v;
}

enum outcome
view_open(struct folder *f, struct deadline d, struct view *v, struct why *why)
{
	enum outcome r = folder_sync(f, d, why);

	*v = (struct view){ 0 };
	if (r == DONE)
		r = folder_begin(f, true, d, why);
	if (r != DONE)
		return r;
	v->folder = folder_ref(f);
	v->entered = 1;
	v->hidden = xcalloc(1, sizeof(*v->hidden));
	v->hidden->epoch = UINT64_MAX;
	v->uidnext_told = f->o->tail.totals.uidnext;
	v->flags_told = v->expunge_told = f->o->tail.totals.modseq;
	link_view(v);
	folder_unlock(f);
	return DONE;
}

void
view_close(struct view *v)
{
	struct folder *f = v->folder;

	if (f == NULL)
		return;
	if (v->entered > 0)
		view_leave(v);
	(void)pthread_mutex_lock(&f->lock);
	if (v->prev != NULL)
		v->prev->next = v->next;
	else
		f->views = v->next;
	if (v->next != NULL)
		v->next->prev = v->prev;
	folder_unlock(f);
	folder_release(&v->folder);
	*v = (struct view){ 0 };
}

enum outcome
view_enter(struct view *v, bool sync, struct deadline d, struct why *why)
{
	struct folder *f = v->folder;
	enum outcome r = sync ? folder_sync(f, d, why) : DONE;

	assert(v->entered == 0);
	if (r == DONE)
		r = folder_begin(f, true, d, why);
	if (r != DONE)
		return r;
	if (v->expunge_told < f->body->floor) {
		folder_end(f, true);
		folder_unlock(f);
		return fail(PERMFAIL, why, 0, "", "Too much has changed in the folder");
	}
	(void)pthread_rwlock_wrlock(&f->body->lock);
	body_compact(f->body, folder_told(f));
	(void)pthread_rwlock_unlock(&f->body->lock);
	v->entered = 1;
	v->hidden = xcalloc(1, sizeof(*v->hidden));
	v->hidden->epoch = UINT64_MAX;
	folder_unlock(f);
	return DONE;
}

void
view_leave(struct view *v)
{
	assert(v->entered == 1);
	v->entered = 0;
	free(v->hidden->at);
	free(v->hidden);
	v->hidden = NULL;
	folder_end_unlocked(v->folder, true);
}

/* --- rows --- */

uint32_t
view_count(const struct view *v)
{
	struct body *b = v->folder->body;
	const struct view_hidden *h;
	uint32_t n;

	(void)pthread_rwlock_rdlock(&b->lock);
	h = hidden(v, b);
	n = h->end - h->count;
	unlock(b);
	return n;
}

size_t
view_rows(struct view *v, struct view_cursor *c, struct msg_row *rows, size_t max, uint32_t *seq)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at, next_hidden;
	size_t n = 0;

	at = c->seq != 0 ? position_of(h, c->seq) : MIN(body_lower(b, c->uid), h->end);
	next_hidden = hidden_before(h, at);
	*seq = at - next_hidden + 1;
	for (; at < h->end && n < max; at++) {
		if (next_hidden < h->count && h->at[next_hidden] == at) {
			next_hidden++;
			continue;
		}
		rows[n++] = *body_row(b, at);
	}
	unlock(b);
	c->seq = *seq + (uint32_t)n;
	c->uid = 0;
	return n;
}

uint32_t
view_uid(struct view *v, uint32_t seq)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at = position_of(h, seq);
	uint32_t uid = at < h->end ? body_row(b, at)->uid : 0;

	unlock(b);
	return uid;
}

uint32_t
view_seq(struct view *v, uint32_t uid)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at = body_lower(b, uid), seq = 0;

	if (at < h->end && body_row(b, at)->uid == uid && visible(v, body_row(b, at)))
		seq = at - hidden_before(h, at) + 1;
	unlock(b);
	return seq;
}

bool
view_row(struct view *v, uint32_t uid, struct msg_row *out)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at = body_lower(b, uid);
	bool there = at < h->end && body_row(b, at)->uid == uid && visible(v, body_row(b, at));

	if (there)
		*out = *body_row(b, at);
	unlock(b);
	return there;
}

uint32_t
view_last_uid(struct view *v)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at = position_of(h, h->end - h->count);
	uint32_t uid = at < h->end ? body_row(b, at)->uid : 0;

	unlock(b);
	return uid;
}

/* Add the UIDs of visible rows in [from, to) as ranges that join over gaps. */
static void
add_uids(const struct view *v, const struct body *b, uint32_t from, uint32_t to, struct seqset *out)
{
	uint32_t lo = 0, hi = 0;

	for (uint32_t at = from; at < to; at++) {
		const struct msg_row *r = body_row(b, at);

		if (!visible(v, r))
			continue;
		if (lo != 0 && r->uid == hi + 1) {
			hi = r->uid;
			continue;
		}
		if (lo != 0)
			seqset_add(out, lo, hi);
		lo = hi = r->uid;
	}
	if (lo != 0)
		seqset_add(out, lo, hi);
}

void
view_uids_of_seqs(struct view *v, const struct seqset *seqs, struct seqset *uids)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t count = h->end - h->count;

	for (size_t i = 0; i < seqs->n && seqs->v[i].lo <= count; i++) {
		uint32_t to = position_of(h, MIN(seqs->v[i].hi, count));

		add_uids(v, b, position_of(h, seqs->v[i].lo), to + 1, uids);
	}
	unlock(b);
}

void
view_existing_uids(struct view *v, const struct seqset *uids, struct seqset *existing)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);

	for (size_t i = 0; i < uids->n; i++) {
		uint32_t from = MIN(body_lower(b, uids->v[i].lo), h->end);
		uint32_t to =
		    uids->v[i].hi == UINT32_MAX ? h->end : body_lower(b, uids->v[i].hi + 1);

		add_uids(v, b, from, MIN(to, h->end), existing);
	}
	unlock(b);
}

void
view_seqs_of_uids(struct view *v, const struct seqset *uids, struct seqset *seqs)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);

	for (size_t i = 0; i < uids->n; i++) {
		uint32_t from = MIN(body_lower(b, uids->v[i].lo), h->end);
		uint32_t to =
		    uids->v[i].hi == UINT32_MAX ? h->end : body_lower(b, uids->v[i].hi + 1);
		uint32_t lo, hi;

		to = MIN(to, h->end);
		/* Numbers of neighbours are neighbours, so a range stays one. */
		lo = from - hidden_before(h, from) + 1;
		hi = to - hidden_before(h, to);
		if (lo <= hi)
			seqset_add(seqs, lo, hi);
	}
	unlock(b);
}

const struct str *
view_keywords(struct view *v, size_t *n)
{
	struct body *b = read_lock(v);

	*n = b->keyword_count;
	unlock(b);
	return b->keywords;
}

void
view_summary(struct view *v, struct folder_summary *out)
{
	struct body *b = read_lock(v);
	const struct totals *t = &b->totals;

	*out = (struct folder_summary){
		.uidvalidity = v->folder->uidvalidity,
		.uidnext = t->uidnext,
		.modseq = t->modseq,
		.messages = t->messages,
		.unseen = t->unseen,
		.deleted = t->deleted,
		.recent = t->recent,
		.octets = t->octets,
	};
	unlock(b);
}

uint32_t
view_first_unseen(struct view *v)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t seq = 0;

	for (uint32_t at = 0; at < h->end; at++) {
		const struct msg_row *r = body_row(b, at);

		if (row_dead(r) || (r->flags & MSG_SEEN) != 0)
			continue;
		seq = at - hidden_before(h, at) + 1;
		break;
	}
	unlock(b);
	return seq;
}

/* --- news --- */

void
view_news(struct view *v, struct view_news *out)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t dead_in_view = 0;

	*out = (struct view_news){ .uidnext = b->totals.uidnext, .modseq = b->totals.modseq };
	for (uint32_t i = 0; i < b->dead_count && b->dead[i] < h->end; i++)
		dead_in_view++;
	out->expunged = dead_in_view - h->count;
	out->count = body_count(b) - b->dead_count;
	out->flags = b->totals.modseq > v->flags_told;
	unlock(b);
}

void
view_expunged(
    struct view *v, const struct view_news *news, struct seqset *seqs, struct seqset *uids)
{
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);

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
	unlock(b);
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
	struct body *b = read_lock(v);
	const struct view_hidden *h = hidden(v, b);
	uint32_t at = c->seq != 0 ? position_of(h, c->seq) : MIN(body_lower(b, c->uid), h->end);
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
	unlock(b);
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
	add_uids(v, b, 0, hidden(v, b)->end, &there);
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
	struct body *b = read_lock(v);
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
	unlock(b);
	return complete;
}

/* --- \Recent --- */

enum outcome
view_recent(
    struct view *v, bool claim, struct deadline d, uint32_t *lo, uint32_t *hi, struct why *why)
{
	struct folder *f = v->folder;
	struct batch b;
	enum outcome r = folder_relock(f, d, why);

	*lo = *hi = 0;
	if (r != DONE)
		return r;
	if (f->o->tail.totals.recent_from >= v->uidnext_told) {
		folder_unlock(f);
		return DONE;
	}
	if (!claim) {
		*lo = f->o->tail.totals.recent_from;
		*hi = v->uidnext_told;
		folder_unlock(f);
		return DONE;
	}
	r = folder_log_lock(f, d, why);
	if (r == DONE && f->o->tail.totals.recent_from < v->uidnext_told) {
		uint32_t from = f->o->tail.totals.recent_from;

		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		b.totals.recent_from = v->uidnext_told;
		b.totals.recent = body_recent(f->body, v->uidnext_told);
		batch_put(&b, REC_TOTALS, 0, NULL, 0);
		r = folder_append(f, &b, true, why);
		if (r == DONE) {
			*lo = from;
			*hi = v->uidnext_told;
		}
		folder_log_unlock(f);
	} else if (r == DONE) {
		folder_log_unlock(f);
	}
	folder_unlock(f);
	return r;
}
