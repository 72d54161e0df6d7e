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
#include "deliver/queue_run.h"
#include "deliver/report.h"

#define RUN_MS      (10 * 60 * 1000)  /* local deliveries of one run */
#define RECORDS_MAX (8 * 1024 * 1024) /* octets of records written at one time */

/* --- results --- */

void
run_note(
    struct run *r, uint32_t i, enum fate fate, struct str status, struct str reply, struct str mta)
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
	run_note(r, i, o == PERMFAIL ? FATE_NEVER : FATE_LATER, str_of(why->enhanced),
	    str_of(reply), STR_NONE);
}

/* Append the records of these targets (all with NULL that are not noted yet). */
enum outcome
run_write_results(struct run *r, const uint32_t *targets, size_t count, bool durable)
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
			run_note(r, i, FATE_DELIVERED, STR("2.0.0"), STR_NONE, STR_NONE);
		else
			note_why(r, i, o, &why);
		(void)pthread_mutex_unlock(&r->lock);
		arena_reset(scratch);
	}
	arena_free(&scratch);
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
	if (run_write_results(r, NULL, 0, true) != DONE)
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

void
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
		run_remote(r);
		do_local(r);
	}
	run_release(r);
}
