/*
 * lot.c - the loop: one epoll set, listeners, one coarse timer wheel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "run/park_int.h"

#define FD_RESERVE 32
#define EVENTS_MAX 64
#define PAUSE_MS   100

void
lot_kick(struct lot *lot)
{
	uint64_t one = 1;

	(void)!write(lot->kick, &one, sizeof(one));
}

uint64_t
place_data(const struct place *pl, int fd)
{
	return (uint64_t)pl->generation << 32 | (uint32_t)fd;
}

/* Let fd stand for this; the data epoll is to report. */
uint64_t
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
	data = place_data(&lot->places[fd], fd);
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
	lot_kick(lot);
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
	if (place_data(&pl, (int)fd) != ev->data.u64) {
		pl.conn = NULL; /* closed since; the descriptor is another's */
		pl.watch = NULL;
	}
	/* Under the lock, since whoever owns it cannot have it freed before conn_close gets the
	 * lock. */
	if (pl.conn != NULL)
		taken = conn_take(pl.conn, READABLE);
	(void)pthread_mutex_unlock(&lot->lock);
	if (taken)
		conn_submit(pl.conn, pl.conn->class);
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
				conn_timer_out(lot, c);
				if (conn_take(c, EXPIRED))
					due[n++] = c;
			}
			if (c == NULL)
				lot->wheel_s++;
		}
		(void)pthread_mutex_unlock(&lot->lock);
		for (size_t i = 0; i < n; i++)
			conn_submit(due[i], WORK_WAKE);
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
		if (conn_take(c, DRAINING))
			all[n++] = c;
	(void)pthread_mutex_unlock(&lot->lock);
	for (unsigned i = 0; i < n; i++)
		conn_submit(all[i], WORK_WAKE);
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
	lot_kick(lot);
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
		conn_close(c);
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
