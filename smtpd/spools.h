/*
 * spools.h - a few spool files of deliver's, fetched before they are needed,
 * so that a message does not wait for a question.
 *
 * Taken four at a time and fetched again in the background when they run low.
 * Those that have lain here for a minute are given back, and all are when
 * deliver was restarted, since they are then nobody's.  Any thread may call.
 */
#ifndef SMTPD_SPOOLS_H
#define SMTPD_SPOOLS_H

#include "base/outcome.h"
#include "rpc/deliver_client.h"
#include "run/pool.h"

#define SPOOLS_KEPT    32
#define SPOOLS_LOW     12
#define SPOOLS_AGE_MS  60000
#define SPOOLS_WAIT_MS 10000

struct spools;

/* Both live longer. */
struct spools *spools_new(struct rpc_client *deliver, struct pool *pool);
/* After the pool has ended. */
void spools_free(struct spools **s);

/* Is one here, or can one be had?  Waits up to SPOOLS_WAIT_MS. */
must_use enum outcome spools_ready(struct spools *s, struct why *why);
must_use enum outcome spools_take(struct spools *s, struct deliver_spool *out, struct why *why);
/* Closes the descriptor and tells deliver. */
void spools_drop(struct spools *s, struct deliver_spool *spool);
/* deliver was restarted. */
void spools_forget(struct spools *s);

#endif
