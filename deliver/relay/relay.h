/*
 * relay.h - relay's one request (rpc/relay_proto.h): a message, a
 * destination, its recipients; tried once, on the thread that took it.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <pthread.h>

#include "conf/conf.h"
#include "deliver/relay/idle.h"
#include "rpc/rpc.h"

struct relay {
	struct dns *dns;
	struct idle *idle;
	pthread_mutex_t lock;
	/* Guarded by lock; each attempt takes references, or a copy. */
	char *password; /* of the smarthost; "" none */
	struct conf *conf;
	struct tls_context *tls;
};

extern const struct rpc_handler relay_service[];

#endif
