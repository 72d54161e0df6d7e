/*
 * deliver_proto.h - what deliver is asked, over the wire from smtpd and over
 * run/deliver.sock from the postroom command.  Callers use deliver_client.h;
 * this file is for both sides.
 *
 * A message's life on this wire:
 *
 *	SPOOL	-> a writable, unnamed file and its number
 *	... smtpd writes the message, once, final header first, and CLOSES it ...
 *	COMMIT	-> DONE: durable (in the mailbox or in the queue); say 250
 *	or DISCARD (or the wire breaks): nothing is kept
 *
 * What is in the file when COMMIT is sent:
 *  - lines end in CRLF, no dot-stuffing; the octets are the message's own;
 *  - the first line is the trace line of final delivery (RFC 5321 4.4):
 *	Return-Path: <reverse-path>CRLF
 *    with the envelope's `from` octet for octet, on one line, always - for
 *    remote recipients too (relay begins sending behind it);
 *  - if there is exactly one recipient and it has exactly one target, a
 *    mailbox, the second line is
 *	Delivered-To: target-addressCRLF
 *    and with any other recipients there is no such line of ours;
 *  - then Received and the rest.
 * deliver checks this prefix (deliver_prefix below makes it) and copies the
 * message behind the right one where it is missing: correct, but slow.
 *
 * The writer has to have closed its descriptor before COMMIT.  deliver takes a
 * read lease as the proof; where somebody can still write, it goes on with a
 * copy of its own, which costs the sender speed and nobody correctness.
 */
#ifndef RPC_DELIVER_PROTO_H
#define RPC_DELIVER_PROTO_H

#include "rpc/rpc.h"

enum deliver_request {
	DELIVER_SPOOL = 1,       /* smtpd: u32 count -> u32 count, u64 id each, descriptors */
	DELIVER_COMMIT,          /* smtpd: u64 spool, envelope -> u8 enum deliver_how */
	DELIVER_DISCARD,         /* smtpd, also as notice: u64 spool */
	DELIVER_QUOTA,           /* smtpd: mailbox address, u64 size -> nothing; or the refusal */
	DELIVER_QUEUE_LIST = 16, /* admin: u64 after, u32 most -> u32 count, rows, u8 more */
	DELIVER_QUEUE_SHOW,      /* admin: u64 id -> row, recipients, descriptor of the message */
	DELIVER_QUEUE_RETRY,     /* admin: u64 id, 0 for all -> u32 messages */
	DELIVER_QUEUE_DROP,      /* admin: u64 id, u8 bounce -> nothing */
	DELIVER_COUNTS,          /* admin: -> struct deliver_counts */
};

/* Who asks: bits for the rpc server's table. */
enum deliver_peer {
	DELIVER_PEER_SMTPD = 1 << 0,
	DELIVER_PEER_ADMIN = 1 << 1,
};

#define DELIVER_SPOOLS_A_CALL  RPC_FDS_MAX
#define DELIVER_RECIPIENTS_MAX 1000  /* recipients of one message */
#define DELIVER_TARGETS_MAX    10000 /* targets of all recipients of one message */
#define DELIVER_ADDRESS_MAX    512   /* octets; RFC 5321 4.5.3.1 has 320, SMTPUTF8 needs more */
#define DELIVER_ORCPT_MAX      1024  /* RFC 3461 4.2 has 500 */
#define DELIVER_QUEUE_PAGE     200   /* rows of one QUEUE_LIST */

enum deliver_target_kind {
	DELIVER_TO_MAILBOX = 1, /* a mailbox of ours; deliver asks authd for its home */
	DELIVER_TO_REMOTE,      /* leaves the system: queued for relay */
};

/* Where one recipient's mail goes, as authd's route said. */
struct deliver_target {
	enum deliver_target_kind kind;
	struct str address; /* the mailbox's own address, or the address outside */
};

/* RFC 3461 4.1; 0: the parameter was not given. */
enum deliver_notify {
	DELIVER_NOTIFY_NEVER = 1 << 0,
	DELIVER_NOTIFY_SUCCESS = 1 << 1,
	DELIVER_NOTIFY_FAILURE = 1 << 2,
	DELIVER_NOTIFY_DELAY = 1 << 3,
};

struct deliver_recipient {
	struct str address; /* of RCPT TO, without angle brackets */
	struct str orcpt;   /* RFC 3461 4.2 as given ("rfc822;a+2Bb@c", still xtext); empty: none */
	uint8_t notify;     /* enum deliver_notify */
	const struct deliver_target *targets;
	size_t target_count; /* at least 1 */
};

enum deliver_ret { /* RFC 3461 4.3 */
	DELIVER_RET_NONE,
	DELIVER_RET_FULL,
	DELIVER_RET_HDRS,
};

enum deliver_flag {
	DELIVER_EIGHTBIT = 1 << 0,   /* BODY=8BITMIME (RFC 6152), or octets above 127 were seen */
	DELIVER_BINARY = 1 << 1,     /* BODY=BINARYMIME (RFC 3030) */
	DELIVER_SMTPUTF8 = 1 << 2,   /* the parameter was given (RFC 6531) */
	DELIVER_REQUIRETLS = 1 << 3, /* RFC 8689 */
};

struct deliver_envelope {
	/*
	 * Trace and delivery id, drawn at random by smtpd for this
	 * transaction, never 0: in every log line, in the queue's file names, and
	 * in the Maildir name, where it makes a repeated delivery harmless.
	 */
	uint64_t id;
	struct str client_name; /* verified name of the client, "" when unknown */
	struct str client_ip;   /* "192.0.2.1"; "" for our own mail */
	struct str helo;
	struct str protocol;  /* RFC 3848: "ESMTPSA" */
	struct str auth_user; /* "" when not authenticated: no bounce for local failures */
	struct str from;      /* reverse-path without angle brackets; "" is the null path */
	struct str envid;     /* RFC 3461 4.4, still xtext; empty: none */
	enum deliver_ret ret;
	uint32_t flags; /* enum deliver_flag */
	uint64_t size;  /* octets of the file, all of it */
	const struct deliver_recipient *recipients;
	size_t recipient_count;
};

/* How a message was taken: for the text of the 250 and the log. */
enum deliver_how {
	DELIVER_HOW_DELIVERED = 1, /* in the mailbox */
	DELIVER_HOW_QUEUED,        /* in the queue, perhaps delivered already */
};

/* The lines of ours that the file has to begin with; false when out is full. */
must_use bool deliver_prefix(const struct deliver_envelope *e, struct buf *out);

/* Lets one wire form serve both sides; get copies texts to the arena. */
void deliver_envelope_put(struct rpc_out *o, const struct deliver_envelope *e);
/* False: malformed, or beyond a limit above. */
must_use bool deliver_envelope_get(
    struct rpc_in *in, struct arena *arena, struct deliver_envelope *e);

/* --- the queue, for people --- */

enum deliver_queue_state {
	DELIVER_QUEUE_WAITING = 1, /* for its next try */
	DELIVER_QUEUE_ACTIVE,      /* being delivered now */
};

struct deliver_queue_row {
	uint64_t id;
	uint64_t arrived_s; /* since 1970 */
	uint64_t next_s;    /* the next try; 0: now */
	uint64_t size;
	uint8_t state;    /* enum deliver_queue_state */
	uint32_t pending; /* recipients not done with */
	uint32_t recipients;
	uint32_t tries;
	struct str from;
	struct str to;     /* one pending recipient */
	struct str reason; /* why that one waits; "" before the first try */
};

enum deliver_rcpt_state {
	DELIVER_RCPT_PENDING = 1,
	DELIVER_RCPT_DELIVERED,
	DELIVER_RCPT_FAILED,  /* for good; the sender was told if that was due */
	DELIVER_RCPT_DROPPED, /* by the administrator */
};

struct deliver_queue_rcpt {
	struct str address; /* as in RCPT TO */
	struct str target;
	uint8_t kind;  /* enum deliver_target_kind */
	uint8_t state; /* enum deliver_rcpt_state */
	uint32_t tries;
	struct str reason; /* of the last try, "451 4.7.1 Greylisted (mx.example.net)" */
};

struct deliver_counts {
	uint64_t messages;   /* in the queue */
	uint64_t recipients; /* pending ones of those */
	uint64_t active;     /* deliveries under way */
	uint64_t oldest_s;   /* arrival of the oldest message; 0: empty */
	uint64_t spools;     /* open ones */
	uint64_t set_aside;  /* queue files found damaged since the start */
	uint64_t delivered;  /* to mailboxes, since the start */
	uint64_t relayed;    /* recipients a remote host took, since the start */
	uint64_t bounced;    /* reports sent, since the start */
};

void deliver_counts_put(struct rpc_out *o, const struct deliver_counts *c);
void deliver_counts_take(struct rpc_in *in, struct deliver_counts *c);
void deliver_queue_row_put(struct rpc_out *o, const struct deliver_queue_row *r);
void deliver_queue_row_get(
    struct rpc_in *in, struct deliver_queue_row *r); /* texts borrowed from in */

#endif
