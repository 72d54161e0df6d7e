/*
 * address_fuzz.c - the path parser, and beside it a second one made of the
 * ABNF of RFC 5321 4.1.2 as regular expressions: both must say the same.
 */
#include <regex.h>
#include <stdlib.h>

#include "base/fuzz.h"
#include "mail/address.h"

#define ATEXT      "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"
#define DOT_STRING ATEXT "(\\." ATEXT ")*"
#define QUOTED     "\"([] !#-[^-~]|\\\\[ -~])*\""
#define SUB_DOMAIN "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
#define DOMAIN     SUB_DOMAIN "(\\." SUB_DOMAIN ")*"

static bool
matches(const char *pattern, const char *text)
{
	regex_t r;
	bool yes;

	assert(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB) == 0);
	yes = regexec(&r, text, 0, NULL, 0) == 0;
	regfree(&r);
	return yes;
}

/* local@domain without literals, in ASCII, lengths aside. */
static bool
by_abnf(struct str s)
{
	char *text = str_dup(s);
	bool yes = strlen(text) == s.n &&
		   matches("^(" DOT_STRING "|" QUOTED ")@" DOMAIN "$", text) && text[0] != '@' &&
		   strncmp(text, "\"\"@", 3) != 0 && !matches("[@.][0-9]+$", text);

	free(text);
	return yes;
}

static void
reparse(const struct mailaddr *m, struct arena *a, unsigned allow)
{
	struct str text = address_text(a, m);
	struct mailaddr again;

	assert(address_parse(text, a, allow, &again) == ADDRESS_OK);
	assert(address_eq(m, &again) && str_eq(text, address_text(a, &again)));
}

FUZZ(data, n)
{
	struct str in = str_n(data, n);
	struct arena *a = arena_new(64 * 1024);
	struct mailaddr m;

	for (unsigned allow = 0; allow < 16; allow++) {
		struct scan s = scan_of(in);

		arena_reset(a);
		if (scan_path(&s, a, allow, &m) == ADDRESS_OK) {
			assert(s.p > in.p && s.p[-1] == '>');
			if (m.domain.n > 0)
				reparse(&m, a, allow);
		} else {
			assert(s.p == in.p);
		}
		if (address_parse(in, a, allow, &m) == ADDRESS_OK && m.local.n > 0)
			reparse(&m, a, allow);
	}
	arena_reset(a);
	if (n > 0 && n < 200) {
		enum address_fault f = address_parse(in, a, 0, &m);

		if (f != ADDRESS_TOO_LONG && memchr(data, '[', n) == NULL)
			assert((f == ADDRESS_OK) == by_abnf(in) ||
			       (f == ADDRESS_BAD_DOMAIN && n > ADDRESS_LABEL_MAX));
	}
	arena_free(&a);
}
