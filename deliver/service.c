#include "deliver/service.h"

#include "base/log.h"
#include "deliver/commit.h"
#include "deliver/local.h"
#include "deliver/queue.h"
#include "deliver/spools.h"

static enum outcome
malformed(struct why *why)
{
	return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
}

/* As many spools as can be had, at least one. */
static enum outcome
on_spool(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct deliver *d = arg;
	uint32_t wanted = rpc_get_u32(in), n = 0;
	uint64_t ids[DELIVER_SPOOLS_A_CALL];
	int fds[DELIVER_SPOOLS_A_CALL];
	enum outcome o = DONE;

	if (!rpc_in_done(in) || wanted == 0)
		return malformed(why);
	wanted = MIN(wanted, (uint32_t)DELIVER_SPOOLS_A_CALL);
	while (n < wanted && (o = spools_open(d->spools, rq->wire, &ids[n], &fds[n], why)) == DONE)
		n++;
	if (n == 0)
		return o;
	rpc_put_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		rpc_put_u64(out, ids[i]);
		rpc_put_fd(out, fds[i]);
	}
	/* The server closes our copies once they are sent: from then on only smtpd can write. */
	return DONE;
}

static enum outcome
on_commit(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct deliver *d = arg;
	struct deadline by = deadline_in(DELIVER_COMMIT_MS);
	uint64_t spool = rpc_get_u64(in);
	struct deliver_envelope e;
	struct spool_file file;
	enum deliver_how how;
	enum outcome o;

	if (!deliver_envelope_get(in, rq->arena, &e) || !rpc_in_done(in)) {
		spools_discard(d->spools, rq->wire, spool);
		return malformed(why);
	}
	if (!spools_take(d->spools, rq->wire, spool, &file))
		return fail(
		    TEMPFAIL, why, 451, "4.3.0", "The message was lost before it was complete");
	o = commit_spool(d, &file, &e, by, &how, why);
	if (o == DONE)
		rpc_put_u8(out, (uint8_t)how);
	return o;
}

static enum outcome
on_discard(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct deliver *d = arg;
	uint64_t spool = rpc_get_u64(in);

	if (!rpc_in_done(in))
		return malformed(why);
	spools_discard(d->spools, rq->wire, spool);
	return DONE;
}

static enum outcome
on_quota(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str mailbox = rpc_get_str(in);
	uint64_t size = rpc_get_u64(in);

	if (!rpc_in_done(in))
		return malformed(why);
	return local_quota(arg, mailbox, size, deadline_in(DELIVER_LOOKUP_MS), why);
}

static enum outcome
on_queue_list(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return queue_list(((struct deliver *)arg)->queue, in, out, why);
}

static enum outcome
on_queue_show(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return queue_show(((struct deliver *)arg)->queue, in, out, why);
}

static enum outcome
on_queue_retry(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return queue_retry(((struct deliver *)arg)->queue, in, out, why);
}

static enum outcome
on_queue_drop(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return queue_drop(((struct deliver *)arg)->queue, in, out, why);
}

static enum outcome
on_counts(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct deliver *d = arg;
	struct deliver_counts c = { 0 };

	if (!rpc_in_done(in))
		return malformed(why);
	queue_counts(d->queue, &c);
	c.spools = spools_count(d->spools);
	c.set_aside = atomic_load(&d->stats.set_aside);
	c.delivered = atomic_load(&d->stats.delivered);
	c.relayed = atomic_load(&d->stats.relayed);
	c.bounced = atomic_load(&d->stats.bounced);
	deliver_counts_put(out, &c);
	return DONE;
}

const struct rpc_handler deliver_service[] = {
	{ DELIVER_SPOOL, DELIVER_PEER_SMTPD, on_spool },
	{ DELIVER_COMMIT, DELIVER_PEER_SMTPD, on_commit },
	{ DELIVER_DISCARD, DELIVER_PEER_SMTPD, on_discard },
	{ DELIVER_QUOTA, DELIVER_PEER_SMTPD, on_quota },
	{ DELIVER_QUEUE_LIST, DELIVER_PEER_ADMIN, on_queue_list },
	{ DELIVER_QUEUE_SHOW, DELIVER_PEER_ADMIN, on_queue_show },
	{ DELIVER_QUEUE_RETRY, DELIVER_PEER_ADMIN, on_queue_retry },
	{ DELIVER_QUEUE_DROP, DELIVER_PEER_ADMIN, on_queue_drop },
	{ DELIVER_COUNTS, DELIVER_PEER_ADMIN, on_counts },
	{ 0 },
};
