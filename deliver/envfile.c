#include "deliver/envfile.h"

#include "base/hash.h"

#define MAGIC       "PRQUEUE1"
#define MAGIC_N     8
#define HEAD_N      16 /* of the file */
#define RECORD_N    16 /* of a record before its payload */
#define RECORDS_MAX 65000

enum record_type {
	RECORD_ENVELOPE = 1,
	RECORD_RESULT,
	RECORD_SCHEDULE,
};

static void
put_le(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get_le(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* The id is in every checksum, so a record of another file that shows up here does not fit. */
static uint32_t
crc_with_id(uint64_t id, const void *p, size_t n)
{
	unsigned char octets[8];

	put_le(octets, id, 8);
	return crc32c(crc32c(0, octets, 8), p, n);
}

static bool
put_record(struct buf *out, uint64_t id, enum record_type type, uint16_t number, struct str payload)
{
	unsigned char head[RECORD_N];

	put_le(head, payload.n, 4);
	put_le(head + 4, (uint64_t)type, 2);
	put_le(head + 6, number, 2);
	put_le(head + 8, crc_with_id(id, head, 8), 4);
	put_le(head + 12, crc_with_id(id, payload.p, payload.n), 4);
	buf_put(out, str_n(head, sizeof(head)));
	buf_put(out, payload);
	return !out->full;
}

bool
envfile_begin(const struct deliver_envelope *e, uint64_t arrived_s, uint64_t skip, uint32_t flags,
    struct buf *out)
{
	unsigned char head[HEAD_N];
	struct rpc_out o;
	bool fits;

	memcpy(head, MAGIC, MAGIC_N);
	put_le(head + MAGIC_N, e->id, 8);
	buf_put(out, str_n(head, sizeof(head)));
	rpc_out_init(&o);
	rpc_put_u64(&o, arrived_s);
	rpc_put_u64(&o, skip);
	rpc_put_u32(&o, flags);
	deliver_envelope_put(&o, e);
	fits = !o.body.full && put_record(out, e->id, RECORD_ENVELOPE, 0, buf_str(&o.body)) &&
	       !out->full;
	rpc_out_free(&o);
	return fits;
}

static bool
append(struct env *env, enum record_type type, const struct rpc_out *o, struct buf *out)
{
	if (o->body.full || env->records >= RECORDS_MAX ||
	    !put_record(out, env->e.id, type, env->records, buf_str(&o->body)))
		return false;
	env->records++;
	env->end += RECORD_N + o->body.n;
	return true;
}

bool
envfile_put_result(struct env *env, uint32_t i, struct buf *out)
{
	const struct env_target *t = &env->targets[i];
	struct rpc_out o;
	bool fits;

	rpc_out_init(&o);
	rpc_put_u32(&o, i);
	rpc_put_u8(&o, (uint8_t)t->state);
	rpc_put_u32(&o, t->tries);
	rpc_put_u64(&o, t->at_s);
	rpc_put_str(&o, str_first(t->status, ENV_TEXT_MAX));
	rpc_put_str(&o, str_first(t->reply, ENV_TEXT_MAX));
	rpc_put_str(&o, str_first(t->mta, ENV_TEXT_MAX));
	fits = append(env, RECORD_RESULT, &o, out);
	rpc_out_free(&o);
	return fits;
}

bool
envfile_put_schedule(struct env *env, struct buf *out)
{
	struct rpc_out o;
	bool fits;

	rpc_out_init(&o);
	rpc_put_u64(&o, env->scheduled_s);
	rpc_put_u64(&o, env->age_s);
	rpc_put_u64(&o, env->delay_s);
	rpc_put_u32(&o, env->tries);
	rpc_put_u8(&o, env->warned);
	fits = append(env, RECORD_SCHEDULE, &o, out);
	rpc_out_free(&o);
	return fits;
}

/* One row for each target of each recipient. */
static void
spread(struct env *env, struct arena *arena)
{
	const struct deliver_envelope *e = &env->e;
	uint32_t n = 0;

	for (size_t i = 0; i < e->recipient_count; i++)
		n += (uint32_t)e->recipients[i].target_count;
	env->target_count = n;
	env->targets = arena_array(arena, n, sizeof(*env->targets));
	n = 0;
	for (size_t i = 0; i < e->recipient_count; i++) {
		const struct deliver_recipient *r = &e->recipients[i];

		for (size_t k = 0; k < r->target_count; k++)
			env->targets[n++] = (struct env_target){
				.address = r->address,
				.orcpt = r->orcpt,
				.notify = r->notify,
				.kind = r->targets[k].kind,
				.target = r->targets[k].address,
				.state = DELIVER_RCPT_PENDING,
			};
	}
}

static bool
take_envelope(struct env *env, struct rpc_in *in, struct arena *arena)
{
	env->arrived_s = rpc_get_u64(in);
	env->skip = rpc_get_u64(in);
	env->flags = rpc_get_u32(in);
	if (in->bad || !deliver_envelope_get(in, arena, &env->e) || !rpc_in_done(in))
		return false;
	spread(env, arena);
	return true;
}

static bool
take_result(struct env *env, struct rpc_in *in, struct arena *arena)
{
	uint32_t i = rpc_get_u32(in);
	struct env_target *t, seen;

	seen.state = (enum deliver_rcpt_state)rpc_get_u8(in);
	seen.tries = rpc_get_u32(in);
	seen.at_s = rpc_get_u64(in);
	seen.status = rpc_get_str(in);
	seen.reply = rpc_get_str(in);
	seen.mta = rpc_get_str(in);
	if (!rpc_in_done(in) || i >= env->target_count || seen.state < DELIVER_RCPT_PENDING ||
	    seen.state > DELIVER_RCPT_DROPPED || seen.status.n > ENV_TEXT_MAX ||
	    seen.reply.n > ENV_TEXT_MAX || seen.mta.n > ENV_TEXT_MAX)
		return false;
	t = &env->targets[i];
	t->state = seen.state;
	t->tries = seen.tries;
	t->at_s = seen.at_s;
	/* Only the last record counts; its texts may be rewritten many times, so they stay
	 * where the file was read and are copied at the end. */
	t->status = seen.status;
	t->reply = seen.reply;
	t->mta = seen.mta;
	return true;
}

static bool
take_schedule(struct env *env, struct rpc_in *in)
{
	env->scheduled_s = rpc_get_u64(in);
	env->age_s = rpc_get_u64(in);
	env->delay_s = rpc_get_u64(in);
	env->tries = rpc_get_u32(in);
	env->warned = rpc_get_u8(in) != 0;
	return rpc_in_done(in);
}

static bool
take_record(struct env *env, unsigned type, struct str payload, struct arena *arena)
{
	struct rpc_in in = { .p = payload.p, .end = payload.p + payload.n };

	/* The envelope comes first, and once. */
	if ((env->records == 0) != (type == RECORD_ENVELOPE))
		return false;
	switch (type) {
	case RECORD_ENVELOPE:
		return take_envelope(env, &in, arena);
	case RECORD_RESULT:
		return take_result(env, &in, arena);
	case RECORD_SCHEDULE:
		return take_schedule(env, &in);
	default:
		return false;
	}
}

static bool
all_zero(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '\0')
			return false;
	return true;
}

/* The record at the front of rest: good (and taken), torn or damaged. */
static enum envfile_state
next_record(struct env *env, struct str rest, struct arena *arena, size_t *size)
{
	const unsigned char *head = (const unsigned char *)rest.p;
	struct str payload;

	if (all_zero(rest) || rest.n < RECORD_N)
		return ENVFILE_TORN;
	if (get_le(head + 8, 4) != crc_with_id(env->e.id, head, 8) ||
	    get_le(head + 6, 2) != env->records)
		return ENVFILE_DAMAGED;
	payload = str_from(rest, RECORD_N);
	if (get_le(head, 4) > payload.n)
		return ENVFILE_TORN;
	payload = str_first(payload, (size_t)get_le(head, 4));
	if (get_le(head + 12, 4) != crc_with_id(env->e.id, payload.p, payload.n) ||
	    !take_record(env, (unsigned)get_le(head + 4, 2), payload, arena))
		return ENVFILE_DAMAGED;
	*size = RECORD_N + payload.n;
	return ENVFILE_GOOD;
}

enum envfile_state
envfile_read(struct str octets, uint64_t id, struct arena *arena, struct env *out)
{
	enum envfile_state state = ENVFILE_GOOD;
	struct str rest;

	memset(out, 0, sizeof(*out));
	if (octets.n < HEAD_N || octets.n > ENVFILE_MAX || memcmp(octets.p, MAGIC, MAGIC_N) != 0 ||
	    get_le((const unsigned char *)octets.p + MAGIC_N, 8) != id)
		return ENVFILE_DAMAGED;
	out->e.id = id;
	out->end = HEAD_N;
	rest = str_from(octets, HEAD_N);
	while (rest.n > 0 && state == ENVFILE_GOOD) {
		size_t size = 0;

		state = out->records < RECORDS_MAX ? next_record(out, rest, arena, &size)
						   : ENVFILE_DAMAGED;
		if (state != ENVFILE_GOOD)
			break;
		out->records++;
		out->end += size;
		rest = str_from(rest, size);
	}
	if (state == ENVFILE_DAMAGED || out->records == 0 || out->e.id != id)
		return ENVFILE_DAMAGED;
	for (uint32_t i = 0; i < out->target_count; i++) {
		struct env_target *t = &out->targets[i];

		t->status = arena_str(arena, t->status);
		t->reply = arena_str(arena, t->reply);
		t->mta = arena_str(arena, t->mta);
	}
	return state;
}

uint32_t
env_pending(const struct env *env)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < env->target_count; i++)
		n += env->targets[i].state == DELIVER_RCPT_PENDING;
	return n;
}
