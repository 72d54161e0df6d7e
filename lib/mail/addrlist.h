/*
 * addrlist.h - the address lists of message headers (RFC 5322 3.4 and 4.4):
 * mailboxes, groups, comments, quoted strings, routes and everything else that
 * people's mail holds.  Made for IMAP's ENVELOPE (RFC 3501 7.4.2).
 *
 * Never fails: what is not understood is skipped to the next comma.  Linear
 * in the length, no recursion, a bounded number of addresses.
 */
#ifndef MAIL_ADDRLIST_H
#define MAIL_ADDRLIST_H

#include "base/arena.h"

enum addr_kind {
	ADDR_MAILBOX,
	ADDR_GROUP_START, /* local is the group's name; the rest is absent */
	ADDR_GROUP_END,   /* all absent */
};

/* Absent text has p == NULL (IMAP's NIL), which differs from empty text. */
struct addr {
	enum addr_kind kind;
	struct str name; /* display name, quotes taken off, encoded words as they are; or comment */
	struct str route;  /* "@a,@b" of a source route */
	struct str local;  /* without quotes; ADDR_NO_LOCAL where there is none */
	struct str domain; /* ADDR_NO_DOMAIN for a mailbox written without one */
};

/*
 * A mailbox without "@", or without a local part: NIL would mean a group, so
 * something has to stand there.  The words are Dovecot's; clients know them.
 */
#define ADDR_NO_DOMAIN "MISSING_DOMAIN"
#define ADDR_NO_LOCAL  "MISSING_MAILBOX"

struct addrlist {
	struct addr *v; /* in the arena */
	size_t n;
	bool cut; /* there were more than `max`, or the arena had no room for more */
};

/*
 * Parse the (folded or unfolded) value of a field.  At most max entries; the
 * text and the array live in the arena, which needs about 2 * value.n + 160 *
 * entries octets; where it has less the list is cut.
 */
void addrlist_parse(struct str value, struct arena *a, size_t max, struct addrlist *out);

/*
 * The first mailbox as local@domain, unquoted; false where there is none.
 * For policies (DMARC, Sieve, vacation), which look at one address.
 */
must_use bool addrlist_first(struct str value, struct arena *a, struct addr *out);

#endif
