#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t need, room;

	/* One octet more than asked, so that buf_cstr always has its NUL. */
	if (n > b->max || b->n > b->max - n) {
		b->full = true;
		return NULL;
	}
	need = b->n + n + 1;
	if (need > b->room) {
		room = b->room > 0 ? b->room : 64;
		while (room < need)
			room = room > SIZE_MAX / 2 ? need : room * 2;
		room = MIN(room, b->max + 1);
		b->p = xrealloc(b->p, room);
		b->room = room;
	}
	return b->p + b->n;
}

void
buf_claim(struct buf *b, size_t n)
{
	assert(n <= b->room - b->n);
	b->n += n;
}

bool
buf_put(struct buf *b, struct str s)
{
	char *to = buf_room(b, s.n);

	if (to == NULL)
		return false;
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	b->n += s.n;
	return true;
}

bool
buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, str_of(s));
}

bool
buf_putc(struct buf *b, char c)
{
	char *to;

	if (b->n + 1 < b->room) {
		b->p[b->n++] = c;
		return true;
	}
	to = buf_room(b, 1);
	if (to == NULL)
		return false;
	*to = c;
	b->n++;
	return true;
}

bool
buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return buf_put(b, str_n(digits + at, sizeof(digits) - at));
}

bool
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(n >= 0);
	to = buf_room(b, (size_t)n);
	if (to == NULL)
		return false;
	(void)vsnprintf(to, (size_t)n + 1, format, ap);
	b->n += (size_t)n;
	return true;
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, format);
	ok = buf_vprintf(b, format, ap);
	va_end(ap);
	return ok;
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (b->n > 0 && n > 0)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_cstr(struct buf *b)
{
	if (b->p == NULL)
		return "";
	b->p[b->n] = '\0';
	return b->p;
}
