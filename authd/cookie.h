/*
 * cookie.h - logins that wait to be redeemed: a number, 128 random bits, and
 * who it is.  Good once, for AUTH_COOKIE_MS.  Any thread may call.
 */
#ifndef AUTHD_COOKIE_H
#define AUTHD_COOKIE_H

#include "base/arena.h"
#include "base/outcome.h"
#include "rpc/auth_proto.h"

#define COOKIES_MAX 16384 /* of logins that succeeded: a strangers' flood never gets here */

struct cookies;

struct cookies *cookies_new(void);
void cookies_free(struct cookies **c);

/* Remember who; TEMPFAIL when too many wait. */
must_use enum outcome cookie_make(struct cookies *c, const struct auth_home *who, int64_t now_ms,
    uint64_t *number, unsigned char cookie[AUTH_COOKIE_OCTETS]);

/* PERMFAIL for a number or cookie that is not good; either way it is used up. */
must_use enum outcome cookie_redeem(struct cookies *c, uint64_t number, struct str cookie,
    int64_t now_ms, struct arena *a, struct auth_home *who);

#endif
