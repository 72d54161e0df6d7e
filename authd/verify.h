/*
 * verify.h - is this the password?  Slow hashes in bounded number at a time,
 * their outcomes remembered.
 *
 * Remembered is an outcome under HMAC-SHA-256 of user, stored hash and
 * password with a key drawn at start: no password can be got from it, and a
 * changed hash is a different question.  A login of nobody costs what a
 * login of somebody costs: it is verified against the last stored password
 * that was seen.
 *
 * Any thread may call.
 */
#ifndef AUTHD_VERIFY_H
#define AUTHD_VERIFY_H

#include "base/clock.h"
#include "base/outcome.h"
#include "sql/passwd.h"

#define VERIFY_REMEMBERED 8192 /* outcomes; the longest unused is forgotten first */
#define VERIFY_WAITING    64   /* verifications waiting for a processor */

struct verifier;

/* unprefixed: the scheme for stored texts of no known form.  at_once: 0 for one a processor. */
struct verifier *verifier_new(const char *unprefixed, unsigned at_once);
void verifier_free(struct verifier **v);

/* A stored password of this installation, so that unknown users cost the same from the start. */
void verifier_learn(struct verifier *v, struct str stored);

/*
 * stored is STR_NONE for a user who does not exist.  DONE: right.  PERMFAIL:
 * wrong, or nobody.  TEMPFAIL: too many are waiting, or the deadline passed.
 * *computed, which may be NULL, says that a slow hash was computed and right
 * (so that this is the time for what a seen password allows).
 */
must_use enum outcome verify(struct verifier *v, struct str user, struct str stored,
    const struct secret *password, struct deadline d, bool *computed);

void verifier_count(struct verifier *v, uint64_t *computed, uint64_t *remembered);

#endif
