/*
 * park.h - the parking lot: where connections wait without costing a thread.
 *
 * A connection belongs to the lot or to one worker, never to both
 * (EPOLLONESHOT, and one park at the end of the worker's turn), so its
 * fields need no lock.  A turn serves every complete command that is there
 * and gives the thread back; while it runs it may block, with a deadline.
 *
 * A session embeds struct conn as its first field:
 *
 *	struct imap { struct conn conn; ... };
 *	lot_add(lot, &s->conn, fd, &imap_ops, WORK_NEW);
 *
 * One thread calls lot_run; every other function may be called by any
 * thread except where it says so.
 */
#ifndef RUN_PARK_H
#define RUN_PARK_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "run/pool.h"

struct lot;
struct conn;

enum turn {
	TURN_PARK,  /* wait for input, a wake-up or the deadline */
	TURN_CLOSE, /* over: the lot forgets the connection and calls closed() */
};

/* Why a turn runs; more than one may be true, and none for the first turn. */
struct wake {
	bool readable; /* input, or the peer closed */
	bool woken;    /* conn_wake was called since the last turn */
	bool expired;  /* the deadline of conn_deadline passed */
	bool draining; /* the daemon is stopping: finish what is open, take nothing new */
};

struct conn_ops {
	const char *name;
	enum turn (*turn)(struct conn *c, struct wake why);
	/*
	 * The last call: the lot has forgotten c.  Runs on a worker (or in
	 * lot_free).  See to it that nobody calls conn_wake any more, then
	 * close c->fd and free what embeds c.
	 */
	void (*closed)(struct conn *c);
};

struct conn {
	uint32_t magic;
	int fd; /* the session's; -1 when it is gone */
	const struct conn_ops *ops;
	struct lot *lot;
	enum work_class class; /* the session changes it in its turn (after login) */
	bool linger;           /* wait some milliseconds on the worker before parking */
	bool want_write;       /* park for room to write too (TLS handshakes) */

	/* Private to park.c. */
	atomic_uint state;
	int registered; /* the descriptor epoll knows, or -1 */
	uint64_t epoll_data;
	struct deadline expires; /* the owner's wish */
	int64_t due_ms;          /* what the wheel knows; under the lot's lock */
	unsigned slot;           /* of the wheel, from 1; 0: in none */
	TAILQ_ENTRY(conn) timer;
	LIST_ENTRY(conn) all;
};

struct lot *lot_new(struct pool *pool);
/* After lot_run has returned: closes every connection that is left. */
void lot_free(struct lot **lot);

/*
 * Accept on this listening descriptor (which the lot keeps and closes).
 * accepted(fd, arg) runs on the main thread, must not block, and owns fd
 * (non-blocking, close-on-exec).  With fewer than 32 descriptors left
 * accepting pauses instead of spinning.
 */
void lot_listen(struct lot *lot, int fd, void (*accepted)(int fd, void *arg), void *arg);

/*
 * Hand a new connection to the lot.  Its first turn runs at once, with an
 * empty wake, so a banner can be sent.  False when the pool's queue is full:
 * the caller still owns it and tells the peer (421, BYE).
 */
must_use bool lot_add(
    struct lot *lot, struct conn *c, int fd, const struct conn_ops *ops, enum work_class class);

/* Its turn runs soon with `woken`; during a turn, right after it.  Never lost, may coalesce. */
void conn_wake(struct conn *c);

/*
 * By when the connection has to be heard of again; else a turn with
 * `expired` runs.  Only in its own turn; kept until set again; one second
 * coarse.
 */
void conn_deadline(struct conn *c, struct deadline d);

/* work(arg) on a worker every `ms` from now on, never twice at a time; for the lot's life. */
void lot_every(struct lot *lot, int64_t ms, void (*work)(void *arg), void *arg);

/*
 * ready(fd, arg) on the main thread whenever fd is readable (level
 * triggered); must not block.  For signalfd and the control socket.
 */
void lot_watch(struct lot *lot, int fd, void (*ready)(int fd, void *arg), void *arg);
void lot_unwatch(struct lot *lot, int fd);

/* The loop: returns when lot_stop has been called and all is drained. */
void lot_run(struct lot *lot);

/*
 * Stop accepting, give every connection a turn with `draining`, and return
 * from lot_run when all are closed or the deadline has passed.
 */
void lot_stop(struct lot *lot, struct deadline d);

/* How many connections there are. */
unsigned lot_count(struct lot *lot);

#endif
