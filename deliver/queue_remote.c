/*
 * queue_remote.c - the remote targets of a run: one job for each destination,
 * on threads that wait for relay, as many at a time as the destination bears.
 */
#include <stdlib.h>

#include "base/crashpoint.h"
#include "base/log.h"
#include "deliver/queue_run.h"
#include "rpc/relay_proto.h"

#define RELAY_MS (40 * 60 * 1000) /* one attempt */

struct remote_job {
	struct destination_job wait; /* first: destination_next gives it back */
	struct run *run;
	struct str domain;
	const uint32_t *targets;
	size_t count;
};

/* Not tried: what the last try said is more telling than that. */
static void
put_off(struct remote_job *job, const char *status, const char *text)
{
	struct run *r = job->run;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t k = 0; k < job->count; k++)
		if (r->env.targets[job->targets[k]].tries == 0)
			run_note(
			    r, job->targets[k], FATE_LATER, str_of(status), str_of(text), STR_NONE);
	(void)pthread_mutex_unlock(&r->lock);
}

static void
fill_job(const struct remote_job *job, struct relay_job *out, struct relay_recipient *rows)
{
	const struct run *r = job->run;

	*out = (struct relay_job){
		.id = r->id,
		.fd = r->message.file.fd,
		.skip = r->env.skip,
		.size = r->env.e.size - r->env.skip,
		.domain = job->domain,
		.from = r->env.e.from,
		.envid = r->env.e.envid,
		.ret = r->env.e.ret,
		.flags = r->env.e.flags,
		.recipients = rows,
		.recipient_count = job->count,
	};
	for (size_t k = 0; k < job->count; k++) {
		const struct env_target *t = &r->env.targets[job->targets[k]];

		rows[k] = (struct relay_recipient){ t->target, t->orcpt, t->notify };
	}
}

static void
take_result(struct run *r, uint32_t i, const struct relay_result *result, bool *reached)
{
	enum fate fate = result->outcome == DONE ? result->dsn ? FATE_RELAYED : FATE_RELAYED_BLIND
			 : result->outcome == PERMFAIL ? FATE_NEVER
						       : FATE_LATER;
	const struct env_target *t = &r->env.targets[i];

	/* The DNS may have spoken for the destination: that is an answer too. */
	*reached |= result->mta.n > 0 || result->outcome == PERMFAIL;
	run_note(r, i, fate, result->status, result->reply, result->mta);
	if (result->outcome == DONE)
		COUNT(r->queue->deliver, relayed);
	log_event(LOG_INFO, "queue.relay", kv_id("t", r->id), kv_str("to", t->target),
	    kv_cstr("o", outcome_name(result->outcome)), kv_str("mta", result->mta),
	    kv_str("status", result->status), kv_str("reply", result->reply),
	    kv_uint("tries", t->tries), KV_END);
}

/* Ask relay, note what it says. */
static enum destination_result
do_remote(struct remote_job *job)
{
	struct run *r = job->run;
	struct relay_recipient rows[RELAY_RECIPIENTS_MAX];
	struct rpc_in in = { 0 };
	struct why why = { 0 };
	struct relay_job out;
	struct rpc_out o;
	enum outcome asked;
	bool reached = false, whole;

	fill_job(job, &out, rows);
	rpc_out_init(&o);
	relay_job_put(&o, &out);
	asked =
	    rpc_call(r->queue->deliver->relay, RELAY_SEND, &o, deadline_in(RELAY_MS), &in, &why);
	rpc_out_free(&o);
	crash_point("queue.relay_answered");
	(void)pthread_mutex_lock(&r->lock);
	whole = asked == DONE && rpc_get_u32(&in) == job->count;
	for (size_t k = 0; k < job->count; k++) {
		struct relay_result result = { 0 };

		if (whole)
			relay_result_get(&in, &result);
		if (whole && !in.bad)
			take_result(r, job->targets[k], &result, &reached);
		else /* it may have been sent: the worst is a copy */
			run_note(r, job->targets[k], FATE_LATER, STR("4.3.0"),
			    asked == DONE ? STR("relay gave no usable answer") : str_of(why.text),
			    STR_NONE);
	}
	if (run_write_results(r, job->targets, job->count, true) != DONE)
		log_event(LOG_WARN, "queue.not_noted", kv_id("t", r->id), KV_END);
	(void)pthread_mutex_unlock(&r->lock);
	rpc_in_free(&in);
	if (!whole)
		return DESTINATION_NEITHER;
	return reached ? DESTINATION_WORKED : DESTINATION_DEAD;
}

#define RESTING_STATUS "4.4.1"
#define RESTING_TEXT   "451 4.4.1 No server of this destination answered lately"

static void run_job(void *arg);

/* On another thread, or put off when there is none. */
static void
start_job(struct remote_job *job)
{
	struct run *r = job->run;
	struct destination_jobs resting;
	struct destination_job *next = &job->wait;

	if (pool_run(r->queue->deliver->relay_pool, WORK_BODY, run_job, job))
		return;
	/* Nobody has time, nor for those who wait behind it. */
	while (next != NULL) {
		struct remote_job *j = CONTAINER_OF(next, struct remote_job, wait);

		put_off(j, "4.3.2", "451 4.3.2 Too many deliveries at the moment");
		next =
		    destination_next(r->queue->destinations, next, DESTINATION_NEITHER, &resting);
		run_release(j->run);
	}
}

/* A thread of the relay pool: this job, and then those that waited for the same place. */
static void
run_job(void *arg)
{
	struct remote_job *job = arg;

	while (job != NULL) {
		struct destinations *ds = job->run->queue->destinations;
		enum destination_result result = do_remote(job);
		struct destination_job *next, *other;
		struct destination_jobs resting;

		if (result == DESTINATION_WORKED)
			while ((other = destination_more(ds, &job->wait)) != NULL)
				start_job(CONTAINER_OF(other, struct remote_job, wait));
		next = destination_next(ds, &job->wait, result, &resting);
		while ((other = TAILQ_FIRST(&resting)) != NULL) {
			struct remote_job *late = CONTAINER_OF(other, struct remote_job, wait);

			TAILQ_REMOVE(&resting, other, link);
			put_off(late, RESTING_STATUS, RESTING_TEXT);
			run_release(late->run);
		}
		run_release(job->run);
		job = next != NULL ? CONTAINER_OF(next, struct remote_job, wait) : NULL;
	}
}

static void
submit(struct run *r, struct remote_job *job)
{
	(void)pthread_mutex_lock(&r->lock);
	r->parts++;
	(void)pthread_mutex_unlock(&r->lock);
	switch (destination_ask(r->queue->destinations, job->domain, &job->wait)) {
	case DESTINATION_GO:
		start_job(job);
		break;
	case DESTINATION_QUEUED:
		break;
	case DESTINATION_RESTING:
		put_off(job, RESTING_STATUS, RESTING_TEXT);
		run_release(r);
		break;
	case DESTINATION_BUSY:
		put_off(job, "4.3.2", "451 4.3.2 Too many messages wait for this destination");
		run_release(r);
		break;
	}
}

static struct str
domain_of(struct arena *arena, struct str address)
{
	struct str domain = str_from(address, (size_t)(str_rchr(address, '@') + 1));
	char *lower = arena_cstr(arena, domain);

	for (size_t i = 0; i < domain.n; i++)
		lower[i] = ascii_lower(lower[i]);
	return str_n(lower, domain.n);
}

static int
by_domain(const void *a, const void *b, void *arg)
{
	const struct str *domains = arg;
	int order = str_cmp(domains[*(const uint32_t *)a], domains[*(const uint32_t *)b]);

	return order != 0 ? order : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* The targets that go elsewhere, those of one destination side by side; how many. */
static uint32_t
sort_remote(struct run *r, uint32_t *pending, struct str *domains)
{
	struct conf *conf = deliver_conf(r->queue->deliver);
	bool one_host = conf->smarthost.n > 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->env.target_count; i++) {
		struct env_target *t = &r->env.targets[i];

		if (t->state != DELIVER_RCPT_PENDING || t->kind != DELIVER_TO_REMOTE)
			continue;
		/* With a smarthost there is one destination, whatever the domain. */
		domains[i] = one_host ? arena_str(r->arena, str_of(conf->smarthost.items[0].name))
				      : domain_of(r->arena, t->target);
		pending[n++] = i;
	}
	conf_unref(&conf);
	qsort_r(pending, n, sizeof(*pending), by_domain, domains);
	return n;
}

/*
 * One job for each destination, of at most RELAY_RECIPIENTS_MAX recipients.
 * All are made before the first is begun: its thread uses the arena too.
 */
void
run_remote(struct run *r)
{
	uint32_t *pending = arena_array(r->arena, r->env.target_count, sizeof(*pending));
	struct str *domains = arena_array(r->arena, r->env.target_count, sizeof(*domains));
	uint32_t n = sort_remote(r, pending, domains), count = 0;
	struct remote_job *jobs = arena_array(r->arena, n, sizeof(*jobs));

	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && end - i < RELAY_RECIPIENTS_MAX &&
				  str_eq(domains[pending[i]], domains[pending[end]]);)
			end++;
		jobs[count++] = (struct remote_job){
			.run = r,
			.domain = domains[pending[i]],
			.targets = &pending[i],
			.count = end - i,
		};
	}
	for (uint32_t i = 0; i < count; i++)
		submit(r, &jobs[i]);
}
