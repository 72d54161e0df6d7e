/*
 * backend.h - the few questions a session asks of other daemons, as a table
 * of functions, so that the session can be tested and fuzzed with answers made
 * up on the spot.  rpc_backend.h is the real one.
 *
 * Each call may wait, for a time of its own that is bounded; any thread may
 * call.  DONE, or TEMPFAIL or PERMFAIL with the reply in *why.  When authd or
 * deliver cannot be reached the answer is TEMPFAIL, never PERMFAIL.
 */
#ifndef SMTPD_BACKEND_H
#define SMTPD_BACKEND_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/outcome.h"
#include "rpc/auth_client.h"
#include "rpc/deliver_client.h"

/* --- where mail goes --- */

struct smtp_route_ask {
	uint64_t session; /* for the log of who answers */
	struct str
	    address; /* of RCPT TO, canonical, without brackets; "postmaster" may stand alone */
};

struct smtp_route {
	const struct deliver_target *targets; /* in the caller's arena; at least one */
	size_t target_count;
	bool hosted;  /* the domain of the address is ours: a stranger may send to it */
	bool limited; /* its only target is a mailbox with a quota: ask */
};

struct smtp_backend {
	void *arg;

	/* Why a recipient is refused is the resolver's own text (550 5.1.1 ...). */
	enum outcome (*route)(void *arg, const struct smtp_route_ask *ask, struct arena *arena,
	    struct smtp_route *out, struct why *why);
	/* May this user send as this address?  PERMFAIL 553 5.7.1. */
	enum outcome (*may_send)(
	    void *arg, uint64_t session, struct str user, struct str address, struct why *why);
	/* Has the mailbox room for size octets (0: unknown)?  TEMPFAIL 452 or PERMFAIL 552. */
	enum outcome (*quota)(void *arg, struct str mailbox, uint64_t size, struct why *why);

	/* The mechanisms to offer, between spaces, in order of preference; "" for none. */
	struct str (*mechanisms)(void *arg, bool protected, bool bindings, struct arena *arena);
	/*
	 * An AUTH exchange (auth_client.h), ended by anything but AUTH_MORE or by
	 * sasl_abort.  PERMFAIL 535 5.7.8, TEMPFAIL 454 4.7.0: answer->delay_ms is
	 * how long the reply has to be held back.
	 */
	enum outcome (*sasl_start)(void *arg, const struct auth_begin *ask, struct arena *arena,
	    struct auth_answer *answer, struct why *why);
	enum outcome (*sasl_step)(void *arg, uint64_t exchange, struct str response,
	    struct arena *arena, struct auth_answer *answer, struct why *why);
	void (*sasl_abort)(void *arg, uint64_t exchange);

	/* Would spool_take work?  Asked before a client sends a body (452 4.3.1). */
	enum outcome (*spool_ready)(void *arg, struct why *why);
	enum outcome (*spool_take)(void *arg, struct deliver_spool *out, struct why *why);
	/* It is not wanted any more; its descriptor is closed here. */
	void (*spool_drop)(void *arg, struct deliver_spool *spool);
	/*
	 * Closes the descriptor and makes the message durable.  Only DONE may be
	 * answered with 250; else nothing was kept.
	 */
	enum outcome (*commit)(void *arg, struct deliver_spool *spool,
	    const struct deliver_envelope *e, enum deliver_how *how, struct why *why);
};

#endif
