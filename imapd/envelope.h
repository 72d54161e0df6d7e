/*
 * envelope.h - the packed ENVELOPE text (mail/structure.h) taken apart again,
 * for SEARCH and later SORT: no message file is opened for these.
 */
#ifndef IMAPD_ENVELOPE_H
#define IMAPD_ENVELOPE_H

#include "imapd/parse.h"

enum envelope_list {
	ENVELOPE_FROM,
	ENVELOPE_SENDER,
	ENVELOPE_REPLY_TO,
	ENVELOPE_TO,
	ENVELOPE_CC,
	ENVELOPE_BCC,
	ENVELOPE_LISTS,
};

struct envelope {
	struct str date, subject;         /* p == NULL: NIL */
	struct str lists[ENVELOPE_LISTS]; /* raw: "((...) ...)" or "NIL" */
	struct str in_reply_to, message_id;
};

/* False: not the text of an ENVELOPE.  What is returned is in the text or the arena. */
must_use bool envelope_split(struct str text, struct arena *arena, struct envelope *out);

/*
 * The next address of a list as people read it, decoded: "Ann <ann@example.test>"
 * appended to out.  False at the end.
 */
bool envelope_next_address(struct parse *list, struct buf *out);
/* Begin with this: *list of envelope_next_address. */
struct parse envelope_addresses(struct str raw, struct arena *arena);

#endif
