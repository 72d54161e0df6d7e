/*
 * copy.c - COPY and MOVE: links, one sync of the directory, records.
 *
 * All or nothing (RFC 3501 6.4.7): until the records are written every name
 * that was made can be unmade.  The two folders are never locked together;
 * both are kept open meanwhile.
 *
 * MOVE renames: a file is in one folder or in the other, whatever is killed
 * and however many sessions move it at the same time.  One of them finds it;
 * a row without its file is expunged by the next reading of the directory,
 * and a file without its row is taken in by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "store/core.h"
#include "store/names.h"

#define WRITE_AT (4 * 1024 * 1024) /* octets of records in one write */

struct original {
	struct msg_row row;
	char *name; /* ours: in the destination's cur/; NULL: not copied */
	uint16_t base_len;
	bool moved;        /* renamed: the source has no file any more */
	uint64_t keywords; /* in the destination's numbers */
};

struct copying {
	struct folder *from, *to;
	bool move;
	struct original *v; /* ours */
	size_t n, room;
	struct gen *gen;                   /* ours: the source's names and structures */
	struct str keywords[KEYWORDS_MAX]; /* ours: of the source */
	uint32_t keyword_count;
	uint64_t keywords_used;
	struct dir_span span, from_span; /* what was done to each cur/ */
};

void
copy_result_free(struct copy_result *r)
{
	seqset_free(&r->from);
	seqset_free(&r->to);
}

/* Locked. */
static void
collect(struct copying *c, const struct seqset *uids)
{
	struct body *b = c->from->body;

	c->gen = gen_ref(b->gen);
	for (size_t i = 0; i < uids->n; i++) {
		for (uint32_t at = body_lower(b, uids->v[i].lo);
		     at < body_count(b) && body_row(b, at)->uid <= uids->v[i].hi; at++) {
			const struct msg_row *r = body_row(b, at);

			if (row_dead(r))
				continue;
			if (c->n == c->room) {
				c->room = c->room * 2 + 32;
				c->v = xreallocarray(c->v, c->room, sizeof(*c->v));
			}
			c->v[c->n++] = (struct original){ .row = *r };
			c->keywords_used |= r->keywords;
		}
	}
	c->keyword_count = b->keyword_count;
	for (uint32_t i = 0; i < b->keyword_count; i++)
		c->keywords[i] = str_of(str_dup(b->keywords[i]));
}

static void
free_all(struct copying *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].name);
	free(c->v);
	for (uint32_t i = 0; i < c->keyword_count; i++)
		free((char *)(uintptr_t)c->keywords[i].p);
	gen_unref(&c->gen);
}

/* The source's keywords get numbers in the destination.  Locked there. */
static enum outcome
map_keywords(struct copying *c, struct deadline d, struct why *why)
{
	uint64_t bit[KEYWORDS_MAX] = { 0 };
	struct folder *f = c->to;
	struct batch b;
	enum outcome r;

	if (c->keywords_used == 0)
		return DONE;
	r = folder_log_lock(f, d, why);
	if (r != DONE)
		return r;
	for (uint32_t i = 0; r == DONE && i < c->keyword_count; i++) {
		if ((c->keywords_used >> i & 1) == 0)
			continue;
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		r = keyword_bits(f, &b, &c->keywords[i], 1, true, &bit[i], why);
		if (r == DONE)
			r = folder_append(f, &b, true, why);
		else
			batch_drop(&b);
	}
	folder_log_unlock(f);
	for (size_t i = 0; r == DONE && i < c->n; i++)
		for (uint32_t k = 0; k < c->keyword_count; k++)
			if ((c->v[i].row.keywords >> k & 1) != 0)
				c->v[i].keywords |= bit[k];
	return r;
}

/* Through a descriptor: the file was renamed, or links do not reach.  GONE: it is no more. */
static enum outcome
link_slowly(struct copying *c, const struct original *o, const char *name, struct deadline d)
{
	struct msg_file m;
	struct why why;
	enum outcome r = folder_open_message(c->from, o->row.uid, MSG_FD, d, &m, &why);

	if (r != DONE)
		return r == PERMFAIL ? GONE : r;
	if (!link_or_copy(c->to, m.fd, m.size, name))
		r = TEMPFAIL;
	msg_close(&m);
	return r;
}

static bool
name_in_source(const struct copying *c, const struct original *o, char name[static NAME_ROOM])
{
	char base[BASE_MAX + 1];
	struct str s;

	if (!gen_name(c->gen, o->row.name_ref, base, &s))
		return false;
	name_join(s, o->row.name_flags, name);
	return true;
}

static bool
put_there(struct copying *c, struct original *o, const char *from, const char *to)
{
	int there = c->to->o->cur, here = c->from->o->cur;

	if (!c->move)
		/* Symbolic links are not followed, and are no messages. */
		return linkat(here, from, there, to, 0) == 0;
	o->moved = renameat(here, from, there, to) == 0;
	return o->moved;
}

static enum outcome
link_one(struct copying *c, struct original *o, struct deadline d)
{
	uint32_t flags = name_flags_of(o->row.flags, o->keywords, o->row.name_flags);
	char from[NAME_ROOM], to[NAME_ROOM], base[BASE_MAX + 1], id[40];
	enum outcome r = DONE;

	name_new_id(id);
	if (!name_in_source(c, o, from))
		return TEMPFAIL;
	if (!name_make(wall_s(), str_of(id), c->to->store->host, o->row.size, o->row.vsize, base))
		return TEMPFAIL;
	name_join(str_of(base), flags, to);
	if (!put_there(c, o, from, to)) {
		if (errno != ENOENT && errno != EXDEV && errno != EMLINK && errno != EPERM)
			return TEMPFAIL;
		r = link_slowly(c, o, to, d);
	}
	if (r != DONE)
		return r;
	o->name = xstrdup(to);
	o->base_len = (uint16_t)strlen(base);
	return DONE;
}

/* What was moved and cannot go back stays, and is taken in there. */
static void
unmake(struct copying *c)
{
	char name[NAME_ROOM];

	for (size_t i = 0; i < c->n; i++) {
		const struct original *o = &c->v[i];

		if (o->name == NULL)
			continue;
		if (!o->moved)
			(void)unlinkat(c->to->o->cur, o->name, 0);
		else if (name_in_source(c, o, name))
			(void)renameat(c->to->o->cur, o->name, c->from->o->cur, name);
	}
}

/* All links and their sync.  Unlocked. */
static enum outcome
place(struct copying *c, struct deadline d, struct why *why)
{
	struct opened *o = c->to->o;
	int64_t begun = clock_us(), before = dir_mtime(o->cur);
	int64_t from_before = dir_mtime(c->from->o->cur);
	enum outcome r = DONE;
	bool all_moved = c->move;

	for (size_t i = 0; i < c->n; i++) {
		if ((i & 0xff) == 0xff && deadline_passed(d)) {
			errno = ETIMEDOUT;
			r = TEMPFAIL;
		}
		if (r == DONE)
			r = link_one(c, &c->v[i], d);
		all_moved = all_moved && c->v[i].moved;
		crash_point("copy.placed");
		if (r == GONE)
			r = DONE;
		if (r != DONE)
			return fs_fail(why, "copy", str_of(c->to->path), errno);
	}
	c->span = dir_span_end(o->cur, before, begun);
	if (all_moved)
		c->from_span = dir_span_end(c->from->o->cur, from_before, begun);
	crash_point("copy.linked");
	if (!folder_sync_cur(c->to, d))
		return fs_fail(why, "sync cur", str_of(c->to->path), errno);
	crash_point("copy.synced");
	return DONE;
}

/* Locked, and the log. */
static enum outcome
record(struct copying *c, struct copy_result *out, struct why *why)
{
	struct folder *f = c->to;
	struct batch b;
	struct buf packed;
	enum outcome r = DONE;
	uint64_t modseq = folder_totals(f).modseq + 1;

	buf_init(&packed, RECORD_MAX);
	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	for (size_t i = 0; r == DONE && i < c->n; i++) {
		const struct original *o = &c->v[i];
		uint32_t uid;

		if (o->name == NULL)
			continue;
		buf_clear(&packed);
		(void)!gen_packed(c->gen, &o->row, &packed);
		b.totals.modseq = modseq;
		uid = append_put(&b,
		    &(struct new_msg){
			.base = str_n(o->name, o->base_len),
			.span = c->span,
			.keywords = o->keywords,
			.internaldate = o->row.internaldate,
			.size = o->row.size,
			.vsize = o->row.vsize,
			.name_flags = name_flags_of(o->row.flags, o->keywords, o->row.name_flags),
			.flags = o->row.flags,
			.packed = buf_str(&packed),
		    });
		seqset_add(&out->from, o->row.uid, o->row.uid);
		seqset_add(&out->to, uid, uid);
		out->octets += o->row.size;
		if (b.records.n < WRITE_AT)
			continue;
		r = folder_append(f, &b, false, why);
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
	}
	if (r == DONE)
		r = folder_append(f, &b, false, why);
	else
		batch_drop(&b);
	buf_free(&packed);
	out->modseq = modseq;
	return r;
}

/*
 * Between link and record somebody made a new index and took one of our files
 * in: their order is not that of the originals, so start again another time.
 */
static bool
adopted(const struct copying *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].name != NULL &&
		    body_find_young(c->to->body, str_n(c->v[i].name, c->v[i].base_len)) != 0)
			return true;
	return false;
}

static enum outcome
copy(struct copying *c, struct deadline d, struct copy_result *out, struct why *why)
{
	bool rows = c->keywords_used != 0, look;
	enum outcome r = folder_begin(c->to, rows, d, why);

	if (r != DONE)
		return r;
	out->uidvalidity = c->to->uidvalidity;
	r = map_keywords(c, d, why);
	folder_unlock(c->to);
	if (r == DONE) {
		r = place(c, d, why);
		if (r == DONE)
			r = folder_relock(c->to, d, why);
		if (r == DONE)
			r = folder_numbers_placed(c->to, (uint32_t)c->n, &look, d, why);
		if (r == DONE) {
			r = look && adopted(c) ? fs_fail(why, "copy", str_of(c->to->path), EAGAIN)
					       : record(c, out, why);
			folder_log_unlock(c->to);
			folder_raise_ahead(c->to, d);
		}
		if (r != DONE)
			unmake(c);
	}
	folder_end_unlocked(c->to, rows);
	return r;
}

/* Rows of what was renamed, and rows and files of what had to be copied. */
static enum outcome
leave(struct copying *c, struct deadline d, struct why *why)
{
	struct seqset moved = { 0 }, copied = { 0 };
	enum outcome r = DONE, o = DONE;

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].name != NULL)
			seqset_add(
			    c->v[i].moved ? &moved : &copied, c->v[i].row.uid, c->v[i].row.uid);
	if (moved.n > 0)
		r = expunge_moved(c->from, &moved, c->from_span, d, why);
	if (copied.n > 0)
		o = expunge_rows(c->from, &copied, false, false, d, NULL, NULL, why);
	seqset_free(&moved);
	seqset_free(&copied);
	return r != DONE ? r : o;
}

enum outcome
folder_copy(struct folder *from, const struct seqset *uids, struct folder *to, bool move,
    struct deadline d, struct copy_result *out, struct why *why)
{
	struct copying c = { .from = from, .to = to, .move = move };
	enum outcome r = folder_begin(from, true, d, why);

	*out = (struct copy_result){ 0 };
	if (r != DONE)
		return r;
	collect(&c, uids);
	folder_unlock(from);
	if (c.n > 0)
		r = copy(&c, d, out, why);
	if (r == DONE && seqset_count(&out->from) > 0) {
		home_count(to->home, (int64_t)out->octets, (int64_t)seqset_count(&out->from));
		folder_tell(to, out->modseq);
		/* RFC 6851 3.3: the copies are there; only then do the originals go. */
		if (move)
			r = leave(&c, d, why);
	} else if (r != DONE) {
		copy_result_free(out);
	}
	free_all(&c);
	folder_end_unlocked(from, true);
	return r;
}
