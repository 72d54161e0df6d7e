/*
 * flush.c - flags into file names, some time after they were changed.
 *
 * Which flags of a name are ours to write is the difference between the row's
 * flags and those the name is known to have.  Renames first, then one record
 * says so; a crash in between looks like another program's rename to the same
 * flags, and changes nothing.
 *
 * Keywords have letters, a to z for the first 26, with their names in
 * `dovecot-keywords`, so that they survive the index and Dovecot reads them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crashpoint.h"
#include "store/core.h"
#include "store/names.h"

#define FLUSH_CHUNK       1000
#define KEYWORDS_FILE     "dovecot-keywords"
#define KEYWORDS_FILE_NEW "dovecot-keywords.new"

struct rename_one {
	uint32_t uid, from, to;
	uint64_t name_ref;
};

/* The next rows whose names lack something.  Locked. */
static size_t
collect(struct body *b, uint32_t *uid, struct rename_one *out)
{
	uint32_t at = body_lower(b, *uid);
	size_t n = 0;

	for (; at < body_count(b) && n < FLUSH_CHUNK; at++) {
		const struct msg_row *r = body_row(b, at);
		uint32_t want = name_flags_of(r->flags, r->keywords, r->name_flags);

		if (!row_dead(r) && want != r->name_flags)
			out[n++] = (struct rename_one){ r->uid, r->name_flags, want, r->name_ref };
	}
	*uid = at < body_count(b) ? body_row(b, at)->uid : UINT32_MAX;
	return n;
}

/* Unlocked.  How many were renamed, those first. */
static size_t
rename_all(struct folder *f, struct gen *g, struct rename_one *v, size_t n, bool *missing)
{
	int cur = f->o->cur;
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		char base[BASE_MAX + 1], from[NAME_ROOM], to[NAME_ROOM];
		struct str s;

		if (!gen_name(g, v[i].name_ref, base, &s))
			continue;
		name_join(s, v[i].from, from);
		name_join(s, v[i].to, to);
		if (renameat(cur, from, cur, to) == 0)
			v[done++] = v[i];
		else if (errno == ENOENT)
			*missing = true;
		else
			break;
	}
	return done;
}

static enum outcome
record_names(struct folder *f, const struct rename_one *v, size_t n, struct dir_span span,
    struct deadline d, struct why *why)
{
	struct rec_name *names = xreallocarray(NULL, n, sizeof(*names));
	struct str pieces[] = { str_n(&span, sizeof(span)), str_n(names, n * sizeof(*names)) };
	enum outcome r = folder_log_lock(f, d, why);
	struct batch b;

	for (size_t i = 0; i < n; i++)
		names[i] = (struct rec_name){ v[i].uid, v[i].to };
	if (r == DONE) {
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		batch_put(&b, REC_NAMES, 0, pieces, 2);
		r = folder_append(f, &b, false, why);
		folder_log_unlock(f);
	}
	free(names);
	return r;
}

/* The first 26 keywords as Dovecot lists them.  Locked. */
static void
write_keywords(struct folder *f)
{
	char *have = NULL;
	size_t n = 0;
	struct buf b;

	buf_init(&b, NAME_KEYWORDS * (KEYWORD_NAME_MAX + 8));
	for (uint32_t i = 0; i < f->body->keyword_count && i < NAME_KEYWORDS; i++)
		(void)buf_printf(&b, "%u " STR_FMT "\n", i, STR_ARG(f->body->keywords[i]));
	if (b.n > 0 && !(fs_read_file(f->o->dir, KEYWORDS_FILE, b.max, &have, &n) &&
			   str_eq(str_n(have, n), buf_str(&b))))
		(void)!fs_replace(f->o->dir, KEYWORDS_FILE, KEYWORDS_FILE_NEW, buf_str(&b));
	free(have);
	buf_free(&b);
}

uint32_t
keywords_read_file(int dir, struct str out[static NAME_KEYWORDS])
{
	char *text = NULL;
	size_t n = 0;
	uint32_t count = 0;
	struct str rest, line;

	if (!fs_read_file(dir, KEYWORDS_FILE, 16 * 1024, &text, &n))
		return 0;
	rest = str_n(text, n);
	while (rest.n > 0 && count < NAME_KEYWORDS) {
		struct str number, name;
		uint32_t at;

		(void)str_cut(rest, '\n', &line, &rest);
		(void)str_cut(line, ' ', &number, &name);
		/* Only without gaps: letters of unknown ones would get the wrong name. */
		if (!str_u32(number, &at) || at != count || !keyword_valid(name))
			break;
		out[count++] = str_of(str_dup(name));
	}
	free(text);
	return count;
}

/* One piece, locked before and after; *more says whether to come again. */
static enum outcome
flush_some(
    struct folder *f, uint32_t *uid, bool *missing, bool *more, struct deadline d, struct why *why)
{
	struct rename_one *v = xreallocarray(NULL, FLUSH_CHUNK, sizeof(*v));
	struct gen *g = gen_ref(f->body->gen);
	size_t n = collect(f->body, uid, v);
	int64_t before, begun = clock_us();
	struct dir_span span;
	enum outcome r = DONE;

	*more = n > 0;
	if (n > 0 && f->body->keyword_count > 0)
		write_keywords(f);
	folder_unlock(f);
	if (n > 0) {
		before = dir_mtime(f->o->cur);
		n = rename_all(f, g, v, n, missing);
		span = dir_span_end(f->o->cur, before, begun);
		crash_point("flush.renamed");
	}
	gen_unref(&g);
	(void)pthread_mutex_lock(&f->lock);
	if (n > 0)
		r = record_names(f, v, n, span, d, why);
	free(v);
	return r;
}

enum outcome
folder_flush_names(struct folder *f, struct deadline d, struct why *why)
{
	bool missing = false, more = true;
	uint32_t uid = 1;
	enum outcome r = folder_begin(f, true, d, why);

	if (r != DONE)
		return r;
	f->dirty_ms = 0;
	if (!f->body->dirty) {
		folder_end(f, true);
		folder_unlock(f);
		return DONE;
	}
	f->body->dirty = false;
	while (r == DONE && more && !deadline_passed(d))
		r = flush_some(f, &uid, &missing, &more, d, why);
	if (r != DONE || more) {
		f->body->dirty = true;
		f->dirty_ms = clock_ms();
	}
	folder_unlock(f);
	/* Somebody else renamed one: find out what it is called now, and merge. */
	if (missing && r == DONE) {
		r = folder_scan(f, SCAN_READ, d, why);
		if (f->body->dirty)
			__atomic_store_n(&f->dirty_ms, clock_ms(), __ATOMIC_RELAXED);
	}
	folder_end_unlocked(f, true);
	return r;
}
