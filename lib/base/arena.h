/*
 * arena.h - memory of one life: everything allocated from an arena dies with
 * it, nothing is freed one by one.
 *
 * We keep two in a session: `session` (login to logout) and `command` (reset
 * after each command).  Take the one whose life is right.  An arena never
 * returns NULL: out of memory, or more than the arena's limit, ends the
 * process, so bound what a peer chose before allocating for it, or ask with
 * arena_has_room.
 *
 * Not thread-safe: an arena belongs to whoever owns the session.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>

#include "base/str.h"

struct arena;

/* An arena that may hold `limit` octets in all.  Costs 64 octets until used. */
struct arena *arena_new(size_t limit);
void arena_free(struct arena **a); /* accepts NULL, nulls the pointer */

/* Forget all; keeps at most one small block. */
void arena_reset(struct arena *a);
/* Forget all and give every block back: what a session does before it parks. */
void arena_release(struct arena *a);

bool arena_empty(const struct arena *a);
size_t arena_used(const struct arena *a);
bool arena_has_room(const struct arena *a, size_t n);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* Copies.  The text is followed by a NUL that its length does not count. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *format, ...) printf_like(2, 3);

#endif
