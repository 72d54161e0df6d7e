/*
 * relay_proto.h - jobs of relay: one message, one destination, some of its
 * recipients.  deliver asks, relay answers when the attempt is over.
 */
#ifndef RPC_RELAY_PROTO_H
#define RPC_RELAY_PROTO_H

#include "rpc/deliver_proto.h"

enum relay_request {
	RELAY_SEND = 1, /* struct relay_job with a descriptor -> u32 count, results */
};

enum relay_peer {
	RELAY_PEER_DELIVER = 1 << 0,
};

#define RELAY_RECIPIENTS_MAX \
	100 /* of one job: what every server has to take (RFC 5321 4.5.3.1.8) */

struct relay_recipient {
	struct str address;
	struct str orcpt; /* to be passed on; "" none (RFC 3461 5.2.1) */
	uint8_t notify;   /* enum deliver_notify */
};

struct relay_job {
	uint64_t id;       /* of the message, for the log */
	int fd;            /* the message, read-only */
	uint64_t skip;     /* octets of ours at its start that are not sent */
	uint64_t size;     /* octets to be sent behind them */
	struct str domain; /* destination: the domain of these recipients */
	struct str from;
	struct str envid;
	enum deliver_ret ret;
	uint32_t flags; /* enum deliver_flag */
	const struct relay_recipient *recipients;
	size_t recipient_count;
};

struct relay_result {
	enum outcome outcome; /* DONE, TEMPFAIL, PERMFAIL */
	bool dsn;          /* the next host knows DSN and reports success itself (RFC 3461 5.2.2) */
	struct str status; /* RFC 3463 status "5.1.1" */
	struct str reply;  /* the whole reply, "550 5.1.1 No such user" on one line; ours if there
			      was none */
	struct str mta;    /* name of the host that said so; "" when none was reached */
};

void relay_job_put(struct rpc_out *o, const struct relay_job *j);
must_use bool relay_job_get(struct rpc_in *in, struct arena *arena, struct relay_job *j);
void relay_result_put(struct rpc_out *o, const struct relay_result *r);
void relay_result_get(struct rpc_in *in, struct relay_result *r); /* texts borrowed from in */

#endif
