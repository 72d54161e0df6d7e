#include "deliver/spools.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"

#define LOST_KEPT 64

struct spool {
	uint64_t id; /* 0: the place is free */
	uint64_t wire;
	struct spool_file file;
};

/*
 * A fixed table: an id is a place and a random part, so taking one is a look
 * at one place, and a broken-into smtpd cannot guess a neighbour's.
 */
struct spools {
	struct store *store;
	pthread_mutex_t lock;
	struct spool *at;
	uint32_t free[SPOOLS_MAX]; /* a stack of free places */
	uint32_t free_count;
	/* The wires lost last: a request of theirs may still be under way on another thread. */
	uint64_t lost[LOST_KEPT];
	unsigned lost_next;
};

struct spools *
spools_new(struct store *store)
{
	struct spools *s = xcalloc(1, sizeof(*s));

	s->store = store;
	s->at = xcalloc(SPOOLS_MAX, sizeof(*s->at));
	(void)pthread_mutex_init(&s->lock, NULL);
	for (uint32_t i = 0; i < SPOOLS_MAX; i++)
		s->free[s->free_count++] = SPOOLS_MAX - 1 - i;
	return s;
}

void
spools_free(struct spools **sp)
{
	struct spools *s = *sp;

	if (s == NULL)
		return;
	for (uint32_t i = 0; i < SPOOLS_MAX; i++)
		if (s->at[i].id != 0)
			spool_discard(s->store, &s->at[i].file);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->at);
	free(s);
	*sp = NULL;
}

/* A second, read-only opening of the same file; a descriptor of its own, not a copy. */
static int
reopen_read_only(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static uint32_t
wire_count(const struct spools *s, uint64_t wire)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SPOOLS_MAX; i++)
		n += s->at[i].id != 0 && s->at[i].wire == wire;
	return n;
}

/* Room for one more, kept by taking its place off the stack; SPOOLS_MAX when there is none. */
static uint32_t
take_place(struct spools *s, uint64_t wire)
{
	uint32_t place = SPOOLS_MAX;

	(void)pthread_mutex_lock(&s->lock);
	/* Counting a wire's share is worth its walk only when the table gets full. */
	if (s->free_count > SPOOLS_MAX - SPOOLS_WIRE_MAX ||
	    (s->free_count > 0 && wire_count(s, wire) < SPOOLS_WIRE_MAX))
		place = s->free[--s->free_count];
	(void)pthread_mutex_unlock(&s->lock);
	return place;
}

static bool
is_lost(const struct spools *s, uint64_t wire)
{
	for (size_t i = 0; i < LOST_KEPT; i++)
		if (s->lost[i] == wire)
			return true;
	return false;
}

static void
give_place(struct spools *s, uint32_t place)
{
	(void)pthread_mutex_lock(&s->lock);
	s->at[place].id = 0;
	s->free[s->free_count++] = place;
	(void)pthread_mutex_unlock(&s->lock);
}

enum outcome
spools_open(struct spools *s, uint64_t wire, uint64_t *id, int *write_fd, struct why *why)
{
	struct spool_file file;
	uint32_t place = take_place(s, wire);
	enum outcome o;
	bool gone;
	int ro;

	*write_fd = -1;
	if (place == SPOOLS_MAX)
		return fail(TEMPFAIL, why, 451, "4.3.1", "Too many messages are being received");
	o = store_spool(s->store, &file, why);
	if (o != DONE) {
		give_place(s, place);
		return o;
	}
	ro = reopen_read_only(file.fd);
	if (ro < 0) {
		log_event(
		    LOG_WARN, "spool.reopen", kv_cstr("error", strerrorname_np(errno)), KV_END);
		spool_discard(s->store, &file);
		give_place(s, place);
		return fail(TEMPFAIL, why, 451, "4.3.0", "Local error in spooling");
	}
	*write_fd = file.fd;
	file.fd = ro;
	*id = (random_u64() & ~(uint64_t)(SPOOLS_MAX - 1)) | place;
	if (*id == 0)
		*id = SPOOLS_MAX; /* place 0 with a random part of zero */
	(void)pthread_mutex_lock(&s->lock);
	s->at[place] = (struct spool){ .id = *id, .wire = wire, .file = file };
	gone = is_lost(s, wire);
	(void)pthread_mutex_unlock(&s->lock);
	if (gone) {
		fd_close(write_fd);
		spools_discard(s, wire, *id);
		return fail(TEMPFAIL, why, 451, "4.3.0", "The connection was lost");
	}
	return DONE;
}

bool
spools_take(struct spools *s, uint64_t wire, uint64_t id, struct spool_file *out)
{
	uint32_t place = (uint32_t)(id & (SPOOLS_MAX - 1));
	bool found;

	(void)pthread_mutex_lock(&s->lock);
	found = id != 0 && s->at[place].id == id && s->at[place].wire == wire;
	if (found) {
		*out = s->at[place].file;
		s->at[place].id = 0;
		s->free[s->free_count++] = place;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

void
spools_discard(struct spools *s, uint64_t wire, uint64_t id)
{
	struct spool_file file;

	if (spools_take(s, wire, id, &file))
		spool_discard(s->store, &file);
}

void
spools_discard_wire(struct spools *s, uint64_t wire)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->lock);
	s->lost[s->lost_next++ % LOST_KEPT] = wire;
	(void)pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < SPOOLS_MAX; i++) {
		uint64_t id;

		(void)pthread_mutex_lock(&s->lock);
		id = s->at[i].wire == wire ? s->at[i].id : 0;
		(void)pthread_mutex_unlock(&s->lock);
		if (id != 0) {
			spools_discard(s, wire, id);
			n++;
		}
	}
	log_event(LOG_INFO, "spool.wire_lost", kv_uint("discarded", n), KV_END);
}

size_t
spools_count(struct spools *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = SPOOLS_MAX - s->free_count;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}
