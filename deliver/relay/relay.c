/*
 * relay.c - one attempt: find the hosts, try them until one gives every
 * recipient a final word for today.
 *
 * A host that cannot be reached, or breaks off, leaves its recipients to the
 * next; one that says 4xx or 5xx to a recipient has spoken for all of them.
 * A message whose session broke after its last octet may have been taken: it
 * counts as not sent, since a copy is better than a loss.
 */
#include "deliver/relay/relay.h"

#include "base/log.h"
#include "deliver/relay/hosts.h"
#include "rpc/relay_proto.h"

#define ATTEMPT_MS (30 * 60 * 1000) /* no further host is begun after this */

struct attempt {
	struct relay *relay;
	const struct relay_job *job;
	struct arena *arena;
	struct conf *conf;       /* ours */
	struct tls_context *tls; /* ours */
	const char *password;    /* in the arena */
	struct relay_result *results;
	/* Of those that have no word yet: the job for the next host, and where each stands. */
	struct relay_job rest;
	struct relay_recipient *recipients;
	struct relay_result *rest_results;
	size_t *place;
};

static void
say_all(struct attempt *a, enum outcome o, const struct why *why, bool reached, struct str host)
{
	struct str reply =
	    str_of(arena_printf(a->arena, "%d %s %s", why->code, why->enhanced, why->text));

	for (size_t i = 0; i < a->rest.recipient_count; i++) {
		struct relay_result *r = &a->results[a->place[i]];

		r->outcome = o;
		r->status = arena_str(a->arena, str_of(why->enhanced));
		r->reply = reply;
		r->mta = reached ? arena_str(a->arena, host) : STR_NONE;
	}
}

/* Take over what a host said; those it said nothing final about stay. */
static void
sort_out(struct attempt *a)
{
	size_t left = 0;

	for (size_t i = 0; i < a->rest.recipient_count; i++) {
		struct relay_result *said = &a->rest_results[i];

		if (said->mta.n > 0) {
			a->results[a->place[i]] = *said;
			continue;
		}
		a->recipients[left] = a->recipients[i];
		a->place[left] = a->place[i];
		left++;
	}
	a->rest.recipient_count = left;
}

/* One message over one session. */
static enum outcome
send_over(struct attempt *a, struct smtp *s)
{
	enum outcome o;

	for (size_t i = 0; i < a->rest.recipient_count; i++)
		a->rest_results[i] = (struct relay_result){ .outcome = TEMPFAIL };
	o = smtp_send(s, &a->rest, a->arena, a->rest_results);
	sort_out(a);
	return o;
}

static struct smtp_settings
settings_of(const struct attempt *a)
{
	bool smart = a->conf->smarthost.n > 0;

	return (struct smtp_settings){
		.hostname = a->conf->hostname,
		.tls = a->tls == NULL ? SMTP_TLS_NONE : (enum smtp_tls)a->conf->relay_tls,
		.context = a->tls,
		.user = smart ? a->conf->smarthost_user : NULL,
		.password = a->password,
	};
}

static void
keep_or_close(struct attempt *a, struct smtp *s, enum outcome o, unsigned uses)
{
	if (o == DONE)
		idle_give(a->relay->idle, a->job->domain, s, uses + 1);
	else
		smtp_close(&s);
}

/* A session left from an earlier message, if it still stands. */
static void
try_idle(struct attempt *a)
{
	unsigned uses;
	struct smtp *s = idle_take(a->relay->idle, a->job->domain, &uses);

	if (s == NULL)
		return;
	if (!smtp_alive(s)) {
		smtp_close(&s);
		return;
	}
	keep_or_close(a, s, send_over(a, s), uses);
}

static void
try_peer(struct attempt *a, const struct smtp_peer *peer)
{
	struct smtp_settings settings = settings_of(a);
	struct why why = { 0 };
	struct smtp *s;
	bool reached = false;
	enum outcome o;

	if (smtp_open(peer, &settings, &s, &reached, &why) != DONE) {
		log_event(LOG_INFO, "relay.open", kv_id("t", a->job->id),
		    kv_str("host", peer->name), kv_cstr("o", "tempfail"), kv_cstr("text", why.text),
		    KV_END);
		say_all(a, TEMPFAIL, &why, reached, peer->name);
		return;
	}
	o = send_over(a, s);
	if (a->rest.recipient_count > 0) {
		(void)fail(TEMPFAIL, &why, 451, "4.4.2", "Connection with %s lost", smtp_host(s));
		say_all(a, TEMPFAIL, &why, true, peer->name);
	}
	keep_or_close(a, s, o, 0);
}

static void
try_all(struct attempt *a)
{
	struct deadline by = deadline_in(ATTEMPT_MS);
	struct smtp_peer peers[HOSTS_MAX];
	struct why why = { 0 };
	enum outcome o;
	size_t n;

	try_idle(a);
	if (a->rest.recipient_count == 0)
		return;
	o = hosts_find(a->relay->dns, a->conf, a->job->domain, a->arena, peers, &n, &why);
	if (o != DONE) {
		say_all(a, o, &why, false, STR_NONE);
		return;
	}
	for (size_t i = 0; i < n && a->rest.recipient_count > 0 && !deadline_passed(by); i++)
		try_peer(a, &peers[i]);
}

static void
begin(struct attempt *a, struct relay *relay, const struct relay_job *job, struct arena *arena)
{
	size_t n = job->recipient_count;

	*a = (struct attempt){
		.relay = relay,
		.job = job,
		.arena = arena,
		.results = arena_array(arena, n, sizeof(*a->results)),
		.rest = *job,
		.recipients = arena_array(arena, n, sizeof(*a->recipients)),
		.rest_results = arena_array(arena, n, sizeof(*a->rest_results)),
		.place = arena_array(arena, n, sizeof(*a->place)),
	};
	memcpy(a->recipients, job->recipients, n * sizeof(*a->recipients));
	a->rest.recipients = a->recipients;
	for (size_t i = 0; i < n; i++) {
		a->results[i] = (struct relay_result){
			.outcome = TEMPFAIL,
			.status = STR("4.4.1"),
			.reply = STR("451 4.4.1 No host was reached"),
		};
		a->place[i] = i;
	}
	(void)pthread_mutex_lock(&relay->lock);
	a->conf = conf_ref(relay->conf);
	a->tls = relay->tls != NULL ? tls_context_ref(relay->tls) : NULL;
	a->password = arena_cstr(arena, str_of(relay->password));
	(void)pthread_mutex_unlock(&relay->lock);
}

static enum outcome
on_send(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct relay_job job;
	struct attempt a;

	if (!relay_job_get(in, rq->arena, &job))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
	begin(&a, arg, &job, rq->arena);
	try_all(&a);
	rpc_put_u32(out, (uint32_t)job.recipient_count);
	for (size_t i = 0; i < job.recipient_count; i++)
		relay_result_put(out, &a.results[i]);
	conf_unref(&a.conf);
	tls_context_unref(&a.tls);
	fd_close(&job.fd);
	return DONE;
}

const struct rpc_handler relay_service[] = {
	{ RELAY_SEND, RELAY_PEER_DELIVER, on_send },
	{ 0 },
};
