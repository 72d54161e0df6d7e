/*
 * queue_disk.h - the queue's directory: which files a message has, and the
 * steps between these states.  The table of states is in docs/queue.md.
 *
 *	ID.m	the message, one hard link to the inode the mailboxes have too
 *	ID.e	its envelope (envfile.h); the message is queued while this is here
 *	bad/	files that were damaged, for the administrator
 *
 * ID is sixteen hexadecimal digits.  Any thread; two calls about one id at a
 * time only where they only read.
 */
#ifndef DELIVER_QUEUE_DISK_H
#define DELIVER_QUEUE_DISK_H

#include "base/dirsync.h"
#include "deliver/envfile.h"
#include "deliver/message.h"

struct queue_disk {
	int dir; /* not ours */
	int bad;
	struct dirsync sync;
};

must_use bool queue_disk_open(struct queue_disk *q, int dir);
void queue_disk_close(struct queue_disk *q);

/*
 * Message and envelope under this id, on disk when DONE: both files are
 * synced, then named, then the directory is.  TEMPFAIL: neither name is left.
 * *existed: an envelope of this id is there already; nothing was done.
 */
must_use enum outcome queue_disk_create(struct queue_disk *q, struct message *m,
    struct str envelope, struct deadline by, bool *existed, struct why *why);

enum queue_load {
	QUEUE_LOADED,
	QUEUE_MISSING, /* no such envelope */
	QUEUE_DAMAGED, /* set aside by now */
	QUEUE_TROUBLE, /* cannot be read at the moment */
};

/* Read an envelope; texts are in the arena (ENVFILE_ARENA). */
must_use enum queue_load queue_disk_load(
    struct queue_disk *q, uint64_t id, struct arena *arena, struct env *env);

/* The message, read-only; -1 with errno when it cannot be opened.  *size: its octets now. */
int queue_disk_message(struct queue_disk *q, uint64_t id, uint64_t *size);

/*
 * Append records made by envfile_put_*; `at` is env->end before the first of
 * them.  With `durable` they are on disk when DONE.
 */
must_use enum outcome queue_disk_append(
    struct queue_disk *q, uint64_t id, uint64_t at, struct str records, bool durable);

/* Done with it: first the envelope goes, then the message. */
void queue_disk_remove(struct queue_disk *q, uint64_t id);

/* Move both files to bad/ and say so loudly. */
void queue_disk_set_aside(struct queue_disk *q, uint64_t id, const char *reason);

/*
 * The ids of all envelopes there are, and the removal of what a crash left
 * half made.  At the start, before anything is created.  *ids is the
 * caller's (free); false when the directory cannot be read.
 */
must_use bool queue_disk_list(struct queue_disk *q, uint64_t **ids, size_t *count);

#endif
