/*
 * park.c - a connection's states and turns.
 *
 * The states of a connection, in conn.state:
 *
 *	PARKED			in the lot: an event, a wake-up or the deadline may take it
 *	QUEUED | reasons	taken: its turn waits for a thread, or runs
 *
 * Whoever moves a connection from PARKED to QUEUED (a compare-and-swap)
 * submits its turn, so there is one owner at a time.  Reasons that arise
 * meanwhile are or-ed in; parking is a compare-and-swap from "QUEUED and no
 * reason" to PARKED, so none is lost.
 */
#include "run/park_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/log.h"

#define LINGER_MS 4 /* the next command of a busy client comes within this */

/* --- deadlines: under lot->lock --- */

void
conn_timer_out(struct lot *lot, struct conn *c)
{
	if (c->slot == 0)
		return;
	TAILQ_REMOVE(&lot->wheel[c->slot - 1], c, timer);
	c->slot = 0;
}

static void
timer_in(struct lot *lot, struct conn *c)
{
	int64_t second;

	if (c->slot != 0 && c->due_ms == c->expires.at_ms)
		return;
	conn_timer_out(lot, c);
	c->due_ms = c->expires.at_ms;
	if (c->due_ms == INT64_MAX)
		return;
	/* Rounded up, and never into a slot that was already looked at. */
	second = MAX((c->due_ms + 999) / 1000, lot->wheel_s + 1);
	c->slot = (unsigned)(second % SLOTS) + 1;
	TAILQ_INSERT_TAIL(&lot->wheel[c->slot - 1], c, timer);
}

void
conn_deadline(struct conn *c, struct deadline d)
{
	/* The wheel is told when the connection parks. */
	c->expires = d;
}

/* --- turns --- */

static void run_turn(void *arg);

void
conn_close(struct conn *c)
{
	struct lot *lot = c->lot;

	(void)pthread_mutex_lock(&lot->lock);
	conn_timer_out(lot, c);
	LIST_REMOVE(c, all);
	lot->count--;
	/* The session may have given the descriptor away; then it is another's by now. */
	if (c->registered >= 0 && lot->places[c->registered].conn == c)
		lot->places[c->registered].conn = NULL;
	(void)pthread_mutex_unlock(&lot->lock);
	if (c->registered >= 0 && c->registered == c->fd)
		(void)epoll_ctl(lot->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->ops->closed(c);
	if (atomic_load(&lot->stopping))
		lot_kick(lot);
}

void
conn_submit(struct conn *c, enum work_class class)
{
	pool_run_always(c->lot->pool, class, run_turn, c);
}

/* Add reasons; whoever finds it parked takes it.  True: the caller submits. */
bool
conn_take(struct conn *c, unsigned reasons)
{
	unsigned was = atomic_load(&c->state);

	for (;;) {
		if (atomic_compare_exchange_weak(&c->state, &was, was | QUEUED | reasons))
			return (was & QUEUED) == 0;
	}
}

/* Arm epoll for c, which is still ours.  False when its descriptor is beyond use. */
static bool
arm(struct conn *c)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT | (c->want_write ? EPOLLOUT : 0u),
	};
	int op = c->registered == c->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (op == EPOLL_CTL_ADD)
		c->epoll_data = place_set(c->lot, c->fd, c, NULL);
	ev.data.u64 = c->epoll_data;
	if (epoll_ctl(c->lot->epoll, op, c->fd, &ev) != 0) {
		log_event(LOG_WARN, "park.epoll", kv_int("errno", errno), KV_END);
		return false;
	}
	c->registered = c->fd;
	return true;
}

/*
 * Give c to the lot.  False: a reason for another turn came, c is still ours.
 *
 * The order matters.  The deadline goes into the wheel while c is QUEUED, so
 * the wheel only adds a reason.  Then epoll is armed; an event from now on
 * adds its reason too, which the compare-and-swap below sees.  After it
 * succeeded c must not be touched.
 */
static bool
park(struct conn *c)
{
	struct lot *lot = c->lot;
	unsigned expected = QUEUED;

	(void)pthread_mutex_lock(&lot->lock);
	timer_in(lot, c);
	(void)pthread_mutex_unlock(&lot->lock);
	if (!arm(c))
		(void)conn_take(c, READABLE);
	return atomic_compare_exchange_strong(&c->state, &expected, PARKED);
}

/* A busy client's next command is usually here before a park and an unpark are through. */
static bool
linger(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return c->linger && !pool_pressed(c->lot->pool) && poll(&p, 1, LINGER_MS) == 1;
}

static void
run_turn(void *arg)
{
	struct conn *c = arg;

	CHECK_MAGIC(c, CONN_MAGIC);
	for (;;) {
		unsigned reasons = atomic_fetch_and(&c->state, ~(unsigned)REASONS);
		struct wake why = {
			.readable = (reasons & READABLE) != 0,
			.woken = (reasons & WOKEN) != 0,
			/* The turn before may have moved it. */
			.expired = (reasons & EXPIRED) != 0 && deadline_passed(c->expires),
			.draining = (reasons & DRAINING) != 0 || atomic_load(&c->lot->stopping),
		};

		if (c->ops->turn(c, why) == TURN_CLOSE) {
			conn_close(c);
			return;
		}
		if (linger(c))
			(void)conn_take(c, READABLE);
		else if (park(c))
			return;
	}
}

bool
lot_add(struct lot *lot, struct conn *c, int fd, const struct conn_ops *ops, enum work_class class)
{
	c->magic = CONN_MAGIC;
	c->fd = fd;
	c->ops = ops;
	c->lot = lot;
	c->class = class;
	c->registered = -1;
	c->want_write = false;
	c->slot = 0;
	c->expires = DEADLINE_NEVER;
	atomic_store(&c->state, QUEUED);
	(void)pthread_mutex_lock(&lot->lock);
	LIST_INSERT_HEAD(&lot->all, c, all);
	lot->count++;
	(void)pthread_mutex_unlock(&lot->lock);
	if (pool_run(lot->pool, class, run_turn, c))
		return true;
	(void)pthread_mutex_lock(&lot->lock);
	LIST_REMOVE(c, all);
	lot->count--;
	(void)pthread_mutex_unlock(&lot->lock);
	return false;
}

void
conn_wake(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	if (conn_take(c, WOKEN))
		conn_submit(c, WORK_WAKE);
}
