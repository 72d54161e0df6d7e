/*
 * cmd_auth.c - AUTH (RFC 4954): an exchange of base64 lines, judged by authd.
 *
 * The octets of the exchange are passed on and wiped; this process never
 * knows whether a password was right before authd says so.  A refusal may
 * have to be held back for some seconds; the connection is parked meanwhile.
 */
#include "base/codec.h"
#include "base/log.h"
#include "base/secret.h"
#include "run/tls.h"
#include "smtpd/session.h"

/* With TLS a client may bind the exchange to it (RFC 5802 6, RFC 9266, RFC 5929). */
static size_t
bindings(struct smtp *s, struct buf *data, struct auth_binding out[AUTH_BINDINGS_MAX])
{
	static const char *const kinds[] = { "tls-exporter", "tls-unique", "tls-server-end-point" };
	size_t n = 0;

	if (!smtp_has_tls(s))
		return 0;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		size_t from;

		buf_clear(data);
		if (!tls_channel_binding(io_tls(s->io), kinds[i], data))
			continue;
		from = data->n;
		out[n].type = str_of(kinds[i]);
		out[n].data = arena_str(s->command, str_first(buf_str(data), from));
		n++;
	}
	return n;
}

void
auth_offer(struct smtp *s)
{
	const struct smtp_backend *b = s->server->backend;
	struct str all;

	if (!smtp_may_auth(s) || s->user.n > 0)
		return;
	all = b->mechanisms(b->arg, true, smtp_has_tls(s), s->command);
	if (all.n > 0)
		io_printf(s->io, "250-AUTH " STR_FMT "\r\n", STR_ARG(all));
}

void
auth_cancel(struct smtp *s)
{
	const struct smtp_backend *b = s->server->backend;

	if (s->sasl.open)
		b->sasl_abort(b->arg, s->sasl.exchange);
	s->sasl.open = false;
	if (s->state == SMTP_SASL)
		s->state = SMTP_COMMAND;
}

/* The exchange is over, and not well.  The reply may have to wait. */
static enum outcome
refuse(struct smtp *s, enum outcome o, uint32_t delay_ms, struct why *why)
{
	s->state = SMTP_COMMAND;
	atomic_fetch_add(&s->server->counts.auth_failed, 1);
	if (o == PERMFAIL && why->code == 535) /* not for a mechanism that we do not have */
		s->auth_failures++;
	log_event(LOG_INFO, "smtp.auth", kv_id("s", s->id), kv_cstr("ip", s->ip),
	    kv_cstr("o", outcome_name(o)), kv_int("code", why->code), kv_cstr("why", why->text),
	    KV_END);
	if (delay_ms > 0) {
		s->held = *why;
		s->state = SMTP_PENALTY;
		s->until = deadline_in(delay_ms);
		return DONE;
	}
	if (s->auth_failures < SMTP_AUTH_TRIES)
		return o;
	reply_why(s, why);
	return hang_up_now(s, 421, "4.7.0", "Too many failed logins, closing");
}

static enum outcome
welcome(struct smtp *s, struct str user, struct why *why)
{
	s->state = SMTP_COMMAND;
	if (user.n == 0 || user.n > AUTH_ADDRESS_MAX)
		return fail(TEMPFAIL, why, 454, "4.7.0", "Temporary authentication failure");
	s->user = arena_str(s->arena, user);
	smtp_logged_in(s);
	atomic_fetch_add(&s->server->counts.auth_ok, 1);
	log_event(LOG_INFO, "smtp.auth", kv_id("s", s->id), kv_cstr("ip", s->ip),
	    kv_str("user", s->user), kv_cstr("o", "done"), KV_END);
	return reply(s, 235, "2.7.0", "Authentication successful");
}

/* authd has answered. */
static enum outcome
heard(struct smtp *s, enum outcome o, const struct auth_answer *answer, struct why *why)
{
	struct buf *out = io_out(s->io);

	s->sasl.open = false;
	if (o != DONE)
		return refuse(s, o, answer->delay_ms, why);
	if (answer->state == AUTH_DONE)
		return welcome(s, answer->user, why);
	s->sasl.open = true;
	s->sasl.exchange = answer->exchange;
	s->state = SMTP_SASL;
	(void)buf_puts(out, "334 "); /* RFC 4954 4 */
	(void)base64_put(out, answer->challenge);
	(void)buf_puts(out, "\r\n");
	io_spill(s->io);
	return DONE;
}

static enum outcome
start(struct smtp *s, struct str mechanism, bool has_initial, struct str initial, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct auth_binding binding[AUTH_BINDINGS_MAX];
	struct auth_answer answer = { 0 };
	struct auth_begin ask = {
		.service = STR("smtp"),
		.mechanism = mechanism,
		.initial = initial,
		.client = str_of(s->ip),
		.session = s->id,
		/* smtp_may_auth has said so: by TLS, or by the administrator's word. */
		.flags = AUTH_FLAG_TLS | (has_initial ? AUTH_FLAG_INITIAL : 0),
		.bindings = binding,
	};
	struct buf data;
	enum outcome o;

	buf_init(&data, AUTH_BINDING_MAX);
	ask.binding_count = bindings(s, &data, binding);
	o = b->sasl_start(b->arg, &ask, s->command, &answer, why);
	buf_free(&data);
	return heard(s, o, &answer, why);
}

static enum outcome
decode(struct str base64, struct buf *octets, struct why *why)
{
	buf_init(octets, AUTH_DATA_MAX);
	if (base64.n > SMTP_AUTH_LINE_MAX - 2 || base64.n / 4 * 3 > AUTH_DATA_MAX + 2)
		return fail(
		    PERMFAIL, why, 500, "5.5.6", "Authentication exchange line is too long");
	if (!base64_take(octets, base64))
		return fail(PERMFAIL, why, 501, "5.5.2", "Cannot decode that response");
	return DONE;
}

/* Passwords stay no longer than they have to: not decoded, not in the line. */
static void
forget(struct buf *octets, struct str base64)
{
	if (octets->n > 0)
		wipe(octets->p, octets->n);
	buf_free(octets);
	if (base64.n > 0)
		wipe((void *)(uintptr_t)base64.p, base64.n); /* our copy, in the command arena */
}

enum outcome
cmd_auth(struct smtp *s, struct scan args, struct why *why)
{
	struct str mechanism, initial;
	struct buf octets;
	enum outcome o;
	bool has_initial = str_cut(scan_rest(&args), ' ', &mechanism, &initial);

	if (s->user.n > 0) /* RFC 4954 4: once only */
		return fail(PERMFAIL, why, 503, "5.5.1", "Authenticated already");
	if (s->tx != NULL)
		return fail(PERMFAIL, why, 503, "5.5.1", "Not within a transaction");
	if (!s->service->submission && !s->set->conf->smtp_auth)
		return fail(PERMFAIL, why, 502, "5.5.1", "No AUTH on this port, use submission");
	if (!smtp_may_auth(s)) /* RFC 4954 6 */
		return fail(PERMFAIL, why, 538, "5.7.11", "Encryption required: STARTTLS first");
	if (mechanism.n == 0 || mechanism.n > 32)
		return fail(PERMFAIL, why, 501, "5.5.4", "Syntax: AUTH mechanism [response]");

	if (!has_initial)
		return start(s, mechanism, false, STR_NONE, why);
	/* RFC 4954 4: "=" is an initial response of no octets. */
	o = decode(str_eq(initial, STR("=")) ? STR_NONE : initial, &octets, why);
	if (o == DONE)
		o = start(s, mechanism, true, buf_str(&octets), why);
	forget(&octets, initial);
	return o;
}

static enum outcome
respond(struct smtp *s, struct str line, struct why *why)
{
	const struct smtp_backend *b = s->server->backend;
	struct auth_answer answer = { 0 };
	struct buf octets;
	enum outcome o;

	if (str_eq(line, STR("*"))) { /* RFC 4954 4: the client gives up */
		auth_cancel(s);
		return fail(PERMFAIL, why, 501, "5.7.0", "Authentication cancelled");
	}
	o = decode(line, &octets, why);
	if (o != DONE) {
		auth_cancel(s);
	} else {
		o = b->sasl_step(
		    b->arg, s->sasl.exchange, buf_str(&octets), s->command, &answer, why);
		o = heard(s, o, &answer, why);
	}
	forget(&octets, line);
	return o;
}

enum step
auth_line(struct smtp *s, struct str line)
{
	struct why why;

	switch (respond(s, line, &why)) {
	case DONE:
		return STEP_MORE;
	case GONE:
		return STEP_CLOSE;
	case TEMPFAIL:
	case PERMFAIL:
		break;
	}
	reply_why(s, &why);
	return count_error(s);
}
