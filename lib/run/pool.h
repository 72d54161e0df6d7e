/*
 * pool.h - threads that are lent for one complete piece of work.
 *
 * The pool is elastic: a thread is made when work waits and none is idle,
 * and leaves after half a minute without work.  Idle threads are taken last
 * in, first out, so that caches stay warm.  Work comes in classes; each
 * class leaves a reserve of threads to the classes above it, so a flood of
 * strangers never takes the thread that a logged-in user needs.
 *
 * Any thread may call.  No lock is held while work runs.
 */
#ifndef RUN_POOL_H
#define RUN_POOL_H

#include "base/base.h"

struct pool;

/* Highest first. */
enum work_class {
	WORK_WAKE, /* wake-ups, logouts, timers */
	WORK_USER, /* commands of authenticated users and of our own daemons */
	WORK_NEW,  /* connections that have not shown who they are */
	WORK_BODY, /* message bodies and other long transfers */
	WORK_CLASSES,
};

struct pool_limits {
	unsigned threads; /* never more than this many */
	unsigned keep;    /* idle threads that stay */
	unsigned queue;   /* waiting pieces of work; beyond that pool_run refuses */
};

struct pool_counts {
	unsigned threads;
	unsigned idle;
	unsigned queued;
	uint64_t done;
	uint64_t refused;
};

struct pool *pool_new(const struct pool_limits *limits);

/*
 * Run work(arg) on a thread as soon as one is free for this class.  False
 * when the queue is full: nothing was taken over; shed load, loudly.
 */
must_use bool pool_run(struct pool *p, enum work_class class, void (*work)(void *arg), void *arg);

/*
 * The same for work that must not be shed (a turn of a connection that was
 * accepted): waits in the queue beyond its limit.  Bounded by the number of
 * connections.
 */
void pool_run_always(struct pool *p, enum work_class class, void (*work)(void *arg), void *arg);

/* Is anything waiting for a thread?  A hint, without the lock. */
bool pool_pressed(const struct pool *p);

void pool_count(struct pool *p, struct pool_counts *out);

/* Waits until all queued and running work is done; then ends every thread. */
void pool_free(struct pool **p);

#endif
