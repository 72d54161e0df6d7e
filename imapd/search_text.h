/*
 * search_text.h - the SEARCH keys that look at a message's text, by its MIME
 * tree, decoded: RFC 3501 6.4.4.
 */
#ifndef IMAPD_SEARCH_TEXT_H
#define IMAPD_SEARCH_TEXT_H

#include "base/arena.h"

/* needle is folded (mail/fold.h); arena is memory for the run. */
bool text_in_header(struct str header, struct str field, struct str needle);
/* BODY: text parts and the headers of embedded messages; `header`: TEXT, everything. */
bool text_in_message(struct str message, struct str needle, bool header, struct arena *arena);

#endif
