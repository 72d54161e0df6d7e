/*
 * auth_client.h - asking authd: where mail goes, who may send as whom, who
 * somebody is.
 *
 * Every call waits until its deadline and may be made by any thread.  Texts
 * of answers are in the arena given.  When authd cannot be reached or the
 * database is down the answer is TEMPFAIL with a 4xx why, never a refusal.
 */
#ifndef RPC_AUTH_CLIENT_H
#define RPC_AUTH_CLIENT_H

#include "rpc/auth_proto.h"

/*
 * The route of an address (local@domain; an empty domain stands for the
 * postmaster of this host).  DONE: r->kind says whether it is ours; where it
 * is, there is at least one target.  PERMFAIL: why is the reply to RCPT (550
 * 5.1.1 no such user, 550 5.2.1 switched off, ...).  TEMPFAIL: 451.
 * reasons: also say how it came to this, in r->reasons, in every case but
 * an authd that was not reached.
 */
must_use enum outcome auth_route(struct rpc_client *c, struct str address, bool reasons,
    struct deadline d, struct arena *a, struct route *r, struct why *why);

/* May this logged-in user send as this address?  PERMFAIL 553 5.7.1 if not. */
must_use enum outcome auth_send_as(
    struct rpc_client *c, struct str user, struct str sender, struct deadline d, struct why *why);

/*
 * The mechanisms to offer, separated by spaces ("PLAIN LOGIN SCRAM-SHA-256"),
 * in the arena; may be kept for some seconds.  flags: AUTH_FLAG_TLS (without it no mechanism that
 * shows the password is in the list, unless the setting allows it); with
 * bindings true the -PLUS forms are in it.
 */
must_use enum outcome auth_mechanisms(struct rpc_client *c, struct str service, uint32_t flags,
    bool bindings, struct deadline d, struct arena *a, struct str *out, struct why *why);

/*
 * Begin and continue a login.  DONE: r->state is AUTH_MORE or AUTH_DONE.
 * PERMFAIL 535 5.7.8 (also 534, 504 for the mechanism, 501 for syntax);
 * TEMPFAIL 454 4.7.0.  After a failure hold the reply back for r->delay_ms:
 * park the connection, do not hold a thread.
 */
must_use enum outcome auth_start(struct rpc_client *c, const struct auth_begin *b,
    struct deadline d, struct arena *a, struct auth_answer *r, struct why *why);
must_use enum outcome auth_step(struct rpc_client *c, uint64_t exchange, struct str response,
    struct deadline d, struct arena *a, struct auth_answer *r, struct why *why);
/* The client gave up ("*", or it left).  Never waits. */
void auth_abort(struct rpc_client *c, uint64_t exchange);

/* imapd: who is this?  Works once.  PERMFAIL 535 when the cookie is not good. */
must_use enum outcome auth_redeem(struct rpc_client *c, uint64_t request, struct str cookie,
    struct deadline d, struct arena *a, struct auth_home *h, struct why *why);

/* Home and quota of a mailbox by its address.  PERMFAIL 550 5.1.1 where there is none. */
must_use enum outcome auth_home(struct rpc_client *c, struct str address, struct deadline d,
    struct arena *a, struct auth_home *h, struct why *why);

must_use enum outcome auth_counts(struct rpc_client *c, struct deadline d, struct arena *a,
    struct auth_counts *out, struct why *why);

#endif
