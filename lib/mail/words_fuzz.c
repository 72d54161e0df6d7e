/* words_fuzz.c - encoded words: always one line of UTF-8 without controls. */
#include "base/fuzz.h"
#include "mail/words.h"

FUZZ(data, n)
{
	struct buf b;

	buf_init(&b, 16 * n + 1024);
	assert(words_decode(str_n(data, n), &b));
	assert(str_is_utf8(buf_str(&b)));
	for (size_t i = 0; i < b.n; i++)
		assert((unsigned char)b.p[i] >= ' ' && b.p[i] != 0x7f);
	buf_free(&b);
}
