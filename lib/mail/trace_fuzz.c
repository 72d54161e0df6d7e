/* trace_fuzz.c - whatever a peer says of itself, Received is one field of plain ASCII. */
#include "base/fuzz.h"
#include "mail/header.h"
#include "mail/trace.h"

FUZZ(data, n)
{
	struct str part[4], rest = str_n(data, n);
	struct header_iter it;
	struct received r = { .by = STR("mx.test"), .with = STR("ESMTP"), .id = STR("1") };
	struct field f;
	struct buf b;

	for (size_t i = 0; i < 4; i++)
		(void)str_cut(rest, '\n', &part[i], &rest);
	r.helo = part[0];
	r.rdns = part[1];
	r.ip = part[2];
	r.for_address = part[3];
	buf_init(&b, TRACE_LINE_MAX);
	assert(received_put(&b, &r));
	for (size_t i = 0; i < b.n; i++)
		assert((b.p[i] >= ' ' && b.p[i] < 0x7f) || strchr("\r\n\t", b.p[i]) != NULL);
	it = header_iter(buf_str(&b));
	assert(header_next(&it, &f) && str_eq(f.name, STR("Received")) && it.p == it.end);
	buf_free(&b);
}
