/* addrlist_fuzz.c - any header value is an address list. */
#include "base/fuzz.h"
#include "mail/addrlist.h"

FUZZ(data, n)
{
	struct arena *a = arena_new(8 << 20);
	struct addrlist list;
	struct addr first;
	bool in_group = false;

	addrlist_parse(str_n(data, n), a, 200, &list);
	assert(list.n <= 200);
	for (size_t i = 0; i < list.n; i++) {
		const struct addr *x = &list.v[i];

		assert((x->kind == ADDR_GROUP_END) == (x->local.p == NULL));
		assert((x->kind == ADDR_MAILBOX) == (x->domain.p != NULL));
		assert((x->kind == ADDR_GROUP_END) <= in_group);
		if (x->kind != ADDR_MAILBOX)
			in_group = x->kind == ADDR_GROUP_START;
	}
	assert(!in_group);
	if (addrlist_first(str_n(data, n), a, &first))
		assert(first.domain.p != NULL);
	arena_free(&a);
	a = arena_new(1024); /* room for a few: the rest is cut */
	addrlist_parse(str_n(data, n), a, 200, &list);
	arena_free(&a);
}
