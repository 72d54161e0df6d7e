/* header_fuzz.c - fields add up to the header, octet by octet. */
#include "base/fuzz.h"
#include "mail/header.h"

FUZZ(data, n)
{
	struct str message = str_n(data, n), id, ids = message;
	struct str v[3] = { STR("To"), STR("a"), STR("Subject") };
	struct header_names names = { v, 3 };
	struct header_iter it = header_iter(message);
	struct field f;
	size_t total = 0, fields = 0;
	struct buf b;

	buf_init(&b, 3 * n + 16);
	header_names_sort(&names);
	while (header_next(&it, &f)) {
		assert(f.whole.p == message.p + total && f.whole.n > 0);
		assert(f.name.n + f.value.n <= f.whole.n);
		total += f.whole.n;
		fields++;
		buf_clear(&b);
		assert(header_unfold(f.value, &b));
		assert(b.n == 0 || memchr(b.p, '\n', b.n) == NULL);
	}
	assert(it.p == message.p + header_size(message) && total <= header_size(message));
	assert(header_count(message, STR("to"), SIZE_MAX) <= fields);
	buf_clear(&b);
	assert(header_put_fields(message, &names, false, &b));
	assert(header_put_fields(message, &names, true, &b));
	while (header_msgid_next(&ids, &id))
		assert(id.n > 0);
	buf_free(&b);
}
