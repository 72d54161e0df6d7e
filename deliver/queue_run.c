/*
 * queue_run.c - one try of one queued message.
 *
 * The thread that begins a run does the local targets itself and hands one
 * job per remote destination to the threads that wait for relay.  Whoever is
 * the last to be done (`parts` falls to zero) closes the run: reports are
 * made, what is still pending gets its next time, or the files are removed.
 *
 * What is on disk when:
 *  - a local target that was delivered is not noted at once: trying it again
 *    finds the message in the mailbox by its delivery id;
 *  - a remote target that was taken is noted and synced before anything else
 *    happens: a second copy at another host cannot be taken back;
 *  - a failure is noted after its report is durable in the queue.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crashpoint.h"
#include "base/log.h"
#include "deliver/local.h"
#include "deliver/queue_int.h"
#include "deliver/report.h"
#include "rpc/relay_proto.h"

#define RUN_MS      (10 * 60 * 1000)  /* local deliveries of one run */
#define RELAY_MS    (40 * 60 * 1000)  /* one attempt at a remote host */
#define RECORDS_MAX (8 * 1024 * 1024) /* octets of records written at one time */

enum fate {
	FATE_NOT_TRIED = 0,
	FATE_DELIVERED,     /* in a mailbox of ours */
	FATE_RELAYED,       /* the next host knows DSN */
	FATE_RELAYED_BLIND, /* it does not */
	FATE_LATER,
	FATE_NEVER,
};

struct run {
	struct queue *queue;
	uint64_t id;
	bool fresh;
	bool dropped;
	bool returned;
	int64_t age_s;
	struct arena *arena;
	struct message message;

	pthread_mutex_t lock; /* guards what follows while parts > 1 */
	unsigned parts;
	struct env env;
	uint8_t *fates; /* enum fate, one a target */
	bool *noted;    /* the target's record is on disk as it stands */
};

struct remote_job {
	struct destination_job wait; /* first: destination_next gives it back */
	struct run *run;
	struct str domain;
	const uint32_t *targets;
	size_t count;
};

static void run_release(struct run *r);

/* --- results --- */

static void
note(struct run *r, uint32_t i, enum fate fate, struct str status, struct str reply, struct str mta)
{
	struct env_target *t = &r->env.targets[i];

	r->fates[i] = (uint8_t)fate;
	r->noted[i] = false;
	t->tries++;
	t->at_s = (uint64_t)wall_s();
	t->status = arena_str(r->arena, str_first(status, ENV_TEXT_MAX));
	t->reply = arena_str(r->arena, str_first(reply, ENV_TEXT_MAX));
	t->mta = arena_str(r->arena, str_first(mta, ENV_TEXT_MAX));
	if (fate == FATE_DELIVERED || fate == FATE_RELAYED || fate == FATE_RELAYED_BLIND)
		t->state = DELIVER_RCPT_DELIVERED;
}

static void
note_why(struct run *r, uint32_t i, enum outcome o, const struct why *why)
{
	char reply[sizeof(why->text) + 32];

	(void)snprintf(reply, sizeof(reply), "%d %s %s", why->code, why->enhanced, why->text);
	note(r, i, o == PERMFAIL ? FATE_NEVER : FATE_LATER, str_of(why->enhanced), str_of(reply),
	    STR_NONE);
}

/* Append the records of these targets (all with NULL that are not noted yet). */
static enum outcome
write_results(struct run *r, const uint32_t *targets, size_t count, bool durable)
{
	uint64_t at = r->env.end;
	struct buf records;
	enum outcome o = DONE;
	bool fits = true;

	buf_init(&records, RECORDS_MAX);
	for (uint32_t k = 0; k < (targets != NULL ? count : r->env.target_count); k++) {
		uint32_t i = targets != NULL ? targets[k] : k;

		if (r->fates[i] == FATE_NOT_TRIED || r->noted[i])
			continue;
		fits = fits && envfile_put_result(&r->env, i, &records);
		r->noted[i] = fits;
	}
	/* A file that has become too long keeps what it has; the worst is a repeated try. */
	if (fits && records.n > 0)
		o = queue_disk_append(&r->queue->disk, r->id, at, buf_str(&records), durable);
	if (!fits || o != DONE)
		r->env.end = at;
	buf_free(&records);
	return fits ? o : TEMPFAIL;
}

/* --- local targets --- */

static void
do_local(struct run *r)
{
	struct deadline by = deadline_in(RUN_MS);
	struct arena *scratch = arena_new(4096);

	for (uint32_t i = 0; i < r->env.target_count; i++) {
		struct env_target *t = &r->env.targets[i];
		struct why why = { 0 };
		struct local_delivery l;
		enum outcome o;

		if (t->state != DELIVER_RCPT_PENDING || t->kind != DELIVER_TO_MAILBOX)
			continue;
		l = (struct local_delivery){
			.mailbox = t->target,
			.id = local_copy_id(scratch, r->id, i, r->env.target_count > 1),
			.arrived_s = (int64_t)r->env.arrived_s,
			.retry = !r->fresh,
			.from = r->env.e.from,
			.original = t->address,
		};
		o = local_deliver(r->queue->deliver, &r->message, &l, by, &why);
		crash_point("queue.local_done");
		(void)pthread_mutex_lock(&r->lock);
		if (o == DONE)
			note(r, i, FATE_DELIVERED, STR("2.0.0"), STR_NONE, STR_NONE);
		else
			note_why(r, i, o, &why);
		(void)pthread_mutex_unlock(&r->lock);
		arena_reset(scratch);
	}
	arena_free(&scratch);
}

/* --- remote targets --- */

/* Not tried: what the last try said is more telling than that. */
static void
put_off(struct remote_job *job, const char *status, const char *text)
{
	struct run *r = job->run;

	(void)pthread_mutex_lock(&r->lock);
	for (size_t k = 0; k < job->count; k++)
		if (r->env.targets[job->targets[k]].tries == 0)
			note(
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
	note(r, i, fate, result->status, result->reply, result->mta);
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
			note(r, job->targets[k], FATE_LATER, STR("4.3.0"),
			    asked == DONE ? STR("relay gave no usable answer") : str_of(why.text),
			    STR_NONE);
	}
	if (write_results(r, job->targets, job->count, true) != DONE)
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
static void
do_all_remote(struct run *r)
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

/* --- the end of a run --- */

/* Report on the targets that `pick` picks; false when the report has to wait. */
static bool
report_some(struct run *r, enum dsn_action action, bool expired, const struct schedule *s,
    bool (*pick)(const struct run *r, uint32_t i, bool expired))
{
	struct report_on *on = arena_array(r->arena, r->env.target_count, sizeof(*on));
	struct report report = {
		.action = action,
		.expired = expired,
		.until_s = wall_s() + MAX(s->expire_s - r->age_s, (int64_t)0),
		.tries = action == DSN_DELAYED ? r->env.tries : 0,
		.on = on,
	};

	for (uint32_t i = 0; i < r->env.target_count; i++)
		if (pick(r, i, expired) && report_due(&r->env, &r->env.targets[i], action))
			on[report.count++] = (struct report_on){ &r->env.targets[i], i };
	return report.count == 0 || report_send(r->queue->deliver, &r->env, &r->message, &report,
					deadline_in(DELIVER_COMMIT_MS)) == DONE;
}

static bool
pick_delivered(const struct run *r, uint32_t i, bool expired)
{
	return r->fates[i] == FATE_DELIVERED;
}

static bool
pick_relayed(const struct run *r, uint32_t i, bool expired)
{
	return r->fates[i] == FATE_RELAYED_BLIND;
}

static bool
pick_late(const struct run *r, uint32_t i, bool expired)
{
	return r->env.targets[i].state == DELIVER_RCPT_PENDING && r->fates[i] != FATE_NEVER;
}

/*
 * Given up now: refused for good, or out of time.  A mailbox of ours that is
 * full for a stranger's mail is not given up: we have said 250, the stranger
 * may not be told, so it waits until there is room or the administrator drops it.
 */
static bool
pick_failed(const struct run *r, uint32_t i, bool expired)
{
	const struct env_target *t = &r->env.targets[i];

	if (t->state != DELIVER_RCPT_PENDING)
		return false;
	if (!expired)
		return r->fates[i] == FATE_NEVER;
	return r->fates[i] != FATE_NEVER &&
	       (t->kind == DELIVER_TO_REMOTE || r->env.e.auth_user.n > 0 ||
		   (r->env.flags & ENV_REPORT) != 0);
}

static void
give_up(struct run *r, const struct schedule *s, bool expired)
{
	if (!report_some(r, DSN_FAILED, expired, s, pick_failed))
		return; /* until the report is durable they stay pending */
	crash_point("queue.reported");
	for (uint32_t i = 0; i < r->env.target_count; i++) {
		struct env_target *t = &r->env.targets[i];

		if (!pick_failed(r, i, expired))
			continue;
		t->state = DELIVER_RCPT_FAILED;
		r->noted[i] = false;
		if (r->fates[i] == FATE_NOT_TRIED)
			r->fates[i] = FATE_LATER;
		log_event(LOG_WARN, "queue.failed", kv_id("t", r->id), kv_str("to", t->target),
		    kv_uint("expired", expired), kv_str("status", t->status),
		    kv_str("reply", t->reply),
		    kv_uint("reported", report_due(&r->env, t, DSN_FAILED)), KV_END);
	}
}

static void
drop_pending(struct run *r, const struct schedule *s)
{
	if (r->returned) {
		for (uint32_t i = 0; i < r->env.target_count; i++)
			if (r->env.targets[i].state == DELIVER_RCPT_PENDING)
				r->fates[i] = FATE_NEVER;
		(void)report_some(r, DSN_FAILED, false, s, pick_failed);
	}
	for (uint32_t i = 0; i < r->env.target_count; i++)
		if (r->env.targets[i].state == DELIVER_RCPT_PENDING)
			r->env.targets[i].state = DELIVER_RCPT_DROPPED;
	log_event(LOG_WARN, "queue.dropped", kv_id("t", r->id), KV_END);
}

static void
plan_next(struct run *r, const struct schedule *s, struct run_end *end)
{
	struct env *env = &r->env;
	uint64_t at;
	struct buf records;

	env->tries++;
	if (schedule_warn(s, r->age_s, env->warned) &&
	    report_some(r, DSN_DELAYED, false, s, pick_late))
		env->warned = true;
	env->scheduled_s = (uint64_t)wall_s();
	env->age_s = (uint64_t)r->age_s;
	env->delay_s = (uint64_t)schedule_delay(s, env->tries);
	end->delay_s = (int64_t)env->delay_s;
	/* Losing these in a power cut costs an earlier try: not worth a sync, unless one is due. */
	if (write_results(r, NULL, 0, true) != DONE)
		return;
	at = env->end;
	buf_init(&records, RECORDS_MAX);
	if (!envfile_put_schedule(env, &records) ||
	    queue_disk_append(&r->queue->disk, r->id, at, buf_str(&records), false) != DONE)
		env->end = at;
	buf_free(&records);
}

static void
close_run(struct run *r, struct run_end *end)
{
	struct schedule s = queue_schedule(r->queue);

	if (r->dropped)
		drop_pending(r, &s);
	(void)report_some(r, DSN_DELIVERED, false, &s, pick_delivered);
	(void)report_some(r, DSN_RELAYED, false, &s, pick_relayed);
	give_up(r, &s, false);
	if (schedule_expired(&s, r->age_s))
		give_up(r, &s, true);
	end->pending = env_pending(&r->env);
	end->over = end->pending == 0;
	end->age_s = r->age_s;
	if (end->over) {
		queue_disk_remove(&r->queue->disk, r->id);
		log_event(LOG_INFO, "queue.out", kv_id("t", r->id), KV_END);
	} else {
		plan_next(r, &s, end);
	}
}

static void
run_free(struct run *r)
{
	message_end(&r->message);
	(void)pthread_mutex_destroy(&r->lock);
	arena_free(&r->arena);
	free(r);
}

static void
run_release(struct run *r)
{
	struct run_end end = { 0 };
	bool last;

	(void)pthread_mutex_lock(&r->lock);
	last = --r->parts == 0;
	(void)pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	close_run(r, &end);
	queue_ended(r->queue, r->id, &end);
	run_free(r);
}

/* --- the beginning --- */

/* Envelope and message are at hand; false: the run is over before it began, *end says how. */
static bool
load(struct run *r, struct run_end *end)
{
	struct queue *q = r->queue;
	uint64_t size;
	int fd;

	end->delay_s = queue_schedule(q).first_s;
	end->age_s = r->age_s;
	switch (queue_disk_load(&q->disk, r->id, r->arena, &r->env)) {
	case QUEUE_LOADED:
		break;
	case QUEUE_MISSING:
		end->over = true;
		return false;
	case QUEUE_DAMAGED:
		COUNT(q->deliver, set_aside);
		end->set_aside = true;
		return false;
	case QUEUE_TROUBLE:
		end->pending = 1;
		return false;
	}
	end->pending = env_pending(&r->env);
	if (end->pending == 0) { /* done in an earlier life, up to the removal */
		queue_disk_remove(&q->disk, r->id);
		end->over = true;
		return false;
	}
	fd = queue_disk_message(&q->disk, r->id, &size);
	if (fd < 0 && errno != ENOENT)
		return false;
	if (fd < 0 || size != r->env.e.size || r->env.skip > size) {
		fd_close(&fd);
		queue_disk_set_aside(&q->disk, r->id, "message");
		COUNT(q->deliver, set_aside);
		end->set_aside = true;
		return false;
	}
	message_reopen(q->deliver->store, fd, r->id, size, r->env.skip, &r->message);
	r->fates = arena_array(r->arena, r->env.target_count, sizeof(*r->fates));
	r->noted = arena_array(r->arena, r->env.target_count, sizeof(*r->noted));
	return true;
}

void
queue_run(void *run_start)
{
	struct run_start *start = run_start;
	struct run *r = xcalloc(1, sizeof(*r));
	struct run_end end = { 0 };

	r->queue = start->queue;
	r->id = start->id;
	r->fresh = start->fresh;
	r->dropped = start->dropped;
	r->returned = start->returned;
	r->age_s = start->age_s;
	r->parts = 1; /* our own */
	r->arena = arena_new(2 * (size_t)ENVFILE_ARENA);
	r->message.file.fd = -1;
	(void)pthread_mutex_init(&r->lock, NULL);
	free(start);
	if (!load(r, &end)) {
		queue_ended(r->queue, r->id, &end);
		run_free(r);
		return;
	}
	if (!r->dropped) {
		do_all_remote(r);
		do_local(r);
	}
	run_release(r);
}
