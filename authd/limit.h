/*
 * limit.h - guesses are slowed and stopped, owners are not locked out.
 *
 * Counted are failures by network (IPv4 /24, IPv6 /64) and, by account,
 * distinct wrong passwords: a client that repeats one old password counts
 * once, whatever it is behind.
 *
 *	network, not trusted	10 failures in a minute
 *	account		20 distinct wrong passwords in an hour, for networks from
 *			which its owner has not logged in before
 *
 * Beyond a limit the password is not looked at.  Trusted networks (webmail)
 * are bound by the account's limit alone, with a count of their own, so that
 * strangers elsewhere do not close webmail to an owner; and are nobody's own
 * network.  Every failure names a delay, one second at first, twice that each
 * time, 15 at most.
 *
 * In memory, 16,384 networks and accounts each; the longest unused is
 * forgotten first, so a flood costs the flooders' memory of each other.
 * Any thread may call.
 */
#ifndef AUTHD_LIMIT_H
#define AUTHD_LIMIT_H

#include "base/outcome.h"
#include "base/secret.h"
#include "base/str.h"

#define LIMIT_ENTRIES          16384
#define LIMIT_NETWORK_FAILURES 10
#define LIMIT_NETWORK_MS       (60 * 1000)
#define LIMIT_ACCOUNT_GUESSES  20
#define LIMIT_ACCOUNT_MS       (60 * 60 * 1000)
#define LIMIT_DELAY_FIRST_MS   1000
#define LIMIT_DELAY_MAX_MS     15000
#define LIMIT_GOOD_NETWORKS    8 /* remembered by account */

struct limits;

struct limits *limits_new(void);
void limits_free(struct limits **l);

/*
 * Before a password is looked at.  client: the address as text; trusted: it
 * is in trusted_networks.  now_ms: clock_ms().  TEMPFAIL 454 4.7.0 with the
 * limit and its end in why.
 */
must_use enum outcome limits_check(struct limits *l, struct str client, struct str user,
    bool trusted, int64_t now_ms, struct why *why);

/*
 * It was wrong.  guess: the password, or NULL where it was not seen (SCRAM).
 * Returns how long to keep the client waiting.
 */
uint32_t limits_failed(struct limits *l, struct str client, struct str user,
    const struct secret *guess, bool trusted, int64_t now_ms);

/* It was right: this network, unless trusted, is the owner's. */
void limits_passed(
    struct limits *l, struct str client, struct str user, bool trusted, int64_t now_ms);

#endif
