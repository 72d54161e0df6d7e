/*
 * snapshot.c - writing a generation: header, rows, tombstones, names,
 * keywords, sums.  One pass, a fixed buffer, whatever the folder's size.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/durable.h"
#include "base/hash.h"
#include "store/index.h"

#define OUT_ROOM (1024 * 1024)
_Static_assert(OUT_ROOM % SUM_BLOCK == 0, "blocks do not straddle two writes");

struct out {
	int fd;
	char *p; /* ours */
	size_t n;
	uint64_t at;    /* where p will stand */
	uint32_t *sums; /* ours */
	size_t sum_count, sum_room;
	bool failed;
};

static void
out_flush(struct out *o)
{
	for (size_t i = 0; i < o->n; i += SUM_BLOCK) {
		if (o->sum_count == o->sum_room) {
			o->sum_room = o->sum_room * 2 + 64;
			o->sums = xreallocarray(o->sums, o->sum_room, sizeof(*o->sums));
		}
		o->sums[o->sum_count++] = crc32c(0, o->p + i, MIN((size_t)SUM_BLOCK, o->n - i));
	}
	if (!o->failed && !fs_write(o->fd, o->p, o->n, o->at))
		o->failed = true;
	o->at += o->n;
	o->n = 0;
}

static void
out_put(struct out *o, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		size_t k = MIN(n, OUT_ROOM - o->n);

		memcpy(o->p + o->n, from, k);
		o->n += k;
		from += k;
		n -= k;
		if (o->n == OUT_ROOM)
			out_flush(o);
	}
}

static void
put_rows(struct out *o, const struct snapshot *s, uint64_t names_at)
{
	uint64_t at = names_at;

	for (uint32_t i = 0; i < s->row_count; i++) {
		struct msg_row row = s->rows[i];
		size_t n = NAME_LEN(row.name_ref);

		row.name_ref = NAME_REF(at, n);
		at += n;
		out_put(o, &row, sizeof(row));
	}
}

static bool
put_names(struct out *o, const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->row_count; i++) {
		char room[BASE_MAX + 1];
		struct str name;

		if (!gen_name(s->names, s->rows[i].name_ref, room, &name))
			return false;
		out_put(o, name.p, name.n);
	}
	return true;
}

static void
put_keywords(struct out *o, const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->keyword_count; i++) {
		uint8_t n = (uint8_t)s->keywords[i].n;

		out_put(o, &n, 1);
		out_put(o, s->keywords[i].p, n);
	}
}

static void
fill_header(struct index_header *h, const struct snapshot *s)
{
	const struct tail *t = s->tail;

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, INDEX_MAGIC, sizeof(h->magic));
	h->version = INDEX_VERSION;
	h->file_id = random_u64();
	h->generation = s->generation;
	h->uidvalidity = s->uidvalidity;
	h->row_count = s->row_count;
	h->tomb_count = s->tomb_count;
	h->totals = t->totals;
	h->tomb_floor = s->tomb_floor;
	h->uid_ceiling = s->uid_ceiling;
	h->modseq_ceiling = s->modseq_ceiling;
	h->cur_clean = t->cur_clean;
	h->new_clean = t->new_clean;
	h->scanned = t->scanned;
	h->unsettled = t->unsettled;
	h->young_at = t->young_at;
	h->packed_id = s->packed_id;
	h->packed_entries = s->packed_entries;
	memcpy(h->boot, t->boot, BOOT_LEN);
	h->tombs_at = INDEX_PAGE + (uint64_t)s->row_count * sizeof(struct msg_row);
	h->names_at = h->tombs_at + (uint64_t)s->tomb_count * sizeof(struct tomb);
	h->keywords_at = h->names_at;
	for (uint32_t i = 0; i < s->row_count; i++)
		h->keywords_at += NAME_LEN(s->rows[i].name_ref);
	for (uint32_t i = 0; i < s->keyword_count; i++)
		h->keyword_octets += 1 + (uint32_t)s->keywords[i].n;
	h->sums_at = pad8((size_t)(h->keywords_at + h->keyword_octets));
	h->log_at = h->sums_at +
		    pad8((h->sums_at - INDEX_PAGE + SUM_BLOCK - 1) / SUM_BLOCK * sizeof(uint32_t));
}

static bool
write_page(int fd, struct index_header *h)
{
	_Alignas(8) char page[INDEX_PAGE] = { 0 };
	struct gen g = { .fd = fd };

	h->identity = file_identity(fd);
	memcpy(page, h, sizeof(*h));
	h->crc = crc32c(0, page, SLOT_A);
	memcpy(page, h, sizeof(*h));
	g.h = *h;
	return fs_write(fd, page, sizeof(page), 0) &&
	       gen_write_slots(&g, h->uid_ceiling, h->modseq_ceiling);
}

bool
snapshot_write(int fd, const struct snapshot *s, struct index_header *h)
{
	static const char zeros[8];
	struct out o = { .fd = fd, .at = INDEX_PAGE };
	uint64_t end;
	bool ok;
	int e;

	fill_header(h, s);
	o.p = xmalloc(OUT_ROOM);
	put_rows(&o, s, h->names_at);
	out_put(&o, s->tombs, (size_t)s->tomb_count * sizeof(struct tomb));
	ok = put_names(&o, s);
	put_keywords(&o, s);
	end = h->keywords_at + h->keyword_octets;
	out_put(&o, zeros, (size_t)(h->sums_at - end));
	out_flush(&o);
	ok = ok && !o.failed && (o.at == h->sums_at);
	if (ok) {
		size_t n = o.sum_count * sizeof(uint32_t);

		ok = fs_write(fd, o.sums, n, h->sums_at) &&
		     fs_write(fd, zeros, (size_t)(h->log_at - h->sums_at) - n, h->sums_at + n) &&
		     write_page(fd, h) && durable_data(fd);
	}
	e = errno;
	free(o.sums);
	free(o.p);
	errno = e;
	return ok;
}
