/*
 * fetch.h - one message of a FETCH: what its program asks for.
 */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "imapd/command.h"
#include "imapd/fetch_parse.h"

struct fetch {
	struct imap *s;
	const struct fetch_program *program;
	struct arena *message; /* emptied after each message */
	bool gone;             /* some text could not be had: the message was expunged */
	bool failed;           /* ... for another reason */
};

/*
 * "* n FETCH (...)".  Items that cannot be had are left out, and `gone` or
 * `failed` set.  GONE: the client does not take it.
 */
must_use enum outcome fetch_row(
    struct fetch *f, const struct msg_row *row, uint32_t seq, bool tell_flags);

#endif
