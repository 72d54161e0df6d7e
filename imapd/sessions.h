/*
 * sessions.h - the list of all logged-in sessions of this shard, IMAP and
 * POP3, for `postroom sessions` and for ending them.
 *
 * Any thread may call everything.
 */
#ifndef IMAPD_SESSIONS_H
#define IMAPD_SESSIONS_H

#include "imapd/imapd.h"
#include "rpc/imap_proto.h"

/* A field of struct imap and of struct pop3. */
struct session {
	LIST_ENTRY(session) next;
	struct conn *conn; /* whose turn is to run when it is kicked; it sees `kicked` */
	uint64_t id;
	enum imapd_protocol protocol;
	char *user;   /* ours */
	char *client; /* ours */
	int64_t since_ms;
	bool listed;
	atomic_bool kicked;
	atomic_bool idling;
};

/* Fills *s from the handover and the account. */
void session_init(
    struct session *s, struct conn *conn, const struct handover *h, const struct account *a);
/* Lists it.  In its first turn, since the connection may be woken from here on. */
void session_enter(struct session *s);
/* Frees what is in it; afterwards nobody wakes the connection on behalf of this list. */
void session_leave(struct session *s);

/* Rows of all sessions, at most SESSIONS_MAX, as the answer to IMAPD_SESSIONS. */
void sessions_put(struct rpc_out *out);
/* id 0, user empty: not by it.  How many were told to go. */
unsigned sessions_kick(uint64_t id, struct str user);

#endif
