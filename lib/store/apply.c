/*
 * apply.c - what each record of the log does to the rows in memory.  Every
 * process comes to the same rows, because each record is applied to the same
 * rows by the same rules; a record that makes no sense does nothing.
 */
#include <stdlib.h>

#include "store/index.h"
#include "store/names.h"

static const void *
payload(const struct record *r, size_t n)
{
	return r->len - sizeof(*r) >= n ? r + 1 : NULL;
}

static void
apply_append(struct body *b, const struct record *r, uint64_t at)
{
	const struct rec_append *a = payload(r, sizeof(*a));
	uint64_t name_at = at + sizeof(*r) + pad8(sizeof(*a));
	struct msg_row row;

	if (a == NULL || r->len - sizeof(*r) - sizeof(*a) < a->name_len || a->name_len > BASE_MAX ||
	    a->uid == 0)
		return;
	if (body_count(b) > 0 && body_row(b, body_count(b) - 1)->uid >= a->uid)
		return;
	row = (struct msg_row){
		.uid = a->uid,
		.name_flags = a->name_flags,
		.keywords = a->keywords,
		.modseq = r->totals.modseq,
		.internaldate = a->internaldate,
		.name_ref = NAME_REF(name_at, a->name_len),
		.packed_ref = a->packed_len > 0 ? name_at + pad8(a->name_len) : 0,
		.size = a->size,
		.vsize = a->vsize,
		.savedate = a->savedate,
		.flags = a->flags & MSG_FLAGS,
		.spare = (r->arg & APPEND_YOUNG) != 0 ? ROW_YOUNG : 0,
	};
	if (b->more_count == b->more_room) {
		b->more_room = b->more_room * 2 + 64;
		b->more = xreallocarray(b->more, b->more_room, sizeof(*b->more));
	}
	b->more[b->more_count++] = row;
	if (name_flags_of(row.flags, row.keywords, row.name_flags) != row.name_flags)
		b->dirty = true;
	totals_add(&b->totals, &row);
}

static void
apply_flags(struct body *b, const struct record *r)
{
	const struct rec_flags *f = payload(r, sizeof(*f));
	const struct seqrange *range;

	if (f == NULL || (r->len - sizeof(*r) - sizeof(*f)) / sizeof(*range) < f->ranges)
		return;
	range = (const struct seqrange *)(const void *)(f + 1);
	for (uint32_t i = 0; i < f->ranges; i++) {
		for (uint32_t at = body_lower(b, range[i].lo);
		     at < body_count(b) && body_row(b, at)->uid <= range[i].hi; at++) {
			struct msg_row *row = body_row(b, at);
			uint16_t flags = (uint16_t)((row->flags & f->flag_and) | f->flag_or);
			uint64_t keywords = (row->keywords & f->keyword_and) | f->keyword_or;

			if (row_dead(row) || (flags == row->flags && keywords == row->keywords))
				continue;
			totals_remove(&b->totals, row);
			row->flags = flags & MSG_FLAGS;
			row->keywords = keywords;
			row->modseq = r->totals.modseq;
			totals_add(&b->totals, row);
			b->dirty = true;
		}
	}
}

static void
apply_foreign(struct body *b, const struct record *r)
{
	const struct rec_foreign *f = (const void *)(r + 1);
	size_t n = (r->len - sizeof(*r)) / sizeof(*f);

	for (size_t i = 0; i < n; i++) {
		struct msg_row *row = body_find(b, f[i].uid);

		if (row == NULL || row_dead(row))
			continue;
		totals_remove(&b->totals, row);
		if (row->flags != (f[i].flags & MSG_FLAGS) || row->keywords != f[i].keywords)
			row->modseq = r->totals.modseq;
		row->flags = (uint16_t)(f[i].flags & MSG_FLAGS);
		row->keywords = f[i].keywords;
		row->name_flags = f[i].name_flags;
		totals_add(&b->totals, row);
	}
}

static void
apply_expunge(struct body *b, const struct record *r)
{
	const struct seqrange *range;
	uint32_t sorted = b->dead_count;
	size_t n;

	if (payload(r, sizeof(struct dir_span)) == NULL)
		return;
	range =
	    (const struct seqrange *)(const void *)((const struct dir_span *)(const void *)(r + 1) +
						    1);
	n = (r->len - sizeof(*r) - sizeof(struct dir_span)) / sizeof(*range);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t at = body_lower(b, range[i].lo);
		     at < body_count(b) && body_row(b, at)->uid <= range[i].hi; at++) {
			struct msg_row *row = body_row(b, at);

			if (row_dead(row))
				continue;
			totals_remove(&b->totals, row);
			row->flags |= MSG_EXPUNGED;
			row->modseq = r->totals.modseq;
			body_add_tomb(b, row->uid, row->modseq);
			body_add_dead(b, at);
		}
	}
	if (b->dead_count == sorted)
		return;
	body_merge_dead(b, sorted);
	b->dead_modseq = r->totals.modseq;
	b->epoch++;
}

static void
apply_names(struct body *b, const struct record *r)
{
	const struct rec_name *e;
	size_t n;

	if (payload(r, sizeof(struct dir_span)) == NULL)
		return;
	e = (const struct rec_name *)(const void *)((const struct dir_span *)(const void *)(r + 1) +
						    1);
	n = (r->len - sizeof(*r) - sizeof(struct dir_span)) / sizeof(*e);
	for (size_t i = 0; i < n; i++) {
		struct msg_row *row = e[i].uid != 0 ? body_find(b, e[i].uid) : NULL;

		if (row != NULL)
			row->name_flags = e[i].name_flags;
	}
}

static void
apply_keyword(struct body *b, const struct record *r)
{
	const char *p = (const char *)(r + 1);
	size_t n = strnlen(p, r->len - sizeof(*r));

	if (r->arg == b->keyword_count && b->keyword_count < KEYWORDS_MAX && n > 0)
		b->keywords[b->keyword_count++] = str_of(str_dup(str_n(p, n)));
}

static void
apply_offer(struct body *b, const struct record *r, uint64_t at)
{
	const struct rec_offer *o = payload(r, sizeof(*o));
	struct msg_row *row = o != NULL ? body_find(b, o->uid) : NULL;

	if (row == NULL || row_dead(row))
		return;
	if (o->vsize != VSIZE_UNKNOWN)
		row->vsize = o->vsize;
	if (o->packed_len > 0)
		row->packed_ref = at + sizeof(*r) + pad8(sizeof(*o));
}

uint32_t
body_find_young(const struct body *b, struct str base)
{
	for (uint32_t i = body_count(b); i-- > 0;) {
		const struct msg_row *row = body_row(b, i);
		char room[BASE_MAX + 1];
		struct str have;

		if ((row->spare & ROW_YOUNG) != 0 && !row_dead(row) &&
		    gen_name(b->gen, row->name_ref, room, &have) && str_eq(have, base))
			return row->uid;
	}
	return 0;
}

uint32_t
body_recent(const struct body *b, uint32_t from)
{
	uint32_t n = 0;

	for (uint32_t i = body_count(b); i-- > 0 && body_row(b, i)->uid >= from;)
		n += !row_dead(body_row(b, i));
	return n;
}

void
body_apply(struct body *b, const struct record *r, uint64_t at)
{
	switch ((enum record_type)r->type) {
	case REC_APPEND:
		apply_append(b, r, at);
		break;
	case REC_FLAGS:
		apply_flags(b, r);
		break;
	case REC_FOREIGN:
		apply_foreign(b, r);
		break;
	case REC_EXPUNGE:
		apply_expunge(b, r);
		break;
	case REC_NAMES:
		apply_names(b, r);
		break;
	case REC_KEYWORD:
		apply_keyword(b, r);
		break;
	case REC_OFFER:
		apply_offer(b, r, at);
		break;
	default:
		break;
	}
	b->totals.uidnext = r->totals.uidnext;
	b->totals.modseq = r->totals.modseq;
	if (r->totals.recent_from != b->totals.recent_from) {
		/* A session took the recent ones: those below are nobody's news any more. */
		b->totals.recent_from = r->totals.recent_from;
		b->totals.recent = body_recent(b, b->totals.recent_from);
	}
}
