/*
 * announce.h - telling a client what happened in its folder.
 */
#ifndef IMAPD_ANNOUNCE_H
#define IMAPD_ANNOUNCE_H

#include "imapd/command.h"

/*
 * Everything new in the selected folder, whose view is entered: EXPUNGE (only
 * if `expunges`: RFC 3501 7.4.1 forbids it during FETCH, STORE and SEARCH), FETCH of
 * changed flags, EXISTS and RECENT.  c: flag changes it has told of itself
 * are left out; NULL while idling.
 */
must_use enum outcome announce(struct imap *s, const struct command *c, bool expunges);

/* "* n FETCH (FLAGS (...) UID u MODSEQ (m))": what of it is in `items` (fetch_parse.h). */
void put_plain_row(struct imap *s, const struct msg_row *row, uint32_t seq, unsigned items);
/* The items alone, for a FETCH that goes on; `first` says whether one was put before. */
void put_plain_items(struct imap *s, const struct msg_row *row, unsigned items, bool *first);

/* Claim new messages as \Recent to this session (EXAMINE looks only). */
void take_recent(struct imap *s);
uint32_t count_recent(struct imap *s);

/* "(\Answered ... custom)" of all flags the folder knows; `any`: with "\*". */
void put_flag_names(struct imap *s, bool any);

/* If CONDSTORE is not yet on: on, and tell HIGHESTMODSEQ (RFC 7162 3.1.2.2). */
void enable_condstore(struct imap *s);

#endif
