/*
 * queue_table.h - what is in the queue, in memory: 64 octets a message, found
 * by id, and ordered by when each is due.  The rest is on disk and read when
 * its turn comes, so a queue of 100,000 costs six megabytes.
 *
 * No lock of its own: the queue's.
 */
#ifndef DELIVER_QUEUE_TABLE_H
#define DELIVER_QUEUE_TABLE_H

#include "base/base.h"

enum queued_state {
	QUEUED_WAITING, /* in the heap */
	QUEUED_ACTIVE,  /* being delivered: taken out of the heap */
};

struct queued {
	struct queued *next; /* in its bucket */
	uint64_t id;
	int64_t due_ms;   /* monotonic */
	int64_t age_s;    /* when it became known here ... */
	int64_t known_ms; /* ... which was then, monotonic */
	uint32_t pending; /* targets not done with, as last known */
	uint32_t at;      /* place in the heap */
	enum queued_state state;
	bool fresh;    /* committed in this life and not yet tried: no copy can be there */
	bool retried;  /* the administrator asked while it was active: again at once */
	bool dropped;  /* the administrator wants it gone: at the end of its run */
	bool returned; /* ... and its sender told */
};

struct queue_table {
	struct queued **buckets;
	size_t bucket_count; /* a power of two */
	struct queued **heap;
	size_t heap_count, heap_room;
	size_t count;
};

void queue_table_init(struct queue_table *t);
void queue_table_free(struct queue_table *t);

struct queued *queue_table_find(const struct queue_table *t, uint64_t id);
/* A new row, waiting and due at due_ms; NULL when the id is there already. */
struct queued *queue_table_add(struct queue_table *t, uint64_t id, int64_t due_ms);
void queue_table_remove(struct queue_table *t, struct queued *q);

/* The waiting row that is due first; NULL when none waits. */
struct queued *queue_table_first(const struct queue_table *t);
/* Out of the heap: active. */
void queue_table_activate(struct queue_table *t, struct queued *q);
/* Into the heap, or to another place in it. */
void queue_table_wait(struct queue_table *t, struct queued *q, int64_t due_ms);

/* The up to `most` ids above `after`, ascending; how many. */
size_t queue_table_page(const struct queue_table *t, uint64_t after, uint64_t *ids, size_t most);

#endif
