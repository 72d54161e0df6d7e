/*
 * dot_fuzz.c - dots and line ends against a reader that looks at one octet at
 * a time and remembers the last four; any split of the input is the same.
 */
#include "base/fuzz.h"
#include "mail/crlf.h"
#include "mail/dot.h"

/* The reference: octets of data into out; true when the message ended. */
static bool
reference(struct str in, struct buf *out, size_t *used)
{
	bool line_start = true;
	size_t i = 0;

	while (i < in.n) {
		struct str rest = str_from(in, i);

		if (line_start && str_starts(rest, STR(".\r\n"))) {
			*used = i + 3;
			return true;
		}
		if (line_start && rest.p[0] == '.') {
			/* What is held back at the end is not data yet. */
			if (rest.n == 1 || (rest.n == 2 && rest.p[1] == '\r'))
				break;
			rest = str_from(rest, 1);
			i++;
		}
		buf_putc(out, rest.p[0]);
		line_start = rest.p[0] == '\n' && i > 0 && in.p[i - 1] == '\r';
		i++;
	}
	*used = in.n;
	return false;
}

static struct undot
undot(struct str in, size_t step, struct buf *out, size_t *used)
{
	struct undot u = { 0 };
	struct str piece;

	*used = 0;
	while (*used < in.n && !u.done) {
		struct scan s = scan_of(str_first(str_from(in, *used), step));
		const char *from = s.p;

		while (undot_next(&u, &s, &piece))
			assert(piece.n > 0 && buf_put(out, piece));
		*used += (size_t)(s.p - from);
	}
	return u;
}

static void
stuff(struct str in, size_t step, struct buf *out)
{
	struct dot d = { 0 };
	struct str piece;

	for (size_t at = 0; at < in.n; at += step) {
		struct scan s = scan_of(str_first(str_from(in, at), step));

		while (dot_next(&d, &s, &piece))
			assert(piece.n > 0 && buf_put(out, piece));
	}
	assert(buf_put(out, dot_end(&d)));
}

FUZZ(data, n)
{
	struct str in = str_from(str_n(data, n), 1);
	size_t step = n > 0 ? 1 + data[0] % 7 : 1, used, used2, used3;
	struct buf want, got, plain;
	struct crlf_count count;
	struct undot u, v;
	bool done;

	buf_init(&want, 4 * n + 64);
	buf_init(&got, 4 * n + 64);
	buf_init(&plain, 4 * n + 64);
	done = reference(in, &want, &used);
	u = undot(in, step, &got, &used2);
	assert(done == u.done && used == used2 && str_eq(buf_str(&want), buf_str(&got)));
	v = undot(in, n + 1, &plain, &used3);
	assert(used == used3 && str_eq(buf_str(&want), buf_str(&plain)));
	assert(u.marks == v.marks && u.octets == v.octets && u.longest == v.longest);

	/* Stuffed, it comes back, with its line ends made right; and nothing in it ends early. */
	buf_clear(&want);
	buf_clear(&got);
	stuff(in, step, &want);
	stuff(in, n + 1, &got);
	assert(str_eq(buf_str(&want), buf_str(&got)));
	buf_clear(&plain);
	u = undot(buf_str(&want), n + 64, &plain, &used);
	assert(u.done && used == want.n && (u.marks & (UNDOT_BARE_CR | UNDOT_BARE_LF)) == 0);
	buf_clear(&got);
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\n')
			buf_puts(&got, "\r\n");
		else if (in.p[i] != '\r')
			buf_putc(&got, in.p[i]);
		else if (i + 1 == in.n || in.p[i + 1] != '\n')
			buf_putc(&got, ' ');
	}
	if (in.n > 0 && in.p[in.n - 1] != '\n')
		buf_puts(&got, "\r\n");
	assert(str_eq(buf_str(&got), buf_str(&plain)));

	/* As presented: sizes foretold, partials are pieces of the whole. */
	crlf_count(in, &count);
	buf_clear(&got);
	assert(crlf_put(&got, in) && got.n == count.size + count.bare);
	for (size_t o = 0; o < got.n && o < 40; o += step) {
		buf_clear(&want);
		assert(crlf_put_partial(&want, in, count.bare, o, step));
		assert(str_eq(buf_str(&want), str_first(str_from(buf_str(&got), o), step)));
	}
	buf_free(&want);
	buf_free(&got);
	buf_free(&plain);
}
