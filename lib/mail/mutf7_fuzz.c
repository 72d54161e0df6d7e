/* mutf7_fuzz.c - both ways, and back. */
#include "base/fuzz.h"
#include "mail/mutf7.h"

FUZZ(data, n)
{
	struct str in = str_n(data, n);
	struct buf there, back;

	buf_init(&there, 8 * n + 64);
	buf_init(&back, 8 * n + 64);
	if (mutf7_to_utf8(in, &there)) {
		assert(str_is_utf8(buf_str(&there)));
		assert(mutf7_from_utf8(buf_str(&there), &back) && str_eq(in, buf_str(&back)));
		(void)mailbox_name_valid(buf_str(&there), '.');
	} else {
		assert(there.n == 0);
	}
	buf_clear(&there);
	buf_clear(&back);
	if (mutf7_from_utf8(in, &there)) {
		assert(mutf7_to_utf8(buf_str(&there), &back) && str_eq(in, buf_str(&back)));
	} else {
		assert(!mailbox_name_valid(in, '/'));
	}
	buf_free(&there);
	buf_free(&back);
}
