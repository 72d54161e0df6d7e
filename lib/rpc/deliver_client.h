/*
 * deliver_client.h - asking deliver: smtpd's spools and commits, the postroom
 * command's view of the queue.
 *
 * Every call waits until its deadline and may be made by any thread.
 * TEMPFAIL with a 4xx why also when deliver cannot be reached.
 */
#ifndef RPC_DELIVER_CLIENT_H
#define RPC_DELIVER_CLIENT_H

#include "rpc/deliver_proto.h"

struct deliver_spool {
	uint64_t id;
	int fd; /* writable, empty, unnamed, in the mail store's file system; the caller's */
};

/*
 * Up to `count` (at most DELIVER_SPOOLS_A_CALL) spools in one question;
 * *got of them are in out, at least one when DONE.  A spool that is never
 * committed is discarded with the wire.
 */
must_use enum outcome deliver_spools(struct rpc_client *c, unsigned count, struct deadline d,
    struct deliver_spool *out, unsigned *got, struct why *why);

/*
 * The message is complete and every descriptor of it is closed: make it
 * durable.  DONE: 250 may be said.  TEMPFAIL, PERMFAIL: nothing was kept, why
 * is the reply.  TEMPFAIL without an answer (deadline, broken wire): it may or
 * may not have been delivered; say 4xx, a copy is the worst that can happen.
 * The spool is used up in every case.
 */
must_use enum outcome deliver_commit(struct rpc_client *c, uint64_t spool,
    const struct deliver_envelope *e, struct deadline d, enum deliver_how *how, struct why *why);

/* Never waits; what is not told is discarded with the wire. */
void deliver_discard(struct rpc_client *c, uint64_t spool);

/*
 * Has this mailbox room for size more octets (0: is it over now)?  TEMPFAIL
 * 452 4.2.2 or PERMFAIL 552 5.2.2 as configured when not; DONE also for a
 * mailbox without quota.  Asked at RCPT; the delivery decides again.
 */
must_use enum outcome deliver_quota(
    struct rpc_client *c, struct str mailbox, uint64_t size, struct deadline d, struct why *why);

/* --- for the postroom command --- */

/*
 * Rows in order of arrival id, those behind `after` (0: from the start).
 * row() is called for each; *more says that there are further ones.
 */
must_use enum outcome deliver_queue_list(struct rpc_client *c, uint64_t after, uint32_t most,
    struct deadline d, void (*row)(const struct deliver_queue_row *r, void *arg), void *arg,
    bool *more, struct why *why);

/*
 * One message: its row, each recipient, and *message_fd (the caller's) to
 * read it; PERMFAIL 550 5.1.1 when there is none of that id.
 */
must_use enum outcome deliver_queue_show(struct rpc_client *c, uint64_t id, struct deadline d,
    void (*row)(const struct deliver_queue_row *r, void *arg),
    void (*rcpt)(const struct deliver_queue_rcpt *r, void *arg), void *arg, int *message_fd,
    struct why *why);

/* Try now; id 0: all.  *messages: how many that concerns. */
must_use enum outcome deliver_queue_retry(
    struct rpc_client *c, uint64_t id, struct deadline d, uint32_t *messages, struct why *why);

/* Remove; with bounce the sender is told of the recipients that were pending. */
must_use enum outcome deliver_queue_drop(
    struct rpc_client *c, uint64_t id, bool bounce, struct deadline d, struct why *why);

must_use enum outcome deliver_counts_get(
    struct rpc_client *c, struct deadline d, struct deliver_counts *out, struct why *why);

#endif
