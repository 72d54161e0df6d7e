/*
 * server.c - a fixed number of threads answer what comes over any wire.
 *
 * All threads wait on one epoll set; a wire is armed one-shot and armed
 * again before the handler runs, so each packet wakes one thread.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/rpc_int.h"

#define STACK_OCTETS (256 * 1024)
#define ARENA_MAX    (64 * 1024 * 1024)
#define ANSWER_MS    5000
#define WIRES_MAX    1024 /* accepted connections of outsiders included */

struct served {
	uint64_t number; /* from 1; 0 is the eventfd that ends the threads */
	int fd;
	uint32_t peer;
	bool listener;
	unsigned uid;
	unsigned refs; /* handlers that use it, and the table */
	bool lost;
	LIST_ENTRY(served) next;
};

struct rpc_server {
	const char *name;
	const struct rpc_handler *table;
	void *arg;
	void (*lost)(uint32_t peer, uint64_t wire, void *arg);
	void *lost_arg;
	int epoll;
	int end;
	unsigned threads;
	pthread_t *ids;
	atomic_bool ending;

	pthread_mutex_t lock; /* guards what follows */
	uint64_t next_number;
	unsigned count;
	LIST_HEAD(, served) wires;
};

static void
arm(struct rpc_server *s, struct served *w, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = w->number };

	if (epoll_ctl(s->epoll, op, w->fd, &ev) != 0)
		log_event(LOG_WARN, "rpc.epoll", kv_int("errno", errno), KV_END);
}

static struct served *
add(struct rpc_server *s, int fd, uint32_t peer, bool listener, unsigned uid)
{
	struct served *w = xcalloc(1, sizeof(*w));

	w->fd = fd;
	w->peer = peer;
	w->listener = listener;
	w->uid = uid;
	w->refs = 1;
	(void)pthread_mutex_lock(&s->lock);
	w->number = s->next_number++;
	LIST_INSERT_HEAD(&s->wires, w, next);
	s->count++;
	(void)pthread_mutex_unlock(&s->lock);
	return w;
}

static struct served *
find(struct rpc_server *s, uint64_t number)
{
	struct served *w;

	(void)pthread_mutex_lock(&s->lock);
	LIST_FOREACH (w, &s->wires, next)
		if (w->number == number)
			break;
	if (w != NULL)
		w->refs++;
	(void)pthread_mutex_unlock(&s->lock);
	return w;
}

static void
unref(struct rpc_server *s, struct served *w)
{
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	last = --w->refs == 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	(void)close(w->fd);
	free(w);
}

/* The wire is over: out of the table, once. */
static void
lose(struct rpc_server *s, struct served *w)
{
	bool first;

	(void)pthread_mutex_lock(&s->lock);
	first = !w->lost;
	if (first) {
		w->lost = true;
		LIST_REMOVE(w, next);
		s->count--;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!first)
		return;
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	(void)shutdown(w->fd, SHUT_RDWR);
	if (s->lost != NULL)
		s->lost(w->peer, w->number, s->lost_arg);
	unref(s, w);
}

static const struct rpc_handler *
handler_of(const struct rpc_server *s, uint16_t type, uint32_t peer)
{
	for (const struct rpc_handler *h = s->table; h->type != 0; h++)
		if (h->type == type && (h->peers & peer) != 0)
			return h;
	return NULL;
}

static void
send_answer(struct rpc_server *s, struct served *w, struct rpc_header *h, enum outcome o,
    struct rpc_out *out, const struct why *why)
{
	h->flags = RPC_ANSWER;
	h->outcome = (uint8_t)o;
	if (o != DONE) {
		buf_clear(&out->body);
		rpc_out_close_fds(out);
		(void)buf_puts(&out->body, why->text);
		h->code = why->code;
		memcpy(h->enhanced, why->enhanced, sizeof(h->enhanced));
	}
	if (rpc_send_frame(w->fd, h, out, deadline_in(ANSWER_MS)) != DONE)
		log_event(LOG_WARN, "rpc.answer", kv_cstr("server", s->name),
		    kv_int("type", h->type), kv_cstr("o", "not sent"), KV_END);
}

static void
serve_one(struct rpc_server *s, struct served *w, struct rpc_header *h, struct rpc_in *in,
    struct arena *arena)
{
	const struct rpc_handler *handler = handler_of(s, h->type, w->peer);
	struct rpc_request rq = {
		.peer = w->peer,
		.wire = w->number,
		.type = h->type,
		.notice = (h->flags & RPC_NOTICE) != 0,
		.arena = arena,
	};
	struct why why = { .code = 451, .enhanced = "4.3.0", .text = "Temporary failure" };
	struct rpc_out out;
	enum outcome o;

	if (handler == NULL) {
		log_event(LOG_WARN, "rpc.forbidden", kv_cstr("server", s->name),
		    kv_uint("peer", w->peer), kv_int("type", h->type), KV_END);
		lose(s, w);
		return;
	}
	rpc_out_init(&out);
	o = handler->handle(s->arg, &rq, in, &out, &why);
	if (!rq.notice)
		send_answer(s, w, h, o, &out, &why);
	rpc_out_close_fds(&out);
	rpc_out_free(&out);
}

/*
 * A listener whose connection cannot be accepted stays readable: without a
 * pause the thread would spin until descriptors or memory are there again.
 */
static void
pause_accepting(const struct rpc_server *s)
{
	static const struct timespec pause = { 0, 100000000 };

	log_event(
	    LOG_WARN, "rpc.accept", kv_cstr("server", s->name), kv_int("errno", errno), KV_END);
	(void)nanosleep(&pause, NULL);
}

static void
accept_wire(struct rpc_server *s, struct served *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);
	bool room;

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accepting(s);
		return;
	}
	(void)pthread_mutex_lock(&s->lock);
	room = s->count < WIRES_MAX;
	(void)pthread_mutex_unlock(&s->lock);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 ||
	    (who.uid != 0 && who.uid != listener->uid) || !room) {
		log_event(LOG_WARN, "rpc.refused", kv_cstr("server", s->name),
		    kv_uint("uid", who.uid), KV_END);
		(void)close(fd);
		return;
	}
	(void)rpc_server_attach(s, fd, listener->peer);
}

static void *
serve(void *arg)
{
	struct rpc_server *s = arg;
	char *room = xmalloc(RPC_FRAME_MAX);
	struct arena *arena = arena_new(ARENA_MAX);

	while (!atomic_load(&s->ending)) {
		struct epoll_event ev;
		struct rpc_header h;
		struct rpc_in in;
		struct served *w;

		if (epoll_wait(s->epoll, &ev, 1, -1) != 1 || ev.data.u64 == 0)
			continue;
		w = find(s, ev.data.u64);
		if (w == NULL)
			continue;
		if (w->listener) {
			accept_wire(s, w);
			arm(s, w, EPOLL_CTL_MOD);
			unref(s, w);
			continue;
		}
		switch (rpc_take_frame(w->fd, room, &h, &in)) {
		case RPC_GOT:
			arm(s, w, EPOLL_CTL_MOD);
			serve_one(s, w, &h, &in, arena);
			rpc_in_free(&in);
			arena_reset(arena);
			break;
		case RPC_EMPTY:
			arm(s, w, EPOLL_CTL_MOD);
			break;
		case RPC_ENDED:
			lose(s, w);
			break;
		}
		unref(s, w);
	}
	arena_free(&arena);
	free(room);
	return NULL;
}

static void
start_threads(struct rpc_server *s)
{
	pthread_attr_t attr;
	sigset_t all, before;

	(void)pthread_attr_init(&attr);
#if !defined(__SANITIZE_ADDRESS__)
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
#endif
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < s->threads; i++)
		if (pthread_create(&s->ids[i], &attr, serve, s) != 0)
			log_fatal("rpc: cannot start thread %u of %u", i + 1, s->threads);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
}

struct rpc_server *
rpc_server_new(const char *name, const struct rpc_handler *table, unsigned threads, void *arg)
{
	struct rpc_server *s = xcalloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0 };

	s->name = name;
	s->table = table;
	s->arg = arg;
	s->threads = threads;
	s->next_number = 1;
	s->ids = xcalloc(threads, sizeof(*s->ids));
	(void)pthread_mutex_init(&s->lock, NULL);
	LIST_INIT(&s->wires);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->end < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->end, &ev) != 0)
		log_fatal("rpc: epoll: errno %d", errno);
	start_threads(s);
	return s;
}

void
rpc_server_on_lost(
    struct rpc_server *s, void (*lost)(uint32_t peer, uint64_t wire, void *arg), void *arg)
{
	s->lost = lost;
	s->lost_arg = arg;
}

uint64_t
rpc_server_attach(struct rpc_server *s, int fd, uint32_t peer)
{
	struct served *w = add(s, fd, peer, false, 0);
	uint64_t number = w->number;

	arm(s, w, EPOLL_CTL_ADD);
	return number;
}

void
rpc_server_listen(struct rpc_server *s, int fd, uint32_t peer, unsigned uid)
{
	arm(s, add(s, fd, peer, true, uid), EPOLL_CTL_ADD);
}

void
rpc_server_free(struct rpc_server **sp)
{
	struct rpc_server *s = *sp;
	uint64_t one = 1;
	struct served *w;

	if (s == NULL)
		return;
	atomic_store(&s->ending, true);
	(void)!write(s->end, &one, sizeof(one)); /* level triggered: wakes every thread */
	for (unsigned i = 0; i < s->threads; i++)
		(void)pthread_join(s->ids[i], NULL);
	while ((w = LIST_FIRST(&s->wires)) != NULL)
		lose(s, w);
	(void)close(s->epoll);
	(void)close(s->end);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->ids);
	free(s);
	*sp = NULL;
}
