/*
 * lmtp.h - an LMTP session (RFC 2033): the protocol, apart from what it does
 * to the store, so that it can be fuzzed and tested alone.
 *
 * LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; SIZE, PIPELINING, 8BITMIME,
 * SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING, BINARYMIME.  One reply for each
 * accepted recipient after the message.
 */
#ifndef DELIVER_LMTP_H
#define DELIVER_LMTP_H

#include "base/arena.h"
#include "mail/address.h"
#include "rpc/deliver_proto.h"
#include "run/io.h"
#include "run/park.h"

#define LMTP_LINE_MAX   4096 /* octets of a command line */
#define LMTP_IDLE_MS    (5 * 60 * 1000)
#define LMTP_BODY_MS    (10 * 60 * 1000)  /* a message, or a chunk of one */
#define LMTP_ARENA      (8 * 1024 * 1024) /* addresses and routes of a transaction */
#define LMTP_ERRORS_MAX 50

struct lmtp_recipient {
	struct str address; /* as given, canonical text */
	struct deliver_target *targets;
	size_t target_count;
	enum outcome outcome; /* of the delivery */
	struct why why;
};

/* The message as the session knows it when the last octet has come. */
struct lmtp_message {
	uint64_t id;
	struct str helo;
	struct str from;
	uint32_t flags; /* enum deliver_flag */
	struct lmtp_recipient *recipients;
	size_t count;
};

/* What the session wants done; calls may wait. */
struct lmtp_backend {
	void *arg;
	/* Where does it go?  Fills targets from the arena, or says why not. */
	enum outcome (*route)(
	    void *arg, struct arena *arena, struct lmtp_recipient *r, struct why *why);
	/* A file to write to, with the lines of ours at its start. */
	enum outcome (*begin)(
	    void *arg, const struct lmtp_message *m, void **file, struct why *why);
	enum outcome (*write)(void *arg, void *file, struct str piece, struct why *why);
	/* Deliver to everybody; fills each recipient's outcome and why.  The file is used up. */
	void (*deliver)(void *arg, void *file, struct lmtp_message *m);
	void (*discard)(void *arg, void *file);
	const char *hostname;
	uint64_t size_max;
};

struct lmtp;

struct lmtp *lmtp_new(int fd, const struct lmtp_backend *backend);
/* What the lot calls; the session is freed with its last call. */
extern const struct conn_ops lmtp_ops;
struct conn *lmtp_conn(struct lmtp *s);
uint64_t lmtp_id(const struct lmtp *s);

/* lmtp_deliver.c: serve this listening socket for the life of the daemon. */
struct deliver;
void lmtp_listen(struct deliver *d, struct lot *lot, int fd);

#endif
