/*
 * scan_record.c - what a reading of the directories means for the index.
 *
 * Flags: a letter that differs from the one we last knew in the name is
 * another program's change and is taken over, unless the flag is one of ours
 * that has not reached the name yet: then ours stands and will be written.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/names.h"
#include "store/scan.h"

void
scan_know(struct scan_state *s)
{
	struct body *b = s->f->body;
	uint32_t room = 64, n = 0;

	(void)pthread_rwlock_rdlock(&b->lock);
	s->gen = gen_ref(b->gen);
	s->uidnext = b->totals.uidnext;
	s->known = xreallocarray(NULL, MAX(body_count(b), 1u), sizeof(*s->known));
	for (uint32_t i = 0; i < body_count(b); i++) {
		const struct msg_row *r = body_row(b, i);

		if (!row_dead(r))
			s->known[n++] = (struct known){
				.name_ref = r->name_ref, .uid = r->uid, .name_flags = r->name_flags
			};
	}
	(void)pthread_rwlock_unlock(&b->lock);
	s->known_count = n;
	while (room < n * 2)
		room *= 2;
	s->slot_mask = room - 1;
	s->slots = xcalloc(room, sizeof(*s->slots));
	for (uint32_t i = 0; i < n; i++) {
		char base[BASE_MAX + 1];
		struct str name;
		uint32_t at;

		if (!gen_name(s->gen, s->known[i].name_ref, base, &name)) {
			s->names_bad = true;
			s->known[i].seen = true; /* unreadable is not gone */
			continue;
		}
		s->known[i].hash = hash_str(name);
		for (at = (uint32_t)s->known[i].hash & s->slot_mask; s->slots[at] != 0;)
			at = (at + 1) & s->slot_mask;
		s->slots[at] = i + 1;
	}
}

struct known *
known_find(struct scan_state *s, struct str base)
{
	uint64_t hash = hash_str(base);

	for (uint32_t at = (uint32_t)hash & s->slot_mask; s->slots[at] != 0;
	     at = (at + 1) & s->slot_mask) {
		struct known *k = &s->known[s->slots[at] - 1];
		char room[BASE_MAX + 1];
		struct str name;

		if (k->hash == hash && gen_name(s->gen, k->name_ref, room, &name) &&
		    str_eq(name, base))
			return k;
	}
	return NULL;
}

void
scan_forget_found(struct scan_state *s)
{
	for (size_t i = 0; i < s->found_count; i++)
		free((char *)(uintptr_t)s->found[i].name.p);
	s->found_count = 0;
}

void
scan_free(struct scan_state *s)
{
	scan_forget_found(s);
	free(s->found);
	free(s->known);
	free(s->slots);
	gen_unref(&s->gen);
}

/* Rows appended since we looked may be files we found. */
static size_t
drop_taken(struct scan_state *s)
{
	struct body *b = s->f->body;
	size_t left = 0;

	for (uint32_t i = body_lower(b, s->uidnext); i < body_count(b); i++) {
		char room[BASE_MAX + 1];
		struct str name;

		if (!gen_name(b->gen, body_row(b, i)->name_ref, room, &name))
			continue;
		for (size_t k = 0; k < s->found_count; k++)
			if (!s->found[k].taken && s->found[k].base_len == name.n &&
			    memcmp(s->found[k].name.p, name.p, name.n) == 0)
				s->found[k].taken = true;
	}
	for (size_t k = 0; k < s->found_count; k++)
		left += !s->found[k].taken;
	return left;
}

/* Flags and keywords of name letters; letters without a keyword are passed over. */
static uint64_t
letter_keywords(const struct body *b, uint32_t name_flags)
{
	uint64_t all = (uint64_t)name_flags >> NAME_KEYWORD_BASE;

	return b->keyword_count >= 64 ? all : all & ((1ULL << b->keyword_count) - 1);
}

static void
put_adopted(struct scan_state *s, struct batch *batch)
{
	for (size_t i = 0; i < s->found_count; i++) {
		const struct found *n = &s->found[i];
		struct new_msg m = {
			.base = str_first(n->name, n->base_len),
			.span = s->span,
			.keywords = letter_keywords(s->f->body, n->name_flags),
			.internaldate = n->date,
			.size = n->size,
			.vsize = n->vsize,
			.name_flags = n->name_flags,
			.flags = n->name_flags & MSG_FLAGS,
			.arg = APPEND_ADOPTED | (n->young ? APPEND_YOUNG : 0u),
		};

		if (n->taken)
			continue;
		(void)append_put(batch, &m);
		s->octets += (int64_t)n->size;
		s->messages++;
	}
}

static void
put_missing(struct scan_state *s, struct batch *batch)
{
	struct dir_span none = { 0, 0 };
	struct seqset gone = SEQSET_EMPTY;

	for (uint32_t i = 0; s->cur_read && i < s->known_count; i++) {
		const struct msg_row *r;

		if (s->known[i].seen)
			continue;
		r = body_find(s->f->body, s->known[i].uid);
		if (r == NULL || row_dead(r))
			continue;
		seqset_add(&gone, r->uid, r->uid);
		totals_remove(&batch->totals, r);
		s->octets -= r->size;
		s->messages--;
	}
	if (gone.n > 0) {
		struct str pieces[] = { str_n(&none, sizeof(none)),
			str_n(gone.v, gone.n * sizeof(*gone.v)) };

		batch_put(batch, REC_EXPUNGE, 0, pieces, 2);
	}
	seqset_free(&gone);
}

static void
put_moved(struct scan_state *s, struct batch *batch)
{
	struct rec_foreign *all = NULL;
	size_t n = 0, room = 0;
	struct str piece;

	for (uint32_t i = 0; s->cur_read && i < s->known_count; i++) {
		const struct known *k = &s->known[i];
		const struct msg_row *r = k->moved ? body_find(s->f->body, k->uid) : NULL;
		uint32_t want, theirs, flags;

		if (r == NULL || row_dead(r) || r->name_flags == k->found_flags)
			continue;
		want = name_flags_of(r->flags, r->keywords, r->name_flags);
		theirs = (k->found_flags ^ r->name_flags) & ~(want ^ r->name_flags);
		flags = (want & ~theirs) | (k->found_flags & theirs);
		if (n == room) {
			room = room * 2 + 16;
			all = xreallocarray(all, room, sizeof(*all));
		}
		all[n++] = (struct rec_foreign){
			.uid = r->uid,
			.name_flags = k->found_flags,
			.flags = flags & MSG_FLAGS,
			.keywords = (r->keywords & ~(uint64_t)0x3ffffff) |
				    letter_keywords(s->f->body, flags),
		};
		totals_flags(&batch->totals, r->flags, (uint16_t)(flags & MSG_FLAGS));
	}
	piece = str_n(all, n * sizeof(*all));
	for (size_t done = 0; done < n; done += 500000) {
		piece = str_n(all + done, MIN((size_t)500000, n - done) * sizeof(*all));
		batch_put(batch, REC_FOREIGN, 0, &piece, 1);
	}
	free(all);
}

static void
put_scan(struct scan_state *s, struct batch *batch)
{
	const struct tail *t = &s->f->o->tail;
	struct rec_scan r = {
		.cur = !s->cur_read   ? CUR_UNCHANGED
		       : s->cur_quiet ? s->cur_mtime
				      : 0,
		.new = s->new_mtime,
		.at = wall_s(),
		.unsettled = s->unsettled ? (uint32_t)wall_s() : 0,
	};
	struct str piece = str_n(&r, sizeof(r));

	if (s->cur_read || r.new != t->new_clean)
		batch_put(batch, REC_SCAN, 0, &piece, 1);
}

/*
 * Messages we delivered are in the index, unless their deliverer died in the
 * moment between; or the index is an older copy written over this one.  Then
 * UIDs beyond it were given out: go on at the ceilings.
 */
static enum outcome
mistrust(struct scan_state *s, struct deadline d, struct why *why)
{
	bool orphans = false;
	enum outcome r;

	for (size_t i = 0; i < s->found_count; i++)
		orphans = orphans || s->found[i].orphan;
	if (!orphans || s->f->o->tail.scanned == 0)
		return DONE;
	r = folder_log_lock(s->f, d, why);
	if (r != DONE)
		return r;
	if (drop_taken(s) > 0 && !folder_reset_numbers(s->f))
		r = fs_fail(why, "write index", str_of(s->f->path), errno);
	folder_log_unlock(s->f);
	return r;
}

enum outcome
scan_record(struct scan_state *s, struct deadline d, struct why *why)
{
	struct folder *f = s->f;
	enum outcome r = folder_relock(f, d, why);
	struct batch b;
	size_t fresh;

	if (r != DONE)
		return r;
	r = mistrust(s, d, why);
	if (r != DONE) {
		folder_unlock(f);
		return r;
	}
	r = folder_numbers(f, (uint32_t)MIN(s->found_count, (size_t)UINT32_MAX / 2), d, why);
	if (r != DONE)
		return r; /* unlocked */
	fresh = drop_taken(s);
	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	b.totals.modseq++;
	put_missing(s, &b);
	put_moved(s, &b);
	if (fresh > 0)
		put_adopted(s, &b);
	s->changed = b.records.n > 0;
	if (!s->changed)
		b.totals.modseq--;
	put_scan(s, &b);
	s->modseq = b.totals.modseq;
	r = folder_append(f, &b, false, why);
	folder_log_unlock(f);
	folder_unlock(f);
	return r;
}
