/*
 * hosts.h - which hosts take the mail of a domain (RFC 5321 5.1), in the
 * order in which they are to be tried.
 */
#ifndef RELAY_HOSTS_H
#define RELAY_HOSTS_H

#include "base/outcome.h"
#include "conf/conf.h"
#include "deliver/relay/smtp_client.h"

#define HOSTS_MAX    10 /* addresses that are tried for one message */
#define HOSTS_DNS_MS 30000

/*
 * The peers for a domain: its mail exchangers, or the domain itself without
 * any (implicit MX), or an address literal's address; hosts of one preference
 * in random order.  With a smarthost set, that.
 *
 * DONE: at least one.  PERMFAIL: no such domain (5.1.2), it takes no mail (RFC
 * 7505, 5.1.10), it leads back to us (5.4.6).  TEMPFAIL: DNS does not answer,
 * or gives only addresses that we do not connect to (4.4.4).
 */
must_use enum outcome hosts_find(struct dns *dns, const struct conf *conf, struct str domain,
    struct arena *arena, struct smtp_peer out[static HOSTS_MAX], size_t *count, struct why *why);

/* Loopback, unspecified, or otherwise nobody's address on the net (faults.md 41). */
bool hosts_is_loopback(const struct dns_address *a);

#endif
