/*
 * reader.c - whole commands out of the input.
 *
 * A command is kept in the connection's input buffer until it is complete, so
 * its size is bounded by one number whatever it is made of.  APPEND's message
 * is the exception: the command gets the text before it and reads it itself.
 *
 * A bare LF ends a line as CRLF does: it cannot be anything else in a
 * command, and people type at us by hand.
 */
#include "imapd/reader.h"

bool
literal_announced(struct str line, uint64_t *n, bool *sync, size_t *at, bool *bad)
{
	struct str number;
	ptrdiff_t open;

	*bad = false;
	if (line.n < 2 || line.p[line.n - 1] != '}')
		return false;
	open = str_rchr(line, '{');
	if (open < 0)
		return false;
	number = str_first(str_from(line, (size_t)open + 1), line.n - (size_t)open - 2);
	*at = (size_t)open;
	*sync = true;
	if (number.n > 0 && (number.p[number.n - 1] == '+')) {
		*sync = false;
		number.n--;
	}
	if (str_u64(number, n) && *n <= INT64_MAX)
		return true;
	/* {-1}, {}, {99999999999999999999}: an announcement all the same, of nonsense. */
	*bad = number.n == 0 || number.p[0] == '-' || ascii_digit(number.p[0]);
	return false;
}

static enum reader_got
finish(
    struct reader *r, enum reader_got got, struct str text, size_t octets, struct reader_line *out)
{
	out->text = text;
	out->octets = octets;
	*r = (struct reader){ .skipping = got == READER_TOO_LONG };
	return got;
}

static enum reader_got
skip(struct reader *r, struct str input, struct reader_line *out)
{
	ptrdiff_t lf = str_chr(input, '\n');

	if (input.n == 0)
		return READER_MORE;
	out->octets = lf < 0 ? input.n : (size_t)lf + 1;
	r->skipping = lf < 0;
	return READER_SKIP;
}

enum reader_got
reader_next(
    struct reader *r, struct str input, bool (*streams)(struct str text), struct reader_line *out)
{
	*out = (struct reader_line){ .sync = true };
	if (r->skipping)
		return skip(r, input, out);
	for (;;) {
		struct str left, line;
		ptrdiff_t lf;
		uint64_t n;
		size_t end, at;
		bool bad;

		if (input.n < r->seen) /* a literal is on its way */
			return READER_MORE;
		left = str_from(input, r->seen);
		lf = str_chr(left, '\n');
		if (lf < 0) {
			if (input.n >= READER_COMMAND_MAX)
				return finish(r, READER_TOO_LONG, input, input.n, out);
			/*
			 * `seen` stays at the line's beginning, where a literal's end is; so a
			 * line is looked at again with each piece.  Pieces are segments, so the
			 * cost is bounded by COMMAND_MAX * (COMMAND_MAX / segment).
			 */
			return READER_MORE;
		}
		end = r->seen + (size_t)lf;
		line = str_first(input, end);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (end >= READER_COMMAND_MAX) {
			enum reader_got got = finish(r, READER_TOO_LONG, line, end + 1, out);

			r->skipping = false; /* its end was seen */
			return got;
		}
		if (!literal_announced(
			str_from(line, MIN(r->seen, line.n)), &n, &out->sync, &at, &bad)) {
			if (bad)
				return finish(r, READER_LITERAL, line, end + 1, out);
			return finish(r, READER_COMMAND, line, end + 1, out);
		}
		if (streams(str_first(line, r->seen + at))) {
			out->literal_follows = true;
			out->literal = n;
			return finish(
			    r, READER_STREAM, str_first(line, r->seen + at), end + 1, out);
		}
		if (n > READER_COMMAND_MAX - end - 1 || r->literals == READER_LITERALS_MAX)
			return finish(r, READER_LITERAL, line, end + 1, out);
		if (out->sync && !r->asked) {
			r->asked = true;
			return READER_CONTINUE;
		}
		r->asked = false;
		r->literals++;
		r->seen = end + 1 + (size_t)n;
	}
}
