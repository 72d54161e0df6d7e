/*
 * pattern.h - mailbox names against the patterns of LIST (RFC 3501 6.3.8):
 * '*' is any text, '%' any text without the hierarchy separator.
 */
#ifndef IMAPD_PATTERN_H
#define IMAPD_PATTERN_H

#include "base/str.h"

#define PATTERN_MAX 1024 /* octets of reference and pattern together */

/*
 * Both are UTF-8.  The name INBOX, alone or as the first level, matches
 * whatever the pattern's case.  Linear in name times pattern; a pattern over
 * PATTERN_MAX matches nothing.
 */
bool pattern_match(struct str pattern, struct str name, char sep);

#endif
