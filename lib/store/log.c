/*
 * log.c - following a folder's log, and appending to it.
 *
 * A reader without the lock may see half a record: that means "not yet".  The
 * holder of the lock knows that nobody is writing: what it cannot read is
 * what a killed writer or a power cut left.  If no good record stands behind
 * it, it is padded over, and numbers go on at the synced ceilings, since
 * somebody may have seen what is lost now.  If good ones do, the file itself
 * is damaged, and rebuild.c makes a new one of what can be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/hash.h"
#include "store/index.h"

#define READ_ROOM (16 * 1024)
#define SLACK     (16 * 1024)

uint32_t
record_sum(const struct gen *g, const struct record *r, uint64_t at)
{
	uint64_t seed[2] = { g->h.file_id, at };
	size_t n = r->type == REC_PAD ? sizeof(*r) : r->len;
	uint32_t crc = crc32c(0, seed, sizeof(seed));

	return crc32c(crc, (const char *)r + sizeof(r->crc), n - sizeof(r->crc));
}

static bool
head_plausible(const struct record *r)
{
	return r->len >= sizeof(*r) && r->len % 8 == 0 && r->len <= RECORD_MAX &&
	       r->type >= REC_APPEND && r->type <= REC_DEAD;
}

void
tail_start(struct tail *t, const struct gen *g)
{
	*t = (struct tail){
		.off = g->h.log_at,
		.totals = g->h.totals,
		.uid_limit = g->h.uid_ceiling,
		.modseq_limit = g->h.modseq_ceiling,
		.cur_clean = g->h.cur_clean,
		.new_clean = g->h.new_clean,
		.scanned = g->h.scanned,
		.unsettled = g->h.unsettled,
		.young_at = g->h.young_at,
	};
	memcpy(t->boot, g->h.boot, BOOT_LEN);
}

/*
 * Our own change took cur/ from one mtime to another.  Changes of several
 * writers overlap and arrive in any order; what is covered without a gap from
 * the last clean moment on is ours.
 */
static void
absorb_spans(struct tail *t)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = 0; i < t->pending_count; i++) {
			struct dir_span s = t->pending[i];

			if (s.before > t->cur_clean)
				continue;
			t->claimed = t->claimed || s.after > t->cur_clean;
			t->cur_clean = MAX(t->cur_clean, s.after);
			t->pending[i] = t->pending[--t->pending_count];
			again = true;
			break;
		}
	}
}

static void
claim_span(struct tail *t, struct dir_span span)
{
	if (span.before == 0 || span.after <= t->cur_clean)
		return;
	if (t->pending_count == PENDING_SPANS) {
		memmove(t->pending, t->pending + 1, (PENDING_SPANS - 1) * sizeof(span));
		t->pending_count--;
	}
	t->pending[t->pending_count++] = span;
	if (t->cur_clean != 0)
		absorb_spans(t);
}

/* The payload if it has at least n octets. */
static const void *
payload(const struct record *r, size_t n)
{
	return r->len - sizeof(*r) >= n ? r + 1 : NULL;
}

static enum follow
tail_apply(struct tail *t, const struct record *r)
{
	const void *p;

	t->totals = r->totals;
	switch ((enum record_type)r->type) {
	case REC_APPEND:
		if ((r->arg & APPEND_YOUNG) != 0 &&
		    (p = payload(r, sizeof(struct rec_append))) != NULL)
			t->young_at = ((const struct rec_append *)p)->savedate;
		__attribute__((fallthrough));
	case REC_EXPUNGE:
	case REC_NAMES:
		if ((p = payload(r, sizeof(struct dir_span))) != NULL)
			claim_span(t, *(const struct dir_span *)p);
		break;
	case REC_SCAN:
		if ((p = payload(r, sizeof(struct rec_scan))) != NULL) {
			const struct rec_scan *s = p;

			t->new_clean = s->new;
			if (s->cur == CUR_UNCHANGED)
				break;
			t->cur_clean = s->cur;
			t->scanned = s->at;
			t->unsettled = s->unsettled;
			t->claimed = false;
			/* What was claimed meanwhile and goes on from there still counts. */
			if (t->cur_clean != 0)
				absorb_spans(t);
		}
		break;
	case REC_CEILING:
		if ((p = payload(r, sizeof(struct rec_ceiling))) != NULL) {
			const struct rec_ceiling *c = p;

			t->uid_limit = MAX(t->uid_limit, c->uid);
			t->modseq_limit = MAX(t->modseq_limit, c->modseq);
		}
		break;
	case REC_RESET:
		if ((p = payload(r, sizeof(struct rec_reset))) != NULL) {
			const struct rec_reset *s = p;

			if (s->from != 0 && t->pad_at != s->from)
				return FOLLOW_UNDONE;
			memcpy(t->boot, s->boot, BOOT_LEN);
			/* Numbers are used up to the ceiling: it has to be raised first. */
			t->uid_limit = MIN(t->uid_limit, t->totals.uidnext);
			t->modseq_limit = MIN(t->modseq_limit, t->totals.modseq);
			t->needs_reset = false;
			t->cur_clean = t->new_clean = 0;
			t->pending_count = 0;
		}
		break;
	case REC_SEALED:
		return FOLLOW_SEALED;
	case REC_DEAD:
		t->dead = true;
		return FOLLOW_DEAD;
	case REC_PAD:
		t->pad_at = t->off;
		t->needs_reset = true;
		break;
	default:
		break;
	}
	return FOLLOW_END;
}

struct follower {
	struct gen *g;
	struct tail *t;
	struct body *b;
	bool locked;
};

static enum follow
apply_one(struct follower *f, const struct record *r)
{
	enum follow what;

	if (f->b != NULL && !f->locked) {
		(void)pthread_rwlock_wrlock(&f->b->lock);
		f->locked = true;
	}
	what = tail_apply(f->t, r);
	if (f->b != NULL && what == FOLLOW_END && r->type != REC_PAD)
		body_apply(f->b, r, f->t->off);
	f->t->off += r->len;
	return what;
}

/* Apply the whole records in buf; *used says how far, *want the size of one that is cut. */
static enum follow
apply_buffer(struct follower *f, const char *p, size_t n, size_t *used, size_t *want, bool *bad)
{
	*used = *want = 0;
	*bad = false;
	while (n - *used >= sizeof(struct record)) {
		const struct record *r = (const void *)(p + *used);
		size_t need = r->type == REC_PAD ? sizeof(*r) : r->len;
		enum follow what;

		if (!head_plausible(r)) {
			*bad = true;
			return FOLLOW_END;
		}
		if (need > n - *used) {
			*want = need;
			return FOLLOW_END;
		}
		if (record_sum(f->g, r, f->t->off) != r->crc) {
			*bad = true;
			return FOLLOW_END;
		}
		what = apply_one(f, r);
		if (what != FOLLOW_END)
			return what;
		if (r->len > n - *used) { /* a pad reaches beyond what was read */
			*used = n;
			return FOLLOW_END;
		}
		*used += r->len;
	}
	return FOLLOW_END;
}

enum follow
log_follow(struct gen *g, struct tail *t, struct body *b)
{
	_Alignas(8) char small[READ_ROOM];
	struct follower f = { .g = g, .t = t, .b = b };
	char *big = NULL, *buf = small;
	size_t room = sizeof(small);
	enum follow what = FOLLOW_END;

	for (;;) {
		ssize_t n = fs_read_some(g->fd, buf, room, t->off);
		uint64_t from = t->off;
		size_t used, want;
		bool bad;

		if (n < 0) {
			what = FOLLOW_ERROR;
			break;
		}
		what = apply_buffer(&f, buf, (size_t)n, &used, &want, &bad);
		t->stuck = bad || ((size_t)n < room && used < (size_t)n);
		if (what != FOLLOW_END || bad || ((size_t)n < room && t->off <= from + (size_t)n))
			break;
		if (n == 0)
			break;
		/* More to come: read in larger pieces, and whole records. */
		want = MAX(want, (size_t)256 * 1024);
		if (want > room) {
			big = xrealloc(big, want);
			buf = big;
			room = want;
		}
	}
	if (f.locked)
		(void)pthread_rwlock_unlock(&b->lock);
	free(big);
	return what;
}

enum log_damage
log_inspect(struct gen *g, const struct tail *t, uint64_t *next_good)
{
	enum log_damage found = DAMAGE_TAIL;
	struct stat st;
	size_t n;
	char *p;

	*next_good = 0;
	if (fstat(g->fd, &st) != 0)
		return DAMAGE_ERROR;
	if ((uint64_t)st.st_size <= t->off)
		return DAMAGE_NONE;
	n = (size_t)((uint64_t)st.st_size - t->off);
	p = xmalloc(n);
	if (!fs_read(g->fd, p, n, t->off)) {
		free(p);
		return DAMAGE_ERROR;
	}
	for (size_t i = 8; i + sizeof(struct record) <= n; i += 8) {
		const struct record *r = (const void *)(p + i);

		if (!head_plausible(r) || (r->type != REC_PAD && r->len > n - i) ||
		    record_sum(g, r, t->off + i) != r->crc)
			continue;
		*next_good = t->off + i;
		found = DAMAGE_MIDDLE;
		break;
	}
	free(p);
	return found;
}

bool
log_pad(struct gen *g, struct tail *t)
{
	struct record r = { .type = REC_PAD, .totals = t->totals };
	struct stat st;
	uint64_t n;

	if (fstat(g->fd, &st) != 0)
		return false;
	n = (uint64_t)st.st_size > t->off ? (uint64_t)st.st_size - t->off : 0;
	n = MAX(pad8((size_t)n), sizeof(r));
	/* A tail longer than one record may be is padded in steps: the rest is found next. */
	r.len = (uint32_t)MIN(n, (uint64_t)RECORD_MAX);
	r.crc = record_sum(g, &r, t->off);
	if (!fs_write(g->fd, &r, sizeof(r), t->off))
		return false;
	(void)tail_apply(t, &r);
	t->off += r.len;
	t->stuck = false;
	return true;
}

/* --- appending --- */

void
batch_begin(struct batch *b, struct gen *g, struct tail *t)
{
	*b = (struct batch){ .gen = g, .tail = t, .totals = t->totals };
	buf_init(&b->records, SIZE_MAX / 2);
}

void
batch_put(
    struct batch *b, enum record_type type, uint32_t arg, const struct str *pieces, size_t count)
{
	uint64_t at = b->tail->off + b->records.n;
	struct record *r;
	size_t len = sizeof(*r), fill = sizeof(*r);
	char *p;

	for (size_t i = 0; i < count; i++)
		len += pad8(pieces[i].n);
	assert(len <= RECORD_MAX);
	p = buf_room(&b->records, len);
	assert(p != NULL);
	memset(p, 0, sizeof(*r));
	for (size_t i = 0; i < count; i++) {
		size_t n = pieces[i].n;

		if (n > 0)
			memcpy(p + fill, pieces[i].p, n);
		memset(p + fill + n, 0, pad8(n) - n);
		fill += pad8(n);
	}
	r = (struct record *)(void *)p;
	r->len = (uint32_t)len;
	r->type = (uint16_t)type;
	r->arg = arg;
	r->totals = b->totals;
	r->crc = record_sum(b->gen, r, at);
	buf_claim(&b->records, len);
}

/* Room for this and, behind it, for the expunges that make room on a full disk. */
static bool
preallocate(struct gen *g, struct tail *t, size_t n)
{
	uint64_t end = t->off + n;

	if (end + SLACK <= t->allocated)
		return true;
	if (fallocate(g->fd, FALLOC_FL_KEEP_SIZE, (off_t)t->off, (off_t)(n + 2 * SLACK)) == 0) {
		t->allocated = end + 2 * SLACK;
		return true;
	}
	if (fs_is_full(errno))
		return false;
	t->allocated = UINT64_MAX - SLACK; /* the file system has none: never ask again */
	return true;
}

bool
batch_end(struct batch *b, struct body *body, bool slack)
{
	struct follower f = { .g = b->gen, .t = b->tail, .b = body };
	size_t used, want;
	bool ok, bad;

	if (b->records.n == 0) {
		batch_drop(b);
		return true;
	}
	ok = preallocate(b->gen, b->tail, b->records.n) || slack;
	ok = ok && fs_write(b->gen->fd, b->records.p, b->records.n, b->tail->off);
	if (ok) {
		(void)apply_buffer(&f, b->records.p, b->records.n, &used, &want, &bad);
		if (f.locked)
			(void)pthread_rwlock_unlock(&body->lock);
	}
	batch_drop(b);
	return ok;
}

void
batch_drop(struct batch *b)
{
	int e = errno;

	buf_free(&b->records);
	errno = e;
}
