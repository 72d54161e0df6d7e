/* service.c - one function a request: read, ask, answer. */
#include "authd/service.h"

#include "authd/cookie.h"
#include "authd/exchange.h"
#include "base/hash.h"
#include "base/log.h"

#define ANSWER_MS 10000 /* our own limit for one request; callers have shorter ones */

uint32_t
service_peer(const char *name)
{
	struct str s = str_of(name);

	if (str_eq(s, STR("smtpd")))
		return AUTH_PEER_SMTPD;
	if (str_eq(s, STR("login")))
		return AUTH_PEER_LOGIN;
	if (str_eq(s, STR("deliver")))
		return AUTH_PEER_DELIVER;
	if (str_eq(s, STR("imapd")) || str_starts(s, STR("imapd-")))
		return AUTH_PEER_IMAPD;
	return 0;
}

static enum outcome
malformed(struct why *why)
{
	return fail(TEMPFAIL, why, 451, "4.3.0", "Malformed request");
}

static struct str
get_text(struct rpc_in *in, size_t most)
{
	struct str s = rpc_get_str(in);

	if (s.n > most)
		in->bad = true;
	return s;
}

static enum outcome
handle_route(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str address = get_text(in, AUTH_ADDRESS_MAX);
	bool reasons = rpc_get_u8(in) != 0;
	struct auth *a = arg;
	struct route route;
	struct why said = { 0 };
	enum outcome o;

	if (!rpc_in_done(in))
		return malformed(why);
	atomic_fetch_add(&a->tally.routes, 1);
	o = resolve(
	    &a->resolver, address, reasons, rq->arena, &route, deadline_in(ANSWER_MS), &said);
	auth_verdict_put(out, o, &said);
	route_put(out, &route);
	return DONE;
}

static enum outcome
handle_send_as(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str user = get_text(in, AUTH_ADDRESS_MAX), sender = get_text(in, AUTH_ADDRESS_MAX);
	struct auth *a = arg;

	if (!rpc_in_done(in))
		return malformed(why);
	return resolve_send_as(&a->resolver, user, sender, rq->arena, deadline_in(ANSWER_MS), why);
}

static enum outcome
handle_mechanisms(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str service = get_text(in, 32);
	uint32_t flags = rpc_get_u32(in);
	bool bindings = rpc_get_u8(in) != 0;
	struct buf list;

	(void)service;
	if (!rpc_in_done(in))
		return malformed(why);
	buf_init(&list, 512);
	/* Whom it is for is not known here: trust shows when the mechanism is used. */
	auth_offer(arg, flags, STR(""), bindings, &list);
	rpc_put_str(out, buf_str(&list));
	buf_free(&list);
	return DONE;
}

/* What each peer learns of a login that ended well. */
static enum outcome
fill_answer(
    struct auth *a, uint32_t peer, struct login_result *r, struct arena *arena, struct why *why)
{
	struct auth_answer *out = &r->answer;
	const struct conf *c = a->conf;
	unsigned char cookie[AUTH_COOKIE_OCTETS];

	if (peer == AUTH_PEER_SMTPD) {
		out->user = r->home.user;
		return DONE;
	}
	if (cookie_make(a->cookies, &r->home, clock_ms(), &out->exchange, cookie) != DONE)
		return fail(TEMPFAIL, why, 454, "4.7.0", "Too many logins at once");
	out->cookie = arena_str(arena, str_n(cookie, sizeof(cookie)));
	out->shard = (uint32_t)(hash_stable(r->home.user) % c->imap_shards);
	out->host = r->home.host;
	return DONE;
}

static void
answer(struct auth *a, struct rpc_request *rq, enum outcome o, struct login_result *r,
    struct why *said, struct rpc_out *out)
{
	if (o == DONE && r->answer.state == AUTH_DONE)
		o = fill_answer(a, rq->peer, r, rq->arena, said);
	if (o != DONE)
		r->answer =
		    (struct auth_answer){ .state = AUTH_REFUSED, .delay_ms = r->answer.delay_ms };
	auth_verdict_put(out, o, said);
	auth_answer_put(out, &r->answer);
}

/* Passwords came in this packet. */
static void
wipe_request(struct rpc_in *in, const char *start)
{
	wipe((char *)(uintptr_t)start, (size_t)(in->end - start));
}

static enum outcome
handle_start(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	const char *start = in->p;
	struct auth_begin b = { 0 };
	struct login_result r;
	struct why said = { 0 };
	enum outcome o;

	if (!auth_begin_get(in, rq->arena, &b) || !rpc_in_done(in))
		return malformed(why);
	o = exchange_start(arg, rq->wire, &b, rq->arena, &r, deadline_in(ANSWER_MS), &said);
	answer(arg, rq, o, &r, &said, out);
	if (b.initial.n > 0)
		wipe((char *)(uintptr_t)b.initial.p, b.initial.n);
	wipe_request(in, start);
	return DONE;
}

static enum outcome
handle_step(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	const char *start = in->p;
	uint64_t number = rpc_get_u64(in);
	struct str response = get_text(in, AUTH_DATA_MAX);
	struct login_result r;
	struct why said = { 0 };
	enum outcome o;

	if (!rpc_in_done(in))
		return malformed(why);
	o = exchange_step(
	    arg, rq->wire, number, response, rq->arena, &r, deadline_in(ANSWER_MS), &said);
	answer(arg, rq, o, &r, &said, out);
	wipe_request(in, start);
	return DONE;
}

static enum outcome
handle_abort(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t number = rpc_get_u64(in);

	if (!rpc_in_done(in))
		return malformed(why);
	exchange_abort(arg, rq->wire, number);
	return DONE;
}

static enum outcome
handle_redeem(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t number = rpc_get_u64(in);
	struct str cookie = get_text(in, AUTH_COOKIE_OCTETS);
	struct auth *a = arg;
	struct auth_home who;

	if (!rpc_in_done(in))
		return malformed(why);
	if (cookie_redeem(a->cookies, number, cookie, clock_ms(), rq->arena, &who) != DONE) {
		log_event(
		    LOG_WARN, "auth.cookie", kv_cstr("what", "a cookie that is not good"), KV_END);
		return fail(PERMFAIL, why, 535, "5.7.8", "Login has expired");
	}
	atomic_fetch_add(&a->tally.redeemed, 1);
	auth_home_put(out, &who);
	return DONE;
}

static enum outcome
handle_home(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str address = get_text(in, AUTH_ADDRESS_MAX);
	struct auth_home home;
	enum outcome o;

	if (!rpc_in_done(in))
		return malformed(why);
	o = auth_find_home(arg, address, rq->arena, &home, NULL, deadline_in(ANSWER_MS), why);
	if (o == DONE)
		auth_home_put(out, &home);
	return o;
}

static enum outcome
handle_counts(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct auth *a = arg;
	struct db_pool_counts db;
	struct auth_counts c = {
		.logins = a->tally.logins,
		.refused = a->tally.refused,
		.limited = a->tally.limited,
		.deferred = a->tally.deferred,
		.routes = a->tally.routes,
		.redeemed = a->tally.redeemed,
	};

	if (!rpc_in_done(in))
		return malformed(why);
	verifier_count(a->verifier, &c.hashes, &c.remembered);
	db_pool_count(tables_pool(a->tables), &db);
	c.queries = db.queries;
	c.query_failures = db.failures;
	c.connections = db.open;
	c.database_down = db.broken;
	c.server = str_of(db.server);
	auth_counts_put(out, &c);
	return DONE;
}

const struct rpc_handler service_table[] = {
	{ AUTH_ROUTE, AUTH_PEER_SMTPD | AUTH_PEER_DELIVER | AUTH_PEER_ADMIN, handle_route },
	{ AUTH_SEND_AS, AUTH_PEER_SMTPD | AUTH_PEER_ADMIN, handle_send_as },
	{ AUTH_MECHANISMS, AUTH_PEER_SMTPD | AUTH_PEER_LOGIN, handle_mechanisms },
	{ AUTH_START, AUTH_PEER_SMTPD | AUTH_PEER_LOGIN, handle_start },
	{ AUTH_STEP, AUTH_PEER_SMTPD | AUTH_PEER_LOGIN, handle_step },
	{ AUTH_ABORT, AUTH_PEER_SMTPD | AUTH_PEER_LOGIN, handle_abort },
	{ AUTH_REDEEM, AUTH_PEER_IMAPD, handle_redeem },
	{ AUTH_HOME, AUTH_PEER_IMAPD | AUTH_PEER_DELIVER | AUTH_PEER_ADMIN, handle_home },
	{ AUTH_COUNTS, AUTH_PEER_ADMIN, handle_counts },
	{ 0, 0, NULL },
};

void
service_lost(uint32_t peer, uint64_t wire, void *arg)
{
	if ((peer & (AUTH_PEER_SMTPD | AUTH_PEER_LOGIN)) != 0)
		exchanges_drop(arg, wire);
}
