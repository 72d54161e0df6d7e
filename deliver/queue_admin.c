/*
 * queue_admin.c - the queue as the postroom command sees it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "deliver/queue_int.h"

/* What memory knows of a message; false when it is not queued. */
static bool
peek(struct queue *q, uint64_t id, struct queued *out)
{
	struct queued *row;

	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_find(&q->table, id);
	if (row != NULL)
		*out = *row;
	(void)pthread_mutex_unlock(&q->lock);
	return row != NULL;
}

static void
fill_row(const struct queued *known, const struct env *env, struct deliver_queue_row *out)
{
	int64_t left_ms = MAX(known->due_ms - clock_ms(), (int64_t)0);

	*out = (struct deliver_queue_row){
		.id = known->id,
		.arrived_s = env->arrived_s,
		.next_s = left_ms > 0 ? (uint64_t)(wall_s() + left_ms / 1000) : 0,
		.size = env->e.size,
		.state =
		    known->state == QUEUED_ACTIVE ? DELIVER_QUEUE_ACTIVE : DELIVER_QUEUE_WAITING,
		.pending = env_pending(env),
		.recipients = env->target_count,
		.tries = env->tries,
		.from = env->e.from,
	};
	for (uint32_t i = 0; i < env->target_count; i++)
		if (env->targets[i].state == DELIVER_RCPT_PENDING) {
			out->to = env->targets[i].target;
			out->reason = env->targets[i].reply;
			break;
		}
}

enum outcome
queue_list(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t ids[DELIVER_QUEUE_PAGE];
	uint64_t after = rpc_get_u64(in);
	uint32_t most = MIN(rpc_get_u32(in), (uint32_t)DELIVER_QUEUE_PAGE);
	struct arena *arena;
	struct rpc_out rows;
	uint32_t n = 0;
	size_t found;

	if (!rpc_in_done(in) || most == 0)
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
	(void)pthread_mutex_lock(&q->lock);
	found = queue_table_page(&q->table, after, ids, most);
	(void)pthread_mutex_unlock(&q->lock);
	arena = arena_new(ENVFILE_ARENA);
	rpc_out_init(&rows);
	for (size_t i = 0; i < found; i++) {
		struct deliver_queue_row row;
		struct queued known;
		struct env env;

		arena_reset(arena);
		if (!peek(q, ids[i], &known) ||
		    queue_disk_load(&q->disk, ids[i], arena, &env) != QUEUE_LOADED)
			continue; /* it has left meanwhile */
		fill_row(&known, &env, &row);
		deliver_queue_row_put(&rows, &row);
		n++;
	}
	rpc_put_u32(out, n);
	buf_put(&out->body, buf_str(&rows.body));
	rpc_put_u8(out, found == most);
	rpc_out_free(&rows);
	arena_free(&arena);
	return DONE;
}

enum outcome
queue_show(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t id = rpc_get_u64(in), size;
	struct deliver_queue_row row;
	struct queued known;
	struct arena *arena;
	struct env env;
	int fd;

	if (!rpc_in_done(in))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
	if (!peek(q, id, &known))
		return fail(PERMFAIL, why, 550, "5.1.1", "No such message in the queue");
	arena = arena_new(ENVFILE_ARENA);
	fd = queue_disk_message(&q->disk, id, &size);
	if (fd < 0 || queue_disk_load(&q->disk, id, arena, &env) != QUEUE_LOADED) {
		arena_free(&arena);
		fd_close(&fd);
		return fail(PERMFAIL, why, 550, "5.1.1", "The message has just left the queue");
	}
	fill_row(&known, &env, &row);
	deliver_queue_row_put(out, &row);
	rpc_put_u32(out, env.target_count);
	for (uint32_t i = 0; i < env.target_count; i++) {
		const struct env_target *t = &env.targets[i];

		rpc_put_str(out, t->address);
		rpc_put_str(out, t->target);
		rpc_put_u8(out, (uint8_t)t->kind);
		rpc_put_u8(out, (uint8_t)t->state);
		rpc_put_u32(out, t->tries);
		rpc_put_str(out, t->reply);
	}
	rpc_put_fd(out, fd); /* the server closes it */
	arena_free(&arena);
	return DONE;
}

static void
make_due(struct queue *q, struct queued *row)
{
	if (row->state == QUEUED_WAITING)
		queue_table_wait(&q->table, row, clock_ms());
	else
		row->retried = true;
}

enum outcome
queue_retry(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t id = rpc_get_u64(in);
	uint32_t n = 0;

	if (!rpc_in_done(in))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
	destinations_wake(q->destinations);
	(void)pthread_mutex_lock(&q->lock);
	for (size_t i = 0; i < q->table.bucket_count; i++)
		for (struct queued *row = q->table.buckets[i]; row != NULL; row = row->next)
			if (id == 0 || row->id == id) {
				make_due(q, row);
				n++;
			}
	(void)pthread_mutex_unlock(&q->lock);
	if (n == 0 && id != 0)
		return fail(PERMFAIL, why, 550, "5.1.1", "No such message in the queue");
	log_event(LOG_INFO, "queue.retry", kv_id("t", id), kv_uint("messages", n), KV_END);
	rpc_put_u32(out, n);
	queue_pump(q);
	return DONE;
}

enum outcome
queue_drop(struct queue *q, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t id = rpc_get_u64(in);
	bool bounce = rpc_get_u8(in) != 0;
	struct run_start *start = NULL;
	struct queued *row;

	if (!rpc_in_done(in))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed request");
	(void)pthread_mutex_lock(&q->lock);
	row = queue_table_find(&q->table, id);
	if (row != NULL) {
		row->dropped = true;
		row->returned = bounce;
		if (row->state == QUEUED_WAITING) {
			queue_table_activate(&q->table, row);
			q->active++;
			start = xmalloc(sizeof(*start));
			*start = (struct run_start){
				.queue = q,
				.id = id,
				.dropped = true,
				.returned = bounce,
			};
		}
	}
	(void)pthread_mutex_unlock(&q->lock);
	if (row == NULL)
		return fail(PERMFAIL, why, 550, "5.1.1", "No such message in the queue");
	/* Gone when we answer; one that is under way goes at the end of its try. */
	if (start != NULL)
		queue_run(start);
	return DONE;
}

void
queue_counts(struct queue *q, struct deliver_counts *out)
{
	int64_t oldest_s = 0;

	(void)pthread_mutex_lock(&q->lock);
	out->messages = q->table.count + q->found_count;
	out->recipients = q->pending;
	out->active = q->active;
	for (size_t i = 0; i < q->table.bucket_count; i++)
		for (const struct queued *row = q->table.buckets[i]; row != NULL; row = row->next)
			oldest_s = MAX(oldest_s, row->age_s + (clock_ms() - row->known_ms) / 1000);
	out->oldest_s = q->table.count > 0 ? (uint64_t)(wall_s() - oldest_s) : 0;
	(void)pthread_mutex_unlock(&q->lock);
}
