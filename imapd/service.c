/*
 * service.c - requests to imapd: rpc/imap_proto.h.
 *
 * login says that somebody has logged in, never who: the cookie it hands
 * over is redeemed at authd, and what authd says is believed.
 */
#include "imapd/service.h"

#include <unistd.h>

#include "base/log.h"
#include "imapd/mailbox.h"
#include "imapd/session.h"
#include "rpc/auth_client.h"

#define THREADS   8
#define REDEEM_MS 5000

static enum outcome
begin(struct service *v, struct arena *arena, const struct handover *h, struct why *why)
{
	struct auth_home who;
	struct account account;
	enum outcome o;

	o = auth_redeem(
	    v->authd, h->auth_request, h->auth_cookie, deadline_in(REDEEM_MS), arena, &who, why);
	if (o != DONE)
		return o;
	account = (struct account){
		.user = who.user,
		.home = who.home,
		.quota = { .octets = who.quota, .messages = who.quota_messages },
	};
	if (h->protocol == IMAPD_IMAP)
		return imap_begin(v->d, h, &account, why);
	if (v->d->begin_pop3 != NULL)
		return v->d->begin_pop3(v->d, h, &account, why);
	return fail(PERMFAIL, why, 0, "", "That protocol is not served here");
}

static enum outcome
handle_handover(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct handover h;
	enum outcome o;

	if (!handover_get(in, &h))
		return fail(PERMFAIL, why, 0, "", "Malformed request");
	o = begin(arg, rq->arena, &h, why);
	if (o != DONE) {
		log_event(LOG_WARN, "imapd.handover", kv_id("s", h.session),
		    kv_cstr("o", outcome_name(o)), kv_cstr("why", why->text), KV_END);
		(void)close(h.fd);
	}
	return o;
}

static enum outcome
handle_changed(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct service *v = arg;
	struct str home, folder;

	if (!changed_get(in, &home, &folder))
		return fail(PERMFAIL, why, 0, "", "Malformed notice");
	mailboxes_changed(v->d->boxes, home, folder);
	return DONE;
}

static enum outcome
handle_sessions(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	if (!rpc_in_done(in))
		return fail(PERMFAIL, why, 0, "", "Malformed request");
	sessions_put(out);
	return DONE;
}

static enum outcome
handle_kick(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t id = rpc_get_u64(in);
	struct str user = rpc_get_str(in);

	if (!rpc_in_done(in) || (id == 0 && user.n == 0))
		return fail(PERMFAIL, why, 0, "", "Whose sessions?");
	rpc_put_u32(out, sessions_kick(id, user));
	return DONE;
}

static const struct rpc_handler handlers[] = {
	{ IMAPD_HANDOVER, SERVICE_LOGIN, handle_handover },
	{ IMAPD_CHANGED, SERVICE_DELIVER, handle_changed },
	{ IMAPD_SESSIONS, SERVICE_ADMIN, handle_sessions },
	{ IMAPD_KICK, SERVICE_ADMIN, handle_kick },
	{ 0 },
};

/* Whatever deliver had to say when its wire broke is not known: everybody looks. */
static void
wire_lost(uint32_t peer, uint64_t wire, void *arg)
{
	struct service *v = arg;

	if (peer == SERVICE_DELIVER)
		mailboxes_changed(v->d->boxes, STR_NONE, STR_NONE);
}

void
service_start(struct service *v, struct imapd *d, struct rpc_client *authd)
{
	v->d = d;
	v->authd = authd;
	v->server = rpc_server_new("imapd", handlers, THREADS, v);
	rpc_server_on_lost(v->server, wire_lost, v);
}

void
service_stop(struct service *v)
{
	rpc_server_free(&v->server);
}
