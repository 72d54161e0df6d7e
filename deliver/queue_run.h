/*
 * queue_run.h - one try of one queued message, shared by queue_run.c (local
 * targets, beginning and end) and queue_remote.c (what goes to relay).
 */
#ifndef DELIVER_QUEUE_RUN_H
#define DELIVER_QUEUE_RUN_H

#include "deliver/queue_int.h"

enum fate {
	FATE_NOT_TRIED = 0,
	FATE_DELIVERED,     /* in a mailbox of ours */
	FATE_RELAYED,       /* the next host knows DSN */
	FATE_RELAYED_BLIND, /* it does not */
	FATE_LATER,
	FATE_NEVER,
};

struct run {
	struct queue *queue;
	uint64_t id;
	bool fresh;
	bool dropped;
	bool returned;
	int64_t age_s;
	struct arena *arena;
	struct message message;

	pthread_mutex_t lock; /* guards what follows while parts > 1 */
	unsigned parts;
	struct env env;
	uint8_t *fates; /* enum fate, one a target */
	bool *noted;    /* the target's record is on disk as it stands */
};

/*
 * What a try of target i said; texts are copied.  With the lock held, and
 * written by run_write_results later.
 */
void run_note(
    struct run *r, uint32_t i, enum fate fate, struct str status, struct str reply, struct str mta);

/*
 * Append the records of these targets that are not noted yet; all with NULL.
 * With the lock held.
 */
must_use enum outcome run_write_results(
    struct run *r, const uint32_t *targets, size_t count, bool durable);

/* Begin the deliveries to remote targets, each a part of the run. */
void run_remote(struct run *r);

/* A part is done; the last one closes the run and frees it. */
void run_release(struct run *r);

#endif
