/*
 * message.h - a message as FETCH and SEARCH look at it: its packed structure
 * from the index, its text from its file, each got when first asked for.
 */
#ifndef IMAPD_MESSAGE_H
#define IMAPD_MESSAGE_H

#include "imapd/session.h"
#include "mail/structure.h"

struct message {
	struct imap *s;
	const struct msg_row *row;
	struct arena *arena; /* where its structure goes */
	struct structure structure;
	struct msg_file file;
	bool has_structure;
	bool has_file;        /* file.fd */
	bool has_data;        /* file.data */
	enum outcome trouble; /* of the last call that failed: PERMFAIL: expunged */
};

void message_init(
    struct message *m, struct imap *s, const struct msg_row *row, struct arena *arena);
void message_done(struct message *m);

/* The structure; a message that came from elsewhere is parsed now, once for all. */
must_use bool message_structure(struct message *m);
/* m->file.fd, or with `data` also all of its text in memory. */
must_use bool message_open(struct message *m, bool data);
/* RFC822.SIZE. */
must_use bool message_size(struct message *m, uint32_t *size);

#endif
