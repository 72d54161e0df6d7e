/*
 * outcome.h - how a call ended, in the terms that matter for mail: it
 * happened, try again, or never.
 *
 * When in doubt between the two failures choose TEMPFAIL: a wrong 4xx costs
 * an hour, a wrong 5xx loses a message.
 */
#ifndef BASE_OUTCOME_H
#define BASE_OUTCOME_H

#include "base/base.h"

enum outcome {
	DONE = 0, /* it happened, durably where durability was promised */
	TEMPFAIL, /* not now: the same request may work later (SMTP 4xx) */
	PERMFAIL, /* never: the request itself is refused (SMTP 5xx) */
	GONE,     /* the peer left or its deadline passed; say nothing more */
};

/* What the peer is told.  No secrets, no paths, no SQL in the text. */
struct why {
	short code;       /* SMTP reply code; 0 where none applies */
	char enhanced[8]; /* RFC 3463, "4.3.0"; "" where none applies */
	char text[112];
};

/*
 * Fill *why and return o, so that a refusal is one statement.  why may be
 * NULL.  Text beyond the room is cut at a character boundary; control
 * characters become '?'.
 */
enum outcome fail(enum outcome o, struct why *why, int code, const char *enhanced,
    const char *format, ...) printf_like(5, 6);

/* "done", "tempfail", "permfail", "gone": for the log. */
const char *outcome_name(enum outcome o);

#endif
