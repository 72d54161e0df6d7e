/*
 * auth_proto.h - what authd is asked.  Callers use auth_client.h; this file
 * is for both sides.
 *
 *   who       may ask
 *   smtpd     ROUTE SEND_AS MECHANISMS START STEP ABORT
 *   login     MECHANISMS START STEP ABORT
 *   imapd     REDEEM HOME
 *   deliver   ROUTE HOME
 *   admin     ROUTE SEND_AS HOME COUNTS (run/authd.sock, root only)
 *
 * A login: START with the mechanism and the initial response, then STEP for
 * each challenge, until it is refused or done.  The exchange lives in authd
 * under a number, bound to the wire it was begun on; at most
 * AUTH_EXCHANGE_MS.  smtpd learns the user.  login learns a request number
 * and a one-time cookie, which imapd redeems for user and home, so that a
 * taken-over login process cannot name a user.
 *
 * Challenges and responses travel as octets, not in base64.
 */
#ifndef RPC_AUTH_PROTO_H
#define RPC_AUTH_PROTO_H

#include "rpc/rpc.h"

enum auth_request {
	AUTH_ROUTE = 1,
	AUTH_SEND_AS,
	AUTH_MECHANISMS,
	AUTH_START,
	AUTH_STEP,
	AUTH_ABORT, /* notice */
	AUTH_REDEEM,
	AUTH_HOME,
	AUTH_COUNTS = 16,
};

/* Bits for the rpc server's table. */
enum auth_peer {
	AUTH_PEER_SMTPD = 1 << 0,
	AUTH_PEER_LOGIN = 1 << 1,
	AUTH_PEER_IMAPD = 1 << 2,
	AUTH_PEER_DELIVER = 1 << 3,
	AUTH_PEER_ADMIN = 1 << 4,
};

#define AUTH_ADDRESS_MAX   512  /* octets in an address or login name */
#define AUTH_DATA_MAX      8192 /* octets in one challenge or response */
#define AUTH_BINDINGS_MAX  4
#define AUTH_BINDING_MAX   512
#define AUTH_COOKIE_OCTETS 16
#define AUTH_EXCHANGE_MS   (60 * 1000)
#define AUTH_COOKIE_MS \
	(60 * 1000) /* by when a login has to be redeemed; a crowd may have to queue */
#define AUTH_TARGETS_MAX 1000
#define AUTH_REASONS_MAX 200

/* --- ROUTE: where does this address go --- */

enum route_kind {
	ROUTE_LOCAL = 1, /* hosted here: targets says where it goes */
	ROUTE_FOREIGN,   /* the domain is not ours: relay it or refuse it, as the client may */
};

/* The same numbers as enum deliver_target_kind. */
enum route_target_kind {
	ROUTE_TO_MAILBOX = 1,
	ROUTE_TO_REMOTE,
};

struct route_target {
	enum route_target_kind kind;
	struct str address; /* canonical */
	struct str detail;  /* of a mailbox: the subaddress, "x" of ann+x; "" for none */
	struct str home;    /* of a mailbox: below the mail root, or absolute */
	struct str host;    /* of a mailbox: where it lives; "": here */
	uint64_t quota;     /* octets; 0: no limit */
	uint64_t quota_messages;
};

struct route {
	enum route_kind kind;
	struct str address; /* as asked, in canonical form */
	const struct route_target *targets;
	size_t target_count;
	const struct str *reasons; /* for people; only when asked for */
	size_t reason_count;
};

/* --- HOME --- */

struct auth_home {
	struct str user; /* canonical address */
	struct str home;
	struct str host; /* "": here */
	struct str name; /* of the person; may be empty */
	uint64_t quota;
	uint64_t quota_messages;
};

/* --- START, STEP --- */

enum auth_flag {
	AUTH_FLAG_TLS = 1 << 0,     /* the client's connection is protected */
	AUTH_FLAG_INITIAL = 1 << 1, /* there is an initial response, perhaps an empty one */
};

struct auth_binding {
	struct str type; /* "tls-exporter" */
	struct str data;
};

struct auth_begin {
	struct str service;   /* "smtp", "imap", "pop", "sieve" */
	struct str mechanism; /* as the client wrote it */
	struct str initial;
	struct str client; /* address as text, without a port */
	struct str server; /* ours likewise */
	uint64_t session;  /* for the log */
	uint32_t flags;    /* enum auth_flag */
	const struct auth_binding *bindings;
	size_t binding_count;
};

enum auth_state {
	AUTH_MORE = 1, /* send `challenge`, then STEP with the response */
	AUTH_DONE,     /* logged in */
	AUTH_REFUSED,  /* refused or failed for now: why says it */
};

struct auth_answer {
	enum auth_state state;
	uint64_t exchange;    /* with AUTH_MORE; with AUTH_DONE for login: what imapd redeems */
	struct str challenge; /* with AUTH_MORE, may be empty */
	struct str user;      /* with AUTH_DONE, for smtpd: canonical address */
	struct str cookie;    /* with AUTH_DONE, for login: AUTH_COOKIE_OCTETS octets */
	uint32_t shard;       /* with AUTH_DONE, for login: which imapd */
	struct str host;      /* with AUTH_DONE, for login: where the mailbox lives; "": here */
	uint32_t delay_ms; /* with AUTH_REFUSED: keep the client waiting so long before telling */
};

struct auth_counts {
	uint64_t logins;     /* succeeded */
	uint64_t refused;    /* wrong user or password */
	uint64_t limited;    /* refused by a rate limit, without looking at the password */
	uint64_t deferred;   /* not decided: database */
	uint64_t hashes;     /* slow verifications computed */
	uint64_t remembered; /* slow verifications saved by the cache */
	uint64_t routes;
	uint64_t redeemed;
	uint64_t queries; /* SQL */
	uint64_t query_failures;
	uint64_t connections;   /* to the database */
	uint64_t database_down; /* 1: the circuit is open */
	struct str server;      /* the database in use */
};

/*
 * Both sides of the wire.  get copies texts to the arena and is false for
 * what is malformed or beyond a limit above.
 */
void route_put(struct rpc_out *o, const struct route *r);
must_use bool route_get(struct rpc_in *in, struct arena *a, struct route *r);
void auth_begin_put(struct rpc_out *o, const struct auth_begin *b);
must_use bool auth_begin_get(struct rpc_in *in, struct arena *a, struct auth_begin *b);
void auth_answer_put(struct rpc_out *o, const struct auth_answer *r);
must_use bool auth_answer_get(struct rpc_in *in, struct arena *a, struct auth_answer *r);
void auth_home_put(struct rpc_out *o, const struct auth_home *h);
must_use bool auth_home_get(struct rpc_in *in, struct arena *a, struct auth_home *h);
void auth_counts_put(struct rpc_out *o, const struct auth_counts *c);
must_use bool auth_counts_get(struct rpc_in *in, struct arena *a, struct auth_counts *c);

/* A verdict inside an answer, where a refusal carries more than its why. */
void auth_verdict_put(struct rpc_out *o, enum outcome verdict, const struct why *why);
must_use bool auth_verdict_get(struct rpc_in *in, enum outcome *verdict, struct why *why);

#endif
