/*
 * base.h - the few macros every file of ours may use.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The caller has to look at the result. */
#define must_use          __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define no_return         __attribute__((noreturn))
#define maybe_unused      __attribute__((unused))

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* The structure that embeds *ptr as its field. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

/*
 * Objects that travel through void * (epoll, threads, callbacks) begin with
 * a magic number of their type and are checked where they come out.
 */
#define CHECK_MAGIC(obj, m) assert((obj) != NULL && (obj)->magic == (m))

/*
 * Memory.  Small objects: out of memory ends the process (the supervisor
 * starts another).  Sizes a peer chose are bounded before they come here.
 */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

/* An array of n things of this size; ends the process on overflow. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/* Close *fd if it is open and set it to -1. */
void fd_close(int *fd);

#endif
