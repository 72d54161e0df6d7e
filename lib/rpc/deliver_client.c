#include "rpc/deliver_client.h"

#include <unistd.h>

/* An answer that does not parse is as good as none. */
static enum outcome
unreadable(struct why *why)
{
	return fail(TEMPFAIL, why, 451, "4.3.0", "Delivery service gave no usable answer");
}

enum outcome
deliver_spools(struct rpc_client *c, unsigned count, struct deadline d, struct deliver_spool *out,
    unsigned *got, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;
	uint32_t n;

	*got = 0;
	rpc_out_init(&o);
	rpc_put_u32(&o, MIN(count, (unsigned)DELIVER_SPOOLS_A_CALL));
	result = rpc_call(c, DELIVER_SPOOL, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	n = rpc_get_u32(&in);
	if (n == 0 || n > count) {
		in.bad = true;
		n = 0;
	}
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct deliver_spool){ rpc_get_u64(&in), rpc_get_fd(&in) };
	if (!rpc_in_done(&in)) {
		for (uint32_t i = 0; i < n; i++)
			fd_close(&out[i].fd);
		rpc_in_free(&in);
		return unreadable(why);
	}
	rpc_in_free(&in);
	*got = n;
	return DONE;
}

enum outcome
deliver_commit(struct rpc_client *c, uint64_t spool, const struct deliver_envelope *e,
    struct deadline d, enum deliver_how *how, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;

	rpc_out_init(&o);
	rpc_put_u64(&o, spool);
	deliver_envelope_put(&o, e);
	result = rpc_call(c, DELIVER_COMMIT, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	*how = (enum deliver_how)rpc_get_u8(&in);
	if (!rpc_in_done(&in))
		result = unreadable(why);
	rpc_in_free(&in);
	return result;
}

void
deliver_discard(struct rpc_client *c, uint64_t spool)
{
	struct rpc_out o;

	rpc_out_init(&o);
	rpc_put_u64(&o, spool);
	if (rpc_notify(c, DELIVER_DISCARD, &o) != DONE) {
		/* A full wire empties soon, and a spool that nobody uses times out. */
	}
	rpc_out_free(&o);
}

/* A question whose answer holds nothing but its outcome. */
static enum outcome
ask_yes(struct rpc_client *c, uint16_t type, const struct rpc_out *o, struct deadline d,
    struct why *why)
{
	struct rpc_in in = { 0 };
	enum outcome result = rpc_call(c, type, o, d, &in, why);

	rpc_in_free(&in);
	return result;
}

enum outcome
deliver_quota(
    struct rpc_client *c, struct str mailbox, uint64_t size, struct deadline d, struct why *why)
{
	struct rpc_out o;
	enum outcome result;

	rpc_out_init(&o);
	rpc_put_str(&o, mailbox);
	rpc_put_u64(&o, size);
	result = ask_yes(c, DELIVER_QUOTA, &o, d, why);
	rpc_out_free(&o);
	return result;
}

enum outcome
deliver_queue_list(struct rpc_client *c, uint64_t after, uint32_t most, struct deadline d,
    void (*row)(const struct deliver_queue_row *r, void *arg), void *arg, bool *more,
    struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;
	uint32_t n;

	*more = false;
	rpc_out_init(&o);
	rpc_put_u64(&o, after);
	rpc_put_u32(&o, MIN(most, (uint32_t)DELIVER_QUEUE_PAGE));
	result = rpc_call(c, DELIVER_QUEUE_LIST, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	n = rpc_get_u32(&in);
	for (uint32_t i = 0; i < n && !in.bad; i++) {
		struct deliver_queue_row r;

		deliver_queue_row_get(&in, &r);
		if (!in.bad)
			row(&r, arg);
	}
	*more = rpc_get_u8(&in) != 0;
	if (!rpc_in_done(&in))
		result = unreadable(why);
	rpc_in_free(&in);
	return result;
}

enum outcome
deliver_queue_show(struct rpc_client *c, uint64_t id, struct deadline d,
    void (*row)(const struct deliver_queue_row *r, void *arg),
    void (*rcpt)(const struct deliver_queue_rcpt *r, void *arg), void *arg, int *message_fd,
    struct why *why)
{
	struct deliver_queue_row r;
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;
	uint32_t n;

	*message_fd = -1;
	rpc_out_init(&o);
	rpc_put_u64(&o, id);
	result = rpc_call(c, DELIVER_QUEUE_SHOW, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	deliver_queue_row_get(&in, &r);
	if (!in.bad)
		row(&r, arg);
	n = rpc_get_u32(&in);
	for (uint32_t i = 0; i < n && !in.bad; i++) {
		struct deliver_queue_rcpt q;

		q.address = rpc_get_str(&in);
		q.target = rpc_get_str(&in);
		q.kind = rpc_get_u8(&in);
		q.state = rpc_get_u8(&in);
		q.tries = rpc_get_u32(&in);
		q.reason = rpc_get_str(&in);
		if (!in.bad)
			rcpt(&q, arg);
	}
	*message_fd = rpc_get_fd(&in);
	if (!rpc_in_done(&in)) {
		fd_close(message_fd);
		result = unreadable(why);
	}
	rpc_in_free(&in);
	return result;
}

enum outcome
deliver_queue_retry(
    struct rpc_client *c, uint64_t id, struct deadline d, uint32_t *messages, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;

	rpc_out_init(&o);
	rpc_put_u64(&o, id);
	result = rpc_call(c, DELIVER_QUEUE_RETRY, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	*messages = rpc_get_u32(&in);
	if (!rpc_in_done(&in))
		result = unreadable(why);
	rpc_in_free(&in);
	return result;
}

enum outcome
deliver_queue_drop(
    struct rpc_client *c, uint64_t id, bool bounce, struct deadline d, struct why *why)
{
	struct rpc_out o;
	enum outcome result;

	rpc_out_init(&o);
	rpc_put_u64(&o, id);
	rpc_put_u8(&o, bounce);
	result = ask_yes(c, DELIVER_QUEUE_DROP, &o, d, why);
	rpc_out_free(&o);
	return result;
}

enum outcome
deliver_counts_get(
    struct rpc_client *c, struct deadline d, struct deliver_counts *out, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out o;
	enum outcome result;

	rpc_out_init(&o);
	result = rpc_call(c, DELIVER_COUNTS, &o, d, &in, why);
	rpc_out_free(&o);
	if (result != DONE)
		return result;
	deliver_counts_take(&in, out);
	if (!rpc_in_done(&in))
		result = unreadable(why);
	rpc_in_free(&in);
	return result;
}
