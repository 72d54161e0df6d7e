/*
 * park_int.h - what park.c (a connection's states and turns) and lot.c (the
 * loop: events, listeners, timers) share; inside lib/run only.
 */
#ifndef RUN_PARK_INT_H
#define RUN_PARK_INT_H

#include <pthread.h>

#include "run/park.h"

#define CONN_MAGIC 0x434f4e4eu
#define SLOTS      1024 /* seconds the wheel spans; later deadlines go round again */

enum state {
	PARKED = 0,
	QUEUED = 1 << 0,
	/* reasons, kept for the next turn */
	READABLE = 1 << 1,
	WOKEN = 1 << 2,
	EXPIRED = 1 << 3,
	DRAINING = 1 << 4,
	REASONS = READABLE | WOKEN | EXPIRED | DRAINING,
};

enum watch_kind {
	WATCH_LISTENER,
	WATCH_READY,
};

/* What epoll reports besides connections.  Main thread only. */
struct watch {
	enum watch_kind kind;
	int fd;
	void (*call)(int fd, void *arg);
	void *arg;
	uint64_t data;
	bool paused;
	SLIST_ENTRY(watch) next;
};

struct timer {
	int64_t every_ms;
	int64_t next_ms;
	void (*work)(void *arg);
	void *arg;
	atomic_bool running;
	SLIST_ENTRY(timer) next;
};

/*
 * What a descriptor stands for.  Epoll's data is descriptor and generation,
 * never a pointer: an event may still be in the batch being dispatched when
 * its connection was closed by a worker and the memory is gone.
 */
struct place {
	uint32_t generation;
	struct conn *conn;
	struct watch *watch;
};

TAILQ_HEAD(conn_queue, conn);

struct lot {
	struct pool *pool;
	int epoll;
	int kick; /* eventfd: something changed that the loop must see */
	SLIST_HEAD(, watch) watches;
	SLIST_HEAD(, timer) timers;
	atomic_bool stopping;
	int64_t stop_at_ms;

	pthread_mutex_t lock; /* guards what follows */
	struct place *places; /* ours; by descriptor */
	size_t place_count;
	struct conn_queue wheel[SLOTS];
	int64_t wheel_s; /* the second up to which deadlines were looked at */
	LIST_HEAD(, conn) all;
	unsigned count;
	bool paused;
};

/* Let fd stand for this; the data epoll is to report. */
uint64_t place_set(struct lot *lot, int fd, struct conn *c, struct watch *w);
uint64_t place_data(const struct place *pl, int fd);

/* Make the loop look up. */
void lot_kick(struct lot *lot);

/* Add reasons; whoever finds the connection parked takes it.  True: the caller submits. */
bool conn_take(struct conn *c, unsigned reasons);
void conn_submit(struct conn *c, enum work_class class);
/* The lot forgets it, and its session is told to end. */
void conn_close(struct conn *c);
/* Out of the timer wheel; under the lot's lock. */
void conn_timer_out(struct lot *lot, struct conn *c);

#endif
