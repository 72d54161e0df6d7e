/*
 * report.h - telling a sender what became of a message: which reports are
 * due (RFC 3461), and sending them as messages of our own through the queue.
 *
 * Never about a report, never to the null reverse-path, and about a failure
 * in one of our own mailboxes only to a sender who had logged in: anybody
 * else's address may be forged, and the report would be backscatter.
 */
#ifndef DELIVER_REPORT_H
#define DELIVER_REPORT_H

#include "deliver/deliver.h"
#include "deliver/dsn.h"
#include "deliver/envfile.h"
#include "deliver/message.h"

/* One target to be reported on; its number goes into the report's own id. */
struct report_on {
	const struct env_target *target;
	uint32_t number;
};

/* Is a report of this kind due for this target? */
bool report_due(const struct env *env, const struct env_target *t, enum dsn_action action);

struct report {
	enum dsn_action action;
	bool expired;    /* DSN_FAILED: time ran out */
	int64_t until_s; /* DSN_DELAYED */
	uint32_t tries;  /* makes the ids of repeated delay reports differ */
	const struct report_on *on;
	size_t count;
};

/*
 * One report about these targets, durable in the queue when DONE; sent once,
 * however often it is asked for.  DONE also when the sender's address has
 * meanwhile gone: there is nobody to be told.  TEMPFAIL: ask again later.
 */
must_use enum outcome report_send(struct deliver *d, const struct env *env, struct message *m,
    const struct report *r, struct deadline by);

/* The direct way, NOTIFY=SUCCESS: the message is in the mailbox.  Failing is logged, no more. */
void report_delivered(struct deliver *d, struct message *m, const struct deliver_envelope *e);

#endif
