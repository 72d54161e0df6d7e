/*
 * dns.h - questions to the DNS, each with a deadline, over libunbound.
 *
 * Any thread may ask; a thread of our own takes the answers in.  Names that
 * come out are host names: lower case, without a dot at the end, letters,
 * digits, '-' and '_' only, 253 octets at most; what is anything else is left
 * out, as are records that are too many (faults.md 41).
 */
#ifndef RUN_DNS_H
#define RUN_DNS_H

#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/outcome.h"

#define DNS_NAME_MAX      253
#define DNS_MX_MAX        64          /* MX records of one name that are looked at */
#define DNS_ADDRESSES_MAX 32          /* addresses of one name */
#define DNS_TXT_MAX       (16 * 1024) /* octets of all TXT records of one name */
#define DNS_TXT_RECORDS   128

struct dns;

/*
 * server: "ADDRESS" or "ADDRESS@PORT" of the resolver to ask; "" those of
 * /etc/resolv.conf, where /etc/hosts counts too.  Reads these files now,
 * before the process is confined.  NULL with a log line when that fails.
 */
struct dns *dns_new(const char *server);
/* Nobody may be asking any more. */
void dns_free(struct dns **d);

enum dns_answer {
	DNS_FOUND,   /* at least one usable record */
	DNS_EMPTY,   /* the name exists, but has no (usable) such record */
	DNS_NO_NAME, /* NXDOMAIN */
	DNS_LATER,   /* SERVFAIL, bogus, no answer by the deadline */
};

struct dns_mx {
	uint16_t preference;
	struct str host; /* "" for "." (RFC 7505: the domain takes no mail) */
};

/* In ascending order of preference, as they came within one preference. */
must_use enum dns_answer dns_mx(struct dns *d, struct str domain, struct deadline by,
    struct arena *arena, struct dns_mx **out, size_t *count);

struct dns_address {
	int family; /* AF_INET or AF_INET6 */
	unsigned char octets[16];
};

/* A and AAAA, both asked at the same time; those of IPv6 first. */
must_use enum dns_answer dns_addresses(struct dns *d, struct str host, struct deadline by,
    struct arena *arena, struct dns_address **out, size_t *count);

/* Text records, the strings of each joined (RFC 7208 3.3). */
must_use enum dns_answer dns_txt(struct dns *d, struct str name, struct deadline by,
    struct arena *arena, struct str **out, size_t *count);

/* Names of an address. */
must_use enum dns_answer dns_names(struct dns *d, const struct dns_address *a, struct deadline by,
    struct arena *arena, struct str **out, size_t *count);

/*
 * The name of a peer: its PTR, if that name has the peer's address among its
 * own (what Postfix and others show as the verified client name).  DNS_EMPTY
 * when there is a name but it does not lead back.
 */
must_use enum dns_answer dns_verified_name(struct dns *d, const struct dns_address *a,
    struct deadline by, struct arena *arena, struct str *out);

/* --- parts, for tests and for records of other kinds --- */

/*
 * A domain name in wire form at the front of *data (no compression), as text
 * in the arena.  False, nothing consumed, where it is no name we would use.
 */
must_use bool dns_wire_name(struct str *data, struct arena *arena, struct str *out);

/* From a socket address; v4-mapped ones become AF_INET.  False for other families. */
must_use bool dns_address_of(const struct sockaddr *sa, struct dns_address *out);

#endif
