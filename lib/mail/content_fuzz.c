/* content_fuzz.c - Content-Type, its parameters, their decoding. */
#include "base/fuzz.h"
#include "mail/content.h"

FUZZ(data, n)
{
	struct str in = str_n(data, n);
	struct arena *a = arena_new(2 * CONTENT_ARENA);
	struct content c;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 2; i++) {
		if (!(i == 0 ? content_type_parse(in, a, &c)
			     : content_disposition_parse(in, a, &c)))
			continue;
		assert(c.n <= CONTENT_PARAMS_MAX && c.type.n > 0);
		for (size_t k = 0; k < c.n; k++) {
			buf_clear(&b);
			assert(content_find(&c, c.params[k].name) != NULL);
			assert(content_param(&c, c.params[k].name, &b));
			assert(str_is_utf8(buf_str(&b)));
			for (size_t j = 0; j < b.n; j++)
				assert((unsigned char)b.p[j] >= ' ');
		}
	}
	buf_free(&b);
	arena_free(&a);
}
