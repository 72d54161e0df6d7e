/* queue_int.h - what the files of the queue share. */
#ifndef DELIVER_QUEUE_INT_H
#define DELIVER_QUEUE_INT_H

#include <pthread.h>

#include "deliver/destinations.h"
#include "deliver/queue.h"
#include "deliver/queue_disk.h"
#include "deliver/queue_table.h"
#include "deliver/schedule.h"

struct queue {
	struct deliver *deliver;
	struct queue_disk disk;
	struct destinations *destinations;

	uint64_t *found; /* ids that were there at the start; ours until scanned */
	size_t found_count;

	pthread_mutex_t lock; /* guards what follows; never held over a file or a wire */
	struct queue_table table;
	unsigned active;
	uint64_t pending; /* targets, of all messages */
	bool stopping;
};

/* The schedule as configured now. */
struct schedule queue_schedule(struct queue *q);

/* How a run left its message. */
struct run_end {
	bool over;        /* nothing is pending: it was removed */
	bool set_aside;   /* damaged: it was moved away */
	uint32_t pending; /* targets */
	int64_t delay_s;  /* until the next try */
	int64_t age_s;
};

/* queue_run.c: one try of one message, on a thread of the pool; calls queue_ended at its end. */
struct run_start {
	struct queue *queue;
	uint64_t id;
	bool fresh;
	bool dropped;
	bool returned; /* dropped, and its sender told */
	int64_t age_s;
};
void queue_run(void *run_start); /* frees it */

/* The message is not active any more. */
void queue_ended(struct queue *q, uint64_t id, const struct run_end *end);

#endif
