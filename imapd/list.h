/*
 * list.h - the folders of a home as LIST and LSUB look at them.
 */
#ifndef IMAPD_LIST_H
#define IMAPD_LIST_H

#include "imapd/command.h"

/* Sorted by name as octets, levels above subscriptions included. */
struct folder_tree {
	struct folder_info *v; /* in the command's arena */
	size_t n;
};

must_use enum outcome tree_load(
    struct imap *s, struct command *c, struct folder_tree *t, struct why *why);

/* The entries below `name`: indexes from *from to *to. */
void tree_below(const struct folder_tree *t, struct str name, size_t *from, size_t *to);

/*
 * Reference and pattern as one pattern in UTF-8.  False: no pattern that
 * could match anything.
 */
must_use bool list_pattern(
    struct command *c, struct str reference, struct str pattern, struct str *out);

/* "* LIST () "." """: what an empty pattern asks for (RFC 3501 6.3.8). */
void list_put_root(struct imap *s, const char *response);

#endif
