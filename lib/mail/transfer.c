/*
 * transfer.c - base64 and quoted-printable, forgiving.
 *
 * Both produce at most what they were given plus what was held back, so room
 * is claimed once for a chunk and filled by plain stores.
 */
#include "mail/transfer.h"
#include "mail/lex.h"

static const struct {
	const char *name;
	enum mime_encoding encoding;
} encodings[] = {
	{ "7bit", MIME_7BIT },
	{ "8bit", MIME_8BIT },
	{ "binary", MIME_BINARY },
	{ "base64", MIME_BASE64 },
	{ "quoted-printable", MIME_QP },
};

enum mime_encoding
transfer_parse(struct str value)
{
	struct scan s = scan_of(value);
	struct str token;

	lex_cfws(&s, NULL);
	if (!lex_token(&s, &token))
		return MIME_7BIT; /* empty: as if it were not there */
	for (size_t i = 0; i < COUNT_OF(encodings); i++)
		if (str_eq_nocase(token, str_of(encodings[i].name)))
			return encodings[i].encoding;
	return MIME_OTHER_ENCODING;
}

const char *
transfer_name(enum mime_encoding e)
{
	for (size_t i = 0; i < COUNT_OF(encodings); i++)
		if (encodings[i].encoding == e)
			return encodings[i].name;
	return NULL;
}

void
transfer_init(struct transfer *t, enum mime_encoding encoding)
{
	*t = (struct transfer){ .encoding = encoding };
}

/* Value of a base64 digit plus one; 0 for what is none. */
#define PAD 65
/* clang-format off */
static const unsigned char digit[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
	25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
	49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64, ['='] = PAD,
};
/* clang-format on */

static size_t
base64(struct transfer *t, struct str in, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		unsigned char v = digit[(unsigned char)in.p[i]];

		if (v == 0) {
			t->damaged |=
			    in.p[i] != '\r' && in.p[i] != '\n' && in.p[i] != ' ' && in.p[i] != '\t';
			continue;
		}
		if (v == PAD) {
			/* Pieces glued together have padding in the middle: start anew behind it.
			 */
			t->damaged |= t->count == 1;
			t->count = 0;
			t->bits = 0;
			t->ended = true;
			continue;
		}
		t->damaged |= t->ended && t->count == 0;
		t->bits = t->bits << 6 | (uint32_t)(v - 1);
		switch (t->count++) {
		case 1:
			to[n++] = (char)(t->bits >> 4);
			break;
		case 2:
			to[n++] = (char)(t->bits >> 2);
			break;
		case 3:
			to[n++] = (char)t->bits;
			t->count = 0;
			break;
		default:
			break;
		}
	}
	return n;
}

static int
hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c); /* RFC 2045 6.7 (1) wants upper case, and says to be robust */
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
in_escape(const struct transfer *t)
{
	return t->n_held > 0 && t->held[0] == '=';
}

static bool
hold(struct transfer *t, char c)
{
	if (t->n_held == sizeof(t->held))
		return false;
	t->held[t->n_held++] = c;
	return true;
}

static size_t
release(struct transfer *t, char *to)
{
	size_t n = t->n_held;

	memcpy(to, t->held, n);
	t->n_held = 0;
	return n;
}

/* Behind '=': two digits, or blanks and a line end (RFC 2045 6.7 (5)). */
static bool
escape_goes_on(struct transfer *t, char c, char *to, size_t *n)
{
	const char last = t->held[t->n_held - 1];

	if (hex_value(last) >= 0) { /* "=4" */
		if (hex_value(c) < 0)
			return false;
		to[(*n)++] = (char)(hex_value(last) << 4 | hex_value(c));
		t->n_held = 0;
		return true;
	}
	if (c == '\n') { /* a soft line break */
		t->n_held = 0;
		return true;
	}
	if (last == '\r' || (hex_value(c) >= 0 && t->n_held > 1))
		return false;
	return (hex_value(c) >= 0 || is_blank(c) || c == '\r') && hold(t, c);
}

static size_t
quoted_printable(struct transfer *t, struct str in, char *to)
{
	size_t n = 0, i = 0;

	while (i < in.n) {
		char c = in.p[i];

		if (in_escape(t)) {
			if (escape_goes_on(t, c, to, &n)) {
				i++;
			} else {
				t->damaged = true;
				n += release(t, to + n);
			}
			continue;
		}
		if (is_blank(c)) {
			if (!hold(t, c)) /* so many are not padding */
				n += release(t, to + n);
			else
				i++;
			continue;
		}
		if (c == '\r' || c == '\n')
			t->n_held = 0; /* RFC 2045 6.7 (3): blanks at a line end are not meant */
		else if (t->n_held > 0)
			n += release(t, to + n);
		i++;
		if (c == '=')
			(void)hold(t, c);
		else
			to[n++] = c;
	}
	return n;
}

bool
transfer_put(struct transfer *t, struct str chunk, struct buf *out)
{
	char *to;

	if (t->encoding != MIME_BASE64 && t->encoding != MIME_QP)
		return buf_put(out, chunk);
	to = buf_room(out, chunk.n + sizeof(t->held));
	if (to == NULL)
		return false;
	buf_claim(out,
	    t->encoding == MIME_BASE64 ? base64(t, chunk, to) : quoted_printable(t, chunk, to));
	return true;
}

bool
transfer_end(struct transfer *t, struct buf *out)
{
	bool ok = true;

	if (t->encoding == MIME_BASE64)
		t->damaged |= t->count != 0;
	if (in_escape(t)) {
		/* "=" at the very end is a soft line break whose line end was cut. */
		t->damaged |= t->n_held > 1;
		if (t->n_held > 1)
			ok = buf_put(out, str_n(t->held, t->n_held));
	}
	t->n_held = 0;
	return ok;
}
