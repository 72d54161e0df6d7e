#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define BLOCK_ROOM 4000 /* with the header and malloc's own, just under a page */

struct block {
	struct block *next;
	size_t used;
	size_t room;
	_Alignas(16) char data[];
};

struct arena {
	struct block *blocks; /* ours; the first is the one being filled */
	size_t used;
	size_t limit;
};

struct arena *
arena_new(size_t limit)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->limit = limit;
	return a;
}

static void
drop_blocks(struct block *b)
{
	while (b != NULL) {
		struct block *next = b->next;
		free(b);
		b = next;
	}
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	drop_blocks((*a)->blocks);
	free(*a);
	*a = NULL;
}

void
arena_reset(struct arena *a)
{
	struct block *keep = NULL;

	a->used = 0;
	if (a->blocks == NULL)
		return;
	if (a->blocks->room == BLOCK_ROOM) {
		keep = a->blocks;
		a->blocks = keep->next;
		keep->next = NULL;
		keep->used = 0;
	}
	drop_blocks(a->blocks);
	a->blocks = keep;
}

void
arena_release(struct arena *a)
{
	drop_blocks(a->blocks);
	a->blocks = NULL;
	a->used = 0;
}

bool
arena_empty(const struct arena *a)
{
	return a->used == 0;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

bool
arena_has_room(const struct arena *a, size_t n)
{
	return n <= a->limit - a->used;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->blocks;
	size_t need = n;
	char *p;

	if (__builtin_add_overflow(n, (size_t)15, &need))
		log_fatal("arena: %zu octets asked for", n);
	need &= ~(size_t)15;
	if (need > a->limit - a->used)
		log_fatal("arena: %zu octets over the limit of %zu", need, a->limit);
	if (b == NULL || need > b->room - b->used) {
		size_t room = MAX(need, (size_t)BLOCK_ROOM);

		b = xmalloc(sizeof(*b) + room);
		b->used = 0;
		b->room = room;
		if (room > BLOCK_ROOM && a->blocks != NULL) {
			/* A large piece gets its own block; go on filling the first. */
			b->next = a->blocks->next;
			a->blocks->next = b;
		} else {
			b->next = a->blocks;
			a->blocks = b;
		}
	}
	p = b->data + b->used;
	b->used += need;
	a->used += need;
	memset(p, 0, need);
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		log_fatal("arena: array of %zu times %zu octets", n, size);
	return arena_alloc(a, bytes);
}

struct str
arena_str(struct arena *a, struct str s)
{
	return str_n(arena_cstr(a, s), s.n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	assert(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, format);
	(void)vsnprintf(p, (size_t)n + 1, format, ap);
	va_end(ap);
	return p;
}
