/*
 * routes.h - answers of authd remembered for one second (design.md 5), so
 * that a burst of mail for one mailbox asks once.
 *
 * A fixed number of places; an address has one, by a keyed hash (faults.md
 * 27), and a newcomer takes it over.  Refusals are remembered as well, what
 * could not be decided is not.  Any thread may call.
 */
#ifndef SMTPD_ROUTES_H
#define SMTPD_ROUTES_H

#include "base/arena.h"
#include "smtpd/backend.h"

#define ROUTES_MS      1000
#define ROUTES_PLACES  1024
#define ROUTES_TARGETS 4 /* a route with more is not remembered */

struct routes;

struct routes *routes_new(void);
void routes_free(struct routes **r);

/* True: *o is the remembered answer, with *out (in the arena) or *why. */
must_use bool routes_get(struct routes *r, struct str address, struct arena *arena, enum outcome *o,
    struct smtp_route *out, struct why *why);

void routes_put(struct routes *r, struct str address, enum outcome o,
    const struct smtp_route *route, const struct why *why);

#endif
