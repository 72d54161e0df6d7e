/*
 * idle.h - sessions kept open for a little while after a message, for the
 * next one to the same destination.  Any thread.
 */
#ifndef RELAY_IDLE_H
#define RELAY_IDLE_H

#include "deliver/relay/smtp_client.h"

#define IDLE_SESSIONS_MAX 64
#define IDLE_MS           10000 /* kept without use */
#define IDLE_USES_MAX     100   /* messages over one session */

struct idle;

struct idle *idle_new(void);
void idle_free(struct idle **i); /* closes all */

/* A session with this destination, the caller's from now on, with its count of uses; or NULL. */
struct smtp *idle_take(struct idle *i, struct str destination, unsigned *uses);
/* Takes the session over; closes it if there is no room or it was used enough. */
void idle_give(struct idle *i, struct str destination, struct smtp *s, unsigned uses);
/* Close those nobody has used for a while; every few seconds. */
void idle_sweep(struct idle *i);

#endif
