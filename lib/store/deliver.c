/*
 * deliver.c - a new message becomes durable, then known.
 *
 * The order (faults.md, design rules 1 to 3): the file was synced by who wrote
 * it; it gets its name in cur/; the directory is synced; only then the index
 * hears of it.  A cut before the sync leaves at most a name nobody was told
 * of; a cut after it leaves a message that the next reading of the directory
 * takes in.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "base/log.h"
#include "store/core.h"
#include "store/names.h"

static enum outcome
check(const struct delivery *m, struct why *why)
{
	struct stat st;

	if (m->size > MSG_SIZE_MAX)
		return fail(PERMFAIL, why, 552, "5.3.4", "The message is too large");
	if (m->id.n > 0 && !name_id_valid(m->id))
		return fail(PERMFAIL, why, 0, "", "That is no delivery id");
	if (fstat(m->fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != m->size)
		return fail(TEMPFAIL, why, 451, "4.3.0", "The message is not what was said");
	return DONE;
}

/* The file's mtime is where the date of arrival survives the loss of the index. */
static void
set_date(const struct delivery *m)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = m->internaldate } };
	struct stat st;

	if (fstat(m->fd, &st) == 0 && st.st_mtim.tv_sec != m->internaldate)
		(void)futimens(m->fd, times);
}

struct placed {
	char base[BASE_MAX + 1];
	char name[NAME_ROOM];
	struct dir_span span;
	uint64_t keywords;
	bool existed;
};

/* Into cur/, durably.  Unlocked. */
static enum outcome
place(struct folder *f, const struct delivery *m, struct deadline d, struct placed *p,
    struct why *why)
{
	struct opened *o = f->o;
	int64_t begun = clock_us(), before = dir_mtime(o->cur);

	name_join(str_of(p->base), name_flags_of(m->flags, p->keywords, 0), p->name);
	if (!link_or_copy(f, m->fd, m->size, p->name)) {
		if (errno != EEXIST)
			return fs_fail(why, "link message", str_of(f->path), errno);
		p->existed = true;
	}
	p->span = dir_span_end(o->cur, before, begun);
	crash_point("deliver.linked");
	if (!folder_sync_cur(f, d)) {
		int e = errno;

		/* Not ours to remove when an earlier try put it there. */
		if (!p->existed)
			(void)unlinkat(o->cur, p->name, 0);
		return fs_fail(why, "sync cur", str_of(f->path), e);
	}
	crash_point("deliver.synced");
	return DONE;
}

/* An earlier try may have got as far as the index.  Locked, rows there. */
static bool
find_base(struct folder *f, struct str base, struct delivered *out)
{
	struct body *b = f->body;

	for (uint32_t i = body_count(b); i-- > 0;) {
		const struct msg_row *r = body_row(b, i);
		char room[BASE_MAX + 1];
		struct str name;

		if (row_dead(r) || NAME_LEN(r->name_ref) != base.n ||
		    !gen_name(b->gen, r->name_ref, room, &name) || !str_eq(name, base))
			continue;
		out->uid = r->uid;
		out->modseq = r->modseq;
		return true;
	}
	return false;
}

/* The index record.  Locked on entry; on return locked only when DONE. */
static enum outcome
record(struct folder *f, const struct delivery *m, const struct placed *p, struct deadline d,
    struct delivered *out, struct why *why)
{
	struct new_msg n = {
		.base = str_of(p->base),
		.span = p->span,
		.keywords = p->keywords,
		.internaldate = m->internaldate,
		.size = m->size,
		.vsize = m->vsize,
		.flags = m->flags,
		.name_flags = name_flags_of(m->flags, p->keywords, 0),
		.packed = m->packed,
	};
	bool look;
	enum outcome r = folder_numbers_placed(f, 1, &look, d, why);
	struct batch b;

	if (r != DONE)
		return r;
	if (look && (out->uid = body_find_young(f->body, n.base)) != 0) {
		out->modseq = body_find(f->body, out->uid)->modseq;
		folder_log_unlock(f);
		return DONE;
	}
	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	b.totals.modseq++;
	out->uid = append_put(&b, &n);
	out->modseq = b.totals.modseq;
	r = folder_append(f, &b, false, why);
	folder_log_unlock(f);
	if (r != DONE)
		folder_unlock(f);
	return r;
}

/* Keywords must be in the table, and in the name, before the message is. */
static enum outcome
prepare_keywords(
    struct folder *f, const struct delivery *m, struct deadline d, uint64_t *bits, struct why *why)
{
	struct batch b;
	enum outcome r;

	*bits = 0;
	if (m->keyword_count == 0)
		return DONE;
	r = folder_log_lock(f, d, why);
	if (r != DONE)
		return r;
	batch_begin(&b, f->o->gen, &f->o->tail);
	b.totals = folder_totals(f);
	r = keyword_bits(f, &b, m->keywords, m->keyword_count, true, bits, why);
	if (r == DONE)
		r = folder_append(f, &b, false, why);
	else
		batch_drop(&b);
	folder_log_unlock(f);
	return r;
}

/* The folder was deleted under us: the message must not stay in what was set aside. */
static void
take_back(struct folder *f, const struct placed *p)
{
	if (!p->existed)
		(void)unlinkat(f->o->cur, p->name, 0);
}

/* A folder can be opened anew, by its name, and is then another or none: mail waits for that. */
static enum outcome
deleted(struct why *why)
{
	return fail(TEMPFAIL, why, 451, "4.3.0", "The folder was deleted");
}

enum outcome
folder_deliver(struct folder *f, const struct delivery *m, struct deadline d, struct delivered *out,
    struct why *why)
{
	bool rows = m->keyword_count > 0, found = false;
	struct placed p = { .existed = false };
	char fresh[40];
	struct str id = m->id;
	enum outcome r = check(m, why);

	*out = (struct delivered){ 0 };
	if (r != DONE)
		return r;
	if (id.n == 0) {
		name_new_id(fresh);
		id = str_of(fresh);
	}
	if (!name_make(m->arrived, id, f->store->host, m->size, m->vsize, p.base))
		return fail(PERMFAIL, why, 0, "", "That is no delivery id");
	r = folder_begin(f, rows, d, why);
	if (r == PERMFAIL && folder_gone(f))
		return deleted(why);
	if (r != DONE)
		return r;
	out->uidvalidity = f->uidvalidity;
	r = prepare_keywords(f, m, d, &p.keywords, why);
	folder_unlock(f);
	if (r == DONE) {
		set_date(m);
		r = place(f, m, d, &p, why);
	}
	if (r != DONE) {
		folder_end_unlocked(f, rows);
		return r;
	}
	r = folder_relock(f, d, NULL);
	if (r == DONE && p.existed) {
		r = folder_load(f, d, NULL);
		found = r == DONE && find_base(f, str_of(p.base), out);
		if (r != DONE)
			folder_unlock(f);
	}
	if (r == DONE && !found)
		r = record(f, m, &p, d, out, NULL);
	if (r == PERMFAIL && folder_gone(f)) {
		take_back(f, &p);
		folder_end_unlocked(f, rows);
		return deleted(why);
	}
	crash_point("deliver.indexed");
	out->existed = p.existed;
	if (r == DONE) {
		folder_raise_ahead(f, d);
	} else {
		/* It is in the mailbox; the next reading of the directory gives it its UID. */
		out->uid = 0;
		log_event(LOG_WARN, "store.unindexed", kv_cstr("folder", f->path),
		    kv_cstr("name", p.name), KV_END);
	}
	folder_end_unlocked(f, rows);
	COUNT(f->store, delivered);
	if (!found)
		home_count(f->home, (int64_t)m->size, 1);
	folder_tell(f, out->modseq);
	return DONE;
}
