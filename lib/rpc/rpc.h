/*
 * rpc.h - requests between our daemons, over wires the supervisor made.
 *
 * One request or answer is one packet of a SOCK_SEQPACKET socket, so writes
 * are atomic without a lock and descriptors travel with their message.  A
 * body over RPC_INLINE_MAX is carried by a memfd, which the caller does not
 * notice.  Frame: magic, version, type, id, outcome, length; then the body.
 *
 * The client multiplexes: any number of threads call, each with its own
 * deadline; whoever waits first reads for all.  When the wire breaks, every
 * pending call ends with TEMPFAIL, and calls wait (until their deadline) for
 * the supervisor's replacement.
 *
 * The server runs a fixed number of threads; each takes one request and runs
 * its handler to the end in plain linear code.  Which peer may ask what is a
 * table (the idea of OpenSSH's monitor); a request that is not in the row of
 * its peer, or a malformed frame, closes that wire only.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/outcome.h"

#define RPC_INLINE_MAX (48 * 1024)
#define RPC_BODY_MAX   (16 * 1024 * 1024)
#define RPC_FDS_MAX    4

/* --- bodies --- */

/* Writing.  Numbers little-endian, texts with a 32-bit length. */
struct rpc_out {
	struct buf body;
	int fds[RPC_FDS_MAX]; /* borrowed: sent, not closed */
	size_t fd_count;
};

void rpc_out_init(struct rpc_out *o);
void rpc_out_free(struct rpc_out *o);
void rpc_put_u8(struct rpc_out *o, uint8_t v);
void rpc_put_u32(struct rpc_out *o, uint32_t v);
void rpc_put_u64(struct rpc_out *o, uint64_t v);
void rpc_put_str(struct rpc_out *o, struct str s);
void rpc_put_fd(struct rpc_out *o, int fd);

/*
 * Reading.  The getters return zero or an empty text beyond the end and set
 * `bad`, so a row of them is checked once, by rpc_in_done.
 */
struct rpc_in {
	const char *p, *end;
	bool bad;
	int fds[RPC_FDS_MAX]; /* ours until taken */
	size_t fd_count;
	size_t fd_next;
	void *block; /* what p points into; ours */
};

uint8_t rpc_get_u8(struct rpc_in *in);
uint32_t rpc_get_u32(struct rpc_in *in);
uint64_t rpc_get_u64(struct rpc_in *in);
struct str rpc_get_str(struct rpc_in *in); /* lives as long as in */
int rpc_get_fd(struct rpc_in *in);         /* the caller's; -1 and bad when there is none */
/* All fields were there and nothing is left over. */
must_use bool rpc_in_done(const struct rpc_in *in);
/* Frees the body and closes descriptors that nobody took. */
void rpc_in_free(struct rpc_in *in);

/* --- client --- */

struct rpc_client;

/* name: of the peer, for the log.  Without a wire yet. */
struct rpc_client *rpc_client_new(const char *name);
/* Takes over fd; an older wire is closed and its pending calls end with TEMPFAIL. */
void rpc_client_attach(struct rpc_client *c, int fd);
/* No replacement will come (stopping, or a command-line tool): calls fail at once. */
void rpc_client_free(struct rpc_client **c);

/*
 * Ask and wait.  DONE: *answer holds the answer's body, to be freed by
 * rpc_in_free (also the caller's duty to check rpc_in_done).  TEMPFAIL or
 * PERMFAIL: the server's verdict with its why, or TEMPFAIL 4.3.0 when it
 * could not be asked or did not answer by the deadline; *answer is empty and
 * need not be freed (freeing it is harmless).
 */
must_use enum outcome rpc_call(struct rpc_client *c, uint16_t type, const struct rpc_out *body,
    struct deadline d, struct rpc_in *answer, struct why *why);

/*
 * A notice that has no answer.  Never waits: TEMPFAIL when the wire is full
 * or broken; the caller remembers that something was not told.
 */
must_use enum outcome rpc_notify(struct rpc_client *c, uint16_t type, const struct rpc_out *body);

/* --- server --- */

struct rpc_server;

struct rpc_request {
	uint32_t peer; /* one bit: who asks, as given to rpc_server_attach */
	uint64_t wire; /* a number of its own for each wire ever attached */
	uint16_t type;
	bool notice;         /* no answer is expected */
	struct arena *arena; /* for the handler, emptied afterwards */
};

struct rpc_handler {
	uint16_t type;
	uint32_t peers; /* bits of those who may ask it */
	/*
	 * Read in, fill out (an empty body at the start), or fail with why.
	 * Descriptors put into out that must be closed after sending:
	 * rpc_out_close_fds.
	 */
	enum outcome (*handle)(void *arg, struct rpc_request *rq, struct rpc_in *in,
	    struct rpc_out *out, struct why *why);
};

/* The server closes the descriptors in out after they were sent. */
void rpc_out_close_fds(struct rpc_out *o);

/* The table lives as long as the server and ends with type 0. */
struct rpc_server *rpc_server_new(
    const char *name, const struct rpc_handler *table, unsigned threads, void *arg);
/* Takes over fd.  lost(peer, wire, arg), which may be NULL at rpc_server_on_lost, is told of its
 * end. */
uint64_t rpc_server_attach(struct rpc_server *s, int fd, uint32_t peer);
void rpc_server_on_lost(
    struct rpc_server *s, void (*lost)(uint32_t peer, uint64_t wire, void *arg), void *arg);
/*
 * Accept wires on a listening SEQPACKET socket; only peers whose uid
 * (SO_PEERCRED) is `uid` or 0.
 */
void rpc_server_listen(struct rpc_server *s, int fd, uint32_t peer, unsigned uid);
/* Waits for running handlers, ends the threads, closes the wires. */
void rpc_server_free(struct rpc_server **s);

/* For tools: connect to a listening socket by path; -1 with errno. */
int rpc_connect(const char *path);

#endif
