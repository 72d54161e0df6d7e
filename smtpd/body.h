/*
 * body.h - a message on its way into its spool file.
 *
 * Octets are kept in memory up to BODY_MEMORY; most messages never get
 * beyond, and then lie in the file by one writev, the lines we add first.  The
 * lines we add are known when the message's own header has arrived, so a
 * longer message is written piece by piece behind them and nothing is copied.
 * (What needs the whole message before its header is final - a milter that
 * changes fields, a signature check - will have to copy the file behind the
 * new header: body_begin is the place.)
 *
 * Nothing here fails half: the first failure is remembered in `outcome` and
 * `why`, what follows is counted and thrown away, and the reply waits until
 * the peer has sent its last octet.
 */
#ifndef SMTPD_BODY_H
#define SMTPD_BODY_H

#include "base/buf.h"
#include "base/outcome.h"
#include "rpc/deliver_client.h"

#define BODY_MEMORY (128 * 1024)

struct body {
	struct buf memory; /* ours: what is not in the file yet */
	uint64_t octets;   /* of the message as the peer sent it, thrown away ones too */
	uint64_t max;
	uint64_t written;           /* to the file, our lines included */
	struct deliver_spool spool; /* ours until commit; fd -1: none taken yet */
	bool begun;                 /* our lines are in the file */
	bool eightbit;              /* an octet above 127 was seen */
	enum outcome outcome;       /* DONE so far, or why it is being thrown away */
	struct why why;
};

void body_init(struct body *b, uint64_t max);
/* Frees the memory.  The spool, if any, was committed or dropped before. */
void body_free(struct body *b);

/* Remember the first failure and let go of the memory. */
void body_fail(struct body *b, enum outcome o, const struct why *why);

/*
 * Take a piece.  False when there is no room for it: the caller calls
 * body_begin or body_spill and comes again with the same piece, which is at
 * most BODY_MEMORY.
 */
must_use bool body_put(struct body *b, struct str piece);

/* The spool has been taken: write our lines and the memory behind them. */
void body_begin(struct body *b, struct str lines);
/* Write the memory behind what is in the file. */
void body_spill(struct body *b);

#endif
