/*
 * rpc_backend.c - each question of backend.h as one call of authd or deliver
 * with its deadline.
 *
 * The list of SASL mechanisms is asked for now and then and the last good
 * answer is kept, so that EHLO does not change its mind when authd restarts.
 */
#include "smtpd/rpc_backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "smtpd/routes.h"
#include "smtpd/spools.h"

#define ASK_MS         10000  /* authd, and quota */
#define COMMIT_MS      120000 /* deliver syncs; RFC 5321 4.5.3.2.6 gives us ten minutes */
#define MECHANISMS_MS  5000   /* how long a list is good */
#define MECHANISMS_MAX 256

struct rpc_backend {
	struct smtp_backend table;
	struct rpc_client *authd;
	struct rpc_client *deliver;
	struct routes *routes;
	struct spools *spools;
	pthread_mutex_t lock; /* of the lists, without and with channel binding */
	struct {
		int64_t until_ms;
		size_t n;
		char text[MECHANISMS_MAX];
	} mechanisms[2];
};

/* --- routes --- */

static enum outcome
ask_route(struct rpc_backend *b, struct str address, struct arena *arena, struct smtp_route *out,
    struct why *why)
{
	struct deliver_target *targets;
	struct route r = { 0 };
	enum outcome o;

	o = auth_route(b->authd, address, false, deadline_in(ASK_MS), arena, &r, why);
	if (o != DONE)
		return o;
	out->hosted = r.kind == ROUTE_LOCAL;
	if (r.kind == ROUTE_FOREIGN) {
		targets = arena_array(arena, 1, sizeof(*targets));
		targets[0] = (struct deliver_target){ DELIVER_TO_REMOTE, address };
		out->targets = targets;
		out->target_count = 1;
		return DONE;
	}
	if (r.target_count == 0)
		return fail(TEMPFAIL, why, 451, "4.3.0", "Local error, no route");
	if (!arena_has_room(arena, r.target_count * sizeof(*targets) + 1024))
		return fail(TEMPFAIL, why, 452, "4.5.3", "Too many recipients");
	targets = arena_array(arena, r.target_count, sizeof(*targets));
	for (size_t i = 0; i < r.target_count; i++) /* at most AUTH_TARGETS_MAX */
		targets[i] = (struct deliver_target){ (enum deliver_target_kind)r.targets[i].kind,
			r.targets[i].address };
	out->targets = targets;
	out->target_count = r.target_count;
	out->limited = r.target_count == 1 && r.targets[0].kind == ROUTE_TO_MAILBOX &&
		       (r.targets[0].quota > 0 || r.targets[0].quota_messages > 0);
	return DONE;
}

static enum outcome
backend_route(void *arg, const struct smtp_route_ask *ask, struct arena *arena,
    struct smtp_route *out, struct why *why)
{
	struct rpc_backend *b = arg;
	enum outcome o;

	if (routes_get(b->routes, ask->address, arena, &o, out, why))
		return o;
	o = ask_route(b, ask->address, arena, out, why);
	routes_put(b->routes, ask->address, o, out, why);
	return o;
}

static enum outcome
backend_may_send(void *arg, uint64_t session, struct str user, struct str address, struct why *why)
{
	struct rpc_backend *b = arg;

	return auth_send_as(b->authd, user, address, deadline_in(ASK_MS), why);
}

static enum outcome
backend_quota(void *arg, struct str mailbox, uint64_t size, struct why *why)
{
	struct rpc_backend *b = arg;

	return deliver_quota(b->deliver, mailbox, size, deadline_in(ASK_MS), why);
}

/* --- authentication --- */

static struct str
backend_mechanisms(void *arg, bool protected, bool bindings, struct arena *arena)
{
	struct rpc_backend *b = arg;
	uint32_t flags = protected ? AUTH_FLAG_TLS : 0;
	struct str list, kept;
	struct why why;
	bool fresh;

	(void)pthread_mutex_lock(&b->lock);
	kept = arena_str(arena, str_n(b->mechanisms[bindings].text, b->mechanisms[bindings].n));
	fresh = b->mechanisms[bindings].until_ms > clock_ms();
	(void)pthread_mutex_unlock(&b->lock);
	if (fresh)
		return kept;
	if (auth_mechanisms(b->authd, STR("smtp"), flags, bindings, deadline_in(ASK_MS), arena,
		&list, &why) != DONE ||
	    list.n > MECHANISMS_MAX)
		/* A client that logs in hears 454 and comes back; one that sees no AUTH gives up.
		 */
		return kept.n > 0 ? kept : STR("PLAIN LOGIN");
	(void)pthread_mutex_lock(&b->lock);
	b->mechanisms[bindings].until_ms = clock_ms() + MECHANISMS_MS;
	b->mechanisms[bindings].n = list.n;
	memcpy(b->mechanisms[bindings].text, list.p, list.n);
	(void)pthread_mutex_unlock(&b->lock);
	return list;
}

static enum outcome
backend_sasl_start(void *arg, const struct auth_begin *ask, struct arena *arena,
    struct auth_answer *answer, struct why *why)
{
	struct rpc_backend *b = arg;

	return auth_start(b->authd, ask, deadline_in(ASK_MS), arena, answer, why);
}

static enum outcome
backend_sasl_step(void *arg, uint64_t exchange, struct str response, struct arena *arena,
    struct auth_answer *answer, struct why *why)
{
	struct rpc_backend *b = arg;

	return auth_step(b->authd, exchange, response, deadline_in(ASK_MS), arena, answer, why);
}

static void
backend_sasl_abort(void *arg, uint64_t exchange)
{
	struct rpc_backend *b = arg;

	auth_abort(b->authd, exchange);
}

/* --- messages --- */

static enum outcome
backend_spool_ready(void *arg, struct why *why)
{
	struct rpc_backend *b = arg;

	return spools_ready(b->spools, why);
}

static enum outcome
backend_spool_take(void *arg, struct deliver_spool *out, struct why *why)
{
	struct rpc_backend *b = arg;

	return spools_take(b->spools, out, why);
}

static void
backend_spool_drop(void *arg, struct deliver_spool *spool)
{
	struct rpc_backend *b = arg;

	spools_drop(b->spools, spool);
}

static enum outcome
backend_commit(void *arg, struct deliver_spool *spool, const struct deliver_envelope *e,
    enum deliver_how *how, struct why *why)
{
	struct rpc_backend *b = arg;

	fd_close(&spool->fd); /* deliver's lease proves it */
	return deliver_commit(b->deliver, spool->id, e, deadline_in(COMMIT_MS), how, why);
}

/* --- life --- */

struct rpc_backend *
rpc_backend_new(struct pool *pool)
{
	struct rpc_backend *b = xcalloc(1, sizeof(*b));

	b->authd = rpc_client_new("authd");
	b->deliver = rpc_client_new("deliver");
	b->routes = routes_new();
	b->spools = spools_new(b->deliver, pool);
	(void)pthread_mutex_init(&b->lock, NULL);
	b->table = (struct smtp_backend){
		.arg = b,
		.route = backend_route,
		.may_send = backend_may_send,
		.quota = backend_quota,
		.mechanisms = backend_mechanisms,
		.sasl_start = backend_sasl_start,
		.sasl_step = backend_sasl_step,
		.sasl_abort = backend_sasl_abort,
		.spool_ready = backend_spool_ready,
		.spool_take = backend_spool_take,
		.spool_drop = backend_spool_drop,
		.commit = backend_commit,
	};
	return b;
}

void
rpc_backend_free(struct rpc_backend **bp)
{
	struct rpc_backend *b = *bp;

	if (b == NULL)
		return;
	spools_free(&b->spools);
	routes_free(&b->routes);
	rpc_client_free(&b->deliver);
	rpc_client_free(&b->authd);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
	*bp = NULL;
}

void
rpc_backend_wire(struct rpc_backend *b, const char *peer, int fd)
{
	if (strcmp(peer, "authd") == 0) {
		rpc_client_attach(b->authd, fd);
	} else if (strcmp(peer, "deliver") == 0) {
		spools_forget(b->spools);
		rpc_client_attach(b->deliver, fd);
	} else {
		log_say(LOG_WARN, "a wire to %s, which smtpd does not know", peer);
		(void)close(fd);
	}
}

const struct smtp_backend *
rpc_backend_table(struct rpc_backend *b)
{
	return &b->table;
}
