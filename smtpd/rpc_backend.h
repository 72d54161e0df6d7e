/*
 * rpc_backend.h - the real backend: authd and deliver over their wires.
 */
#ifndef SMTPD_RPC_BACKEND_H
#define SMTPD_RPC_BACKEND_H

#include "run/pool.h"
#include "smtpd/backend.h"

struct rpc_backend;

/* The pool, for fetching ahead, lives longer. */
struct rpc_backend *rpc_backend_new(struct pool *pool);
/* After the last session and the pool. */
void rpc_backend_free(struct rpc_backend **b);

/* A wire to "authd" or "deliver", the first or a replacement; takes over fd. */
void rpc_backend_wire(struct rpc_backend *b, const char *peer, int fd);

const struct smtp_backend *rpc_backend_table(struct rpc_backend *b);

#endif
