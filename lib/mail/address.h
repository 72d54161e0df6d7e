/*
 * address.h - mail addresses as SMTP writes them (RFC 5321 4.1.2, RFC 6531
 * 3.3) and the canonical form we compare and store.  The address lists of
 * message headers are addrlist.h.
 *
 * Strict: what is no path by the grammar is refused and nothing is repaired,
 * so that no two of our programs read one address in two ways.  Pure
 * functions; any thread.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/scan.h"

/* RFC 5321 4.5.3.1.1 to 4.5.3.1.3, in octets. */
#define ADDRESS_LOCAL_MAX  64
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX        254 /* local part, "@" and domain: a path of 256 with its brackets */
#define ADDRESS_LABEL_MAX  63
#define ADDRESS_LONG_MAX   256  /* local part where ADDRESS_ALLOW_LONG is given */
#define ADDRESS_PATH_MAX   1024 /* with a source route; ours, since the route is dropped */
/* Room an address takes in the arena at most. */
#define ADDRESS_ARENA      1024

/* What an address shows that a relay or a policy wants to know. */
enum address_mark {
	ADDRESS_NULL = 1 << 0,       /* <>: no local part, no domain */
	ADDRESS_POSTMASTER = 1 << 1, /* <postmaster> without a domain */
	ADDRESS_QUOTED = 1 << 2,     /* the local part needs its quotes */
	ADDRESS_LITERAL = 1 << 3,    /* the domain is [192.0.2.1] or [IPv6:...] */
	ADDRESS_UTF8 = 1 << 4,       /* an octet above 127 somewhere (RFC 6531) */
	ADDRESS_ROUTED = 1 << 5,     /* came with a source route, which was dropped (RFC 5321 C) */
	ADDRESS_PERCENT = 1 << 6, /* '%' in the local part: the percent hack, unless hosted here */
	ADDRESS_BANG = 1 << 7,    /* '!' in the local part: a UUCP path, unless hosted here */
	ADDRESS_AT = 1 << 8,      /* '@' in a quoted local part */
};

struct mailaddr {
	struct str local;  /* the octets meant: quotes and backslashes taken off; case as written */
	struct str domain; /* lower case (ASCII); a literal with its brackets; may be empty */
	unsigned marks;    /* enum address_mark */
};

/* Why it is no address.  address_fault_text says it in a few words for a reply. */
enum address_fault {
	ADDRESS_OK = 0,
	ADDRESS_SYNTAX,     /* 501 5.1.3 (recipient) or 5.1.7 (sender) */
	ADDRESS_TOO_LONG,   /* the same codes */
	ADDRESS_BAD_DOMAIN, /* not a host name or literal: trailing dot, '_', empty label ... */
	ADDRESS_CONTROL,    /* NUL or another control character */
	ADDRESS_NEEDS_UTF8, /* beyond ASCII without SMTPUTF8: 553 5.6.7 (RFC 6531 3.5) */
	ADDRESS_BAD_UTF8,   /* not UTF-8 at all */
};

const char *address_fault_text(enum address_fault f);

/* What scan_path takes. */
enum address_allow {
	ADDRESS_ALLOW_NULL = 1 << 0,       /* <> (MAIL FROM) */
	ADDRESS_ALLOW_POSTMASTER = 1 << 1, /* <postmaster> (RCPT TO) */
	ADDRESS_ALLOW_UTF8 = 1 << 2,       /* SMTPUTF8 was asked for */
	/*
	 * Local parts up to ADDRESS_LONG_MAX, as bounce addresses of big senders have
	 * them (MAIL FROM): RFC 5321 4.5.3.1 would rather have no limits.
	 */
	ADDRESS_ALLOW_LONG = 1 << 3,
};

/*
 * A path with its angle brackets: `<local@domain>`, `<@a,@b:local@domain>`.
 * On ADDRESS_OK the cursor stands behind '>', *out has its text in the arena
 * (at most ADDRESS_ARENA octets); else the cursor has not moved.
 */
must_use enum address_fault scan_path(
    struct scan *s, struct arena *a, unsigned allow, struct mailaddr *out);

/* A bare mailbox, `local@domain`, all of s: configuration, tables, command lines, AUTH=. */
must_use enum address_fault address_parse(
    struct str s, struct arena *a, unsigned allow, struct mailaddr *out);

/* local@domain, the local part quoted only where it has to be.  False when b is full. */
bool address_put(struct buf *b, const struct mailaddr *m);
/* The same in the arena, "" for <>. */
struct str address_text(struct arena *a, const struct mailaddr *m);

/*
 * The same mailbox by the rules every host must keep: domains without case,
 * local parts octet by octet.
 */
bool address_eq(const struct mailaddr *x, const struct mailaddr *y);

/*
 * A local part in lower case, for tables that ignore case (ours do).  ASCII
 * only: beyond that use fold.h.  The result is in the arena.
 */
struct str address_lower(struct arena *a, struct str local);

/*
 * Split a local part at the leftmost octet that is one of `separators`, never
 * at its first octet: "ann+x" is "ann" and "x"; "ann+" is "ann" and "".  False,
 * with all of it the user and the detail empty, where there is none.
 */
bool address_subaddress(
    struct str local, struct str separators, struct str *user, struct str *detail);

/*
 * A domain name by RFC 5321 4.1.2: labels of letters, digits and inner
 * hyphens, 63 octets each, 255 in all, no trailing dot.  With utf8 a label may
 * be a U-label (well-formed UTF-8; see idn.h for its A-label).
 */
bool domain_valid(struct str domain, bool utf8);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" with their brackets (RFC 5321 4.1.3). */
bool domain_literal_valid(struct str domain);

/*
 * An IPv4 or IPv6 address without brackets or "IPv6:"; *octets get 4 or 16.
 * No zone, no leading zeros, no octal.  Answers 4, 16, or 0 for neither.
 */
size_t ip_parse(struct str s, unsigned char octets[16]);

#endif
