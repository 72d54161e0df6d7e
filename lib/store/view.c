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

#include "store/numbers.h"

struct body *
view_lock(struct view *v)
{
	struct body *b = v->folder->body;

	assert(v->entered > 0 && b != NULL);
	(void)pthread_rwlock_rdlock(&b->lock);
	return b;
}

void
view_unlock(struct body *b)
{
	(void)pthread_rwlock_unlock(&b->lock);
}

/* What is hidden now.  Body locked for reading. */
const struct view_hidden *
view_hide(const struct view *v, const struct body *b)
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
uint32_t
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
uint32_t
hidden_position(const struct view_hidden *h, uint32_t seq)
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
	h = view_hide(v, b);
	n = h->end - h->count;
	view_unlock(b);
	return n;
}

size_t
view_rows(struct view *v, struct view_cursor *c, struct msg_row *rows, size_t max, uint32_t *seq)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at, next_hidden;
	size_t n = 0;

	at = c->seq != 0 ? hidden_position(h, c->seq) : MIN(body_lower(b, c->uid), h->end);
	next_hidden = hidden_before(h, at);
	*seq = at - next_hidden + 1;
	for (; at < h->end && n < max; at++) {
		if (next_hidden < h->count && h->at[next_hidden] == at) {
			next_hidden++;
			continue;
		}
		rows[n++] = *body_row(b, at);
	}
	view_unlock(b);
	c->seq = *seq + (uint32_t)n;
	c->uid = 0;
	return n;
}

uint32_t
view_uid(struct view *v, uint32_t seq)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at = hidden_position(h, seq);
	uint32_t uid = at < h->end ? body_row(b, at)->uid : 0;

	view_unlock(b);
	return uid;
}

uint32_t
view_seq(struct view *v, uint32_t uid)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at = body_lower(b, uid), seq = 0;

	if (at < h->end && body_row(b, at)->uid == uid && visible(v, body_row(b, at)))
		seq = at - hidden_before(h, at) + 1;
	view_unlock(b);
	return seq;
}

bool
view_row(struct view *v, uint32_t uid, struct msg_row *out)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at = body_lower(b, uid);
	bool there = at < h->end && body_row(b, at)->uid == uid && visible(v, body_row(b, at));

	if (there)
		*out = *body_row(b, at);
	view_unlock(b);
	return there;
}

uint32_t
view_last_uid(struct view *v)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t at = hidden_position(h, h->end - h->count);
	uint32_t uid = at < h->end ? body_row(b, at)->uid : 0;

	view_unlock(b);
	return uid;
}

/* Add the UIDs of visible rows in [from, to) as ranges that join over gaps. */
void
view_add_uids(
    const struct view *v, const struct body *b, uint32_t from, uint32_t to, struct seqset *out)
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
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t count = h->end - h->count;

	for (size_t i = 0; i < seqs->n && seqs->v[i].lo <= count; i++) {
		uint32_t to = hidden_position(h, MIN(seqs->v[i].hi, count));

		view_add_uids(v, b, hidden_position(h, seqs->v[i].lo), to + 1, uids);
	}
	view_unlock(b);
}

void
view_existing_uids(struct view *v, const struct seqset *uids, struct seqset *existing)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);

	for (size_t i = 0; i < uids->n; i++) {
		uint32_t from = MIN(body_lower(b, uids->v[i].lo), h->end);
		uint32_t to =
		    uids->v[i].hi == UINT32_MAX ? h->end : body_lower(b, uids->v[i].hi + 1);

		view_add_uids(v, b, from, MIN(to, h->end), existing);
	}
	view_unlock(b);
}

void
view_seqs_of_uids(struct view *v, const struct seqset *uids, struct seqset *seqs)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);

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
	view_unlock(b);
}

const struct str *
view_keywords(struct view *v, size_t *n)
{
	struct body *b = view_lock(v);

	*n = b->keyword_count;
	view_unlock(b);
	return b->keywords;
}

void
view_summary(struct view *v, struct folder_summary *out)
{
	struct body *b = view_lock(v);
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
	view_unlock(b);
}

uint32_t
view_first_unseen(struct view *v)
{
	struct body *b = view_lock(v);
	const struct view_hidden *h = view_hide(v, b);
	uint32_t seq = 0;

	for (uint32_t at = 0; at < h->end; at++) {
		const struct msg_row *r = body_row(b, at);

		if (row_dead(r) || (r->flags & MSG_SEEN) != 0)
			continue;
		seq = at - hidden_before(h, at) + 1;
		break;
	}
	view_unlock(b);
	return seq;
}
