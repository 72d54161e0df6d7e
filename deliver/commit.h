/*
 * commit.h - a complete message with its envelope becomes ours: durable in a
 * mailbox, or durable in the queue.  The one place where 250 is earned.
 */
#ifndef DELIVER_COMMIT_H
#define DELIVER_COMMIT_H

#include "deliver/deliver.h"
#include "deliver/message.h"
#include "rpc/deliver_proto.h"

/*
 * DONE: it survives a power cut.  Else nothing was kept.  The message stays
 * the caller's to end.  why is filled with a reply unless DONE.
 */
must_use enum outcome commit_message(struct deliver *d, struct message *m,
    const struct deliver_envelope *e, struct deadline by, enum deliver_how *how, struct why *why);

/* COMMIT as it comes over the wire: a spool, taken over in every case. */
must_use enum outcome commit_spool(struct deliver *d, struct spool_file *file,
    struct deliver_envelope *e, struct deadline by, enum deliver_how *how, struct why *why);

#endif
