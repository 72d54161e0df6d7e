/*
 * queue.h - messages that are delivered after they were acknowledged: for
 * several recipients, for other hosts, or both.  On disk they are files
 * (queue_disk.h, docs/queue.md); here they are scheduled.
 *
 * Any thread may call.
 */
#ifndef DELIVER_QUEUE_H
#define DELIVER_QUEUE_H

#include "deliver/deliver.h"
#include "deliver/message.h"
#include "rpc/deliver_proto.h"

#define QUEUE_ACTIVE_MAX 1000 /* messages under way at the same time */

struct queue;

/* dir: the queue's directory, the caller's.  NULL when it cannot be used. */
struct queue *queue_new(struct deliver *d, int dir);
/* Nothing may be under way any more. */
void queue_free(struct queue **q);

/*
 * Take in what is on disk from an earlier life, before anything is committed:
 * reads names only.  The envelopes are read by queue_scan, on a thread of
 * its own, while new mail flows.
 */
must_use bool queue_begin(struct queue *q);
void queue_scan(struct queue *q);

/*
 * The message and its envelope are durable in the queue when DONE, and its
 * first delivery is on its way.  flags: enum env_flag.  An id that is queued
 * already is DONE for a report of ours (it was made twice) and TEMPFAIL
 * otherwise.  m stays the caller's.
 */
must_use enum outcome queue_commit(struct queue *q, struct message *m,
    const struct deliver_envelope *e, uint32_t flags, struct deadline by, struct why *why);

/* Start what is due; every second, and whenever there is room. */
void queue_pump(struct queue *q);

/* No new deliveries; those under way end. */
void queue_stop(struct queue *q);

/* --- for the postroom command: handlers of the rpc table, see deliver_proto.h --- */

enum outcome queue_list(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why);
enum outcome queue_show(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why);
enum outcome queue_retry(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why);
enum outcome queue_drop(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why);
void queue_counts(struct queue *q, struct deliver_counts *out);

#endif
