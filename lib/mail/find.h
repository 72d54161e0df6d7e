/*
 * find.h - the first of two octets, at the speed of memchr and yet linear.
 *
 * Looking for each with a memchr of its own to the end of the input would be
 * quadratic where one is frequent and the other is not there at all.  So the
 * window grows as nothing is found.
 */
#ifndef MAIL_FIND_H
#define MAIL_FIND_H

#include "base/str.h"

/* The first a or b in [p, end), NULL where there is none. */
static inline const char *
find_either(const char *p, const char *end, char a, char b)
{
	size_t window = 128;

	while (p < end) {
		size_t n = MIN(window, (size_t)(end - p));
		const char *x = memchr(p, a, n);
		const char *y;

		if (x != NULL)
			n = (size_t)(x - p);
		y = n > 0 ? memchr(p, b, n) : NULL;
		if (y != NULL)
			return y;
		if (x != NULL)
			return x;
		p += n;
		window *= 2;
	}
	return NULL;
}

#endif
