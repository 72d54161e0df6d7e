/*
 * imap_proto.h - what imapd is asked by the daemons around it.
 *
 *   wire "login"      IMAPD_HANDOVER   a session that has just logged in
 *   wire "deliver"    IMAPD_CHANGED    notice: a folder has changed
 *   imapd-N.sock      IMAPD_SESSIONS, IMAPD_KICK   the postroom command
 *
 * Both sides use the put and get functions below, so the layout stands in
 * one file, imap_proto.c.
 *
 * Which shard: authd's success answer tells login the shard's number (as
 * hash_stable(canonical address) % shards); login does not know the user.
 */
#ifndef RPC_IMAP_PROTO_H
#define RPC_IMAP_PROTO_H

#include "rpc/rpc.h"

enum imapd_request {
	IMAPD_HANDOVER = 1,
	IMAPD_CHANGED = 2,
	IMAPD_SESSIONS = 3,
	IMAPD_KICK = 4,
};

enum imapd_protocol {
	IMAPD_IMAP = 1,
	IMAPD_POP3 = 2,
};

/* --- IMAPD_HANDOVER --- */

#define HANDOVER_INPUT_MAX  (16 * 1024) /* octets login may have read ahead */
#define HANDOVER_TAG_MAX    128
#define HANDOVER_COOKIE_MAX 64

/*
 * One authenticated connection.  On DONE the session is imapd's, and imapd
 * has answered or is about to answer the client itself: for IMAP the tagged
 * OK with the capabilities of the logged-in state, for POP3 "+OK".  login
 * sends the client nothing more; without TLS it closes its copy of the
 * descriptor, with TLS it copies octets to and from its end of the
 * socketpair until either side closes.
 *
 * On TEMPFAIL or PERMFAIL nothing was sent and the session is still
 * login's: IMAP `tag NO [UNAVAILABLE] ...` or [AUTHENTICATIONFAILED], POP3
 * `-ERR [SYS/TEMP] ...`; the texts are in why.  The cookie is used up either
 * way.  The answer's body is empty.
 *
 * login stops reading from the client when it sees the credentials'
 * command end; whatever it had read behind that goes along as `input` (a
 * client may pipeline behind LOGIN).
 */
struct handover {
	enum imapd_protocol protocol;
	int fd;           /* the client's TCP socket, or our end of the socketpair (SOCK_STREAM) */
	uint64_t session; /* id for the log; login's lines carry the same */
	uint64_t auth_request;  /* what authd knows this login by ... */
	struct str auth_cookie; /* ... and the one-time proof, at most HANDOVER_COOKIE_MAX octets */
	struct str tag;         /* of the LOGIN or AUTHENTICATE command; empty for POP3 */
	struct str input;       /* at most HANDOVER_INPUT_MAX octets */
	struct str client;      /* address as text without a port: "192.0.2.1", "2001:db8::1" */
	uint32_t client_port;
	struct str server; /* our own address likewise */
	uint32_t server_port;
	struct str tls; /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: in clear */
	struct str id;  /* RFC 2971 as the client sent it before login, for the log; may be empty */
};

/* fd is sent, not closed. */
void handover_put(struct rpc_out *out, const struct handover *h);
/*
 * The texts live as long as `in`; fd is the caller's.  False: malformed or
 * over a limit, nothing is the caller's.
 */
must_use bool handover_get(struct rpc_in *in, struct handover *h);

/* --- IMAPD_CHANGED --- */

/*
 * A notice, by rpc_notify, after the change is durable and in the folder's
 * index: sessions that have the folder open are woken and look for
 * themselves.  Sent to every shard (a shared folder may be open in any);
 * a shard that has nobody there drops it.
 *
 * home: the mailbox's home below the mail root, as authd gives it
 * ("example.test/ann").  folder: its name as lib/store has it, "INBOX" or
 * UTF-8 with '.' between levels ("Lists.c").  Empty folder: look at all open
 * folders of that home.  Empty home: look at everything; what a writer sends
 * when rpc_notify had said TEMPFAIL (a full wire) and there is room again.
 */
void changed_put(struct rpc_out *out, struct str home, struct str folder);
must_use bool changed_get(struct rpc_in *in, struct str *home, struct str *folder);

/* --- IMAPD_SESSIONS: an empty request; the answer is a count and rows --- */

#define SESSIONS_MAX 10000 /* rows in one answer */

struct session_row {
	uint64_t session;
	enum imapd_protocol protocol;
	struct str user;
	struct str client;
	struct str folder; /* selected; empty: none */
	bool idling;
	uint64_t since_s; /* seconds since the login */
};

void session_row_put(struct rpc_out *out, const struct session_row *row);
must_use bool session_row_get(struct rpc_in *in, struct session_row *row);

/*
 * --- IMAPD_KICK: end sessions with BYE ---
 * Request: u64 session (0: not by id), str user (empty: not by user).  Both
 * empty is refused.  Answer: u32 how many were told to go.
 */

#endif
