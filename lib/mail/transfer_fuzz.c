/* transfer_fuzz.c - the first octet says encoding and split; both ways must agree. */
#include "base/fuzz.h"
#include "mail/transfer.h"

FUZZ(data, n)
{
	struct str in = str_from(str_n(data, n), 1);
	struct transfer t, u;
	struct buf whole, split;
	size_t step;

	if (n == 0)
		return;
	step = 1 + data[0] / 8;
	buf_init(&whole, n + 256);
	buf_init(&split, n + 256);
	transfer_init(&t, (enum mime_encoding)(data[0] % 6));
	u = t;
	assert(transfer_put(&t, in, &whole) && transfer_end(&t, &whole));
	for (size_t at = 0; at < in.n; at += step)
		assert(transfer_put(&u, str_first(str_from(in, at), step), &split));
	assert(transfer_end(&u, &split));
	assert(str_eq(buf_str(&whole), buf_str(&split)) && t.damaged == u.damaged);
	(void)transfer_parse(in);
	buf_free(&whole);
	buf_free(&split);
}
