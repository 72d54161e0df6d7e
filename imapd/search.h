/*
 * search.h - running a search program over the selected folder.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "imapd/command.h"
#include "imapd/search_parse.h"

struct search_result {
	struct seqset found;  /* sequence numbers, or UIDs; ours */
	uint64_t highest;     /* modseq of all that was found */
	uint64_t first, last; /* modseq of the first and the last */
};
void search_result_free(struct search_result *r);

/*
 * Prepare the program's sets and keywords for the folder, whose view is
 * entered.  False: a sequence number beyond the folder.
 */
must_use bool search_prepare(struct imap *s, struct search_program *p);
void search_release(struct search_program *p);

/* Every message of the view for which the program holds; `uid`: as UIDs. */
void search_run(
    struct imap *s, const struct search_program *p, bool uid, struct search_result *out);

#endif
