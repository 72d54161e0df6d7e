/* charset_fuzz.c - the first line names a charset; the rest in it, whole and split. */
#include "base/fuzz.h"
#include "mail/charset.h"

FUZZ(data, n)
{
	struct str name, text;
	struct buf whole, split;
	struct charset *c;

	(void)str_cut(str_n(data, n), '\n', &name, &text);
	c = charset_open(name);
	if (c == NULL)
		return;
	buf_init(&whole, 16 * n + 1024);
	buf_init(&split, 16 * n + 1024);
	assert(charset_to_utf8(name, text, &whole));
	assert(str_is_utf8(buf_str(&whole)));
	for (size_t i = 0; i < text.n; i++)
		assert(charset_put(c, str_n(text.p + i, 1), &split));
	assert(charset_end(c, &split));
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	charset_close(&c);
	buf_free(&whole);
	buf_free(&split);
}
