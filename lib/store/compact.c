/*
 * compact.c - a long log becomes a new generation.
 *
 *	1  Under the folder's lock, copy what the rows are at place C in the log.
 *	2  Without any lock, write generation g+1 beside the old and sync it.
 *	3  Under the log's lock, carry over what was appended since C, give the
 *	   new file the name, and append "sealed" to the old one.
 *
 * Whoever has the old file open sees the seal, or that the file has lost its
 * name, and goes over.  A crash before the rename leaves a file that the next
 * compaction removes.  Step 3 syncs only when the ceilings rose meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/crashpoint.h"
#include "base/durable.h"
#include "base/hash.h"
#include "base/log.h"
#include "mail/structure.h"
#include "store/core.h"

#define LOG_ROOM     (1024 * 1024)
#define PACKED_WRITE (1024 * 1024)

bool
folder_wants_compaction(const struct folder *f)
{
	const struct opened *o = f->o;

	return o != NULL && !o->gen->readonly && !o->compacting &&
	       o->tail.off - o->gen->h.log_at > LOG_ROOM + o->gen->h.log_at / 8;
}

struct compaction {
	struct folder *f;
	struct gen *g;                     /* ours: the old generation */
	struct msg_row *rows;              /* ours */
	struct tomb *tombs;                /* ours */
	struct str keywords[KEYWORDS_MAX]; /* ours */
	struct snapshot s;
	struct tail at; /* place C */
	struct index_header h;
	int next;   /* ours */
	int packed; /* ours */
	bool packed_fresh;
};

/* --- 1: what there is --- */

static void
take_rows(struct compaction *c, const struct body *b)
{
	uint32_t n = 0, now = (uint32_t)wall_s();

	c->rows = xreallocarray(NULL, MAX(body_count(b), 1u), sizeof(*c->rows));
	for (uint32_t i = 0; i < body_count(b); i++) {
		struct msg_row *r = &c->rows[n];

		*r = *body_row(b, i);
		if (row_dead(r))
			continue;
		if ((r->spare & ROW_YOUNG) != 0 && now - r->savedate > YOUNG_KEPT_S)
			r->spare &= (uint16_t)~ROW_YOUNG;
		n++;
	}
	c->s.rows = c->rows;
	c->s.row_count = n;
}

/* The latest TOMBS_MAX; the floor rises over those that are let go. */
static void
take_tombs(struct compaction *c, const struct body *b)
{
	const struct index_header *h = &b->gen->h;
	const struct tomb *old = (const struct tomb *)(const void *)(b->gen->map + h->tombs_at);
	size_t n = (size_t)h->tomb_count + b->tomb_count, drop = n > TOMBS_MAX ? n - TOMBS_MAX : 0;

	c->tombs = xreallocarray(NULL, n + 1, sizeof(*c->tombs));
	memcpy(c->tombs, old, h->tomb_count * sizeof(*old));
	if (b->tomb_count > 0)
		memcpy(c->tombs + h->tomb_count, b->tombs, b->tomb_count * sizeof(*old));
	c->s.tomb_floor = h->tomb_floor;
	if (drop > 0) {
		c->s.tomb_floor = c->tombs[drop - 1].modseq;
		/* All of one expunge, or none. */
		while (drop < n && c->tombs[drop].modseq <= c->s.tomb_floor)
			drop++;
	}
	c->s.tombs = c->tombs + drop;
	c->s.tomb_count = (uint32_t)(n - drop);
}

/* Locked. */
static void
take(struct compaction *c)
{
	struct folder *f = c->f;
	const struct body *b = f->body;
	struct ceiling_slot slot;

	c->g = gen_ref(f->o->gen);
	take_rows(c, b);
	take_tombs(c, b);
	for (uint32_t i = 0; i < b->keyword_count; i++)
		c->keywords[i] = str_of(str_dup(b->keywords[i]));
	c->at = f->o->tail;
	c->at.totals = folder_totals(f);
	if (!gen_read_slots(c->g, &slot))
		slot = c->g->slot;
	c->s.generation = c->g->h.generation + 1;
	c->s.uidvalidity = c->g->h.uidvalidity;
	c->s.names = c->g;
	c->s.keywords = c->keywords;
	c->s.keyword_count = b->keyword_count;
	c->s.tail = &c->at;
	c->s.uid_ceiling = MAX(slot.uid, c->at.uid_limit);
	c->s.modseq_ceiling = MAX(slot.modseq, c->at.modseq_limit);
	c->s.packed_id = c->g->packed_fd >= 0 ? c->g->h.packed_id : 0;
	c->s.packed_entries = c->s.packed_id != 0 ? c->g->h.packed_entries : 0;
}

/* --- 2: structures, and the snapshot --- */

/* The file with this generation's structures: the old one grown, or a new one. */
static bool
open_packed(struct compaction *c)
{
	uint32_t live = 0, fresh = 0;
	struct packed_file_header h = { .magic = PACKED_MAGIC };
	char name[48];

	for (uint32_t i = 0; i < c->s.row_count; i++) {
		live += c->rows[i].packed_ref != 0;
		fresh +=
		    c->rows[i].packed_ref != 0 && (c->rows[i].packed_ref & REF_PACKED_FILE) == 0;
	}
	if (live == 0) {
		c->packed_fresh = true;
		c->s.packed_id = 0;
		c->s.packed_entries = 0;
		return true;
	}
	c->packed_fresh =
	    c->s.packed_id == 0 || c->s.packed_entries + fresh > (uint64_t)live * 2 + 1000;
	if (!c->packed_fresh) {
		if (fresh == 0)
			return true;
		c->packed = fcntl(c->g->packed_fd, F_DUPFD_CLOEXEC, 0);
		return c->packed >= 0;
	}
	h.id = random_u64() | 1;
	packed_name(h.id, name);
	c->packed = fs_open(c->f->o->dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	c->s.packed_id = h.id;
	c->s.packed_entries = 0;
	return c->packed >= 0 && fs_write(c->packed, &h, sizeof(h), 0);
}

/* Append the structures that are not in it yet, with their places into the rows. */
static bool
move_packed(struct compaction *c)
{
	struct buf out, one;
	struct stat st;
	uint64_t at;
	bool ok;

	if (c->packed < 0)
		return true;
	if (fstat(c->packed, &st) != 0)
		return false;
	at = pad8((size_t)st.st_size);
	buf_init(&out, SIZE_MAX / 2);
	buf_init(&one, STRUCTURE_MAX);
	ok = true;
	for (uint32_t i = 0; ok && i < c->s.row_count; i++) {
		static const char zeros[8];
		struct msg_row *r = &c->rows[i];
		struct packed_head head = { .uid = r->uid };

		if (r->packed_ref == 0 ||
		    (!c->packed_fresh && (r->packed_ref & REF_PACKED_FILE) != 0))
			continue;
		buf_clear(&one);
		if (!gen_packed(c->g, r, &one)) {
			r->packed_ref = 0; /* found out again when it is asked for */
			continue;
		}
		head.len = (uint32_t)one.n;
		head.crc = crc32c(
		    0, (const char *)&head + sizeof(head.crc), sizeof(head) - sizeof(head.crc));
		head.crc = crc32c(head.crc, one.p, one.n);
		r->packed_ref = (at + out.n) | REF_PACKED_FILE;
		(void)buf_put(&out, str_n(&head, sizeof(head)));
		(void)buf_put(&out, buf_str(&one));
		(void)buf_put(&out, str_n(zeros, pad8(one.n) - one.n));
		c->s.packed_entries++;
		if (out.n >= PACKED_WRITE) {
			ok = fs_write(c->packed, out.p, out.n, at);
			at += out.n;
			buf_clear(&out);
		}
	}
	ok = ok && fs_write(c->packed, out.p, out.n, at) && durable_data(c->packed);
	buf_free(&one);
	buf_free(&out);
	return ok;
}

static bool
write_next(struct compaction *c)
{
	int dir = c->f->o->dir;

	(void)unlinkat(dir, INDEX_NEXT, 0);
	c->next = fs_open(dir, INDEX_NEXT, O_RDWR | O_CREAT | O_EXCL, 0600);
	return c->next >= 0 && snapshot_write(c->next, &c->s, &c->h);
}

/* --- 3: the switch --- */

/* Records appended since C, with checksums for their new places. */
static bool
carry(struct compaction *c, const struct tail *end)
{
	struct gen to = { .fd = c->next, .h = c->h };
	size_t n = (size_t)(end->off - c->at.off), used = 0;
	uint64_t at = c->h.log_at;
	char *p = xmalloc(n + 1);
	bool ok = fs_read(c->g->fd, p, n, c->at.off);
	struct buf out;

	buf_init(&out, SIZE_MAX / 2);
	while (ok && used < n) {
		struct record *r = (struct record *)(void *)(p + used);

		used += r->len;
		if (r->type == REC_PAD)
			continue;
		if (r->type == REC_RESET)
			((struct rec_reset *)(void *)(r + 1))->from = 0;
		r->crc = record_sum(&to, r, at + out.n);
		ok = buf_put(&out, str_n(r, r->len));
	}
	ok = ok && fs_write(c->next, out.p, out.n, at);
	buf_free(&out);
	free(p);
	return ok;
}

/* Ceilings that rose while we wrote hold in the new file too before it counts. */
static bool
raise_slots(struct compaction *c, const struct tail *end)
{
	struct gen to = { .fd = c->next, .h = c->h };

	if (end->uid_limit <= c->s.uid_ceiling && end->modseq_limit <= c->s.modseq_ceiling)
		return true;
	return gen_write_slots(&to, MAX(end->uid_limit, c->s.uid_ceiling),
		   MAX(end->modseq_limit, c->s.modseq_ceiling)) &&
	       durable_data(c->next);
}

/* Locked, and the log of the old generation. */
static enum outcome
change_over(struct compaction *c, struct why *why)
{
	struct folder *f = c->f;
	struct opened *o = f->o;
	struct tail end = o->tail;
	struct batch b;

	if (!carry(c, &end) || !raise_slots(c, &end))
		return fs_fail(why, "carry index", str_of(f->path), errno);
	crash_point("compact.carried");
	if (renameat(o->dir, INDEX_NEXT, o->dir, INDEX_NAME) != 0)
		return fs_fail(why, "rename index", str_of(f->path), errno);
	crash_point("compact.renamed");
	batch_begin(&b, c->g, &end);
	batch_put(&b, REC_SEALED, 0, NULL, 0);
	/* A courtesy: the lost name says the same. */
	(void)!batch_end(&b, NULL, true);
	return DONE;
}

/* Packed files that no generation names any more. */
static void
sweep_packed(struct compaction *c)
{
	int fd = fs_open_dir(c->f->store->c.root, c->f->path);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	char name[48];

	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	packed_name(c->s.packed_id, name);
	while ((e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, PACKED_PREFIX, sizeof(PACKED_PREFIX) - 1) == 0 &&
		    strcmp(e->d_name, name) != 0)
			(void)unlinkat(fd, e->d_name, 0);
	(void)closedir(dir);
}

static void
free_all(struct compaction *c)
{
	free(c->rows);
	free(c->tombs);
	for (uint32_t i = 0; i < c->s.keyword_count; i++)
		free((char *)(uintptr_t)c->keywords[i].p);
	fd_close(&c->packed);
	fd_close(&c->next);
	gen_unref(&c->g);
}

/* The old snapshot's names cannot all be read: then it is not to be copied but mended. */
static enum outcome
names_damaged(struct folder *f, const struct gen *g, struct deadline d, struct why *why)
{
	enum outcome r = folder_relock(f, d, why);

	if (r != DONE)
		return r;
	if (f->o->gen == g)
		r = index_rebuild(f, d, why);
	folder_unlock(f);
	return r;
}

/* Unlocked. */
static enum outcome
compact(struct compaction *c, struct deadline d, struct why *why)
{
	struct folder *f = c->f;
	enum outcome r;

	errno = 0;
	if (!open_packed(c) || !move_packed(c) || !write_next(c)) {
		int e = errno;

		(void)unlinkat(f->o->dir, INDEX_NEXT, 0);
		if (e == 0 && !gen_names_sound(c->g))
			return names_damaged(f, c->g, d, why);
		errno = e;
		return fs_fail(why, "compact", str_of(f->path), errno != 0 ? errno : EIO);
	}
	crash_point("compact.written");
	r = folder_relock(f, d, why);
	if (r != DONE)
		return r;
	r = folder_log_lock(f, d, why);
	if (r == DONE && f->o->gen != c->g) {
		/* Rebuilt, or compacted on another system's locks: nothing is left to do. */
		folder_log_unlock(f);
		folder_unlock(f);
		return DONE;
	}
	if (r == DONE) {
		r = change_over(c, why);
		fs_unlock(c->g->fd, LOCK_LOG);
	}
	if (r == DONE)
		r = folder_catch_up(f, d, why);
	folder_unlock(f);
	if (r != DONE)
		return r;
	(void)!durable_names(f->o->dir);
	COUNT(f->store, compactions);
	if (c->packed_fresh)
		sweep_packed(c);
	return DONE;
}

enum outcome
folder_compact(struct folder *f, struct deadline d, struct why *why)
{
	struct compaction c = { .f = f, .next = -1, .packed = -1 };
	enum outcome r = folder_begin(f, true, d, why);

	if (r != DONE)
		return r;
	if (f->o->compacting || f->o->gen->readonly || !fs_try_lock(f->o->gen->fd, LOCK_COMPACT)) {
		folder_end(f, true);
		folder_unlock(f);
		return DONE;
	}
	f->o->compacting = true;
	take(&c);
	folder_unlock(f);
	r = compact(&c, d, why);
	(void)pthread_mutex_lock(&f->lock);
	f->o->compacting = false;
	fs_unlock(c.g->fd, LOCK_COMPACT);
	folder_end(f, true);
	folder_unlock(f);
	free_all(&c);
	return r;
}
