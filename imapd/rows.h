/*
 * rows.h - the rows of a set of UIDs, in order and in pieces: how FETCH,
 * STORE and SEARCH walk through a folder.
 *
 *	struct rows r;
 *	rows_begin(&r, s, &uids);
 *	while (rows_next(&r))
 *		for (size_t i = 0; i < r.n; i++)
 *			...r.row[i] has number r.seq + i...
 *
 * Pieces begin small and grow while rows are adjacent, so one message costs
 * one row and a hundred thousand cost a copy each.
 */
#ifndef IMAPD_ROWS_H
#define IMAPD_ROWS_H

#include "imapd/session.h"

struct rows {
	struct imap *s;
	const struct seqset *uids;
	size_t range;
	uint32_t next; /* UID to go on at */
	size_t piece;
	uint32_t seq; /* number of row[0] */
	size_t n;
	struct msg_row row[VIEW_CHUNK];
};

/* The set and the view stay as they are until the walk ends. */
void rows_begin(struct rows *r, struct imap *s, const struct seqset *uids);
must_use bool rows_next(struct rows *r);

#endif
