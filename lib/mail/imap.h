/*
 * imap.h - values as IMAP writes them (RFC 3501 4.3, 9): strings as quoted or
 * literal, and ENVELOPE and BODYSTRUCTURE of a message (RFC 3501 7.4.2).
 */
#ifndef MAIL_IMAP_H
#define MAIL_IMAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/addrlist.h"
#include "mail/mime.h"

/*
 * Append a string: quoted where it may be (7-bit, no CR, LF, NUL), else a
 * literal, which takes 8-bit octets as they are; a NUL in it becomes 0x80
 * (no form of string may hold one).  p == NULL is NIL for nstring and "" for
 * string.  False: full.
 */
bool imap_put_string(struct buf *b, struct str s);
bool imap_put_nstring(struct buf *b, struct str s);
/* An atom where it can be one, else as a string: mailbox names, charsets. */
bool imap_put_astring(struct buf *b, struct str s);

/* ENVELOPE of the message (or message/rfc822 part) whose header this is. */
bool imap_put_envelope(struct buf *b, struct str header);

/*
 * BODYSTRUCTURE of a tree.  Where ext is not NULL the offsets (from the first
 * octet put) and lengths of all extension data are appended to it as pairs of
 * base-128 numbers: gap since the last one, length (see structure.h).
 */
bool imap_put_bodystructure(struct buf *b, const struct mime *m, struct buf *ext);

#endif
