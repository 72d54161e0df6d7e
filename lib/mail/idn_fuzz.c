/* idn_fuzz.c - what comes out of libidn2 is a domain, and stays one. */
#include "base/fuzz.h"
#include "mail/address.h"
#include "mail/idn.h"

FUZZ(data, n)
{
	struct arena *a = arena_new(1 << 16);
	struct str in = str_n(data, n), ascii, again;

	if (idn_to_ascii(in, a, &ascii)) {
		assert(domain_valid(ascii, false));
		assert(idn_to_ascii(ascii, a, &again) && str_eq(ascii, again));
		(void)idn_to_unicode(ascii, a);
	}
	(void)idn_to_unicode(in, a);
	arena_free(&a);
}
