/*
 * auth.h - what the parts of authd share: one struct auth, made at start.
 */
#ifndef AUTHD_AUTH_H
#define AUTHD_AUTH_H

#include <pthread.h>
#include <stdatomic.h>

#include "authd/limit.h"
#include "authd/resolver.h"
#include "authd/tables.h"
#include "authd/verify.h"
#include "conf/conf.h"

/* Counters, in the order of struct auth_counts. */
struct auth_tally {
	atomic_uint_least64_t logins, refused, limited, deferred, routes, redeemed;
};

struct lot;
struct exchanges;
struct cookies;
struct last_logins;

struct auth {
	_Atomic(struct conf *) conf; /* replaced on reload; see auth_conf */
	struct tables *tables;
	struct resolver resolver;
	struct verifier *verifier;
	struct limits *limits;
	struct exchanges *exchanges;
	struct cookies *cookies;
	struct last_logins *last_logins;
	struct lot *lot; /* connections of others' protocols */
	struct auth_tally tally;
	char host[256];
	struct secret fake_salt; /* unknown users' SCRAM salts come from this */

	pthread_mutex_t offer_lock; /* guards what follows */
	int64_t offer_asked_ms;
	bool scram_complete;
};

/*
 * Ask authd these things from inside it: what rpc, socketmap and the Dovecot
 * protocol have in common.
 */

/* The mechanisms to offer. */
void auth_offer(struct auth *a, uint32_t flags, struct str client, bool bindings, struct buf *out);
bool auth_is_trusted(const struct auth *a, struct str client);
/* May a password be shown on this connection? */
bool auth_may_show_password(const struct auth *a, uint32_t flags, struct str client);

/* Home and quota by address, also of a mailbox that is switched off: *enabled, may be NULL. */
must_use enum outcome auth_find_home(struct auth *a, struct str address, struct arena *arena,
    struct auth_home *out, bool *enabled, struct deadline d, struct why *why);

#endif
