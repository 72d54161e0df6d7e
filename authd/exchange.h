/*
 * exchange.h - logins under way: each is a SASL login with its limits, its
 * row of the tables, and its end.
 *
 * An exchange is known by a number and belongs to who began it (a wire, or a
 * connection of the Dovecot protocol); nobody else can continue it.  At most
 * EXCHANGES_MAX at a time, EXCHANGE_STEPS messages and AUTH_EXCHANGE_MS each.
 * Any thread may call; two calls for one exchange at once end it.
 */
#ifndef AUTHD_EXCHANGE_H
#define AUTHD_EXCHANGE_H

#include "authd/auth.h"

#define EXCHANGES_MAX  4096
#define EXCHANGE_STEPS 8

struct exchanges;

struct exchanges *exchanges_new(void);
void exchanges_free(struct exchanges **e);

/* Who logged in, with DONE and AUTH_DONE; texts in the arena given. */
struct login_result {
	struct auth_answer answer; /* without cookie, shard and user: the caller fills those */
	struct auth_home home;
};

/*
 * DONE: answer.state is AUTH_MORE or AUTH_DONE (then home is filled).
 * TEMPFAIL, PERMFAIL: refused, why is the reply and answer.delay_ms how long
 * to keep the client waiting for it.
 */
must_use enum outcome exchange_start(struct auth *a, uint64_t owner, const struct auth_begin *b,
    struct arena *arena, struct login_result *out, struct deadline d, struct why *why);
must_use enum outcome exchange_step(struct auth *a, uint64_t owner, uint64_t number,
    struct str response, struct arena *arena, struct login_result *out, struct deadline d,
    struct why *why);
void exchange_abort(struct auth *a, uint64_t owner, uint64_t number);
/* The owner is gone. */
void exchanges_drop(struct auth *a, uint64_t owner);
/* End those whose time is over; called now and then. */
void exchanges_sweep(struct auth *a);

/* The SASL library's questions are answered by this file: for sasl_begin. */
struct sasl_questions;
extern const struct sasl_questions exchange_questions;

#endif
