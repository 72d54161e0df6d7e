#include "rpc/auth_client.h"

#include "base/secret.h"

/* An answer that does not parse is as good as none. */
static enum outcome
unreadable(struct why *why)
{
	return fail(TEMPFAIL, why, 451, "4.3.0", "Directory service gave no usable answer");
}

enum outcome
auth_route(struct rpc_client *c, struct str address, bool reasons, struct deadline d,
    struct arena *a, struct route *r, struct why *why)
{
	enum outcome o, verdict;
	struct rpc_in in = { 0 };
	struct rpc_out out;
	bool good;

	*r = (struct route){ 0 };
	rpc_out_init(&out);
	rpc_put_str(&out, address);
	rpc_put_u8(&out, reasons);
	o = rpc_call(c, AUTH_ROUTE, &out, d, &in, why);
	rpc_out_free(&out);
	if (o != DONE)
		return o;
	good = auth_verdict_get(&in, &verdict, why) && route_get(&in, a, r) && rpc_in_done(&in);
	rpc_in_free(&in);
	if (!good || (verdict == DONE && r->kind == ROUTE_LOCAL && r->target_count == 0))
		return unreadable(why);
	return verdict;
}

enum outcome
auth_send_as(
    struct rpc_client *c, struct str user, struct str sender, struct deadline d, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out out;
	enum outcome o;

	rpc_out_init(&out);
	rpc_put_str(&out, user);
	rpc_put_str(&out, sender);
	o = rpc_call(c, AUTH_SEND_AS, &out, d, &in, why);
	rpc_out_free(&out);
	rpc_in_free(&in);
	return o;
}

enum outcome
auth_mechanisms(struct rpc_client *c, struct str service, uint32_t flags, bool bindings,
    struct deadline d, struct arena *a, struct str *list, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out out;
	enum outcome o;

	*list = STR_NONE;
	rpc_out_init(&out);
	rpc_put_str(&out, service);
	rpc_put_u32(&out, flags);
	rpc_put_u8(&out, bindings);
	o = rpc_call(c, AUTH_MECHANISMS, &out, d, &in, why);
	rpc_out_free(&out);
	if (o != DONE)
		return o;
	*list = arena_str(a, str_first(rpc_get_str(&in), 512));
	if (!rpc_in_done(&in))
		o = unreadable(why);
	rpc_in_free(&in);
	return o;
}

/* The verdict and the answer of START and STEP. */
static enum outcome
take_answer(struct rpc_in *in, struct arena *a, struct auth_answer *r, struct why *why)
{
	enum outcome verdict;
	bool good = auth_verdict_get(in, &verdict, why) && auth_answer_get(in, a, r) &&
		    rpc_in_done(in) && (verdict == DONE) == (r->state != AUTH_REFUSED);

	rpc_in_free(in);
	if (!good) {
		*r = (struct auth_answer){ .state = AUTH_REFUSED };
		return fail(TEMPFAIL, why, 454, "4.7.0", "Temporary authentication failure");
	}
	return verdict;
}

/* authd itself could not be asked: say it as RFC 4954 6 wants it. */
static enum outcome
not_reached(enum outcome o, struct why *why)
{
	return o == TEMPFAIL ? fail(TEMPFAIL, why, 454, "4.7.0", "Temporary authentication failure")
			     : o;
}

enum outcome
auth_start(struct rpc_client *c, const struct auth_begin *b, struct deadline d, struct arena *a,
    struct auth_answer *r, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out out;
	enum outcome o;

	*r = (struct auth_answer){ .state = AUTH_REFUSED };
	rpc_out_init(&out);
	auth_begin_put(&out, b);
	o = rpc_call(c, AUTH_START, &out, d, &in, why);
	if (out.body.p != NULL)
		wipe(out.body.p, out.body.n); /* PLAIN's password was in it */
	rpc_out_free(&out);
	return o == DONE ? take_answer(&in, a, r, why) : not_reached(o, why);
}

enum outcome
auth_step(struct rpc_client *c, uint64_t exchange, struct str response, struct deadline d,
    struct arena *a, struct auth_answer *r, struct why *why)
{
	struct rpc_in in = { 0 };
	struct rpc_out out;
	enum outcome o;

	*r = (struct auth_answer){ .state = AUTH_REFUSED };
	rpc_out_init(&out);
	rpc_put_u64(&out, exchange);
	rpc_put_str(&out, response);
	o = rpc_call(c, AUTH_STEP, &out, d, &in, why);
	if (out.body.p != NULL)
		wipe(out.body.p, out.body.n);
	rpc_out_free(&out);
	return o == DONE ? take_answer(&in, a, r, why) : not_reached(o, why);
}

void
auth_abort(struct rpc_client *c, uint64_t exchange)
{
	struct rpc_out out;

	rpc_out_init(&out);
	rpc_put_u64(&out, exchange);
	if (rpc_notify(c, AUTH_ABORT, &out) != DONE) {
		/* What is not told costs authd a minute of remembering. */
	}
	rpc_out_free(&out);
}

static enum outcome
ask_home(struct rpc_client *c, uint16_t type, const struct rpc_out *out, struct deadline d,
    struct arena *a, struct auth_home *h, struct why *why)
{
	struct rpc_in in = { 0 };
	enum outcome o = rpc_call(c, type, out, d, &in, why);

	*h = (struct auth_home){ 0 };
	if (o == DONE && (!auth_home_get(&in, a, h) || !rpc_in_done(&in)))
		o = unreadable(why);
	rpc_in_free(&in);
	return o;
}

enum outcome
auth_redeem(struct rpc_client *c, uint64_t request, struct str cookie, struct deadline d,
    struct arena *a, struct auth_home *h, struct why *why)
{
	struct rpc_out out;
	enum outcome o;

	rpc_out_init(&out);
	rpc_put_u64(&out, request);
	rpc_put_str(&out, cookie);
	o = ask_home(c, AUTH_REDEEM, &out, d, a, h, why);
	rpc_out_free(&out);
	return o;
}

enum outcome
auth_home(struct rpc_client *c, struct str address, struct deadline d, struct arena *a,
    struct auth_home *h, struct why *why)
{
	struct rpc_out out;
	enum outcome o;

	rpc_out_init(&out);
	rpc_put_str(&out, address);
	o = ask_home(c, AUTH_HOME, &out, d, a, h, why);
	rpc_out_free(&out);
	return o;
}

enum outcome
auth_counts(struct rpc_client *c, struct deadline d, struct arena *a, struct auth_counts *counts,
    struct why *why)
{
	struct rpc_in in = { 0 };
	enum outcome o = rpc_call(c, AUTH_COUNTS, NULL, d, &in, why);

	*counts = (struct auth_counts){ 0 };
	if (o == DONE && (!auth_counts_get(&in, a, counts) || !rpc_in_done(&in)))
		o = unreadable(why);
	rpc_in_free(&in);
	return o;
}
