/*
 * pattern.c - patterns of LIST.
 *
 * The pattern's positions are the states of a small machine, all of which are
 * followed at once; so no pattern, however many stars it has, costs more than
 * name times pattern.
 */
#include "imapd/pattern.h"

/* From each live position, stars may match nothing. */
static void
pass_stars(struct str pattern, bool *live)
{
	for (size_t i = 0; i < pattern.n; i++) {
		if (live[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			live[i + 1] = true;
	}
}

bool
pattern_match(struct str pattern, struct str name, char sep)
{
	bool live[PATTERN_MAX + 1] = { [0] = true };
	bool next[PATTERN_MAX + 1];
	size_t any_case = 0;

	if (pattern.n > PATTERN_MAX)
		return false;
	if (str_starts(name, STR("INBOX")) && (name.n == 5 || name.p[5] == sep))
		any_case = 5;
	pass_stars(pattern, live);
	for (size_t k = 0; k < name.n; k++) {
		char c = name.p[k];

		memset(next, 0, pattern.n + 1);
		for (size_t i = 0; i < pattern.n; i++) {
			char want = pattern.p[i];

			if (!live[i])
				continue;
			if (want == '*' || (want == '%' && c != sep))
				next[i] = true;
			else if (want == c || (k < any_case && ascii_upper(want) == c))
				next[i + 1] = true;
		}
		memcpy(live, next, pattern.n + 1);
		pass_stars(pattern, live);
	}
	return live[pattern.n];
}
