/*
 * drop.h - the maildrop of one POP3 session (RFC 1939 3): INBOX as it was
 * when the session began, its messages numbered from 1 for as long as it
 * lasts, and what is to be deleted at its end.
 *
 * The numbers are those of a view that is never told of anything new, so a
 * parked session keeps two sets of UIDs and 56 octets, however large INBOX.
 */
#ifndef POP3_DROP_H
#define POP3_DROP_H

#include "store/view.h"

struct drop {
	struct home *home;     /* borrowed: the session's */
	struct folder *folder; /* ours */
	struct view view;
	struct seqset deleted; /* UIDs, expunged by drop_update */
	struct seqset fetched; /* UIDs that get \Seen */
	uint32_t uidvalidity;
	bool locked;
	bool entered;
};

/*
 * Take the exclusive lock of RFC 1939 3 and look at INBOX.  *in_use: another
 * POP3 session of this mailbox has it (PERMFAIL).  IMAP sessions and
 * deliveries go on beside it.
 */
must_use enum outcome drop_open(
    struct drop *d, struct home *home, struct deadline dl, bool *in_use, struct why *why);
void drop_close(struct drop *d); /* also when it was never opened */

/* Around the use of what follows.  PERMFAIL: the folder was rebuilt, end the session. */
must_use enum outcome drop_enter(struct drop *d, struct deadline dl, struct why *why);
void drop_leave(struct drop *d);

/* The message of this number; false: there is none, or it is marked as deleted. */
must_use bool drop_message(struct drop *d, uint32_t number, struct msg_row *row);

/* Its octets with CRLF line ends, counted now if nobody has before. */
must_use enum outcome drop_size(
    struct drop *d, const struct msg_row *row, struct deadline dl, uint32_t *size);

/*
 * Walk over the messages that are not marked.  Start with a zeroed walk; false
 * at the end.
 */
struct drop_walk {
	struct view_cursor cursor;
	struct msg_row rows[VIEW_CHUNK];
	size_t n, at;
	uint32_t first; /* number of rows[0] */
	bool begun;
};
bool drop_next(struct drop *d, struct drop_walk *w, uint32_t *number, struct msg_row *row);

/* Number and octets of all that are not marked. */
must_use enum outcome drop_stat(
    struct drop *d, struct deadline dl, uint32_t *count, uint64_t *octets);

/* UPDATE state (RFC 1939 6): expunge what is marked; *removed gets how many. */
must_use enum outcome drop_update(
    struct drop *d, struct deadline dl, uint64_t *removed, struct why *why);

#endif
