/*
 * mutf7.h - mailbox names: IMAP's modified UTF-7 (RFC 3501 5.1.3) to UTF-8
 * and back, and which names we take.
 */
#ifndef MAIL_MUTF7_H
#define MAIL_MUTF7_H

#include "base/buf.h"

/*
 * Append the UTF-8 of a name.  Only the one canonical form of a name is taken
 * (else two names could mean one folder): no ASCII in base64, no lone or
 * swapped surrogates, no stray bits, no empty or adjacent shifts, no octet
 * outside 0x20 to 0x7e.  False on anything else or when out is full; out is
 * then as before.
 */
must_use bool mutf7_to_utf8(struct str name, struct buf *out);

/* Append the modified UTF-7 of well-formed UTF-8.  False on ill-formed, or full. */
must_use bool mutf7_from_utf8(struct str name, struct buf *out);

/* The rules for a name in UTF-8, `sep` being the hierarchy separator. */
#define MAILBOX_NAME_MAX  512 /* octets of UTF-8 in all */
#define MAILBOX_LABEL_MAX 200 /* octets of one level: Maildir++ puts levels into one file name */
#define MAILBOX_DEPTH_MAX 32

/*
 * True for a name we would create: well-formed UTF-8; no control characters
 * (C0, DEL, C1, U+2028, U+2029, non-characters); no empty level, none that is
 * "." or "..", none beginning with "~" at the top; no '/' but as separator; no
 * '.' when the store's own separator is '.' is the store's rule, not ours.
 */
bool mailbox_name_valid(struct str utf8, char sep);

#endif
