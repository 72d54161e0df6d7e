#include "deliver/queue_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define NOT_IN_HEAP UINT32_MAX

void
queue_table_init(struct queue_table *t)
{
	memset(t, 0, sizeof(*t));
	t->bucket_count = 1024;
	t->buckets = xcalloc(t->bucket_count, sizeof(struct queued *));
}

void
queue_table_free(struct queue_table *t)
{
	for (size_t i = 0; i < t->bucket_count; i++)
		for (struct queued *q = t->buckets[i], *next; q != NULL; q = next) {
			next = q->next;
			free(q);
		}
	free(t->buckets);
	free(t->heap);
	memset(t, 0, sizeof(*t));
}

static struct queued **
bucket(const struct queue_table *t, uint64_t id)
{
	return &t->buckets[siphash(hash_process_key(), &id, sizeof(id)) & (t->bucket_count - 1)];
}

static void
grow(struct queue_table *t)
{
	struct queued **old = t->buckets;
	size_t n = t->bucket_count;

	t->bucket_count = 2 * n;
	t->buckets = xcalloc(t->bucket_count, sizeof(struct queued *));
	for (size_t i = 0; i < n; i++)
		for (struct queued *q = old[i], *next; q != NULL; q = next) {
			struct queued **b = bucket(t, q->id);

			next = q->next;
			q->next = *b;
			*b = q;
		}
	free(old);
}

struct queued *
queue_table_find(const struct queue_table *t, uint64_t id)
{
	struct queued *q = *bucket(t, id);

	while (q != NULL && q->id != id)
		q = q->next;
	return q;
}

/* --- the heap: the parent of i is (i - 1) / 2 --- */

static void
put_at(struct queue_table *t, size_t i, struct queued *q)
{
	t->heap[i] = q;
	q->at = (uint32_t)i;
}

static void
rise(struct queue_table *t, size_t i)
{
	struct queued *q = t->heap[i];

	while (i > 0 && t->heap[(i - 1) / 2]->due_ms > q->due_ms) {
		put_at(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put_at(t, i, q);
}

static void
sink(struct queue_table *t, size_t i)
{
	struct queued *q = t->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < t->heap_count &&
		    t->heap[child + 1]->due_ms < t->heap[child]->due_ms)
			child++;
		if (child >= t->heap_count || t->heap[child]->due_ms >= q->due_ms)
			break;
		put_at(t, i, t->heap[child]);
		i = child;
	}
	put_at(t, i, q);
}

static void
heap_remove(struct queue_table *t, struct queued *q)
{
	size_t i = q->at;
	struct queued *last = t->heap[--t->heap_count];

	q->at = NOT_IN_HEAP;
	if (last == q)
		return;
	put_at(t, i, last);
	rise(t, i);
	sink(t, last->at);
}

void
queue_table_wait(struct queue_table *t, struct queued *q, int64_t due_ms)
{
	if (q->at != NOT_IN_HEAP)
		heap_remove(t, q);
	if (t->heap_count == t->heap_room) {
		t->heap_room = t->heap_room > 0 ? 2 * t->heap_room : 256;
		t->heap = xreallocarray(t->heap, t->heap_room, sizeof(struct queued *));
	}
	q->state = QUEUED_WAITING;
	q->due_ms = due_ms;
	put_at(t, t->heap_count++, q);
	rise(t, t->heap_count - 1);
}

void
queue_table_activate(struct queue_table *t, struct queued *q)
{
	assert(q->state == QUEUED_WAITING);
	heap_remove(t, q);
	q->state = QUEUED_ACTIVE;
}

struct queued *
queue_table_first(const struct queue_table *t)
{
	return t->heap_count > 0 ? t->heap[0] : NULL;
}

struct queued *
queue_table_add(struct queue_table *t, uint64_t id, int64_t due_ms)
{
	struct queued *q, **b;

	if (queue_table_find(t, id) != NULL)
		return NULL;
	if (t->count >= 2 * t->bucket_count)
		grow(t);
	q = xcalloc(1, sizeof(*q));
	q->id = id;
	q->at = NOT_IN_HEAP;
	b = bucket(t, id);
	q->next = *b;
	*b = q;
	t->count++;
	queue_table_wait(t, q, due_ms);
	return q;
}

void
queue_table_remove(struct queue_table *t, struct queued *q)
{
	struct queued **at = bucket(t, q->id);

	if (q->at != NOT_IN_HEAP)
		heap_remove(t, q);
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	t->count--;
	free(q);
}

/* ids is a heap of the smallest found so far, largest first: its top goes when a smaller one comes.
 */
static void
keep_smaller(uint64_t *ids, size_t n, uint64_t id)
{
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < n && ids[child + 1] > ids[child])
			child++;
		if (child >= n || ids[child] <= id)
			break;
		ids[i] = ids[child];
		i = child;
	}
	ids[i] = id;
}

static int
id_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
id_order_down(const void *a, const void *b)
{
	return id_order(b, a);
}

size_t
queue_table_page(const struct queue_table *t, uint64_t after, uint64_t *ids, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < t->bucket_count && most > 0; i++)
		for (const struct queued *q = t->buckets[i]; q != NULL; q = q->next) {
			if (q->id <= after)
				continue;
			if (n < most) {
				ids[n++] = q->id;
				/* Descending order is a heap, largest first. */
				if (n == most)
					qsort(ids, n, sizeof(*ids), id_order_down);
			} else if (q->id < ids[0]) {
				keep_smaller(ids, n, q->id);
			}
		}
	if (n > 0)
		qsort(ids, n, sizeof(*ids), id_order);
	return n;
}
