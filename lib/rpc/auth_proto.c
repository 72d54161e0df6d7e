/* auth_proto.c - the layout of authd's requests and answers, in one place for both sides. */
#include "rpc/auth_proto.h"

static struct str
get_text(struct rpc_in *in, struct arena *a, size_t most)
{
	struct str s = rpc_get_str(in);

	if (s.n > most) {
		in->bad = true;
		return STR_NONE;
	}
	return arena_str(a, s);
}

void
auth_verdict_put(struct rpc_out *o, enum outcome verdict, const struct why *why)
{
	rpc_put_u8(o, (uint8_t)verdict);
	if (verdict == DONE)
		return;
	rpc_put_u32(o, (uint32_t)why->code);
	rpc_put_str(o, str_of(why->enhanced));
	rpc_put_str(o, str_of(why->text));
}

bool
auth_verdict_get(struct rpc_in *in, enum outcome *verdict, struct why *why)
{
	uint8_t v = rpc_get_u8(in);
	struct str enhanced, text;
	uint32_t code;

	*verdict = (enum outcome)v;
	if (in->bad || v > GONE)
		return false;
	if (v == DONE)
		return true;
	code = rpc_get_u32(in);
	enhanced = rpc_get_str(in);
	text = rpc_get_str(in);
	if (in->bad || code > 599 || enhanced.n > 7)
		return false;
	if (why != NULL) {
		char short_text[8] = "";

		memcpy(short_text, enhanced.p, enhanced.n);
		(void)fail(
		    *verdict, why, (int)code, short_text, STR_FMT, STR_ARG(str_first(text, 111)));
	}
	return true;
}

void
route_put(struct rpc_out *o, const struct route *r)
{
	rpc_put_u8(o, (uint8_t)r->kind);
	rpc_put_str(o, r->address);
	rpc_put_u32(o, (uint32_t)r->target_count);
	for (size_t i = 0; i < r->target_count; i++) {
		const struct route_target *t = &r->targets[i];

		rpc_put_u8(o, (uint8_t)t->kind);
		rpc_put_str(o, t->address);
		rpc_put_str(o, t->detail);
		rpc_put_str(o, t->home);
		rpc_put_str(o, t->host);
		rpc_put_u64(o, t->quota);
		rpc_put_u64(o, t->quota_messages);
	}
	rpc_put_u32(o, (uint32_t)r->reason_count);
	for (size_t i = 0; i < r->reason_count; i++)
		rpc_put_str(o, r->reasons[i]);
}

static bool
target_get(struct rpc_in *in, struct arena *a, struct route_target *t)
{
	t->kind = (enum route_target_kind)rpc_get_u8(in);
	t->address = get_text(in, a, AUTH_ADDRESS_MAX);
	t->detail = get_text(in, a, AUTH_ADDRESS_MAX);
	t->home = get_text(in, a, 4096);
	t->host = get_text(in, a, AUTH_ADDRESS_MAX);
	t->quota = rpc_get_u64(in);
	t->quota_messages = rpc_get_u64(in);
	return !in->bad && (t->kind == ROUTE_TO_MAILBOX || t->kind == ROUTE_TO_REMOTE);
}

bool
route_get(struct rpc_in *in, struct arena *a, struct route *r)
{
	struct route_target *targets;
	struct str *reasons;

	*r = (struct route){ .kind = (enum route_kind)rpc_get_u8(in) };
	r->address = get_text(in, a, AUTH_ADDRESS_MAX);
	r->target_count = rpc_get_u32(in);
	if (in->bad || r->target_count > AUTH_TARGETS_MAX)
		return false;
	r->targets = targets = arena_array(a, r->target_count, sizeof(*targets));
	for (size_t i = 0; i < r->target_count; i++)
		if (!target_get(in, a, &targets[i]))
			return false;
	r->reason_count = rpc_get_u32(in);
	if (in->bad || r->reason_count > AUTH_REASONS_MAX)
		return false;
	r->reasons = reasons = arena_array(a, r->reason_count, sizeof(*reasons));
	for (size_t i = 0; i < r->reason_count; i++)
		reasons[i] = get_text(in, a, 2048);
	return !in->bad;
}

void
auth_begin_put(struct rpc_out *o, const struct auth_begin *b)
{
	rpc_put_str(o, b->service);
	rpc_put_str(o, b->mechanism);
	rpc_put_str(o, b->initial);
	rpc_put_str(o, b->client);
	rpc_put_str(o, b->server);
	rpc_put_u64(o, b->session);
	rpc_put_u32(o, b->flags);
	rpc_put_u32(o, (uint32_t)b->binding_count);
	for (size_t i = 0; i < b->binding_count; i++) {
		rpc_put_str(o, b->bindings[i].type);
		rpc_put_str(o, b->bindings[i].data);
	}
}

bool
auth_begin_get(struct rpc_in *in, struct arena *a, struct auth_begin *b)
{
	struct auth_binding *bindings;

	b->service = get_text(in, a, 32);
	b->mechanism = get_text(in, a, 64);
	b->initial = get_text(in, a, AUTH_DATA_MAX);
	b->client = get_text(in, a, 64);
	b->server = get_text(in, a, 64);
	b->session = rpc_get_u64(in);
	b->flags = rpc_get_u32(in);
	b->binding_count = rpc_get_u32(in);
	if (in->bad || b->binding_count > AUTH_BINDINGS_MAX)
		return false;
	b->bindings = bindings = arena_array(a, b->binding_count, sizeof(*bindings));
	for (size_t i = 0; i < b->binding_count; i++) {
		bindings[i].type = get_text(in, a, 64);
		bindings[i].data = get_text(in, a, AUTH_BINDING_MAX);
	}
	return !in->bad;
}

void
auth_answer_put(struct rpc_out *o, const struct auth_answer *r)
{
	rpc_put_u8(o, (uint8_t)r->state);
	rpc_put_u64(o, r->exchange);
	rpc_put_str(o, r->challenge);
	rpc_put_str(o, r->user);
	rpc_put_str(o, r->cookie);
	rpc_put_u32(o, r->shard);
	rpc_put_str(o, r->host);
	rpc_put_u32(o, r->delay_ms);
}

bool
auth_answer_get(struct rpc_in *in, struct arena *a, struct auth_answer *r)
{
	r->state = (enum auth_state)rpc_get_u8(in);
	r->exchange = rpc_get_u64(in);
	r->challenge = get_text(in, a, AUTH_DATA_MAX);
	r->user = get_text(in, a, AUTH_ADDRESS_MAX);
	r->cookie = get_text(in, a, AUTH_COOKIE_OCTETS);
	r->shard = rpc_get_u32(in);
	r->host = get_text(in, a, AUTH_ADDRESS_MAX);
	r->delay_ms = rpc_get_u32(in);
	return !in->bad && r->state >= AUTH_MORE && r->state <= AUTH_REFUSED;
}

void
auth_home_put(struct rpc_out *o, const struct auth_home *h)
{
	rpc_put_str(o, h->user);
	rpc_put_str(o, h->home);
	rpc_put_str(o, h->host);
	rpc_put_str(o, h->name);
	rpc_put_u64(o, h->quota);
	rpc_put_u64(o, h->quota_messages);
}

bool
auth_home_get(struct rpc_in *in, struct arena *a, struct auth_home *h)
{
	h->user = get_text(in, a, AUTH_ADDRESS_MAX);
	h->home = get_text(in, a, 4096);
	h->host = get_text(in, a, AUTH_ADDRESS_MAX);
	h->name = get_text(in, a, 1024);
	h->quota = rpc_get_u64(in);
	h->quota_messages = rpc_get_u64(in);
	return !in->bad && h->user.n > 0;
}

void
auth_counts_put(struct rpc_out *o, const struct auth_counts *c)
{
	rpc_put_u64(o, c->logins);
	rpc_put_u64(o, c->refused);
	rpc_put_u64(o, c->limited);
	rpc_put_u64(o, c->deferred);
	rpc_put_u64(o, c->hashes);
	rpc_put_u64(o, c->remembered);
	rpc_put_u64(o, c->routes);
	rpc_put_u64(o, c->redeemed);
	rpc_put_u64(o, c->queries);
	rpc_put_u64(o, c->query_failures);
	rpc_put_u64(o, c->connections);
	rpc_put_u64(o, c->database_down);
	rpc_put_str(o, c->server);
}

bool
auth_counts_get(struct rpc_in *in, struct arena *a, struct auth_counts *c)
{
	c->logins = rpc_get_u64(in);
	c->refused = rpc_get_u64(in);
	c->limited = rpc_get_u64(in);
	c->deferred = rpc_get_u64(in);
	c->hashes = rpc_get_u64(in);
	c->remembered = rpc_get_u64(in);
	c->routes = rpc_get_u64(in);
	c->redeemed = rpc_get_u64(in);
	c->queries = rpc_get_u64(in);
	c->query_failures = rpc_get_u64(in);
	c->connections = rpc_get_u64(in);
	c->database_down = rpc_get_u64(in);
	c->server = get_text(in, a, 4096);
	return !in->bad;
}
