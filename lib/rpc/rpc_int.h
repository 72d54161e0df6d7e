/*
 * rpc_int.h - the frame, shared by client and server; inside lib/rpc only.
 */
#ifndef RPC_RPC_INT_H
#define RPC_RPC_INT_H

#include <sys/socket.h>

#include "rpc/rpc.h"

#define RPC_MAGIC   0x52435250u /* "PRCR" */
#define RPC_VERSION 1

enum rpc_flag {
	RPC_ANSWER = 1 << 0,
	RPC_NOTICE = 1 << 1,
	RPC_SPILLED = 1 << 2, /* the body is in the last descriptor, a memfd */
};

struct rpc_header {
	uint32_t magic;
	uint8_t version;
	uint8_t flags;
	uint16_t type;
	uint64_t id;
	uint32_t length; /* of the body */
	uint8_t outcome; /* answers: of enum outcome */
	uint8_t unused_octet;
	int16_t code; /* answers: struct why, whose text is the body of a failure */
	char enhanced[8];
};

#define RPC_FRAME_MAX (sizeof(struct rpc_header) + RPC_INLINE_MAX)

/*
 * Send one frame.  Waits for room until the deadline; TEMPFAIL then, GONE
 * when the wire is broken.
 */
must_use enum outcome rpc_send_frame(
    int fd, struct rpc_header *h, const struct rpc_out *body, struct deadline d);

enum rpc_got {
	RPC_GOT,
	RPC_EMPTY, /* nothing waits */
	RPC_ENDED, /* the peer is gone, or sent what is no frame of ours */
};

/*
 * Take one frame without waiting into room (RPC_FRAME_MAX octets).  in->p
 * points into room, or into in->block when the body was spilled.
 */
enum rpc_got rpc_take_frame(int fd, char *room, struct rpc_header *h, struct rpc_in *in);

#endif
