/*
 * read.c - the text of a message, and what was found out about it before.
 *
 * A file is opened under the name we expect.  When another program has just
 * renamed it, the directory is read, which tells the index as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "mail/structure.h"
#include "store/core.h"
#include "store/names.h"

#define READ_MAX (256 * 1024) /* larger ones are mapped */

static enum outcome
message_gone(struct why *why)
{
	return fail(PERMFAIL, why, 0, "", "The message is gone");
}

/* -1 with errno. */
static int
try_open(struct folder *f, uint32_t uid, bool *dead, int64_t *date)
{
	struct body *b = f->body;
	char base[BASE_MAX + 1], name[NAME_ROOM];
	struct msg_row *r;
	struct msg_row row = { 0 };
	struct str s = STR_NONE;
	bool named = false;
	int fd;

	(void)pthread_rwlock_rdlock(&b->lock);
	r = body_find(b, uid);
	*dead = r == NULL || row_dead(r);
	if (!*dead) {
		row = *r;
		named = gen_name(b->gen, r->name_ref, base, &s);
	}
	(void)pthread_rwlock_unlock(&b->lock);
	errno = ENOENT;
	if (*dead || !named)
		return -1;
	*date = row.internaldate;
	name_join(s, row.name_flags, name);
	fd = fs_open_regular(f->o->cur, name, O_RDONLY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	/* Perhaps its flags were just written out, and the log not followed yet. */
	name_join(s, name_flags_of(row.flags, row.keywords, row.name_flags), name);
	return fs_open_regular(f->o->cur, name, O_RDONLY, 0);
}

/* A name with letters that we would not write: look for it. */
static int
search_open(struct folder *f, uint32_t uid)
{
	struct body *b = f->body;
	char base[BASE_MAX + 1];
	struct str want, have;
	struct msg_row *r;
	struct dirent *e;
	uint32_t flags;
	bool named;
	int fd, dir_fd;
	DIR *dir;

	(void)pthread_rwlock_rdlock(&b->lock);
	r = body_find(b, uid);
	named = r != NULL && gen_name(b->gen, r->name_ref, base, &want);
	(void)pthread_rwlock_unlock(&b->lock);
	errno = ENOENT;
	if (!named)
		return -1;
	dir_fd = fs_open_dir(f->o->dir, "cur");
	dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
	if (dir == NULL) {
		fd_close(&dir_fd);
		return -1;
	}
	fd = -1;
	while (fd < 0 && (e = readdir(dir)) != NULL)
		if (name_split(str_of(e->d_name), &have, &flags) && str_eq(have, want))
			fd = fs_open_regular(f->o->cur, e->d_name, O_RDONLY, 0);
	(void)closedir(dir);
	errno = ENOENT;
	return fd;
}

static enum outcome
fill(struct folder *f, struct msg_file *m, enum msg_open how, struct why *why)
{
	struct stat st;

	if (fstat(m->fd, &st) != 0)
		return fs_fail(why, "stat message", str_of(f->path), errno);
	m->size = (uint64_t)st.st_size;
	if (how != MSG_DATA)
		return DONE;
	m->data = str_n("", (size_t)m->size);
	if (m->size == 0)
		return DONE;
	if (m->size > READ_MAX) {
		m->block = mmap(NULL, (size_t)m->size, PROT_READ, MAP_PRIVATE, m->fd, 0);
		if (m->block == MAP_FAILED) {
			m->block = NULL;
			return fs_fail(why, "map message", str_of(f->path), errno);
		}
		m->mapped = true;
	} else {
		m->block = xmalloc((size_t)m->size);
		if (!fs_read(m->fd, m->block, (size_t)m->size, 0))
			return fs_fail(
			    why, "read message", str_of(f->path), errno != 0 ? errno : EIO);
	}
	m->data.p = m->block;
	return DONE;
}

enum outcome
folder_open_message(struct folder *f, uint32_t uid, enum msg_open how, struct deadline d,
    struct msg_file *out, struct why *why)
{
	enum outcome r;
	bool dead;

	*out = (struct msg_file){ .fd = -1 };
	r = folder_begin(f, true, d, why);
	if (r != DONE)
		return r;
	folder_unlock(f);
	out->fd = try_open(f, uid, &dead, &out->internaldate);
	if (out->fd < 0 && !dead && errno == ENOENT) {
		r = folder_scan(f, SCAN_READ, d, why);
		errno = ENOENT;
		if (r == DONE)
			out->fd = try_open(f, uid, &dead, &out->internaldate);
		if (r == DONE && out->fd < 0 && !dead && errno == ENOENT)
			out->fd = search_open(f, uid);
	}
	if (r == DONE && out->fd < 0)
		r = dead || errno == ENOENT ? message_gone(why)
					    : fs_fail(why, "open message", str_of(f->path), errno);
	if (r == DONE)
		r = fill(f, out, how, why);
	if (r != DONE)
		msg_close(out);
	folder_end_unlocked(f, true);
	return r;
}

void
msg_close(struct msg_file *m)
{
	if (m->mapped)
		(void)munmap(m->block, (size_t)m->size);
	else
		free(m->block);
	if (m->fd > 0)
		(void)close(m->fd);
	*m = (struct msg_file){ .fd = -1 };
}

enum outcome
folder_packed(struct folder *f, const struct msg_row *row, struct arena *a, struct str *out)
{
	struct body *b;
	struct msg_row *r;
	struct buf packed;
	enum outcome o;

	*out = STR_NONE;
	if (row->packed_ref == 0)
		return DONE;
	o = folder_begin(f, true, deadline_in(1000), NULL);
	if (o != DONE)
		return o;
	folder_unlock(f);
	b = f->body;
	buf_init(&packed, STRUCTURE_MAX);
	(void)pthread_rwlock_rdlock(&b->lock);
	/* The row may be of a generation before this one. */
	r = body_find(b, row->uid);
	if (r != NULL && gen_packed(b->gen, r, &packed) && arena_has_room(a, packed.n + 16))
		*out = arena_str(a, buf_str(&packed));
	(void)pthread_rwlock_unlock(&b->lock);
	buf_free(&packed);
	folder_end_unlocked(f, true);
	return DONE;
}

void
folder_offer(struct folder *f, uint32_t uid, uint64_t vsize, struct str packed, struct deadline d)
{
	struct packed_head head = { .len = (uint32_t)packed.n, .uid = uid };
	struct rec_offer o = {
		.uid = uid,
		.vsize = (uint32_t)MIN(vsize, (uint64_t)VSIZE_UNKNOWN),
		.packed_len = (uint32_t)packed.n,
	};
	struct str pieces[] = { str_n(&o, sizeof(o)), str_n(&head, sizeof(head)), packed };
	struct batch b;

	if (packed.n > STRUCTURE_MAX || folder_begin(f, false, d, NULL) != DONE)
		return;
	if (folder_log_lock(f, d, NULL) == DONE) {
		head.crc = crc32c(
		    0, (const char *)&head + sizeof(head.crc), sizeof(head) - sizeof(head.crc));
		head.crc = crc32c(head.crc, packed.p, packed.n);
		batch_begin(&b, f->o->gen, &f->o->tail);
		b.totals = folder_totals(f);
		batch_put(&b, REC_OFFER, 0, pieces, packed.n > 0 ? 3 : 1);
		(void)!folder_append(f, &b, false, NULL);
		folder_log_unlock(f);
	}
	folder_end(f, false);
	folder_unlock(f);
}

/* --- what STATUS wants --- */

enum outcome
folder_status(struct folder *f, struct deadline d, struct folder_summary *out, struct why *why)
{
	enum outcome r = folder_sync(f, d, why);
	struct totals t;

	*out = (struct folder_summary){ 0 };
	if (r == DONE)
		r = folder_begin(f, false, d, why);
	if (r != DONE)
		return r;
	t = folder_totals(f);
	*out = (struct folder_summary){
		.uidvalidity = f->uidvalidity,
		.uidnext = t.uidnext,
		.modseq = t.modseq,
		.messages = t.messages,
		.unseen = t.unseen,
		.deleted = t.deleted,
		.recent = t.recent,
		.octets = t.octets,
	};
	folder_end(f, false);
	folder_unlock(f);
	return DONE;
}

enum outcome
folder_octets(struct folder *f, const struct seqset *uids, struct deadline d, uint64_t *octets,
    uint64_t *messages, struct why *why)
{
	enum outcome r = folder_begin(f, true, d, why);

	*octets = *messages = 0;
	if (r != DONE)
		return r;
	for (size_t i = 0; i < uids->n; i++) {
		uint32_t at = body_lower(f->body, uids->v[i].lo);

		for (; at < body_count(f->body) && body_row(f->body, at)->uid <= uids->v[i].hi;
		     at++) {
			const struct msg_row *row = body_row(f->body, at);

			if (row_dead(row))
				continue;
			*octets += row->size;
			(*messages)++;
		}
	}
	folder_end(f, true);
	folder_unlock(f);
	return DONE;
}

enum outcome
folder_has_delivery(
    struct folder *f, struct str id, struct deadline d, bool *found, struct why *why)
{
	enum outcome r = folder_begin(f, true, d, why);
	struct body *b;

	*found = false;
	if (r != DONE)
		return r;
	folder_unlock(f);
	r = folder_scan(f, SCAN_ADOPT, d, why);
	if (r == DONE)
		r = folder_relock(f, d, why);
	if (r != DONE) {
		folder_end_unlocked(f, true);
		return r;
	}
	b = f->body;
	for (uint32_t i = body_count(b); i-- > 0 && !*found;) {
		char room[BASE_MAX + 1];
		struct str name;

		*found = !row_dead(body_row(b, i)) &&
			 gen_name(b->gen, body_row(b, i)->name_ref, room, &name) &&
			 str_eq(name_id(name), id);
	}
	folder_end(f, true);
	folder_unlock(f);
	if (!*found)
		*found = aside_has_delivery(f, id);
	return DONE;
}
