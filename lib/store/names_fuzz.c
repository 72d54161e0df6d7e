#include "base/fuzz.h"

#include "store/names.h"

/* What was split and joined says the same the second time. */
FUZZ(data, n)
{
	struct str name = str_n(data, n), base, again;
	char joined[NAME_ROOM];
	uint32_t flags, flags_again;
	uint64_t size, vsize;

	if (!name_split(name, &base, &flags))
		return;
	name_join(base, flags, joined);
	if (memchr(base.p, '\0', base.n) == NULL)
		assert(name_split(str_of(joined), &again, &flags_again) && str_eq(again, base) &&
		       flags == flags_again);
	(void)!name_sizes(base, &size, &vsize);
	(void)name_id(base);
}
