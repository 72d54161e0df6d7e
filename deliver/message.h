/*
 * message.h - one complete message on its way into mailboxes or the queue:
 * a read-only file that provably nobody writes to any more, and what was
 * found out about it by parsing it once.
 *
 * One thread at a time.
 */
#ifndef DELIVER_MESSAGE_H
#define DELIVER_MESSAGE_H

#include "base/buf.h"
#include "base/outcome.h"
#include "store/store.h"

struct message {
	struct store *store;
	struct spool_file file; /* ours; fd read-only */
	uint64_t id;            /* delivery id */
	uint64_t size;          /* octets of the file */
	uint64_t skip;          /* octets of ours at its start: Return-Path, Delivered-To */
	uint64_t vsize;         /* with CRLF line ends; VSIZE_UNKNOWN when the index finds out */
	struct buf packed;      /* structure for the index record; may be empty */
	bool synced;            /* fdatasync has returned 0 */
};

/*
 * Take over a spooled file (file->fd becomes -1; read-only).  Goes on with a
 * copy when somebody can still write to it, or when it does not begin with
 * `prefix`.  TEMPFAIL: nothing is taken over or kept, and the spool is gone.
 */
must_use enum outcome message_take(struct store *store, struct spool_file *file, uint64_t id,
    struct str prefix, struct message *out, bool *copied, struct why *why);

/*
 * The same for a file that this process has written itself, in full and with
 * `skip` octets of ours at its start.
 */
must_use enum outcome message_own(struct store *store, struct spool_file *file, uint64_t id,
    uint64_t skip, struct message *out, struct why *why);

/*
 * Open a queued message again: fd becomes the message's.  Nothing is parsed
 * until message_parse, and it is already on disk.
 */
void message_reopen(
    struct store *store, int fd, uint64_t id, uint64_t size, uint64_t skip, struct message *out);

/* Fill packed and vsize if that is not done; TEMPFAIL when it cannot be read. */
must_use enum outcome message_parse(struct message *m, struct why *why);

/*
 * fdatasync, once.  After a failure the file is lost to us (its pages may be
 * gone from the cache while a second fsync succeeds): the caller gives the
 * message up and the sender sends it again.
 */
must_use enum outcome message_sync(struct message *m, struct why *why);

/* Closes and forgets; what has a name somewhere stays. */
void message_end(struct message *m);

#endif
