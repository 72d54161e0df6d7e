/*
 * envfile.h - the envelope file of a queued message: who it is for and what
 * became of each of them, append-only and checksummed.  docs/queue.md has
 * the states; this file has the octets.
 *
 * Pure: octets in, values out.  Numbers are little-endian.
 *
 *	file    "PRQUEUE1", u64 id, record...
 *	record  u32 length, u16 type, u16 number, u32 crc of these eight octets
 *		and the id, u32 crc of the payload and the id, payload
 *
 * Records are numbered from 0.  Record 0 is the envelope and was synced before
 * the file had a name: where it is not whole, the file is damaged.  Later
 * records are appended and may be torn by a power cut: one that ends beyond
 * the end of the file, or nothing but zeros, is as if it had never been
 * written.  Any other mismatch is damage, and a damaged file is set aside
 * rather than guessed at.
 */
#ifndef DELIVER_ENVFILE_H
#define DELIVER_ENVFILE_H

#include "base/arena.h"
#include "base/buf.h"
#include "rpc/deliver_proto.h"

#define ENVFILE_MAX   (24 * 1024 * 1024) /* octets of an envelope file we read */
#define ENVFILE_ARENA (64 * 1024 * 1024) /* memory that reading one takes at most */
#define ENV_TEXT_MAX  512                /* octets kept of a remote host's reply */

/* One target of one recipient: what is delivered, retried and reported on its own. */
struct env_target {
	struct str address; /* RCPT TO */
	struct str orcpt;
	uint8_t notify; /* enum deliver_notify */
	enum deliver_target_kind kind;
	struct str target;
	/* What became of it: the last record about it. */
	enum deliver_rcpt_state state;
	uint32_t tries;
	uint64_t at_s;     /* when that was */
	struct str status; /* RFC 3463; "" before the first try */
	struct str reply;
	struct str mta; /* the host that said so; "" for ourselves */
};

struct env {
	struct deliver_envelope e; /* its recipients are in targets */
	uint64_t arrived_s;
	uint64_t skip;  /* octets of ours at the message's start that relay leaves out */
	uint32_t flags; /* enum env_flag */
	struct env_target *targets;
	uint32_t target_count;
	/* The last schedule record; zero before the first. */
	uint64_t scheduled_s; /* when it was written, since 1970 */
	uint64_t age_s;       /* how long the message had been in the queue then */
	uint64_t delay_s;     /* how long to wait from then on */
	uint32_t tries;
	bool warned; /* the delay warning was sent */
	/* Where the next record goes. */
	uint16_t records;
	uint64_t end;
};

enum env_flag {
	ENV_REPORT = 1 << 0, /* a report of ours: never reported on itself */
};

/*
 * The whole file as it begins its life: the head and the envelope record.
 * False when out is full.
 */
must_use bool envfile_begin(const struct deliver_envelope *e, uint64_t arrived_s, uint64_t skip,
    uint32_t flags, struct buf *out);

/* A record about target number i as it stands in env; advances env's end. */
must_use bool envfile_put_result(struct env *env, uint32_t i, struct buf *out);
/* A record of the schedule fields as they stand in env; advances env's end. */
must_use bool envfile_put_schedule(struct env *env, struct buf *out);

enum envfile_state {
	ENVFILE_GOOD,
	ENVFILE_TORN, /* good, but a torn record follows at env->end: cut there before appending */
	ENVFILE_DAMAGED, /* set it aside */
};

/*
 * Read a file that is named for this id.  Texts are in the arena, which must
 * have ENVFILE_ARENA of room.  Any octets are survived.
 */
must_use enum envfile_state envfile_read(
    struct str octets, uint64_t id, struct arena *arena, struct env *out);

/* How many targets are pending. */
uint32_t env_pending(const struct env *env);

#endif
