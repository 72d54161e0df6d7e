/* profile_int.h - the profiles that are part of the program; the table ends with a NULL name. */
#ifndef SQL_PROFILE_INT_H
#define SQL_PROFILE_INT_H

#include <stddef.h>

struct builtin_profile {
	const char *name;
	const char *text;
	size_t n;
};

extern const struct builtin_profile builtin_profiles[];

#endif
