/*
 * park.c - the parking lot: one epoll set, one coarse timer wheel.
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
#include "run/park.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define CONN_MAGIC 0x434f4e4eu
#define LINGER_MS  4    /* the next command of a busy client comes within this */
#define SLOTS      1024 /* seconds the wheel spans; later deadlines go round again */
#define FD_RESERVE 32
#define EVENTS_MAX 64
#define PAUSE_MS   100

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

static void
kick(struct lot *lot)
{
	uint64_t one = 1;

	(void)!write(lot->kick, &one, sizeof(one));
}

static uint64_t
epoll_data(const struct place *pl, int fd)
{
	return (uint64_t)pl->generation << 32 | (uint32_t)fd;
}

/* Let fd stand for this; the data epoll is to report. */
static uint64_t
place_set(struct lot *lot, int fd, struct conn *c, struct watch *w)
{
	uint64_t data;

	(void)pthread_mutex_lock(&lot->lock);
	if ((size_t)fd >= lot->place_count) {
		size_t n = MAX((size_t)fd + 1, lot->place_count * 2);
		lot->places = xreallocarray(lot->places, n, sizeof(*lot->places));
		memset(lot->places + lot->place_count, 0,
		    (n - lot->place_count) * sizeof(*lot->places));
		lot->place_count = n;
	}
	lot->places[fd].generation++;
	lot->places[fd].conn = c;
	lot->places[fd].watch = w;
	data = epoll_data(&lot->places[fd], fd);
	(void)pthread_mutex_unlock(&lot->lock);
	return data;
}

static void
drain_kick(int fd, void *arg)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

struct lot *
lot_new(struct pool *pool)
{
	struct lot *lot = xcalloc(1, sizeof(*lot));

	lot->pool = pool;
	lot->epoll = epoll_create1(EPOLL_CLOEXEC);
	lot->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lot->epoll < 0 || lot->kick < 0)
		log_fatal("epoll: errno %d", errno);
	(void)pthread_mutex_init(&lot->lock, NULL);
	for (size_t i = 0; i < SLOTS; i++)
		TAILQ_INIT(&lot->wheel[i]);
	lot->wheel_s = clock_ms() / 1000;
	LIST_INIT(&lot->all);
	lot_watch(lot, lot->kick, drain_kick, lot);
	return lot;
}

static void
add_watch(struct lot *lot, enum watch_kind kind, int fd, void (*call)(int, void *), void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct watch *w = xcalloc(1, sizeof(*w));

	w->kind = kind;
	w->fd = fd;
	w->call = call;
	w->arg = arg;
	SLIST_INSERT_HEAD(&lot->watches, w, next);
	ev.data.u64 = w->data = place_set(lot, fd, NULL, w);
	if (epoll_ctl(lot->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		log_fatal("epoll: cannot add descriptor %d: errno %d", fd, errno);
}

void
lot_listen(struct lot *lot, int fd, void (*accepted)(int fd, void *arg), void *arg)
{
	add_watch(lot, WATCH_LISTENER, fd, accepted, arg);
}

void
lot_watch(struct lot *lot, int fd, void (*ready)(int fd, void *arg), void *arg)
{
	add_watch(lot, WATCH_READY, fd, ready, arg);
}

void
lot_unwatch(struct lot *lot, int fd)
{
	struct watch *w;

	SLIST_FOREACH(w, &lot->watches, next)
	if (w->fd == fd)
		break;
	if (w == NULL)
		return;
	(void)epoll_ctl(lot->epoll, EPOLL_CTL_DEL, fd, NULL);
	(void)place_set(lot, fd, NULL, NULL);
	SLIST_REMOVE(&lot->watches, w, watch, next);
	free(w);
}

void
lot_every(struct lot *lot, int64_t ms, void (*work)(void *arg), void *arg)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	t->every_ms = ms;
	t->next_ms = clock_ms() + ms;
	t->work = work;
	t->arg = arg;
	(void)pthread_mutex_lock(&lot->lock);
	SLIST_INSERT_HEAD(&lot->timers, t, next);
	(void)pthread_mutex_unlock(&lot->lock);
	kick(lot);
}

/* --- deadlines: under lot->lock --- */

static void
timer_out(struct lot *lot, struct conn *c)
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
	timer_out(lot, c);
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

static void
close_conn(struct conn *c)
{
	struct lot *lot = c->lot;

	(void)pthread_mutex_lock(&lot->lock);
	timer_out(lot, c);
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
		kick(lot);
}

static void
submit(struct conn *c, enum work_class class)
{
	pool_run_always(c->lot->pool, class, run_turn, c);
}

/* Add reasons; whoever finds it parked takes it.  True: the caller submits. */
static bool
take(struct conn *c, unsigned reasons)
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
		(void)take(c, READABLE);
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
			close_conn(c);
			return;
		}
		if (linger(c))
			(void)take(c, READABLE);
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
	if (take(c, WOKEN))
		submit(c, WORK_WAKE);
}

unsigned
lot_count(struct lot *lot)
{
	unsigned n;

	(void)pthread_mutex_lock(&lot->lock);
	n = lot->count;
	(void)pthread_mutex_unlock(&lot->lock);
	return n;
}

/* --- the loop --- */

static bool
few_descriptors(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       (rlim_t)fd + FD_RESERVE >= limit.rlim_cur;
}

static void
pause_listeners(struct lot *lot, bool pause)
{
	struct watch *w;

	SLIST_FOREACH(w, &lot->watches, next)
	{
		struct epoll_event ev = { .events = pause ? 0u : (uint32_t)EPOLLIN,
			.data.u64 = w->data };
		if (w->kind == WATCH_LISTENER && w->paused != pause) {
			w->paused = pause;
			(void)epoll_ctl(lot->epoll, EPOLL_CTL_MOD, w->fd, &ev);
		}
	}
	lot->paused = pause;
}

static void
accept_some(struct lot *lot, struct watch *w)
{
	for (int i = 0; i < EVENTS_MAX; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS) {
				log_event(LOG_WARN, "park.accept", kv_int("errno", errno), KV_END);
				pause_listeners(lot, true);
			} else if (errno == EINVAL) {
				/* Shut down by the supervisor: the new settings want it no more. */
				int gone = w->fd;

				lot_unwatch(lot, gone);
				(void)close(gone);
			}
			return;
		}
		if (few_descriptors(fd)) {
			log_event(LOG_WARN, "park.descriptors", kv_int("fd", fd), KV_END);
			(void)close(fd);
			pause_listeners(lot, true);
			return;
		}
		w->call(fd, w->arg);
	}
}

static void
dispatch(struct lot *lot, const struct epoll_event *ev)
{
	uint32_t fd = (uint32_t)ev->data.u64;
	struct place pl;
	bool taken = false;

	(void)pthread_mutex_lock(&lot->lock);
	pl = lot->places[fd];
	if (epoll_data(&pl, (int)fd) != ev->data.u64) {
		pl.conn = NULL; /* closed since; the descriptor is another's */
		pl.watch = NULL;
	}
	/* Under the lock, since whoever owns it cannot have it freed before close_conn gets the
	 * lock. */
	if (pl.conn != NULL)
		taken = take(pl.conn, READABLE);
	(void)pthread_mutex_unlock(&lot->lock);
	if (taken)
		submit(pl.conn, pl.conn->class);
	else if (pl.watch != NULL && pl.watch->kind == WATCH_LISTENER)
		accept_some(lot, pl.watch);
	else if (pl.watch != NULL)
		pl.watch->call(pl.watch->fd, pl.watch->arg);
}

/* Take the connections whose second has come; their turns are submitted outside the lock. */
static void
expire_conns(struct lot *lot, int64_t now_ms)
{
	struct conn *due[EVENTS_MAX];
	size_t n;

	do {
		n = 0;
		(void)pthread_mutex_lock(&lot->lock);
		while (lot->wheel_s < now_ms / 1000 && n < COUNT_OF(due)) {
			struct conn_queue *slot = &lot->wheel[(lot->wheel_s + 1) % SLOTS];
			struct conn *c, *next;

			for (c = TAILQ_FIRST(slot); c != NULL && n < COUNT_OF(due); c = next) {
				next = TAILQ_NEXT(c, timer);
				if (c->due_ms > now_ms)
					continue; /* a later round of the wheel */
				timer_out(lot, c);
				if (take(c, EXPIRED))
					due[n++] = c;
			}
			if (c == NULL)
				lot->wheel_s++;
		}
		(void)pthread_mutex_unlock(&lot->lock);
		for (size_t i = 0; i < n; i++)
			submit(due[i], WORK_WAKE);
	} while (n > 0);
}

static void
run_timer(void *arg)
{
	struct timer *t = arg;

	t->work(t->arg);
	atomic_store(&t->running, false);
}

/* Starts what is due; the milliseconds until something else is. */
static int
run_timers(struct lot *lot, int64_t now_ms)
{
	int64_t wait = 1000 - now_ms % 1000;
	struct timer *t;

	(void)pthread_mutex_lock(&lot->lock);
	t = SLIST_FIRST(&lot->timers); /* only ever grows, at its head */
	(void)pthread_mutex_unlock(&lot->lock);
	for (; t != NULL; t = SLIST_NEXT(t, next)) {
		if (now_ms >= t->next_ms && !atomic_exchange(&t->running, true)) {
			t->next_ms = now_ms + t->every_ms;
			if (!pool_run(lot->pool, WORK_WAKE, run_timer, t))
				atomic_store(&t->running, false);
		}
		wait = MIN(wait, MAX(t->next_ms - now_ms, (int64_t)1));
	}
	return (int)wait;
}

/* Give every connection a reason to look up, a batch at a time, outside the lock. */
static void
drain_all(struct lot *lot)
{
	struct conn **all;
	struct conn *c;
	unsigned n = 0;

	(void)pthread_mutex_lock(&lot->lock);
	all = xreallocarray(NULL, lot->count, sizeof(*all));
	LIST_FOREACH (c, &lot->all, all)
		if (take(c, DRAINING))
			all[n++] = c;
	(void)pthread_mutex_unlock(&lot->lock);
	for (unsigned i = 0; i < n; i++)
		submit(all[i], WORK_WAKE);
	free(all);
}

static void
close_listeners(struct lot *lot)
{
	struct watch *w = SLIST_FIRST(&lot->watches);

	while (w != NULL) {
		struct watch *next = SLIST_NEXT(w, next);
		if (w->kind == WATCH_LISTENER) {
			int fd = w->fd;
			lot_unwatch(lot, fd);
			(void)close(fd);
		}
		w = next;
	}
}

void
lot_run(struct lot *lot)
{
	struct epoll_event events[EVENTS_MAX];
	bool draining = false;

	for (;;) {
		int64_t now = clock_ms();
		int wait = run_timers(lot, now);
		int n;

		expire_conns(lot, now);
		if (atomic_load(&lot->stopping)) {
			if (!draining) {
				draining = true;
				close_listeners(lot);
				drain_all(lot);
			}
			if (lot_count(lot) == 0 || now >= lot->stop_at_ms)
				return;
			wait = MIN(wait, 50);
		}
		if (lot->paused)
			wait = MIN(wait, PAUSE_MS);
		n = epoll_wait(lot->epoll, events, EVENTS_MAX, wait);
		if (n < 0 && errno != EINTR)
			log_fatal("epoll_wait: errno %d", errno);
		if (lot->paused)
			pause_listeners(lot, false);
		for (int i = 0; i < n; i++)
			dispatch(lot, &events[i]);
	}
}

void
lot_stop(struct lot *lot, struct deadline d)
{
	lot->stop_at_ms = d.at_ms;
	atomic_store(&lot->stopping, true);
	kick(lot);
}

void
lot_free(struct lot **lotp)
{
	struct lot *lot = *lotp;
	struct watch *w;
	struct timer *t;
	struct conn *c;

	if (lot == NULL)
		return;
	/* No turn may be running any more: the pool was freed, or all was drained. */
	while ((c = LIST_FIRST(&lot->all)) != NULL)
		close_conn(c);
	close_listeners(lot);
	while ((w = SLIST_FIRST(&lot->watches)) != NULL) {
		SLIST_REMOVE_HEAD(&lot->watches, next);
		free(w);
	}
	while ((t = SLIST_FIRST(&lot->timers)) != NULL) {
		SLIST_REMOVE_HEAD(&lot->timers, next);
		free(t);
	}
	free(lot->places);
	(void)close(lot->epoll);
	(void)close(lot->kick);
	(void)pthread_mutex_destroy(&lot->lock);
	free(lot);
	*lotp = NULL;
}
