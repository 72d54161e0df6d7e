/*
 * super_proto.h - what the postroom command asks the supervisor, over
 * run_dir/postroomd.sock.
 *
 *   SUPER_STATUS   empty -> u32 n, n daemon rows, u32 m, m listener rows
 *   SUPER_RELOAD   empty -> str: "" or what the daemons refused, a line each;
 *                  PERMFAIL: the configuration is refused and the old one
 *                  stays (`postroom config check` shows all mistakes)
 *   SUPER_STOP     empty -> empty, at once; the drain follows
 */
#ifndef RPC_SUPER_PROTO_H
#define RPC_SUPER_PROTO_H

#include "rpc/rpc.h"

enum super_request {
	SUPER_STATUS = 1,
	SUPER_RELOAD = 2,
	SUPER_STOP = 3,
};

#define SUPER_ROWS_MAX 1000

struct super_daemon {
	struct str name;   /* "imapd-1" */
	struct str state;  /* "starting", "ready", "waiting to restart", "stopping", "stopped" */
	uint32_t pid;      /* 0: none */
	uint64_t uptime_s; /* in this state */
	uint32_t restarts;
	bool crash_loop;
	struct str last_end; /* "signal 11 (SIGSEGV)"; "" when it never ended */
};

struct super_listener {
	struct str name;   /* "imaps" */
	struct str where;  /* "0.0.0.0:993" or a path */
	struct str daemon; /* who serves it */
};

void super_daemon_put(struct rpc_out *o, const struct super_daemon *d);
void super_daemon_get(struct rpc_in *in, struct super_daemon *d); /* texts borrowed from in */
void super_listener_put(struct rpc_out *o, const struct super_listener *l);
void super_listener_get(struct rpc_in *in, struct super_listener *l);

#endif
