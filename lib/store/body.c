/*
 * body.c - the rows of a folder in memory.
 *
 * The base array is the snapshot's, mapped private: a page is copied when a
 * row on it first changes.  Rows appended since stand in an array of their
 * own.  An expunged row stays where it is, marked dead, until every view has
 * been told; so positions are stable and a view's sequence numbers are
 * positions less the dead before them.
 */
#include <stdlib.h>

#include "store/index.h"
#include "store/names.h"

static void
count_row(struct totals *t, const struct msg_row *r, int by)
{
	uint32_t one = (uint32_t)by;

	t->messages += one;
	t->octets += (uint64_t)(int64_t)by * r->size;
	if ((r->flags & MSG_SEEN) == 0)
		t->unseen += one;
	if ((r->flags & MSG_DELETED) != 0)
		t->deleted += one;
	if (r->uid >= t->recent_from)
		t->recent += one;
}

void
totals_add(struct totals *t, const struct msg_row *r)
{
	count_row(t, r, 1);
}

void
totals_remove(struct totals *t, const struct msg_row *r)
{
	count_row(t, r, -1);
}

void
totals_flags(struct totals *t, uint16_t from, uint16_t to)
{
	t->unseen += (uint32_t)((to & MSG_SEEN) == 0) - (uint32_t)((from & MSG_SEEN) == 0);
	t->deleted += (uint32_t)((to & MSG_DELETED) != 0) - (uint32_t)((from & MSG_DELETED) != 0);
}

static void
count_all(struct body *b)
{
	struct totals *t = &b->totals;

	t->messages = t->unseen = t->deleted = t->recent = 0;
	t->octets = 0;
	for (uint32_t i = 0; i < body_count(b); i++) {
		const struct msg_row *r = body_row(b, i);

		if (row_dead(r))
			continue;
		count_row(t, r, 1);
		if (name_flags_of(r->flags, r->keywords, r->name_flags) != r->name_flags)
			b->dirty = true;
	}
}

void
body_recount(struct body *b)
{
	count_all(b);
}

void
body_drop_keywords(struct body *b)
{
	for (uint32_t i = 0; i < b->keyword_count; i++)
		free((char *)(uintptr_t)b->keywords[i].p);
	b->keyword_count = 0;
}

void
body_add_tomb(struct body *b, uint32_t uid, uint64_t modseq)
{
	struct tomb *last = b->tomb_count > 0 ? &b->tombs[b->tomb_count - 1] : NULL;

	if (last != NULL && last->modseq == modseq && last->hi + 1 == uid) {
		last->hi = uid;
		return;
	}
	if (b->tomb_count == b->tomb_room) {
		b->tomb_room = b->tomb_room * 2 + 16;
		b->tombs = xreallocarray(b->tombs, b->tomb_room, sizeof(*b->tombs));
	}
	b->tombs[b->tomb_count++] = (struct tomb){ uid, uid, modseq };
}

void
body_add_dead(struct body *b, uint32_t at)
{
	if (b->dead_count == b->dead_room) {
		b->dead_room = b->dead_room * 2 + 16;
		b->dead = xreallocarray(b->dead, b->dead_room, sizeof(*b->dead));
	}
	b->dead[b->dead_count++] = at;
}

/* The dead from `sorted` on were added in order; put the two runs together. */
void
body_merge_dead(struct body *b, uint32_t sorted)
{
	uint32_t n = b->dead_count, i = 0, k = sorted, m = 0;
	uint32_t *all;

	if (sorted == 0 || sorted == n || b->dead[sorted - 1] < b->dead[sorted])
		return;
	all = xreallocarray(NULL, n, sizeof(*all));
	while (i < sorted || k < n) {
		if (k == n || (i < sorted && b->dead[i] < b->dead[k]))
			all[m++] = b->dead[i++];
		else
			all[m++] = b->dead[k++];
	}
	free(b->dead);
	b->dead = all;
	b->dead_room = n;
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct msg_row *)a)->uid, y = ((const struct msg_row *)b)->uid;

	return x < y ? -1 : x > y;
}

/* Give the snapshot's tombstones that some view has not been told of rows again. */
static void
raise_tombs(struct body *b, const struct tomb *tombs, uint32_t count, uint64_t keep)
{
	uint64_t extra = 0, n = b->base_count;
	struct msg_row *rows;

	for (uint32_t i = 0; i < count; i++)
		if (tombs[i].modseq > keep)
			extra += (uint64_t)tombs[i].hi - tombs[i].lo + 1;
	if (extra == 0 || extra > UINT32_MAX / 2)
		return;
	rows = xreallocarray(NULL, (size_t)(n + extra), sizeof(*rows));
	memcpy(rows, b->base, (size_t)n * sizeof(*rows));
	for (uint32_t i = 0; i < count; i++)
		for (uint64_t uid = tombs[i].lo; tombs[i].modseq > keep && uid <= tombs[i].hi;
		     uid++)
			rows[n++] = (struct msg_row){
				.uid = (uint32_t)uid,
				.modseq = tombs[i].modseq,
				.flags = MSG_EXPUNGED,
				.vsize = VSIZE_UNKNOWN,
			};
	qsort(rows, (size_t)n, sizeof(*rows), by_uid);
	b->base = rows;
	b->base_ours = true;
	b->base_count = (uint32_t)n;
	for (uint32_t i = 0; i < b->base_count; i++) {
		if (!row_dead(&rows[i]))
			continue;
		body_add_dead(b, i);
		b->dead_modseq = MAX(b->dead_modseq, rows[i].modseq);
	}
}

static void
load_keywords(struct body *b, const struct gen *g)
{
	const char *p = g->map + g->h.keywords_at;
	size_t left = g->h.keyword_octets;

	while (left > 0 && b->keyword_count < KEYWORDS_MAX) {
		size_t n = (unsigned char)*p;

		if (n + 1 > left)
			break;
		b->keywords[b->keyword_count++] = str_of(str_dup(str_n(p + 1, n)));
		p += n + 1;
		left -= n + 1;
	}
}

struct body *
body_new(struct gen *g, uint64_t keep)
{
	struct body *b = xcalloc(1, sizeof(*b));

	(void)pthread_rwlock_init(&b->lock, NULL);
	b->gen = gen_ref(g);
	g->taken = true;
	b->base = (struct msg_row *)(void *)(g->map + INDEX_PAGE);
	b->base_count = g->h.row_count;
	b->totals = g->h.totals;
	b->floor = g->h.tomb_floor;
	load_keywords(b, g);
	raise_tombs(
	    b, (const struct tomb *)(const void *)(g->map + g->h.tombs_at), g->h.tomb_count, keep);
	count_all(b);
	return b;
}

void
body_free(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	if (b->base_ours)
		free(b->base);
	free(b->more);
	free(b->dead);
	free(b->tombs);
	for (uint32_t i = 0; i < b->keyword_count; i++)
		free((char *)(uintptr_t)b->keywords[i].p);
	gen_unref(&b->gen);
	(void)pthread_rwlock_destroy(&b->lock);
	free(b);
}

uint64_t
body_bytes(const struct body *b)
{
	return sizeof(*b) + (uint64_t)body_count(b) * sizeof(struct msg_row) +
	       (uint64_t)b->dead_room * sizeof(*b->dead) +
	       (uint64_t)b->tomb_room * sizeof(*b->tombs);
}

uint32_t
body_lower(const struct body *b, uint32_t uid)
{
	uint32_t lo = 0, hi = body_count(b);

	/* UIDs are dense as a rule: the guess is often right. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (body_row(b, mid)->uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct msg_row *
body_find(const struct body *b, uint32_t uid)
{
	uint32_t at = body_lower(b, uid);
	struct msg_row *r = at < body_count(b) ? body_row(b, at) : NULL;

	return r != NULL && r->uid == uid ? r : NULL;
}

int
body_keyword(const struct body *b, struct str name)
{
	for (uint32_t i = 0; i < b->keyword_count; i++)
		if (str_eq_nocase(b->keywords[i], name))
			return (int)i;
	return -1;
}

void
body_compact(struct body *b, uint64_t told)
{
	uint32_t n = body_count(b), m = 0, left = 0;
	struct msg_row *rows;

	for (uint32_t i = 0; i < b->dead_count; i++)
		left += body_row(b, b->dead[i])->modseq > told;
	if (b->dead_count - left < 32 || b->dead_count - left < n / 8)
		return;
	rows = xreallocarray(NULL, MAX(n - (b->dead_count - left), 1u), sizeof(*rows));
	b->dead_count = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct msg_row *r = body_row(b, i);

		if (row_dead(r)) {
			if (r->modseq <= told)
				continue;
			b->dead[b->dead_count++] = m;
		}
		rows[m++] = *r;
	}
	if (b->base_ours)
		free(b->base);
	free(b->more);
	b->more = NULL;
	b->more_count = b->more_room = 0;
	b->base = rows;
	b->base_ours = true;
	b->base_count = m;
	b->epoch++;
}

/* Rows of the old body that the new one has not heard of at all become dead ones. */
static void
bury_missing(struct body *now, const struct body *old)
{
	uint32_t missing = 0, k = 0, n = body_count(now), m = 0;
	struct msg_row *rows;

	for (uint32_t i = 0; i < body_count(old); i++) {
		const struct msg_row *r = body_row(old, i);

		if (!row_dead(r))
			missing += body_find(now, r->uid) == NULL;
	}
	if (missing == 0)
		return;
	rows = xreallocarray(NULL, (size_t)n + missing, sizeof(*rows));
	now->dead_count = 0;
	for (uint32_t i = 0; i < n || k < body_count(old);) {
		const struct msg_row *a = i < n ? body_row(now, i) : NULL;
		const struct msg_row *o = k < body_count(old) ? body_row(old, k) : NULL;

		if (o == NULL || (a != NULL && a->uid <= o->uid)) {
			k += o != NULL && a->uid == o->uid;
			i++;
			if (row_dead(a))
				body_add_dead(now, m);
			rows[m++] = *a;
			continue;
		}
		k++;
		if (row_dead(o))
			continue;
		body_add_dead(now, m);
		rows[m] = *o;
		rows[m].flags |= MSG_EXPUNGED;
		rows[m].modseq = now->totals.modseq;
		body_add_tomb(now, rows[m].uid, rows[m].modseq);
		m++;
	}
	now->dead_modseq = now->totals.modseq;
	if (now->base_ours)
		free(now->base);
	free(now->more);
	now->more = NULL;
	now->more_count = now->more_room = 0;
	now->base = rows;
	now->base_ours = true;
	now->base_count = m;
}

void
body_replace(struct body *b, struct body **from)
{
	struct body *now = *from;
	struct body old;

	bury_missing(now, b);
	(void)pthread_rwlock_wrlock(&b->lock);
	old = *b;
	b->gen = now->gen;
	b->base = now->base;
	b->more = now->more;
	b->base_count = now->base_count;
	b->more_count = now->more_count;
	b->more_room = now->more_room;
	b->base_ours = now->base_ours;
	b->dead = now->dead;
	b->dead_count = now->dead_count;
	b->dead_room = now->dead_room;
	b->dead_modseq = now->dead_modseq;
	b->tombs = now->tombs;
	b->tomb_count = now->tomb_count;
	b->tomb_room = now->tomb_room;
	b->totals = now->totals;
	b->dirty = now->dirty;
	b->epoch++;
	/* Keywords are only ever added to a folder; those we have keep their texts. */
	for (uint32_t i = b->keyword_count; i < now->keyword_count; i++) {
		b->keywords[i] = now->keywords[i];
		now->keywords[i] = STR_NONE;
	}
	b->keyword_count = MAX(b->keyword_count, now->keyword_count);
	(void)pthread_rwlock_unlock(&b->lock);
	now->gen = old.gen;
	now->base = old.base;
	now->base_ours = old.base_ours;
	now->more = old.more;
	now->dead = old.dead;
	now->tombs = old.tombs;
	body_free(from);
}
