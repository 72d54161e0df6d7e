/*
 * create.c - a folder's first index, or one in place of an index of which
 * nothing can be believed: then UIDs cannot be proven, and UIDVALIDITY rises.
 *
 * Taking over the UIDs of a Maildir that Dovecot or Courier wrote belongs
 * between home_next_uidvalidity and the writing: it gives the rows and the
 * UIDVALIDITY of the first snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/log.h"
#include "store/core.h"
#include "store/names.h"

static bool
write_first(struct folder *f, int dir, uint32_t uidvalidity)
{
	struct tail t = { .totals = { .modseq = 1, .uidnext = 1, .recent_from = 1 } };
	struct snapshot s = {
		.generation = 1,
		.uidvalidity = uidvalidity,
		.tail = &t,
		.uid_ceiling = 1 + CEILING_STEP,
		.modseq_ceiling = 1 + CEILING_STEP,
	};
	struct str keywords[NAME_KEYWORDS];
	struct index_header h;
	bool ok;
	int fd, e;

	/* What letters in file names mean, if another index knew it. */
	s.keywords = keywords;
	s.keyword_count = keywords_read_file(dir, keywords);
	memcpy(t.boot, f->store->boot, BOOT_LEN);
	(void)unlinkat(dir, INDEX_NEW, 0);
	fd = fs_open(dir, INDEX_NEW, O_RDWR | O_CREAT | O_EXCL, 0600);
	ok = fd >= 0 && snapshot_write(fd, &s, &h) &&
	     renameat(dir, INDEX_NEW, dir, INDEX_NAME) == 0 && durable_names(dir);
	e = errno;
	for (uint32_t i = 0; i < s.keyword_count; i++)
		free((char *)(uintptr_t)keywords[i].p);
	fd_close(&fd);
	if (!ok)
		(void)unlinkat(dir, INDEX_NEW, 0);
	errno = e;
	return ok;
}

enum outcome
index_create(struct folder *f, int dir, struct deadline d, struct why *why)
{
	struct home_lock l;
	struct gen *there;
	uint32_t uidvalidity;
	enum outcome o = home_lock(f->home, &l, d, why);
	enum gen_state state;

	if (o != DONE)
		return o;
	/* Another process may have made it while we waited for the lock. */
	state = gen_open(dir, &there);
	if (state == GEN_OK) {
		gen_unref(&there);
		home_unlock(&l);
		return DONE;
	}
	if (state == GEN_DAMAGED) {
		COUNT(f->store, damaged);
		COUNT(f->store, rebuilds);
		log_event(LOG_WARN, "store.index_unreadable", kv_cstr("folder", f->path), KV_END);
	}
	if (state == GEN_ERROR)
		o = fs_fail(why, "open index", str_of(f->path), errno);
	if (o == DONE)
		o = home_next_uidvalidity(f->home, &l, &uidvalidity, why);
	if (o == DONE && !write_first(f, dir, uidvalidity))
		o = fs_fail(why, "make index", str_of(f->path), errno);
	home_unlock(&l);
	return o;
}
