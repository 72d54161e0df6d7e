/*
 * rebuild.c - a new generation of what can be read of a damaged one.
 *
 * UIDs survive for each row whose own block and name are sound.  All numbers
 * go on at the ceilings, so nothing that was lost is given out again.  Files
 * whose rows are lost are found by the reading of the directory that follows,
 * and get new UIDs.
 *
 * A copied index (its inode and birth are not those it was written with) came from a
 * backup or from another machine.  If the Maildir holds messages delivered by
 * us that it does not know, it is older than the Maildir, UIDs beyond it were
 * given out, nobody can say how many: then UIDVALIDITY rises.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/core.h"
#include "store/names.h"

/* Keep the rows that stand in sound blocks with sound names. */
static void
sift_rows(struct body *b, const struct gen *g)
{
	uint32_t n = b->base_count, kept = 0, last = 0;
	struct msg_row *rows = xreallocarray(NULL, MAX(n, 1u), sizeof(*rows));

	for (uint32_t i = 0; i < n; i++) {
		const struct msg_row *r = &b->base[i];
		char room[BASE_MAX + 1];
		struct str name;

		if (!gen_sound(g, INDEX_PAGE + (uint64_t)i * sizeof(*r), sizeof(*r)) ||
		    r->uid <= last || row_dead(r) || !gen_name(g, r->name_ref, room, &name))
			continue;
		last = r->uid;
		rows[kept++] = *r;
	}
	if (b->base_ours)
		free(b->base);
	b->base = rows;
	b->base_ours = true;
	b->base_count = kept;
}

static void
drop_keywords(struct body *b)
{
	for (uint32_t i = 0; i < b->base_count; i++)
		b->base[i].keywords = 0;
}

/* Follow the log over every gap.  False: the folder was deleted. */
static bool
follow_over_gaps(struct gen *g, struct tail *t, struct body *b)
{
	for (;;) {
		enum follow what = log_follow(g, t, b);
		uint64_t next;

		if (what == FOLLOW_DEAD)
			return false;
		if (what == FOLLOW_UNDONE || what == FOLLOW_SEALED)
			continue; /* beyond it already */
		if (what == FOLLOW_ERROR || !t->stuck || log_inspect(g, t, &next) != DAMAGE_MIDDLE)
			return true;
		t->off = next;
	}
}

static bool
cur_has_orphan(struct folder *f, const struct body *b)
{
	size_t room = 64, n = body_count(b);
	DIR *dir = NULL;
	uint64_t *hashes;
	struct dirent *e;
	bool orphan = false;
	int fd = fs_open_dir(f->o->dir, "cur");

	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		fd_close(&fd);
		return true; /* not to be proven: as if there were */
	}
	while (room < n * 2)
		room *= 2;
	hashes = xcalloc(room, sizeof(*hashes));
	for (uint32_t i = 0; i < n; i++) {
		char text[BASE_MAX + 1];
		struct str name;
		uint64_t h;
		size_t at;

		if (!gen_name(b->gen, body_row(b, i)->name_ref, text, &name))
			continue;
		h = hash_str(name) | 1;
		for (at = h & (room - 1); hashes[at] != 0; at = (at + 1) & (room - 1))
			;
		hashes[at] = h;
	}
	while (!orphan && (e = readdir(dir)) != NULL) {
		struct str base;
		uint32_t flags;
		uint64_t h;
		size_t at;

		if (!name_split(str_of(e->d_name), &base, &flags) || name_id(base).n == 0)
			continue;
		h = hash_str(base) | 1;
		for (at = h & (room - 1); hashes[at] != 0 && hashes[at] != h;)
			at = (at + 1) & (room - 1);
		orphan = hashes[at] == 0;
	}
	free(hashes);
	(void)closedir(dir);
	return orphan;
}

static bool
write_next(struct folder *f, struct gen *g, struct body *b, struct tail *t, uint32_t uidvalidity)
{
	struct snapshot s = {
		.generation = g->h.generation + 1,
		.uidvalidity = uidvalidity,
		.names = g,
		.tail = t,
		.uid_ceiling = t->totals.uidnext + CEILING_STEP,
		.modseq_ceiling = t->totals.modseq + CEILING_STEP,
		.keywords = b->keywords,
		.keyword_count = b->keyword_count,
		.tomb_floor = t->totals.modseq,
		.packed_id = g->packed_fd >= 0 ? g->h.packed_id : 0,
		.packed_entries = g->h.packed_entries,
	};
	uint32_t n = 0;
	struct msg_row *rows = xreallocarray(NULL, MAX(body_count(b), 1u), sizeof(*rows));
	struct index_header h;
	bool ok = false;
	int fd, e;

	for (uint32_t i = 0; i < body_count(b); i++) {
		rows[n] = *body_row(b, i);
		if (row_dead(&rows[n]))
			continue;
		/* Structures in the damaged file's log are found out again when asked for. */
		if ((rows[n].packed_ref & REF_PACKED_FILE) == 0)
			rows[n].packed_ref = 0;
		n++;
	}
	s.rows = rows;
	s.row_count = n;
	(void)unlinkat(f->o->dir, INDEX_NEW, 0);
	fd = fs_open(f->o->dir, INDEX_NEW, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		ok = snapshot_write(fd, &s, &h) &&
		     renameat(f->o->dir, INDEX_NEW, f->o->dir, INDEX_NAME) == 0 &&
		     durable_names(f->o->dir);
	e = errno;
	fd_close(&fd);
	if (!ok)
		(void)unlinkat(f->o->dir, INDEX_NEW, 0);
	free(rows);
	errno = e;
	return ok;
}

/* Everything that can be read, with numbers beyond everything that was given out. */
static struct body *
salvage(struct folder *f, struct gen *g, struct tail *t, bool *dead)
{
	struct ceiling_slot slot;
	bool damaged;
	struct body *b;

	/* With a live body on it, the mapped rows are further on: the log ends up the same. */
	if (f->body != NULL && f->body->gen == g)
		g->taken = false;
	if (!gen_map(g, &damaged))
		return NULL;
	b = body_new(g, UINT64_MAX);
	sift_rows(b, g);
	if (!gen_sound(g, g->h.keywords_at, g->h.keyword_octets)) {
		drop_keywords(b);
		body_drop_keywords(b);
	}
	body_recount(b);
	tail_start(t, g);
	*dead = !follow_over_gaps(g, t, b);
	if (!gen_read_slots(g, &slot))
		slot = g->slot;
	t->totals = b->totals;
	t->totals.uidnext = MAX(t->totals.uidnext, slot.uid);
	t->totals.uidnext = MAX(t->totals.uidnext, g->h.uid_ceiling);
	t->totals.modseq = MAX(t->totals.modseq, slot.modseq);
	t->totals.modseq = MAX(t->totals.modseq, g->h.modseq_ceiling);
	if (body_count(b) > 0)
		t->totals.uidnext = MAX(t->totals.uidnext, body_row(b, body_count(b) - 1)->uid + 1);
	/* The directories are read again, whatever they look like. */
	t->cur_clean = t->new_clean = 0;
	t->unsettled = 0;
	t->scanned = 0;
	memcpy(t->boot, f->store->boot, BOOT_LEN);
	return b;
}

static enum outcome
rebuild_locked(struct folder *f, struct gen *g, struct home_lock *l, struct why *why)
{
	bool copied = g->identity != g->h.identity, dead = false;
	uint32_t uidvalidity = g->h.uidvalidity;
	enum outcome r = DONE;
	struct tail t;
	struct body *b = salvage(f, g, &t, &dead);

	if (b == NULL)
		return fs_fail(why, "map index", str_of(f->path), errno);
	if (dead) {
		body_free(&b);
		folder_set_gone(f);
		return fail(PERMFAIL, why, 0, "", "The folder is gone");
	}
	if (copied && cur_has_orphan(f, b))
		r = home_next_uidvalidity(f->home, l, &uidvalidity, why);
	log_event(LOG_WARN, "store.rebuild", kv_cstr("folder", f->path),
	    kv_uint("rows", b->totals.messages), kv_uint("uidvalidity", uidvalidity), KV_END);
	if (r == DONE && !write_next(f, g, b, &t, uidvalidity))
		r = fs_fail(why, "write index", str_of(f->path), errno);
	body_free(&b);
	/* Nobody has been told of the old numbers through this object. */
	if (r == DONE && f->views == NULL && f->body == NULL)
		f->uidvalidity = uidvalidity;
	return r;
}

enum outcome
index_rebuild(struct folder *f, struct deadline d, struct why *why)
{
	struct opened *o = f->o;
	struct gen *g = o->gen;
	struct home_lock l;
	struct stat st;
	enum outcome r;

	if (o->rebuilding)
		return fs_fail(why, "rebuild index", str_of(f->path), EIO);
	if (g->readonly)
		return fs_fail(why, "rebuild index", str_of(f->path), EROFS);
	r = home_lock(f->home, &l, d, why);
	if (r != DONE)
		return r;
	gen_ref(g);
	COUNT(f->store, rebuilds);
	/* The one place where the log's lock is held over a sync: nobody can use it anyway. */
	if (!fs_lock(g->fd, LOCK_LOG, d)) {
		r = fs_fail(why, "lock index", str_of(f->path), errno);
	} else {
		if (fstat(g->fd, &st) == 0 && st.st_nlink > 0)
			r = rebuild_locked(f, g, &l, why);
		fs_unlock(g->fd, LOCK_LOG);
	}
	gen_unref(&g);
	home_unlock(&l);
	if (r != DONE)
		return r;
	o->rebuilding = true;
	r = folder_catch_up(f, d, why);
	o->rebuilding = false;
	return r;
}
