/*
 * commit.c - see commit.h.
 *
 * A single local recipient takes the direct way: written once by smtpd, then
 * lease, parse, fdatasync, link, fsync of the directory, index record.  A
 * crash between the link and the answer leaves one extra copy at most.
 *
 * Everything else goes through the queue: the message and its envelope are
 * made durable there under the delivery id, that is the commit, and the
 * deliveries follow from the queue, each idempotent by that id.
 */
#include "deliver/commit.h"

#include "base/crashpoint.h"
#include "base/log.h"
#include "deliver/local.h"
#include "deliver/queue.h"
#include "deliver/report.h"

#define COMMIT_ARENA 4096

static bool
is_direct(const struct deliver_envelope *e)
{
	return e->recipient_count == 1 && e->recipients[0].target_count == 1 &&
	       e->recipients[0].targets[0].kind == DELIVER_TO_MAILBOX;
}

static enum outcome
direct(struct deliver *d, struct message *m, const struct deliver_envelope *e, struct deadline by,
    struct why *why)
{
	const struct deliver_recipient *r = &e->recipients[0];
	struct arena *arena = arena_new(COMMIT_ARENA);
	struct local_delivery l = {
		.mailbox = r->targets[0].address,
		.id = local_copy_id(arena, e->id, 0, false),
		.arrived_s = wall_s(),
		.from = e->from,
		.original = r->address,
	};
	enum outcome o = local_deliver(d, m, &l, by, why);

	arena_free(&arena);
	if (o == DONE && (r->notify & DELIVER_NOTIFY_SUCCESS) != 0)
		report_delivered(d, m, e);
	return o;
}

enum outcome
commit_message(struct deliver *d, struct message *m, const struct deliver_envelope *e,
    struct deadline by, enum deliver_how *how, struct why *why)
{
	enum outcome o;

	if (is_direct(e)) {
		*how = DELIVER_HOW_DELIVERED;
		o = direct(d, m, e, by, why);
	} else {
		*how = DELIVER_HOW_QUEUED;
		o = queue_commit(d->queue, m, e, 0, by, why);
	}
	if (o != DONE)
		COUNT(d, refused);
	return o;
}

enum outcome
commit_spool(struct deliver *d, struct spool_file *file, struct deliver_envelope *e,
    struct deadline by, enum deliver_how *how, struct why *why)
{
	uint64_t claimed = e->size;
	struct message m;
	struct buf prefix;
	enum outcome o;
	bool copied;

	buf_init(&prefix, 4 * DELIVER_ADDRESS_MAX);
	if (!deliver_prefix(e, &prefix)) {
		spool_discard(d->store, file);
		buf_free(&prefix);
		return fail(PERMFAIL, why, 553, "5.1.7", "Address too long");
	}
	o = message_take(d->store, file, e->id, buf_str(&prefix), &m, &copied, why);
	buf_free(&prefix);
	if (o != DONE)
		return o;
	if (copied) {
		COUNT(d, copied);
		log_event(LOG_WARN, "commit.copied", kv_id("t", e->id), KV_END);
	}
	if (!copied && claimed != m.size) {
		/* The writer and we do not mean the same octets: do not guess. */
		log_event(LOG_WARN, "commit.size", kv_id("t", e->id), kv_uint("claimed", claimed),
		    kv_uint("found", m.size), KV_END);
		o = fail(TEMPFAIL, why, 451, "4.3.0", "The message did not arrive whole");
	}
	e->size = m.size;
	if (o == DONE)
		o = commit_message(d, &m, e, by, how, why);
	crash_point("commit.answer");
	message_end(&m);
	return o;
}
