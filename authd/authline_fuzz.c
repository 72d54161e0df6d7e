/* authline_fuzz.c - what programs of others send to auth-client and socketmap. */
#include "authd/dovecot.h"
#include "authd/socketmap.h"
#include "base/fuzz.h"

FUZZ(data, n)
{
	struct arena *a = arena_new(1024 * 1024);
	struct str in = str_n(data, n), line, rest, text;
	struct dovecot_line parsed;
	unsigned lines = 0;
	size_t used = 0;
	bool more = true;
	struct buf b;

	for (rest = in; more && lines < 100; lines++) {
		more = str_cut(rest, '\n', &line, &rest);
		if (line.n > DOVECOT_LINE_MAX || !dovecot_parse(line, a, &parsed))
			break;
		assert(parsed.response.n <= AUTH_DATA_MAX);
		/* What is escaped holds nothing that ends a field or a line. */
		buf_init(&b, 4 * DOVECOT_LINE_MAX);
		assert(dovecot_escape(&b, parsed.service));
		for (size_t i = 0; i < b.n; i++)
			assert(b.p[i] != '\t' && b.p[i] != '\n' && b.p[i] != '\0');
		buf_free(&b);
		if (!arena_has_room(a, 4 * DOVECOT_LINE_MAX))
			break;
	}
	while (netstring_take(in, SOCKETMAP_REQUEST_MAX, &text, &used) == NETSTRING_WHOLE) {
		assert(used <= in.n && text.n <= SOCKETMAP_REQUEST_MAX);
		in = str_from(in, used);
	}
	arena_free(&a);
}
