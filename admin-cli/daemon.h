/*
 * daemon.h - asking a running daemon, over its socket in run_dir.
 */
#ifndef ADMIN_CLI_DAEMON_H
#define ADMIN_CLI_DAEMON_H

#include "admin-cli/cli.h"
#include "rpc/rpc.h"

#define DAEMON_WAIT_MS 10000

/* Connect to run_dir/NAME.sock; on failure it has been said. */
must_use enum status daemon_connect(struct cli *c, const char *name, struct rpc_client **out);

/* The same, silent: NULL when it does not answer. */
struct rpc_client *daemon_try(struct cli *c, const char *name);

#endif
