/*
 * deliver_proto.c - the wire forms of deliver_proto.h and relay_proto.h.
 *
 * Both ends are ours, but a process that was broken into may send anything:
 * every count is bounded before something is allocated for it.
 */
#include "rpc/deliver_proto.h"

#include "rpc/relay_proto.h"

bool
deliver_prefix(const struct deliver_envelope *e, struct buf *out)
{
	const struct deliver_recipient *r = e->recipients;

	buf_puts(out, "Return-Path: <");
	buf_put(out, e->from);
	buf_puts(out, ">\r\n");
	if (e->recipient_count == 1 && r->target_count == 1 &&
	    r->targets[0].kind == DELIVER_TO_MAILBOX) {
		buf_puts(out, "Delivered-To: ");
		buf_put(out, r->targets[0].address);
		buf_puts(out, "\r\n");
	}
	return !out->full;
}

void
deliver_envelope_put(struct rpc_out *o, const struct deliver_envelope *e)
{
	rpc_put_u64(o, e->id);
	rpc_put_str(o, e->client_name);
	rpc_put_str(o, e->client_ip);
	rpc_put_str(o, e->helo);
	rpc_put_str(o, e->protocol);
	rpc_put_str(o, e->auth_user);
	rpc_put_str(o, e->from);
	rpc_put_str(o, e->envid);
	rpc_put_u8(o, (uint8_t)e->ret);
	rpc_put_u32(o, e->flags);
	rpc_put_u64(o, e->size);
	rpc_put_u32(o, (uint32_t)e->recipient_count);
	for (size_t i = 0; i < e->recipient_count; i++) {
		const struct deliver_recipient *r = &e->recipients[i];

		rpc_put_str(o, r->address);
		rpc_put_str(o, r->orcpt);
		rpc_put_u8(o, r->notify);
		rpc_put_u32(o, (uint32_t)r->target_count);
		for (size_t k = 0; k < r->target_count; k++) {
			rpc_put_u8(o, (uint8_t)r->targets[k].kind);
			rpc_put_str(o, r->targets[k].address);
		}
	}
}

/* A text of at most max octets, copied; longer or with CR, LF or NUL makes the body bad. */
static struct str
get_text(struct rpc_in *in, struct arena *arena, size_t max)
{
	struct str s = rpc_get_str(in);

	if (s.n > max || str_chr(s, '\n') >= 0 || str_chr(s, '\r') >= 0 || str_chr(s, '\0') >= 0) {
		in->bad = true;
		return STR_NONE;
	}
	return s.n > 0 ? arena_str(arena, s) : STR_NONE;
}

static bool
get_recipient(
    struct rpc_in *in, struct arena *arena, struct deliver_recipient *r, size_t *targets_left)
{
	struct deliver_target *t;

	r->address = get_text(in, arena, DELIVER_ADDRESS_MAX);
	r->orcpt = get_text(in, arena, DELIVER_ORCPT_MAX);
	r->notify = rpc_get_u8(in);
	r->target_count = rpc_get_u32(in);
	if (in->bad || r->address.n == 0 || r->target_count == 0 || r->target_count > *targets_left)
		return false;
	*targets_left -= r->target_count;
	r->targets = t = arena_array(arena, r->target_count, sizeof(*t));
	for (size_t i = 0; i < r->target_count; i++) {
		t[i].kind = (enum deliver_target_kind)rpc_get_u8(in);
		t[i].address = get_text(in, arena, DELIVER_ADDRESS_MAX);
		if (in->bad || t[i].address.n == 0 ||
		    (t[i].kind != DELIVER_TO_MAILBOX && t[i].kind != DELIVER_TO_REMOTE))
			return false;
	}
	return true;
}

bool
deliver_envelope_get(struct rpc_in *in, struct arena *arena, struct deliver_envelope *e)
{
	struct deliver_recipient *r;
	size_t targets_left = DELIVER_TARGETS_MAX;

	e->id = rpc_get_u64(in);
	e->client_name = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->client_ip = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->helo = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->protocol = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->auth_user = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->from = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->envid = get_text(in, arena, DELIVER_ADDRESS_MAX);
	e->ret = (enum deliver_ret)rpc_get_u8(in);
	e->flags = rpc_get_u32(in);
	e->size = rpc_get_u64(in);
	e->recipient_count = rpc_get_u32(in);
	if (in->bad || e->id == 0 || e->ret > DELIVER_RET_HDRS || e->recipient_count == 0 ||
	    e->recipient_count > DELIVER_RECIPIENTS_MAX)
		return false;
	e->recipients = r = arena_array(arena, e->recipient_count, sizeof(*r));
	for (size_t i = 0; i < e->recipient_count; i++)
		if (!get_recipient(in, arena, &r[i], &targets_left))
			return false;
	return true;
}

void
deliver_counts_put(struct rpc_out *o, const struct deliver_counts *c)
{
	rpc_put_u64(o, c->messages);
	rpc_put_u64(o, c->recipients);
	rpc_put_u64(o, c->active);
	rpc_put_u64(o, c->oldest_s);
	rpc_put_u64(o, c->spools);
	rpc_put_u64(o, c->set_aside);
	rpc_put_u64(o, c->delivered);
	rpc_put_u64(o, c->relayed);
	rpc_put_u64(o, c->bounced);
}

void
deliver_counts_take(struct rpc_in *in, struct deliver_counts *c)
{
	c->messages = rpc_get_u64(in);
	c->recipients = rpc_get_u64(in);
	c->active = rpc_get_u64(in);
	c->oldest_s = rpc_get_u64(in);
	c->spools = rpc_get_u64(in);
	c->set_aside = rpc_get_u64(in);
	c->delivered = rpc_get_u64(in);
	c->relayed = rpc_get_u64(in);
	c->bounced = rpc_get_u64(in);
}

void
deliver_queue_row_put(struct rpc_out *o, const struct deliver_queue_row *r)
{
	rpc_put_u64(o, r->id);
	rpc_put_u64(o, r->arrived_s);
	rpc_put_u64(o, r->next_s);
	rpc_put_u64(o, r->size);
	rpc_put_u8(o, r->state);
	rpc_put_u32(o, r->pending);
	rpc_put_u32(o, r->recipients);
	rpc_put_u32(o, r->tries);
	rpc_put_str(o, r->from);
	rpc_put_str(o, r->to);
	rpc_put_str(o, r->reason);
}

void
deliver_queue_row_get(struct rpc_in *in, struct deliver_queue_row *r)
{
	r->id = rpc_get_u64(in);
	r->arrived_s = rpc_get_u64(in);
	r->next_s = rpc_get_u64(in);
	r->size = rpc_get_u64(in);
	r->state = rpc_get_u8(in);
	r->pending = rpc_get_u32(in);
	r->recipients = rpc_get_u32(in);
	r->tries = rpc_get_u32(in);
	r->from = rpc_get_str(in);
	r->to = rpc_get_str(in);
	r->reason = rpc_get_str(in);
}

void
relay_job_put(struct rpc_out *o, const struct relay_job *j)
{
	rpc_put_u64(o, j->id);
	rpc_put_fd(o, j->fd);
	rpc_put_u64(o, j->skip);
	rpc_put_u64(o, j->size);
	rpc_put_str(o, j->domain);
	rpc_put_str(o, j->from);
	rpc_put_str(o, j->envid);
	rpc_put_u8(o, (uint8_t)j->ret);
	rpc_put_u32(o, j->flags);
	rpc_put_u32(o, (uint32_t)j->recipient_count);
	for (size_t i = 0; i < j->recipient_count; i++) {
		rpc_put_str(o, j->recipients[i].address);
		rpc_put_str(o, j->recipients[i].orcpt);
		rpc_put_u8(o, j->recipients[i].notify);
	}
}

bool
relay_job_get(struct rpc_in *in, struct arena *arena, struct relay_job *j)
{
	struct relay_recipient *r;

	j->id = rpc_get_u64(in);
	j->fd = rpc_get_fd(in);
	j->skip = rpc_get_u64(in);
	j->size = rpc_get_u64(in);
	j->domain = get_text(in, arena, DELIVER_ADDRESS_MAX);
	j->from = get_text(in, arena, DELIVER_ADDRESS_MAX);
	j->envid = get_text(in, arena, DELIVER_ADDRESS_MAX);
	j->ret = (enum deliver_ret)rpc_get_u8(in);
	j->flags = rpc_get_u32(in);
	j->recipient_count = rpc_get_u32(in);
	if (in->bad || j->domain.n == 0 || j->ret > DELIVER_RET_HDRS || j->recipient_count == 0 ||
	    j->recipient_count > RELAY_RECIPIENTS_MAX)
		goto bad;
	j->recipients = r = arena_array(arena, j->recipient_count, sizeof(*r));
	for (size_t i = 0; i < j->recipient_count; i++) {
		r[i].address = get_text(in, arena, DELIVER_ADDRESS_MAX);
		r[i].orcpt = get_text(in, arena, DELIVER_ORCPT_MAX);
		r[i].notify = rpc_get_u8(in);
		if (in->bad || r[i].address.n == 0)
			goto bad;
	}
	if (rpc_in_done(in))
		return true;
bad:
	fd_close(&j->fd);
	return false;
}

void
relay_result_put(struct rpc_out *o, const struct relay_result *r)
{
	rpc_put_u8(o, (uint8_t)r->outcome);
	rpc_put_u8(o, r->dsn);
	rpc_put_str(o, r->status);
	rpc_put_str(o, r->reply);
	rpc_put_str(o, r->mta);
}

void
relay_result_get(struct rpc_in *in, struct relay_result *r)
{
	r->outcome = (enum outcome)rpc_get_u8(in);
	r->dsn = rpc_get_u8(in) != 0;
	r->status = rpc_get_str(in);
	r->reply = rpc_get_str(in);
	r->mta = rpc_get_str(in);
	if (r->outcome != DONE && r->outcome != PERMFAIL)
		r->outcome = TEMPFAIL; /* in doubt it is tried again */
}
