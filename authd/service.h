/*
 * service.h - the rpc side of authd: the table of requests and who may make
 * them.
 */
#ifndef AUTHD_SERVICE_H
#define AUTHD_SERVICE_H

#include "authd/auth.h"
#include "rpc/rpc.h"

/* For rpc_server_new; its arg is the struct auth. */
extern const struct rpc_handler service_table[];

/* For rpc_server_on_lost: exchanges of a broken wire are dropped. */
void service_lost(uint32_t peer, uint64_t wire, void *arg);

/* The bit of a peer by its wire's name ("smtpd", "imapd-1"); 0 for a stranger. */
uint32_t service_peer(const char *name);

#endif
