/*
 * gen.c - opening an index file, believing it piece by piece.
 *
 * The header has a checksum of its own, each block of the snapshot has one,
 * each ceiling slot has one.  What fails its sum is not used; what that means
 * for the folder is rebuild.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/index.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "index files are little-endian");
_Static_assert(sizeof(struct msg_row) == 64, "rows are mapped as they stand");

uint64_t
file_identity(int fd)
{
	struct statx x;
	uint64_t v[3];

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &x) != 0)
		return 0;
	v[0] = x.stx_ino;
	v[1] = (x.stx_mask & STATX_BTIME) != 0 ? (uint64_t)x.stx_btime.tv_sec : 0;
	v[2] = (x.stx_mask & STATX_BTIME) != 0 ? x.stx_btime.tv_nsec : 0;
	return hash_stable(str_n(v, sizeof(v)));
}

void
packed_name(uint64_t id, char out[static 48])
{
	(void)snprintf(out, 48, PACKED_PREFIX "%016llx", (unsigned long long)id);
}

static bool
slot_good(const struct ceiling_slot *s, uint64_t file_id)
{
	return s->file_id == file_id &&
	       s->crc == crc32c(0, (const char *)s + sizeof(s->crc), sizeof(*s) - sizeof(s->crc));
}

bool
gen_read_slots(struct gen *g, struct ceiling_slot *higher)
{
	static const uint64_t places[] = { SLOT_A, SLOT_B };
	bool any = false;

	*higher = (struct ceiling_slot){ 0 };
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct ceiling_slot s;

		if (!fs_read(g->fd, &s, sizeof(s), places[i]) || !slot_good(&s, g->h.file_id))
			continue;
		any = true;
		higher->uid = MAX(higher->uid, s.uid);
		higher->modseq = MAX(higher->modseq, s.modseq);
	}
	return any;
}

bool
gen_write_slots(struct gen *g, uint32_t uid, uint64_t modseq)
{
	struct ceiling_slot s = { .uid = uid, .modseq = modseq, .file_id = g->h.file_id };

	s.crc = crc32c(0, (const char *)&s + sizeof(s.crc), sizeof(s) - sizeof(s.crc));
	return fs_write(g->fd, &s, sizeof(s), SLOT_A) && fs_write(g->fd, &s, sizeof(s), SLOT_B);
}

static bool
header_good(const char page[static SLOT_A], uint64_t file_size, struct index_header *h)
{
	char copy[SLOT_A];

	memcpy(copy, page, sizeof(copy));
	memcpy(h, copy, sizeof(*h));
	((struct index_header *)(void *)copy)->crc = 0;
	if (memcmp(h->magic, INDEX_MAGIC, sizeof(h->magic)) != 0 ||
	    h->crc != crc32c(0, copy, sizeof(copy)) || h->version != INDEX_VERSION)
		return false;
	/* The sum was right, so these are ours; but an older file may be cut short. */
	return h->log_at <= file_size && h->tombs_at <= h->names_at &&
	       h->names_at <= h->keywords_at && h->keywords_at <= h->sums_at &&
	       h->sums_at <= h->log_at && h->log_at % 8 == 0 &&
	       h->tombs_at == INDEX_PAGE + (uint64_t)h->row_count * sizeof(struct msg_row) &&
	       h->names_at - h->tombs_at == (uint64_t)h->tomb_count * sizeof(struct tomb);
}

enum gen_state
gen_open(int dir, struct gen **out)
{
	_Alignas(8) char page[SLOT_A];
	bool readonly = false;
	struct index_header h;
	struct gen *g;
	struct stat st;
	int fd;

	*out = NULL;
	fd = fs_open_regular(dir, INDEX_NAME, O_RDWR, 0);
	if (fd < 0 && (errno == EROFS || errno == EACCES)) {
		readonly = true;
		fd = fs_open_regular(dir, INDEX_NAME, O_RDONLY, 0);
	}
	if (fd < 0)
		/* Something of that name that is no file of ours is no index. */
		return errno == ENOENT                     ? GEN_MISSING
		       : errno == EINVAL || errno == ELOOP ? GEN_DAMAGED
							   : GEN_ERROR;
	if (fstat(fd, &st) != 0 || (!fs_read(fd, page, sizeof(page), 0) && errno != 0)) {
		int e = errno;

		(void)close(fd);
		errno = e;
		return GEN_ERROR;
	}
	if (st.st_size < INDEX_PAGE || !header_good(page, (uint64_t)st.st_size, &h)) {
		(void)close(fd);
		return GEN_DAMAGED;
	}
	g = xcalloc(1, sizeof(*g));
	atomic_init(&g->refs, 1);
	g->fd = fd;
	g->readonly = readonly;
	g->h = h;
	g->identity = file_identity(fd);
	g->packed_fd = -1;
	if (!gen_read_slots(g, &g->slot)) {
		gen_unref(&g);
		return GEN_DAMAGED;
	}
	if (h.packed_id != 0) {
		char name[48];
		struct packed_file_header ph;

		packed_name(h.packed_id, name);
		g->packed_fd = fs_open_regular(dir, name, readonly ? O_RDONLY : O_RDWR, 0);
		if (g->packed_fd >= 0 &&
		    (!fs_read(g->packed_fd, &ph, sizeof(ph), 0) || ph.id != h.packed_id ||
			memcmp(ph.magic, PACKED_MAGIC, sizeof(ph.magic)) != 0))
			fd_close(&g->packed_fd);
	}
	*out = g;
	return GEN_OK;
}

struct gen *
gen_ref(struct gen *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

void
gen_unref(struct gen **gp)
{
	struct gen *g = *gp;

	*gp = NULL;
	if (g == NULL || atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	if (g->map != NULL)
		(void)munmap(g->map, (size_t)g->h.log_at);
	free(g->blocks);
	fd_close(&g->packed_fd);
	fd_close(&g->fd);
	free(g);
}

enum {
	BLOCK_UNSEEN,
	BLOCK_GOOD,
	BLOCK_BAD
};

/* Two threads may look at one block at the same time; they come to the same answer. */
static bool
block_good(const struct gen *g, uint64_t i)
{
	unsigned char state = atomic_load_explicit(&g->blocks[i], memory_order_relaxed);
	uint64_t at = INDEX_PAGE + i * SUM_BLOCK;
	uint64_t sum_at = g->h.sums_at + i * sizeof(uint32_t);
	uint32_t sum;

	if (state == BLOCK_UNSEEN) {
		size_t n = (size_t)MIN((uint64_t)SUM_BLOCK, g->h.sums_at - at);

		memcpy(&sum, g->map + sum_at, sizeof(sum));
		state = crc32c(0, g->map + at, n) == sum ? BLOCK_GOOD : BLOCK_BAD;
		atomic_store_explicit(&g->blocks[i], state, memory_order_relaxed);
	}
	return state == BLOCK_GOOD;
}

bool
gen_sound(const struct gen *g, uint64_t at, size_t n)
{
	bool good = true;

	if (at < INDEX_PAGE || n > g->h.sums_at || at > g->h.sums_at - n)
		return false;
	/* All of them, even behind a bad one: rows must be seen before they are written to. */
	for (uint64_t i = (at - INDEX_PAGE) / SUM_BLOCK;
	     n > 0 && i <= (at + n - 1 - INDEX_PAGE) / SUM_BLOCK; i++)
		good = block_good(g, i) && good;
	return good;
}

bool
gen_map(struct gen *g, bool *damaged)
{
	uint64_t covered = g->h.sums_at - INDEX_PAGE;
	uint64_t blocks = (covered + SUM_BLOCK - 1) / SUM_BLOCK;
	bool rows, keywords;

	if (g->map == NULL) {
		void *map;

		if (g->h.sums_at + blocks * sizeof(uint32_t) > g->h.log_at) {
			errno = EINVAL;
			return false;
		}
		map =
		    mmap(NULL, (size_t)g->h.log_at, PROT_READ | PROT_WRITE, MAP_PRIVATE, g->fd, 0);
		if (map == MAP_FAILED)
			return false;
		g->map = map;
		g->blocks = xcalloc((size_t)blocks + 1, sizeof(*g->blocks));
	}
	if (g->taken) {
		/* A body has written to the rows; nobody uses it any more. */
		size_t n = (size_t)(g->h.tombs_at & ~(uint64_t)(INDEX_PAGE - 1));

		if (n > INDEX_PAGE &&
		    mmap(g->map + INDEX_PAGE, n - INDEX_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_FIXED, g->fd, INDEX_PAGE) == MAP_FAILED)
			return false;
		/* The page that rows share with what follows. */
		if (n >= INDEX_PAGE && g->h.tombs_at > n &&
		    !fs_read(g->fd, g->map + n, (size_t)(g->h.tombs_at - n), n))
			return false;
		g->taken = false;
	}
	rows = gen_sound(g, INDEX_PAGE, (size_t)(g->h.names_at - INDEX_PAGE));
	keywords = gen_sound(g, g->h.keywords_at, g->h.keyword_octets);
	*damaged = !rows || !keywords;
	return true;
}

bool
gen_names_sound(const struct gen *g)
{
	return gen_sound(g, g->h.names_at, (size_t)(g->h.keywords_at - g->h.names_at));
}

bool
gen_name(const struct gen *g, uint64_t ref, char out[static BASE_MAX + 1], struct str *name)
{
	uint64_t at = NAME_AT(ref);
	size_t n = NAME_LEN(ref);

	if (n == 0)
		return false;
	if (at + n <= g->h.log_at) {
		if (g->map == NULL || !gen_sound(g, at, n))
			return false;
		memcpy(out, g->map + at, n);
	} else if (!fs_read(g->fd, out, n, at)) {
		return false;
	}
	out[n] = '\0';
	*name = str_n(out, n);
	/* A name is one component, whatever the file says. */
	return memchr(out, '/', n) == NULL && memchr(out, '\0', n) == NULL && out[0] != '.';
}

bool
gen_packed(const struct gen *g, const struct msg_row *row, struct buf *out)
{
	bool in_packed = (row->packed_ref & REF_PACKED_FILE) != 0;
	uint64_t at = row->packed_ref & ~REF_PACKED_FILE;
	int fd = in_packed ? g->packed_fd : g->fd;
	struct packed_head head;
	uint32_t crc;
	char *p;

	if (row->packed_ref == 0 || fd < 0 || !fs_read(fd, &head, sizeof(head), at) ||
	    head.uid != row->uid || head.len == 0 || head.len > RECORD_MAX)
		return false;
	p = buf_room(out, head.len);
	if (p == NULL || !fs_read(fd, p, head.len, at + sizeof(head)))
		return false;
	crc = crc32c(0, (const char *)&head + sizeof(head.crc), sizeof(head) - sizeof(head.crc));
	if (crc32c(crc, p, head.len) != head.crc)
		return false;
	buf_claim(out, head.len);
	return true;
}
