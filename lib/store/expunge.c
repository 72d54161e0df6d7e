/*
 * expunge.c - messages leave: first the files, then the record.
 *
 * A crash in between leaves rows without files, which the next reading of the
 * directory expunges; the other order would leave files without rows, which
 * it would take in as new messages.
 *
 * Files move out of the Maildir to where they can be brought back from.  On a
 * full disk that may need a block nobody has: then they are removed, and the
 * record goes into the room that is kept in the log for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "store/core.h"
#include "store/names.h"

struct victim {
	uint32_t uid;
	uint32_t name_flags, want_flags;
	uint64_t name_ref;
	bool gone; /* its file has left cur/ */
};

struct victims {
	struct victim *v; /* ours */
	size_t n, room;
	struct gen *gen; /* ours: where the names are */
};

static void
add_range(struct victims *all, const struct body *b, uint32_t lo, uint32_t hi, bool only_deleted)
{
	for (uint32_t at = body_lower(b, lo); at < body_count(b) && body_row(b, at)->uid <= hi;
	     at++) {
		const struct msg_row *r = body_row(b, at);

		if (row_dead(r) || (only_deleted && (r->flags & MSG_DELETED) == 0))
			continue;
		if (all->n == all->room) {
			all->room = all->room * 2 + 32;
			all->v = xreallocarray(all->v, all->room, sizeof(*all->v));
		}
		all->v[all->n++] = (struct victim){
			.uid = r->uid,
			.name_flags = r->name_flags,
			.want_flags = name_flags_of(r->flags, r->keywords, r->name_flags),
			.name_ref = r->name_ref,
		};
	}
}

/* Locked. */
static void
collect(struct folder *f, const struct seqset *uids, bool only_deleted, struct victims *all)
{
	all->gen = gen_ref(f->body->gen);
	if (uids == NULL)
		add_range(all, f->body, 1, UINT32_MAX, only_deleted);
	for (size_t i = 0; uids != NULL && i < uids->n; i++)
		add_range(all, f->body, uids->v[i].lo, uids->v[i].hi, only_deleted);
}

static bool
move_name(struct folder *f, const char *name, int aside)
{
	int cur = f->o->cur;

	if (aside < 0)
		return unlinkat(cur, name, 0) == 0;
	if (renameat(cur, name, aside, name) == 0)
		return true;
	return fs_is_full(errno) && unlinkat(cur, name, 0) == 0;
}

/* False: errno other than "it is not there". */
static bool
move_one(struct folder *f, struct victims *all, struct victim *v, int aside)
{
	char base[BASE_MAX + 1], name[NAME_ROOM];
	struct str s;

	if (!gen_name(all->gen, v->name_ref, base, &s)) {
		errno = EIO;
		return false;
	}
	name_join(s, v->name_flags, name);
	v->gone = move_name(f, name, aside);
	if (!v->gone && errno == ENOENT && v->want_flags != v->name_flags) {
		name_join(s, v->want_flags, name);
		v->gone = move_name(f, name, aside);
	}
	return v->gone || errno == ENOENT;
}

/* Files renamed by others: read the directory, and try those again.  Unlocked. */
static bool
move_renamed(struct folder *f, struct victims *all, int aside, struct deadline d)
{
	if (folder_scan(f, SCAN_READ, d, NULL) != DONE || folder_relock(f, d, NULL) != DONE)
		return false;
	gen_unref(&all->gen);
	all->gen = gen_ref(f->body->gen);
	for (size_t i = 0; i < all->n; i++) {
		const struct msg_row *r = body_find(f->body, all->v[i].uid);

		if (all->v[i].gone || r == NULL || row_dead(r)) {
			all->v[i].gone = true;
			continue;
		}
		all->v[i].name_flags = r->name_flags;
		all->v[i].name_ref = r->name_ref;
	}
	folder_unlock(f);
	for (size_t i = 0; i < all->n; i++)
		if (!all->v[i].gone && !move_one(f, all, &all->v[i], aside))
			return false;
	for (size_t i = 0; i < all->n; i++)
		all->v[i].gone = true; /* nowhere to be found is gone */
	return true;
}

static bool
move_files(
    struct folder *f, struct victims *all, bool keep, struct deadline d, struct dir_span *span)
{
	bool aside_wanted = keep && f->store->c.keep_expunged_days > 0, missing = false, ok = true;
	int aside = aside_wanted ? aside_open(f, true) : -1;
	int64_t begun = clock_us(), before = dir_mtime(f->o->cur);

	*span = (struct dir_span){ 0, 0 };
	if (aside_wanted && aside < 0 && !fs_is_full(errno))
		return false;
	for (size_t i = 0; ok && i < all->n; i++) {
		ok = move_one(f, all, &all->v[i], aside);
		missing = missing || !all->v[i].gone;
		crash_point("expunge.moved");
	}
	if (ok && !missing)
		*span = dir_span_end(f->o->cur, before, begun);
	if (ok && missing)
		ok = move_renamed(f, all, aside, d);
	if (aside >= 0) {
		int e = errno;

		(void)close(aside);
		errno = e;
	}
	return ok;
}

/* The record for those whose files are gone.  Locked, and the log. */
static enum outcome
record(struct folder *f, const struct victims *all, struct dir_span span, struct seqset *expunged,
    uint64_t *modseq, int64_t *octets, int64_t *messages, struct why *why)
{
	struct ranges ranges = { 0 };
	struct batch b;
	enum outcome r;

	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	for (size_t i = 0; i < all->n; i++) {
		uint32_t at = body_lower(f->body, all->v[i].uid);
		const struct msg_row *row = at < body_count(f->body) ? body_row(f->body, at) : NULL;

		if (!all->v[i].gone || row == NULL || row->uid != all->v[i].uid || row_dead(row))
			continue;
		ranges_add(&ranges, at, row->uid);
		totals_remove(&b.totals, row);
		*octets -= row->size;
		(*messages)--;
		if (expunged != NULL)
			seqset_add(expunged, row->uid, row->uid);
	}
	if (ranges.n == 0) {
		batch_drop(&b);
		return DONE;
	}
	b.totals.modseq++;
	*modseq = b.totals.modseq;
	struct str pieces[] = { str_n(&span, sizeof(span)),
		str_n(ranges.v, ranges.n * sizeof(*ranges.v)) };
	batch_put(&b, REC_EXPUNGE, 0, pieces, 2);
	r = folder_append(f, &b, true, why);
	free(ranges.v);
	return r;
}

/* Write down what has left, and end what folder_begin began. */
static enum outcome
finish(struct folder *f, struct victims *all, struct dir_span span, struct deadline d,
    struct seqset *expunged, uint64_t *modseq, struct why *why)
{
	int64_t octets = 0, messages = 0;
	uint64_t at = 0;
	enum outcome r = DONE;

	if (all->n > 0)
		r = folder_relock(f, d, why);
	if (r == DONE && all->n > 0)
		r = folder_numbers(f, 0, d, why);
	if (r == DONE && all->n > 0) {
		r = record(f, all, span, expunged, &at, &octets, &messages, why);
		folder_log_unlock(f);
		crash_point("expunge.logged");
		folder_raise_ahead(f, d);
	}
	free(all->v);
	gen_unref(&all->gen);
	folder_end_unlocked(f, true);
	if (messages != 0 && r == DONE) {
		home_count(f->home, octets, messages);
		folder_tell(f, at);
		(void)__atomic_fetch_add(
		    &f->store->counters.expunged, (uint64_t)-messages, __ATOMIC_RELAXED);
	}
	if (modseq != NULL)
		*modseq = at;
	return r;
}

enum outcome
expunge_rows(struct folder *f, const struct seqset *uids, bool only_deleted, bool keep,
    struct deadline d, struct seqset *expunged, uint64_t *modseq, struct why *why)
{
	struct victims all = { 0 };
	struct dir_span span = { 0, 0 };
	enum outcome r = folder_begin(f, true, d, why), moved = DONE;

	if (r != DONE)
		return r;
	collect(f, uids, only_deleted, &all);
	folder_unlock(f);
	if (all.n > 0 && !move_files(f, &all, keep, d, &span))
		moved = fs_fail(why, "expunge", str_of(f->path), errno);
	r = finish(f, &all, span, d, expunged, modseq, why);
	return r != DONE ? r : moved;
}

enum outcome
expunge_moved(struct folder *f, const struct seqset *uids, struct dir_span span, struct deadline d,
    struct why *why)
{
	struct victims all = { 0 };
	enum outcome r = folder_begin(f, true, d, why);

	if (r != DONE)
		return r;
	collect(f, uids, false, &all);
	folder_unlock(f);
	for (size_t i = 0; i < all.n; i++)
		all.v[i].gone = true;
	return finish(f, &all, span, d, NULL, NULL, why);
}

enum outcome
folder_expunge(struct folder *f, const struct seqset *uids, bool only_deleted, struct deadline d,
    struct seqset *expunged, uint64_t *modseq, struct why *why)
{
	return expunge_rows(f, uids, only_deleted, true, d, expunged, modseq, why);
}
