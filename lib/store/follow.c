/*
 * follow.c - keeping up with a folder's index, and the right to write it.
 *
 * The rules that make it safe, in one place:
 * - The log's lock is on the index file, so whoever has it looks whether that
 *   file still has the name (a compaction may have replaced it).
 * - Numbers are given out below the synced ceilings only.  After another
 *   boot, or over a damaged tail, they go on at the ceilings, because what
 *   was given out before may have been seen and is lost.
 * - The lock is not held over a sync; the one exception is a rebuild.
 */
#include <errno.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/log.h"
#include "store/core.h"

static enum outcome
gone(struct folder *f, struct why *why)
{
	folder_set_gone(f);
	return fail(PERMFAIL, why, 0, "", "The folder is gone");
}

/* A body for this generation, followed to the end, and the tail that goes with it. */
static struct body *
load(struct gen *g, struct tail *t, uint64_t keep, enum follow *what)
{
	bool damaged;
	struct body *b;

	*what = FOLLOW_ERROR;
	if (!gen_map(g, &damaged))
		return NULL;
	if (damaged) {
		*what = FOLLOW_UNDONE;
		return NULL;
	}
	b = body_new(g, keep);
	tail_start(t, g);
	*what = log_follow(g, t, b);
	if (*what == FOLLOW_ERROR)
		body_free(&b);
	return b;
}

/* The index has another file now: go over to it, rows and all. */
static enum outcome
change_generation(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;
	struct gen *g;
	struct tail t;
	enum follow what;

	switch (gen_open(o->dir, &g)) {
	case GEN_OK:
		break;
	case GEN_ERROR:
		return fs_fail(why, "open index", str_of(f->path), errno);
	default:
		/* Removed under us: its numbers cannot be proven any more. */
		log_event(LOG_WARN, "store.index_removed", kv_cstr("folder", f->path), KV_END);
		return gone(f, why);
	}
	if (g->h.uidvalidity != f->uidvalidity) {
		gen_unref(&g);
		return gone(f, why);
	}
	if (f->body != NULL) {
		struct body *b = load(g, &t, MIN(folder_told(f), f->body->totals.modseq), &what);

		if (b == NULL && what == FOLLOW_UNDONE) {
			gen_unref(&o->gen);
			o->gen = g;
			tail_start(&o->tail, g);
			return index_rebuild(f, d, why);
		}
		if (b == NULL) {
			int e = errno;

			gen_unref(&g);
			return fs_fail(why, "load index", str_of(f->path), e);
		}
		body_replace(f->body, &b);
	} else {
		tail_start(&t, g);
		what = log_follow(g, &t, NULL);
	}
	gen_unref(&o->gen);
	o->gen = g;
	o->tail = t;
	if (what == FOLLOW_DEAD)
		return gone(f, why);
	if (what == FOLLOW_ERROR)
		return fs_fail(why, "read index", str_of(f->path), errno);
	return DONE; /* sealed already, or undone: seen at the next catching up */
}

enum outcome
folder_catch_up(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;

	for (int tries = 0; tries < 16; tries++) {
		enum follow what;
		enum outcome changed;
		struct stat st;

		if (fstat(o->gen->fd, &st) != 0)
			return fs_fail(why, "stat index", str_of(f->path), errno);
		if (st.st_nlink == 0) {
			what = FOLLOW_SEALED;
		} else if ((uint64_t)st.st_size == o->tail.off) {
			o->tail.stuck = false;
			return DONE;
		} else {
			what = log_follow(o->gen, &o->tail, f->body);
		}
		switch (what) {
		case FOLLOW_END:
			return DONE;
		case FOLLOW_DEAD:
			return gone(f, why);
		case FOLLOW_ERROR:
			return fs_fail(why, "read index", str_of(f->path), errno);
		case FOLLOW_SEALED:
		case FOLLOW_UNDONE:
			changed = change_generation(f, d, why);
			if (changed != DONE)
				return changed;
			break;
		}
	}
	return fs_fail(why, "follow index", str_of(f->path), EAGAIN);
}

enum outcome
folder_load(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;

	for (int tries = 0; f->body == NULL; tries++) {
		uint64_t told = folder_told(f);
		enum follow what;
		struct tail t;
		enum outcome rebuilt;

		/* Without views nobody needs to find the expunged again. */
		f->body = load(o->gen, &t, told, &what);
		if (f->body != NULL) {
			t.allocated = o->tail.allocated;
			o->tail = t;
			return folder_catch_up(f, d, why);
		}
		if (what != FOLLOW_UNDONE || tries >= 3)
			return fs_fail(why, "load index", str_of(f->path), errno);
		rebuilt = index_rebuild(f, d, why);
		if (rebuilt != DONE)
			return rebuilt;
	}
	return DONE;
}

/* --- writing --- */

static bool
other_boot(const struct folder *f)
{
	/* Of an unknown boot each process knows only that it is its own first look. */
	return f->store->boot_known ? memcmp(f->o->tail.boot, f->store->boot, BOOT_LEN) != 0
				    : f->used_ms == 0;
}

/* Numbers go on at the ceilings.  The log's lock is held, or nobody can write. */
static bool
reset_numbers(struct folder *f, bool write)
{
	struct opened *o = f->o;
	struct rec_reset r = { .from = o->tail.needs_reset ? o->tail.pad_at : 0 };
	struct str piece = str_n(&r, sizeof(r));
	struct ceiling_slot slot;
	struct batch b;

	if (!gen_read_slots(o->gen, &slot))
		slot = o->gen->slot;
	memcpy(r.boot, f->store->boot, BOOT_LEN);
	batch_begin(&b, o->gen, &o->tail);
	b.totals = folder_totals(f);
	b.totals.uidnext = MAX(b.totals.uidnext, slot.uid);
	b.totals.modseq = MAX(b.totals.modseq, slot.modseq);
	if (!write) {
		o->tail.totals = b.totals;
		o->tail.uid_limit = b.totals.uidnext;
		o->tail.modseq_limit = b.totals.modseq;
		batch_drop(&b);
		return true;
	}
	batch_put(&b, REC_RESET, 0, &piece, 1);
	return batch_end(&b, f->body, true);
}

bool
folder_reset_numbers(struct folder *f)
{
	return reset_numbers(f, true);
}

/* What stands unreadable at the end is padded over, or the whole file made new. */
static enum outcome
repair(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;
	uint64_t next_good;

	COUNT(f->store, damaged);
	switch (log_inspect(o->gen, &o->tail, &next_good)) {
	case DAMAGE_NONE:
		o->tail.stuck = false;
		return DONE;
	case DAMAGE_ERROR:
		return fs_fail(why, "read index", str_of(f->path), errno);
	case DAMAGE_MIDDLE:
		log_event(LOG_WARN, "store.index_damaged", kv_cstr("folder", f->path),
		    kv_uint("at", o->tail.off), kv_uint("good_from", next_good), KV_END);
		fs_unlock(o->gen->fd, LOCK_LOG);
		return index_rebuild(f, d, why);
	case DAMAGE_TAIL:
		break;
	}
	log_event(LOG_WARN, "store.index_torn", kv_cstr("folder", f->path),
	    kv_uint("at", o->tail.off), KV_END);
	if (!log_pad(o->gen, &o->tail))
		return fs_fail(why, "pad index", str_of(f->path), errno);
	return DONE;
}

enum outcome
folder_log_lock(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;

	for (int tries = 0; tries < 16; tries++) {
		struct gen *g = o->gen;
		enum outcome r;

		if (g->readonly)
			return fs_fail(why, "lock index", str_of(f->path), EROFS);
		if (!fs_lock(g->fd, LOCK_LOG, d))
			return fs_fail(why, "lock index", str_of(f->path), errno);
		/* Keeps its descriptor, and so the lock, while we look. */
		gen_ref(g);
		r = folder_catch_up(f, d, why);
		if (r == DONE && o->gen == g && o->tail.stuck) {
			r = repair(f, d, why);
			if (r == DONE && o->gen == g)
				r = folder_catch_up(f, d, why);
		}
		if (r == DONE && o->gen == g && !o->tail.stuck &&
		    (o->tail.needs_reset || other_boot(f)) && !reset_numbers(f, true))
			r = fs_fail(why, "write index", str_of(f->path), errno);
		if (r == DONE && o->gen == g && !o->tail.stuck) {
			gen_unref(&g);
			return DONE;
		}
		fs_unlock(g->fd, LOCK_LOG);
		gen_unref(&g);
		if (r != DONE)
			return r;
	}
	return fs_fail(why, "lock index", str_of(f->path), EAGAIN);
}

void
folder_log_unlock(struct folder *f)
{
	fs_unlock(f->o->gen->fd, LOCK_LOG);
}

enum outcome
folder_settle(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;
	enum outcome r;

	/* A copied file, put back by hand or from a backup, may be older than its Maildir. */
	if (o->gen->identity != o->gen->h.identity && !o->gen->readonly) {
		log_event(LOG_WARN, "store.index_copied", kv_cstr("folder", f->path), KV_END);
		r = index_rebuild(f, d, why);
		if (r != DONE)
			return r;
	}
	r = folder_catch_up(f, d, why);
	if (r != DONE || (!o->tail.stuck && !o->tail.needs_reset && !other_boot(f)))
		return r;
	if (o->gen->readonly) {
		(void)reset_numbers(f, false);
		return DONE;
	}
	r = folder_log_lock(f, d, why);
	if (r == DONE)
		folder_log_unlock(f);
	f->used_ms = clock_ms();
	return r;
}

enum outcome
folder_append(struct folder *f, struct batch *b, bool slack, struct why *why)
{
	if (batch_end(b, f->body, slack)) {
		COUNT(f->store, appended);
		return DONE;
	}
	return fs_fail(why, "write index", str_of(f->path), errno);
}

/* --- numbers --- */

static bool
enough(const struct tail *t, uint32_t uids, uint64_t modseqs)
{
	return t->uid_limit >= t->totals.uidnext && t->uid_limit - t->totals.uidnext >= uids &&
	       t->modseq_limit >= t->totals.modseq && t->modseq_limit - t->totals.modseq > modseqs;
}

/*
 * Entered with folder and log locked.  On DONE the folder alone is locked, on
 * failure nothing is.
 */
static enum outcome
raise_ceilings(struct folder *f, uint32_t n, struct deadline d, struct why *why)
{
	struct opened *o = f->o;
	struct gen *g = gen_ref(o->gen);
	struct rec_ceiling c = { 0 };
	struct str piece = str_n(&c, sizeof(c));
	struct ceiling_slot slot;
	enum outcome r = DONE;
	bool synced;

	if (!gen_read_slots(g, &slot))
		slot = g->slot;
	if (o->tail.totals.uidnext > UINT32_MAX - n - 2 * CEILING_STEP) {
		folder_log_unlock(f);
		folder_unlock(f);
		gen_unref(&g);
		return fail(PERMFAIL, why, 452, "4.3.1", "The folder has no more numbers");
	}
	c.uid = MAX(slot.uid, o->tail.totals.uidnext + n);
	c.uid = MIN(c.uid, UINT32_MAX - CEILING_STEP) + CEILING_STEP;
	c.modseq = MAX(slot.modseq, o->tail.totals.modseq + 1) + CEILING_STEP;
	synced = gen_write_slots(g, c.uid, c.modseq);
	folder_log_unlock(f);
	folder_unlock(f);
	synced = synced && durable_data(g->fd);
	if (!synced)
		r = fs_fail(why, "sync index", str_of(f->path), errno);
	if (r == DONE)
		r = folder_relock(f, d, why);
	if (r != DONE) {
		gen_unref(&g);
		return r;
	}
	r = folder_log_lock(f, d, why);
	if (r == DONE && o->gen == g) {
		struct batch b;

		batch_begin(&b, g, &o->tail);
		b.totals = folder_totals(f);
		batch_put(&b, REC_CEILING, 0, &piece, 1);
		r = folder_append(f, &b, false, why);
		folder_log_unlock(f);
	} else if (r == DONE) {
		folder_log_unlock(f);
	}
	if (r != DONE)
		folder_unlock(f);
	gen_unref(&g);
	return r;
}

static enum outcome
numbers(struct folder *f, uint32_t uids, uint64_t modseqs, struct deadline d, struct why *why)
{
	for (int tries = 0; tries < 8; tries++) {
		enum outcome r = folder_log_lock(f, d, why);

		if (r != DONE) {
			folder_unlock(f);
			return r;
		}
		if (enough(&f->o->tail, uids, modseqs))
			return DONE;
		r = raise_ceilings(f, uids, d, why);
		if (r != DONE)
			return r;
	}
	folder_unlock(f);
	return fs_fail(why, "raise numbers", str_of(f->path), EAGAIN);
}

enum outcome
folder_numbers(struct folder *f, uint32_t n, struct deadline d, struct why *why)
{
	return numbers(f, n, 1, d, why);
}

enum outcome
folder_numbers_placed(struct folder *f, uint32_t n, bool *look, struct deadline d, struct why *why)
{
	for (int tries = 0; tries < 8; tries++) {
		enum outcome r = folder_numbers(f, n, d, why);

		if (r != DONE)
			return r;
		*look = f->o->tail.young_at + YOUNG_KEPT_S >= wall_s();
		if (!*look || f->body != NULL)
			return DONE;
		folder_log_unlock(f);
		r = folder_load(f, d, why);
		if (r != DONE) {
			folder_unlock(f);
			return r;
		}
	}
	folder_unlock(f);
	return fs_fail(why, "load index", str_of(f->path), EAGAIN);
}

void
folder_raise_ahead(struct folder *f, struct deadline d)
{
	if (!enough(&f->o->tail, CEILING_LOW, CEILING_LOW)) {
		if (numbers(f, CEILING_LOW, CEILING_LOW, d, NULL) != DONE)
			return;
		folder_log_unlock(f);
	}
	folder_unlock(f);
}
