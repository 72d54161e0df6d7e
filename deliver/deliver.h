/*
 * deliver.h - what the parts of deliver share: made by main.c before the
 * first request and unchanged until the end, except the settings.
 */
#ifndef DELIVER_DELIVER_H
#define DELIVER_DELIVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"
#include "rpc/rpc.h"
#include "run/pool.h"
#include "store/store.h"

struct queue;
struct shards;
struct spools;

/* One row a counter: field, help.  Field, metric and help cannot diverge. */
#define DELIVER_COUNTERS(X)                                            \
	X(delivered, "messages put into mailboxes")                    \
	X(queued, "messages taken into the queue")                     \
	X(relayed, "recipients another host took")                     \
	X(bounced, "reports sent about messages that could not go on") \
	X(set_aside, "queue files found damaged")                      \
	X(copied, "messages copied because their writer was not done") \
	X(refused, "commits answered with a failure")

struct deliver_stats {
#define X(name, help) atomic_uint_fast64_t name;
	DELIVER_COUNTERS(X)
#undef X
};

#define COUNT(d, name) atomic_fetch_add_explicit(&(d)->stats.name, 1, memory_order_relaxed)

struct deliver {
	struct store *store;
	struct rpc_client *authd;
	struct rpc_client *relay;
	struct spools *spools;
	struct queue *queue;
	struct shards *shards;
	struct pool *pool;       /* LMTP sessions and local deliveries from the queue */
	struct pool *relay_pool; /* threads that wait for relay */
	struct deliver_stats stats;

	pthread_mutex_t conf_lock;
	struct conf *conf; /* by deliver_conf only */
};

/* The settings in force, to be given back with conf_unref. */
struct conf *deliver_conf(struct deliver *d);
/* New ones; takes over the reference. */
void deliver_set_conf(struct deliver *d, struct conf *conf);

/* How long things may take, in milliseconds. */
#define DELIVER_COMMIT_MS 60000 /* a commit; smtpd waits longer than this */
#define DELIVER_LOOKUP_MS 10000 /* one question to authd */

#endif
