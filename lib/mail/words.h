/*
 * words.h - encoded words (RFC 2047) to UTF-8: for search and sort keys and
 * for people, never back into a protocol's syntax.
 */
#ifndef MAIL_WORDS_H
#define MAIL_WORDS_H

#include "base/buf.h"

/*
 * Append an (unfolded or folded) field value as one line of UTF-8: encoded
 * words decoded, blanks between two of them dropped (RFC 2047 6.2), raw octets
 * taken as UTF-8 if well-formed, else as Latin-1 (windows-1252).  Words of
 * unknown charset or broken encoding stay as they are.  Every control character,
 * decoded or not (NUL, CR, LF: faults.md 39), becomes a space.  False: full.
 */
bool words_decode(struct str value, struct buf *out);

#endif
