/*
 * destinations.h - how many deliveries go to one remote destination at the
 * same time, and when a destination is left alone for a while.
 *
 * A destination begins with a few connections, earns one more with each
 * success, loses half of them when nobody answers there, and is then left
 * alone for a minute, two, four ... up to an hour.  Any thread.
 */
#ifndef DELIVER_DESTINATIONS_H
#define DELIVER_DESTINATIONS_H

#include <sys/queue.h>

#include "base/clock.h"
#include "base/str.h"

#define DESTINATION_FIRST       5    /* deliveries at a time, to begin with */
#define DESTINATION_WAITING_MAX 1000 /* jobs that wait for a turn at one destination */
#define DESTINATION_REST_MS     60000
#define DESTINATION_REST_MAX_MS 3600000

struct destinations;
struct destination;

/* Embedded in what is to be done. */
struct destination_job {
	TAILQ_ENTRY(destination_job) link;
	struct destination *destination;
};

struct destinations *destinations_new(unsigned most_at_a_time);
void destinations_free(struct destinations **d);

enum destination_answer {
	DESTINATION_GO,      /* do it now, then call destination_next */
	DESTINATION_QUEUED,  /* a destination_next will hand it out */
	DESTINATION_RESTING, /* nobody answered there lately: not now */
	DESTINATION_BUSY,    /* too many wait there already: not now */
};

enum destination_answer destination_ask(
    struct destinations *d, struct str name, struct destination_job *job);

enum destination_result {
	DESTINATION_WORKED,  /* somebody answered, whatever was said */
	DESTINATION_DEAD,    /* nobody was reached */
	DESTINATION_NEITHER, /* our own fault */
};

/*
 * This job is over.  Another one that waited for the same destination is
 * returned, to be done now, or NULL.  After DESTINATION_DEAD all that wait are
 * handed out in `resting`, to be put off.
 */
TAILQ_HEAD(destination_jobs, destination_job);
struct destination_job *destination_next(struct destinations *d, struct destination_job *job,
    enum destination_result result, struct destination_jobs *resting);

/*
 * As long as job's destination has room, another one that waited there: for a
 * thread of its own.  Called while job is under way.
 */
struct destination_job *destination_more(struct destinations *d, struct destination_job *job);

/* Forget rests: the administrator wants everything tried now. */
void destinations_wake(struct destinations *d);

#endif
