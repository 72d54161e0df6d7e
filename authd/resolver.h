/*
 * resolver.h - the one place that knows where an address goes and who may
 * send as it.  Everything else asks here and can print the reasons.
 *
 * The order, for an address whose domain is hosted:
 *   1. its aliases (one row or several, each with one destination or several
 *      between commas); an alias that names itself among its destinations
 *      also reaches its mailbox
 *   2. its mailbox
 *   3. 1 and 2 for the address without its subaddress; the subaddress goes
 *      along to the mailboxes reached
 *   4. the same local part in the domain that this one is an alias of
 *   5. the domain's catch-all, an alias whose source is @domain
 *   6. the configured postmaster, for the local part "postmaster" (RFC 5321
 *      4.5.1)
 * A row that is switched off is an answer, not a gap: the address is refused
 * and the catch-all does not take it.  Destinations in domains of others are
 * forwards.  Destinations that lead nowhere are passed over, with a reason,
 * while others remain.
 *
 * Not recursive: a queue of addresses, each looked up at most once, at most
 * RESOLVE_DEPTH aliases deep, RESOLVE_LOOKUPS in all.  What lies beyond is
 * TEMPFAIL: an administrator's mistake must not lose mail.
 *
 * Pure but for the look-ups, which come in by an interface; any thread.
 */
#ifndef AUTHD_RESOLVER_H
#define AUTHD_RESOLVER_H

#include "authd/name.h"
#include "base/clock.h"
#include "rpc/auth_proto.h"

#define RESOLVE_DEPTH   20
#define RESOLVE_LOOKUPS 1000
#define RESOLVE_QUEUE   AUTH_TARGETS_MAX

struct fact_mailbox {
	struct str address;
	struct str home; /* as in the table; "": by the template */
	struct str host;
	uint64_t quota;
	uint64_t quota_messages;
	bool enabled;
};

struct fact_alias {
	struct str source;
	struct str destination;
	bool enabled;
	bool send_as;
};

/* What the tables say about one address. */
struct facts {
	bool domain_known;
	bool domain_enabled;
	struct str alias_of; /* "": none */
	const struct fact_mailbox *mailboxes;
	size_t mailbox_count;
	const struct fact_alias *aliases;
	size_t alias_count;
};

/*
 * The tables.  Rows may be about other addresses than asked for (a collation
 * may take two for the same); the resolver compares once more.
 */
struct directory {
	enum outcome (*look_up)(void *arg, const struct name *n, struct arena *a, struct facts *out,
	    struct deadline d, struct why *why);
	/* Is there a permission for user to send as this address or all of its domain? */
	enum outcome (*permitted)(void *arg, struct str user, const struct name *sender,
	    struct arena *a, bool *yes, struct deadline d, struct why *why);
	void *arg;
};

struct resolver {
	struct directory directory;
	struct str separators; /* of subaddresses: "+" */
	struct str postmaster; /* an address; "": none */
	struct str home;       /* template */
};

/*
 * The route of an address as written in RCPT TO.  See auth_client.h for the
 * outcomes.  reasons: collect sentences for people.
 */
must_use enum outcome resolve(const struct resolver *r, struct str address, bool reasons,
    struct arena *a, struct route *out, struct deadline d, struct why *why);

/* May user (an address) send as sender ("" is the null reverse-path)? */
must_use enum outcome resolve_send_as(const struct resolver *r, struct str user, struct str sender,
    struct arena *a, struct deadline d, struct why *why);

/* The mailboxes whose owners may send as an address, as targets; not those of explicit permissions.
 */
must_use enum outcome resolve_senders(const struct resolver *r, struct str address, struct arena *a,
    struct route *out, struct deadline d, struct why *why);

/* The home that a mailbox's row says. */
must_use bool resolve_home(const struct resolver *r, struct str address, struct str column,
    struct arena *a, struct str *out);

#endif
