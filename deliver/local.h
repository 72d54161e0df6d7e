/*
 * local.h - one message into one mailbox.
 *
 * Idempotent: the same delivery id in the same mailbox is one message, however
 * often it is asked for.
 */
#ifndef DELIVER_LOCAL_H
#define DELIVER_LOCAL_H

#include "deliver/deliver.h"
#include "deliver/message.h"

struct local_delivery {
	struct str mailbox;  /* the mailbox's own address */
	struct str id;       /* names this copy: the same in every retry */
	int64_t arrived_s;   /* when the message came: the same in every retry */
	bool retry;          /* an earlier try may have got through: look for it first */
	struct str from;     /* for Sieve and the log */
	struct str original; /* RCPT TO */
};

/*
 * DONE: durable in the mailbox, with its index record, and the shards know.
 * TEMPFAIL 4.2.2: over quota; other TEMPFAIL: nothing was kept.  PERMFAIL
 * 5.1.1: no such mailbox any more.
 */
must_use enum outcome local_deliver(struct deliver *d, struct message *m,
    const struct local_delivery *l, struct deadline by, struct why *why);

/* Is there room for size octets?  Answers as DELIVER_QUOTA. */
must_use enum outcome local_quota(
    struct deliver *d, struct str mailbox, uint64_t size, struct deadline by, struct why *why);

/* The text that names a copy: the delivery id, and the target's number where there are several. */
struct str local_copy_id(struct arena *arena, uint64_t id, uint32_t target, bool several);

#endif
