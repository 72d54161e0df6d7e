/*
 * status.c - what the postroom command may ask: how everybody is, reload,
 * stop.  Runs on the rpc server's thread, under the supervisor's lock.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "postroomd/super.h"
#include "rpc/super_proto.h"

#define PEER_COMMAND     1
#define RELOAD_ANSWER_MS 5000

static const char *
state_name(enum child_state state)
{
	static const char *const names[] = { [CHILD_DOWN] = "waiting to restart",
		[CHILD_STARTING] = "starting",
		[CHILD_READY] = "ready",
		[CHILD_STOPPING] = "stopping",
		[CHILD_ENDED] = "stopped" };

	return names[state];
}

static void
put_child(struct rpc_out *out, const struct child *c, int64_t now)
{
	struct super_daemon d = {
		.name = str_of(c->name),
		.state = str_of(state_name(c->state)),
		.pid = (uint32_t)c->pid,
		.uptime_s = (uint64_t)(now - c->since_ms) / 1000,
		.restarts = c->restarts,
		.crash_loop = backoff_alarm(&c->backoff, now),
		.last_end = str_of(c->last_end),
	};

	super_daemon_put(out, &d);
}

static struct str
server_of(const struct super *s, const char *listener)
{
	for (size_t i = 0; i < s->child_count; i++)
		if (plan_listens(&s->children[i], listener))
			return str_of(s->children[i].name);
	return STR("postroomd");
}

static enum outcome
handle_status(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct super *s = arg;
	int64_t now = clock_ms();

	(void)pthread_mutex_lock(&s->lock);
	rpc_put_u32(out, (uint32_t)s->child_count);
	for (size_t i = 0; i < s->child_count; i++)
		put_child(out, &s->children[i], now);
	rpc_put_u32(out, (uint32_t)s->listeners.n);
	for (size_t i = 0; i < s->listeners.n; i++) {
		const struct listener *l = &s->listeners.items[i];

		super_listener_put(out, &(struct super_listener){ str_of(l->name), str_of(l->where),
					    server_of(s, l->name) });
	}
	(void)pthread_mutex_unlock(&s->lock);
	return DONE;
}

static bool
anybody_reloading(const struct super *s)
{
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].reloading)
			return true;
	return false;
}

static enum outcome
handle_reload(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct super *s = arg;
	struct timespec until;
	enum outcome o;
	struct buf errors;
	struct str first, rest;

	buf_init(&errors, 64 * 1024);
	(void)pthread_mutex_lock(&s->lock);
	o = super_reload(s, &errors);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RELOAD_ANSWER_MS / 1000;
	while (o == DONE && anybody_reloading(s))
		if (pthread_cond_clockwait(&s->changed, &s->lock, CLOCK_MONOTONIC, &until) != 0)
			break;
	if (o == DONE) {
		rpc_put_str(out, str_of(s->reload_complaint));
	} else {
		(void)str_cut(buf_str(&errors), '\n', &first, &rest);
		o = fail(o, why, 0, "", STR_FMT, STR_ARG(first));
	}
	(void)pthread_mutex_unlock(&s->lock);
	buf_free(&errors);
	return o;
}

static enum outcome
handle_stop(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct super *s = arg;
	uint64_t one = 1;

	(void)pthread_mutex_lock(&s->lock);
	s->stop_asked = true;
	(void)pthread_mutex_unlock(&s->lock);
	(void)!write(s->kick, &one, sizeof(one));
	return DONE;
}

static const struct rpc_handler handlers[] = {
	{ SUPER_STATUS, PEER_COMMAND, handle_status },
	{ SUPER_RELOAD, PEER_COMMAND, handle_reload },
	{ SUPER_STOP, PEER_COMMAND, handle_stop },
	{ 0 },
};

void
status_serve(struct super *s, int fd)
{
	struct rpc_server *server = rpc_server_new("postroom", handlers, 1, s);

	rpc_server_listen(server, fd, PEER_COMMAND, (unsigned)geteuid());
}
