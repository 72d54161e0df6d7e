/*
 * service.h - what imapd answers over its wires: sessions handed over by
 * login, changes told by deliver, questions of the postroom command.
 */
#ifndef IMAPD_SERVICE_H
#define IMAPD_SERVICE_H

#include "imapd/imapd.h"
#include "rpc/rpc.h"

/* Bits for the rpc server's table. */
enum service_peer {
	SERVICE_LOGIN = 1 << 0,
	SERVICE_DELIVER = 1 << 1,
	SERVICE_ADMIN = 1 << 2,
};

struct service {
	struct imapd *d;
	struct rpc_client *authd;
	struct rpc_server *server;
};

/* d and authd are the caller's. */
void service_start(struct service *v, struct imapd *d, struct rpc_client *authd);
void service_stop(struct service *v);

#endif
