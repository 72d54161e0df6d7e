/*
 * fold.h - text without case, for SEARCH, subjects and names: full Unicode
 * case folding and compatibility decomposition (in the manner of
 * i;unicode-casemap, RFC 5051), by libunistring; ASCII takes a fast way.
 */
#ifndef MAIL_FOLD_H
#define MAIL_FOLD_H

#include "base/buf.h"

/* Append the fold of UTF-8; ill-formed octets fold to U+FFFD.  False: full. */
bool fold_put(struct str utf8, struct buf *out);

/* True where a folded needle is in the text; for short texts.  An empty needle is everywhere. */
bool fold_has(struct str utf8, struct str folded_needle);

/*
 * A search through text that comes in pieces (a body as it is decoded).
 * Linear.  Pieces may cut characters anywhere.
 */
struct fold_search {
	struct str needle; /* folded, the caller's */
	struct buf folded; /* ours: what is to be looked at, and the overlap */
	struct buf held;   /* ours: the end of a piece that may still grow */
	bool found;
};

#define FOLD_NEEDLE_MAX 4096

void fold_search_init(struct fold_search *f, struct str folded_needle);
bool fold_search_put(struct fold_search *f, struct str utf8); /* true once found */
bool fold_search_end(struct fold_search *f);                  /* the last word */
void fold_search_free(struct fold_search *f);

#endif
