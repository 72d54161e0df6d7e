/*
 * numbers.h - inside the store: sequence numbers of a view as positions in
 * the rows, less those that are hidden.
 */
#ifndef STORE_NUMBERS_H
#define STORE_NUMBERS_H

#include "store/core.h"

/* Positions the view passes over, as of one epoch of the body. */
struct view_hidden {
	uint64_t epoch;
	uint64_t told;
	uint32_t uidnext;
	uint32_t end;   /* positions below this have a UID below uidnext_told */
	uint32_t count; /* hidden below end */
	uint32_t room;
	uint32_t *at; /* ours, ascending */
};

/* The rows, locked for reading; the view is entered. */
struct body *view_lock(struct view *v);
void view_unlock(struct body *b);

/* What is hidden now.  Body locked for reading. */
const struct view_hidden *view_hide(const struct view *v, const struct body *b);
/* How many are hidden before a position. */
uint32_t hidden_before(const struct view_hidden *h, uint32_t at);
/* The position of number seq; h->end when there is none. */
uint32_t hidden_position(const struct view_hidden *h, uint32_t seq);
/* Add the UIDs of visible rows at positions [from, to), as ranges. */
void view_add_uids(
    const struct view *v, const struct body *b, uint32_t from, uint32_t to, struct seqset *out);

#endif
