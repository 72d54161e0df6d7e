/*
 * client.c - many threads ask over one wire.
 *
 * The thread that waits while nobody reads becomes the reader: it takes
 * answers for everybody until its own is there, then hands the role to
 * another that waits.  So a lone caller costs one send and one receive, and
 * no thread exists for the purpose.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/rpc_int.h"

/* A wire lives until the last caller that uses it has let go. */
struct wire {
	int fd;
	unsigned refs;
	bool broken;
	bool being_read;
	char *room; /* ours; the reader's */
};

struct call {
	uint64_t id;
	struct wire *wire;
	bool answered;
	struct rpc_header header;
	struct rpc_in answer;
	pthread_cond_t turn; /* answered, or time to read */
	LIST_ENTRY(call) next;
};

struct rpc_client {
	char *name;
	pthread_mutex_t lock; /* guards all */
	pthread_cond_t attached;
	struct wire *wire; /* NULL: between two wires */
	uint64_t next_id;
	unsigned users; /* calls under way */
	bool ending;
	LIST_HEAD(, call) calls;
};

static void
init_cond(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(c, &attr);
	(void)pthread_condattr_destroy(&attr);
}

/* False at the deadline. */
static bool
cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, struct deadline d)
{
	struct timespec until = { d.at_ms / 1000, d.at_ms % 1000 * 1000000 };

	if (d.at_ms == INT64_MAX)
		return pthread_cond_wait(c, lock) == 0;
	return pthread_cond_timedwait(c, lock, &until) != ETIMEDOUT;
}

struct rpc_client *
rpc_client_new(const char *name)
{
	struct rpc_client *c = xcalloc(1, sizeof(*c));

	c->name = xstrdup(name);
	c->next_id = 1;
	(void)pthread_mutex_init(&c->lock, NULL);
	init_cond(&c->attached);
	LIST_INIT(&c->calls);
	return c;
}

/* Under the lock.  Inlined, gcc 12 at -O3 takes a caller's two references for one and warns. */
static void __attribute__((noinline)) wire_unref(struct wire *w)
{
	if (--w->refs > 0)
		return;
	(void)close(w->fd);
	free(w->room);
	free(w);
}

/* Under the lock: everybody who waits on it gives up. */
static void
wire_break(struct rpc_client *c, struct wire *w)
{
	struct call *call;

	if (w->broken)
		return;
	w->broken = true;
	(void)shutdown(w->fd, SHUT_RDWR); /* wakes its reader */
	LIST_FOREACH (call, &c->calls, next)
		if (call->wire == w)
			(void)pthread_cond_signal(&call->turn);
	if (c->wire == w) {
		c->wire = NULL;
		wire_unref(w);
	}
}

void
rpc_client_attach(struct rpc_client *c, int fd)
{
	struct wire *w = xcalloc(1, sizeof(*w));

	w->fd = fd;
	w->refs = 1;
	(void)pthread_mutex_lock(&c->lock);
	if (c->wire != NULL)
		wire_break(c, c->wire);
	c->wire = w;
	(void)pthread_cond_broadcast(&c->attached);
	(void)pthread_mutex_unlock(&c->lock);
}

void
rpc_client_free(struct rpc_client **cp)
{
	struct rpc_client *c = *cp;

	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->ending = true;
	if (c->wire != NULL)
		wire_break(c, c->wire);
	(void)pthread_cond_broadcast(&c->attached);
	while (c->users > 0)
		(void)pthread_cond_wait(&c->attached, &c->lock);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_cond_destroy(&c->attached);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->name);
	free(c);
	*cp = NULL;
}

/* Under the lock: a wire to use, counted; NULL when none comes by the deadline. */
static struct wire *
wait_wire(struct rpc_client *c, struct deadline d)
{
	while (c->wire == NULL && !c->ending && !deadline_passed(d))
		(void)cond_wait(&c->attached, &c->lock, d);
	if (c->wire != NULL)
		c->wire->refs++;
	return c->wire;
}

/* Give an answer to whoever asked; under the lock.  Nobody: it came too late. */
static void
hand_out(struct rpc_client *c, const struct rpc_header *h, struct rpc_in *in)
{
	struct call *call;

	LIST_FOREACH (call, &c->calls, next)
		if (call->id == h->id && !call->answered)
			break;
	if (call == NULL) {
		rpc_in_free(in);
		return;
	}
	if (in->block == NULL && in->p != in->end) {
		size_t n = (size_t)(in->end - in->p);
		in->block = memcpy(xmalloc(n), in->p, n);
		in->p = in->block;
		in->end = in->p + n;
	}
	call->header = *h;
	call->answer = *in;
	call->answered = true;
	(void)pthread_cond_signal(&call->turn);
}

/* Read answers for all until mine is there.  Called and left under the lock. */
static void
read_answers(struct rpc_client *c, struct call *mine, struct deadline d)
{
	struct wire *w = mine->wire;
	struct call *other;

	w->being_read = true;
	if (w->room == NULL)
		w->room = xmalloc(RPC_FRAME_MAX);
	while (!mine->answered && !w->broken && !deadline_passed(d)) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		struct rpc_header h;
		struct rpc_in in;
		enum rpc_got got = RPC_EMPTY;

		(void)pthread_mutex_unlock(&c->lock);
		if (poll(&p, 1, deadline_left_ms(d)) > 0)
			got = rpc_take_frame(w->fd, w->room, &h, &in);
		(void)pthread_mutex_lock(&c->lock);
		if (got == RPC_GOT && (h.flags & RPC_ANSWER) != 0)
			hand_out(c, &h, &in);
		else if (got != RPC_EMPTY)
			wire_break(c, w);
	}
	w->being_read = false;
	LIST_FOREACH (other, &c->calls, next)
		if (other != mine && other->wire == w && !other->answered) {
			(void)pthread_cond_signal(&other->turn);
			break;
		}
}

/* Under the lock: until answered, broken or too late. */
static void
wait_answer(struct rpc_client *c, struct call *call, struct deadline d)
{
	while (!call->answered && !call->wire->broken && !deadline_passed(d)) {
		if (!call->wire->being_read)
			read_answers(c, call, d);
		else
			(void)cond_wait(&call->turn, &c->lock, d);
	}
}

static enum outcome
judge(struct call *call, struct rpc_in *answer, struct why *why)
{
	enum outcome o = (enum outcome)call->header.outcome;

	if (o == DONE) {
		*answer = call->answer;
		return DONE;
	}
	if (why != NULL) {
		struct str text =
		    str_n(call->answer.p, (size_t)(call->answer.end - call->answer.p));

		call->header.enhanced[sizeof(call->header.enhanced) - 1] = '\0';
		(void)fail(
		    o, why, call->header.code, call->header.enhanced, STR_FMT, STR_ARG(text));
	}
	rpc_in_free(&call->answer);
	return o == GONE ? TEMPFAIL : o;
}

/*
 * Under the lock: ask once, over the wire there is.  False: the wire was dead
 * before the request reached anybody, so it may be asked again over the next.
 */
static bool
ask(struct rpc_client *c, struct call *call, uint16_t type, const struct rpc_out *body,
    struct deadline d)
{
	struct rpc_header h = { .type = type };
	enum outcome o;

	call->wire = wait_wire(c, d);
	if (call->wire == NULL)
		return true;
	call->id = h.id = c->next_id++;
	LIST_INSERT_HEAD(&c->calls, call, next);
	(void)pthread_mutex_unlock(&c->lock);
	o = rpc_send_frame(call->wire->fd, &h, body, d);
	(void)pthread_mutex_lock(&c->lock);
	if (o == DONE)
		wait_answer(c, call, d);
	else if (o == GONE)
		wire_break(c, call->wire);
	LIST_REMOVE(call, next);
	wire_unref(call->wire);
	return o != GONE;
}

enum outcome
rpc_call(struct rpc_client *c, uint16_t type, const struct rpc_out *body, struct deadline d,
    struct rpc_in *answer, struct why *why)
{
	struct call call = { 0 };

	*answer = (struct rpc_in){ 0 };
	init_cond(&call.turn);
	(void)pthread_mutex_lock(&c->lock);
	c->users++;
	while (!ask(c, &call, type, body, d) && !deadline_passed(d))
		continue;
	c->users--;
	if (c->ending && c->users == 0)
		(void)pthread_cond_broadcast(&c->attached);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_cond_destroy(&call.turn);
	if (call.answered)
		return judge(&call, answer, why);
	log_event(
	    LOG_WARN, "rpc.unanswered", kv_cstr("peer", c->name), kv_int("type", type), KV_END);
	return fail(TEMPFAIL, why, 451, "4.3.0", "A part of the mail system is busy or restarting");
}

enum outcome
rpc_notify(struct rpc_client *c, uint16_t type, const struct rpc_out *body)
{
	struct rpc_header h = { .type = type, .flags = RPC_NOTICE };
	struct wire *w;
	enum outcome o = TEMPFAIL;

	(void)pthread_mutex_lock(&c->lock);
	w = c->wire;
	if (w != NULL)
		w->refs++;
	(void)pthread_mutex_unlock(&c->lock);
	if (w == NULL)
		return TEMPFAIL;
	o = rpc_send_frame(w->fd, &h, body, (struct deadline){ 0 });
	(void)pthread_mutex_lock(&c->lock);
	if (o == GONE)
		wire_break(c, w);
	wire_unref(w);
	(void)pthread_mutex_unlock(&c->lock);
	return o == DONE ? DONE : TEMPFAIL;
}

int
rpc_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		fd_close(&fd);
	return fd;
}
