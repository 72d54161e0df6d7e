#include "deliver/queue_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct schedule
queue_schedule(struct queue *q)
{
	struct conf *c = deliver_conf(q->deliver);
	struct schedule s = {
		.first_s = MAX(c->queue_retry_first / 1000, (int64_t)1),
		.most_s = MAX(c->queue_retry_max / 1000, (int64_t)1),
		.expire_s = c->queue_expire / 1000,
		.warn_s = c->queue_delay_warning / 1000,
	};

	conf_unref(&c);
	return s;
}

struct queue *
queue_new(struct deliver *d, int dir)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	struct conf *c = deliver_conf(d);

	q->deliver = d;
	if (!queue_disk_open(&q->disk, dir)) {
		conf_unref(&c);
		free(q);
		return NULL;
	}
	(void)pthread_mutex_init(&q->lock, NULL);
	queue_table_init(&q->table);
	q->destinations = destinations_new((unsigned)c->relay_destination_connections);
	conf_unref(&c);
	return q;
}

void
queue_free(struct queue **qp)
{
	struct queue *q = *qp;

	if (q == NULL)
		return;
	destinations_free(&q->destinations);
	queue_table_free(&q->table);
	queue_disk_close(&q->disk);
	(void)pthread_mutex_destroy(&q->lock);
	free(q->found);
	free(q);
	*qp = NULL;
}

/* --- the start --- */

bool
queue_begin(struct queue *q)
{
	return queue_disk_list(&q->disk, &q->found, &q->found_count);
}

/* One message of an earlier life; false when it is not there any more. */
static void
take_in(struct queue *q, uint64_t id, struct arena *arena, const struct schedule *s)
{
	struct queued *row;
	struct env env;
	uint32_t pending;
	int64_t left_s;

	switch (queue_disk_load(&q->disk, id, arena, &env)) {
	case QUEUE_LOADED:
		break;
	case QUEUE_DAMAGED:
		COUNT(q->deliver, set_aside);
		return;
	case QUEUE_MISSING:
		return;
	case QUEUE_TROUBLE:
		/* Looked at again when it is due. */
		memset(&env, 0, sizeof(env));
		break;
	}
	pending = env_pending(&env);
	left_s = schedule_left(s, env.delay_s, env.scheduled_s, wall_s());
	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_add(&q->table, id, clock_ms() + left_s * 1000);
	if (row != NULL) {
		row->pending = pending;
		row->age_s = schedule_age(
		    s, env.age_s, env.scheduled_s > 0 ? env.scheduled_s : env.arrived_s, wall_s());
		row->known_ms = clock_ms();
		q->pending += pending;
	}
	(void)pthread_mutex_unlock(&q->lock);
}

void
queue_scan(struct queue *q)
{
	struct arena *arena = arena_new(ENVFILE_ARENA);
	struct schedule s = queue_schedule(q);
	int64_t start_ms = clock_ms();

	for (size_t i = 0; i < q->found_count; i++) {
		take_in(q, q->found[i], arena, &s);
		arena_reset(arena);
		if (i % 1000 == 999)
			queue_pump(q);
	}
	if (q->found_count > 0)
		log_event(LOG_INFO, "queue.scanned", kv_uint("messages", q->found_count),
		    kv_int("ms", clock_ms() - start_ms), KV_END);
	free(q->found);
	q->found = NULL;
	q->found_count = 0;
	arena_free(&arena);
	queue_pump(q);
}

/* --- in --- */

static uint32_t
target_count(const struct deliver_envelope *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->recipient_count; i++)
		n += e->recipients[i].target_count;
	return (uint32_t)n;
}

enum outcome
queue_commit(struct queue *q, struct message *m, const struct deliver_envelope *e, uint32_t flags,
    struct deadline by, struct why *why)
{
	struct queued *row;
	struct buf octets;
	enum outcome o;
	bool existed = false;

	buf_init(&octets, ENVFILE_MAX);
	if (envfile_begin(e, (uint64_t)wall_s(), m->skip, flags, &octets))
		o = queue_disk_create(&q->disk, m, buf_str(&octets), by, &existed, why);
	else
		o = fail(PERMFAIL, why, 552, "5.5.3", "Too many recipients");
	buf_free(&octets);
	if (o == DONE && existed && (flags & ENV_REPORT) == 0)
		return fail(TEMPFAIL, why, 451, "4.3.0", "This message is queued already");
	if (o != DONE || existed)
		return o;

	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_add(&q->table, e->id, clock_ms());
	if (row != NULL) {
		row->fresh = true;
		row->pending = target_count(e);
		row->known_ms = clock_ms();
		q->pending += row->pending;
	}
	(void)pthread_mutex_unlock(&q->lock);
	COUNT(q->deliver, queued);
	log_event(LOG_INFO, "queue.in", kv_id("t", e->id), kv_str("from", e->from),
	    kv_uint("recipients", e->recipient_count), kv_uint("targets", target_count(e)),
	    kv_uint("size", m->size), KV_END);
	queue_pump(q);
	return DONE;
}

/* --- out --- */

/* The next one that is due, now active; NULL when there is none or no room. */
static struct run_start *
next_due(struct queue *q)
{
	struct run_start *start = NULL;
	struct queued *row;

	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_first(&q->table);
	if (row != NULL && row->due_ms <= clock_ms() && q->active < QUEUE_ACTIVE_MAX &&
	    !q->stopping) {
		queue_table_activate(&q->table, row);
		q->active++;
		start = xmalloc(sizeof(*start));
		*start = (struct run_start){
			.queue = q,
			.id = row->id,
			.fresh = row->fresh,
			.dropped = row->dropped,
			.returned = row->returned,
			.age_s = row->age_s + (clock_ms() - row->known_ms) / 1000,
		};
	}
	(void)pthread_mutex_unlock(&q->lock);
	return start;
}

/* No thread was to be had: back into the heap, for the next second. */
static void
put_back(struct queue *q, struct run_start *start)
{
	struct queued *row;

	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_find(&q->table, start->id);
	queue_table_wait(&q->table, row, clock_ms() + 500);
	q->active--;
	(void)pthread_mutex_unlock(&q->lock);
	free(start);
}

void
queue_pump(struct queue *q)
{
	struct run_start *start;

	while ((start = next_due(q)) != NULL)
		if (!pool_run(q->deliver->pool, WORK_BODY, queue_run, start)) {
			put_back(q, start);
			break;
		}
}

void
queue_ended(struct queue *q, uint64_t id, const struct run_end *end)
{
	struct queued *row;

	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_find(&q->table, id);
	assert(row != NULL && row->state == QUEUED_ACTIVE);
	q->active--;
	q->pending -= row->pending;
	if (end->over || end->set_aside) {
		queue_table_remove(&q->table, row);
	} else {
		row->pending = end->pending;
		q->pending += end->pending;
		row->fresh = false;
		row->age_s = end->age_s;
		row->known_ms = clock_ms();
		queue_table_wait(&q->table, row,
		    row->retried || row->dropped ? clock_ms() : clock_ms() + end->delay_s * 1000);
		row->retried = false;
	}
	(void)pthread_mutex_unlock(&q->lock);
	queue_pump(q);
}

void
queue_stop(struct queue *q)
{
	(void)pthread_mutex_lock(&q->lock);
	q->stopping = true;
	(void)pthread_mutex_unlock(&q->lock);
}
