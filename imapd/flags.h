/*
 * flags.h - flags between IMAP's text and lib/store's bits.
 */
#ifndef IMAPD_FLAGS_H
#define IMAPD_FLAGS_H

#include "imapd/parse.h"
#include "store/folder.h"

/*
 * Append "\Seen \Recent $Forwarded", without parentheses.  False: b is full.
 */
bool flags_put(struct buf *b, const struct msg_row *row, bool recent, const struct str *keywords,
    size_t keyword_count);

/*
 * System flags and keywords of a client's list.  False: it holds a system
 * flag that cannot be set (\Recent), or none that exists.  Keywords point into
 * the list's texts; the array has room for PARSE_FLAGS_MAX.
 */
must_use bool flags_take(
    const struct flag_list *list, unsigned *flags, struct str *keywords, size_t *keyword_count);

#endif
