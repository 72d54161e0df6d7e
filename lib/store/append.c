/*
 * append.c - what delivery, APPEND, COPY and adopting a foreign file have in
 * common: a name in cur/ and a record in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/durable.h"
#include "base/hash.h"
#include "store/core.h"
#include "store/names.h"

#define CLAIM_MAX_US 1000000

int64_t
dir_mtime(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 ? fs_mtime(&st) : 0;
}

struct dir_span
dir_span_end(int dir, int64_t before, int64_t begun_us)
{
	struct dir_span span = { before, dir_mtime(dir) };

	if (before == 0 || span.after == 0 || clock_us() - begun_us > CLAIM_MAX_US)
		return (struct dir_span){ 0, 0 };
	return span;
}

uint32_t
append_put(struct batch *b, const struct new_msg *m)
{
	struct packed_head head = { .len = (uint32_t)m->packed.n };
	struct rec_append a = {
		.span = m->span,
		.keywords = m->keywords,
		.internaldate = m->internaldate,
		.uid = b->totals.uidnext,
		.size = (uint32_t)MIN(m->size, (uint64_t)MSG_SIZE_MAX),
		.vsize = (uint32_t)MIN(m->vsize, (uint64_t)VSIZE_UNKNOWN),
		.savedate = (uint32_t)wall_s(),
		.name_flags = m->name_flags,
		.flags = (uint16_t)(m->flags & MSG_FLAGS),
		.name_len = (uint16_t)m->base.n,
	};
	struct str pieces[4] = {
		str_n(&a, sizeof(a)),
		m->base,
		str_n(&head, sizeof(head)),
		m->packed,
	};
	bool packed = m->packed.n > 0 && m->packed.n < RECORD_MAX / 2;

	if (packed) {
		a.packed_len = head.len;
		head.uid = a.uid;
		head.crc = crc32c(
		    0, (const char *)&head + sizeof(head.crc), sizeof(head) - sizeof(head.crc));
		head.crc = crc32c(head.crc, m->packed.p, m->packed.n);
	}
	b->totals.uidnext++;
	b->totals.messages++;
	b->totals.recent++;
	b->totals.octets += a.size;
	b->totals.unseen += (a.flags & MSG_SEEN) == 0;
	b->totals.deleted += (a.flags & MSG_DELETED) != 0;
	batch_put(b, REC_APPEND, m->arg, pieces, packed ? 4 : 2);
	return a.uid;
}

/* Made in tmp/ of the folder, so that it needs no rename between directories. */
static bool
copy_and_link(struct folder *f, int fd, uint64_t size, const char *name)
{
	struct store *s = f->store;
	struct spool_file to;
	struct timespec times[2];
	struct stat st;
	bool ok;
	int e;

	if (store_spool(s, &to, NULL) != DONE)
		return false;
	ok = fstat(fd, &st) == 0 && fs_copy(fd, to.fd, size);
	if (ok) {
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		ok = futimens(to.fd, times) == 0 && durable_data(to.fd) &&
		     fs_link_fd(to.fd, f->o->cur, name) == 0;
	}
	e = errno;
	spool_discard(s, &to);
	errno = e;
	return ok;
}

bool
link_or_copy(struct folder *f, int fd, uint64_t size, const char *name)
{
	if (fs_link_fd(fd, f->o->cur, name) == 0)
		return true;
	/*
	 * EXDEV: not our file system.  EMLINK: too many recipients share it.
	 * ENOENT: a file whose last name is gone cannot get one (not O_TMPFILE).
	 */
	if (errno != EXDEV && errno != EMLINK && errno != ENOENT && errno != EPERM)
		return false;
	return copy_and_link(f, fd, size, name);
}

/* RFC 3501 9: flag-keyword is an atom. */
bool
keyword_valid(struct str k)
{
	if (k.n == 0 || k.n > KEYWORD_NAME_MAX)
		return false;
	for (size_t i = 0; i < k.n; i++)
		if (k.p[i] <= ' ' || k.p[i] >= 0x7f || strchr("(){%*\"\\]", k.p[i]) != NULL)
			return false;
	return true;
}

enum outcome
keyword_bits(struct folder *f, struct batch *b, const struct str *names, size_t n, bool create,
    uint64_t *bits, struct why *why)
{
	struct str fresh[KEYWORDS_MAX];
	uint32_t fresh_count = 0, have = f->body->keyword_count;

	*bits = 0;
	for (size_t i = 0; i < n; i++) {
		int bit = body_keyword(f->body, names[i]);

		for (uint32_t k = 0; bit < 0 && k < fresh_count; k++)
			if (str_eq_nocase(fresh[k], names[i]))
				bit = (int)(have + k);
		if (bit < 0 && !keyword_valid(names[i]))
			return fail(PERMFAIL, why, 0, "", "That is no keyword");
		if (bit < 0 && !create)
			continue;
		if (bit < 0 && have + fresh_count >= KEYWORDS_MAX)
			return fail(PERMFAIL, why, 0, "", "Too many keywords in this folder");
		if (bit < 0) {
			bit = (int)(have + fresh_count);
			fresh[fresh_count++] = names[i];
			batch_put(b, REC_KEYWORD, (uint32_t)bit, &names[i], 1);
		}
		*bits |= 1ULL << bit;
	}
	return DONE;
}
