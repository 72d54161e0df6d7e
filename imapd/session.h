/*
 * session.h - one IMAP session after login: a connection that is parked most
 * of its life, and a turn that serves what has come.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "imapd/mailbox.h"
#include "imapd/reader.h"
#include "imapd/sessions.h"
#include "run/io.h"
#include "store/view.h"

struct imap {
	struct conn conn; /* first: the lot's */
	struct imapd *d;
	struct session session; /* in the list of all */
	struct io *io;          /* ours */
	struct arena *command;  /* ours; empty while parked */
	struct reader reader;
	struct home *home; /* ours */
	struct quota_limit quota;
	int64_t last_command_ms;
	char *greeting; /* ours: tag of the login command until it is answered; then NULL */

	/* The selected folder; view.folder == NULL: none (authenticated state). */
	struct view view;
	struct watcher watcher;
	struct seqset recent; /* UIDs that are \Recent to this session */
	bool entered;         /* view_enter was called in this command */
	bool read_only;       /* EXAMINE */
	bool is_inbox;

	bool condstore; /* RFC 7162 3.1: untagged FETCH responses hold MODSEQ */
	bool linger;
	bool bye;       /* LOGOUT, or BYE was said: end after this command */
	char *idle_tag; /* ours; idling while not NULL */
	unsigned bads;  /* BAD answers in a row */
};

static inline bool
selected(const struct imap *s)
{
	return s->view.folder != NULL;
}

/*
 * The session_begin of IMAP; answers the login's tagged OK in its first turn.
 * TEMPFAIL: the home cannot be used, or there are no threads.
 */
must_use enum outcome imap_begin(
    struct imapd *d, const struct handover *h, const struct account *a, struct why *why);

/* --- for commands --- */

/* The folder is no more selected; its view, watch and recent set are given up.  Harmless without.
 */
void imap_unselect(struct imap *s);

/*
 * Begin to look at the selected folder.  GONE: it was deleted or its index
 * rebuilt; "* BYE" has been said and the session ends.  TEMPFAIL: it cannot
 * be read now.  `sync`: also look for what other programs did to the Maildir.
 */
must_use enum outcome imap_enter(struct imap *s, bool sync);
void imap_leave(struct imap *s); /* harmless when not entered */

/* Say "* BYE text" and end the session. */
void imap_bye(struct imap *s, const char *text);

struct deadline imap_store_deadline(const struct imap *s);

#endif
