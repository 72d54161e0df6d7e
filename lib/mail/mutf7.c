/*
 * mutf7.c - modified UTF-7 (RFC 3501 5.1.3) and what a mailbox may be called.
 *
 * Decoding is strict by re-encoding: a name is canonical exactly when encoding
 * its UTF-8 gives the name back.  So there is one rule and no list of them.
 */
#include "mail/mutf7.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool
put_utf8(struct buf *out, uint32_t c)
{
	char t[4];
	size_t n = 0;

	if (c < 0x80) {
		t[n++] = (char)c;
	} else if (c < 0x800) {
		t[n++] = (char)(0xc0 | c >> 6);
		t[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		t[n++] = (char)(0xe0 | c >> 12);
		t[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		t[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		t[n++] = (char)(0xf0 | c >> 18);
		t[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		t[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		t[n++] = (char)(0x80 | (c & 0x3f));
	}
	return buf_put(out, str_n(t, n));
}

/* UTF-16 units in base64 to UTF-8; false on a lone surrogate. */
static bool
decode_shift(struct str shift, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (size_t i = 0; i < shift.n; i++) {
		int v = digit_value(shift.p[i]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		uint32_t unit = bits >> count & 0xffff;
		bits &= (1u << count) - 1;
		if (unit >= 0xd800 && unit < 0xdc00) {
			if (high != 0)
				return false;
			high = unit;
			continue;
		}
		if ((unit >= 0xdc00 && unit < 0xe000) != (high != 0))
			return false;
		if (high != 0)
			unit = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
		high = 0;
		if (!put_utf8(out, unit))
			return false;
	}
	return high == 0;
}

static bool
decode(struct str name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		struct str rest = str_from(name, i + 1);
		ptrdiff_t end;

		if (name.p[i] != '&') {
			if (!buf_putc(out, name.p[i]))
				return false;
			continue;
		}
		end = str_chr(rest, '-');
		if (end < 0)
			return false;
		if (end == 0 ? !buf_putc(out, '&')
			     : !decode_shift(str_first(rest, (size_t)end), out))
			return false;
		i += (size_t)end + 1;
	}
	return true;
}

bool
mutf7_to_utf8(struct str name, struct buf *out)
{
	const size_t before = out->n;
	struct buf again;
	bool ok;

	buf_init(&again, name.n + 8);
	ok = decode(name, out) && mutf7_from_utf8(str_from(buf_str(out), before), &again) &&
	     str_eq(name, buf_str(&again));
	buf_free(&again);
	if (!ok)
		out->n = before;
	return ok;
}

/* The character at p; the text is known to be well-formed. */
static uint32_t
take_utf8(const char **p)
{
	const unsigned char *u = (const unsigned char *)*p;
	uint32_t c;

	if (u[0] < 0x80) {
		*p += 1;
		return u[0];
	}
	if (u[0] < 0xe0) {
		c = (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
		*p += 2;
	} else if (u[0] < 0xf0) {
		c = (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
		*p += 3;
	} else {
		c = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 |
		    (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
		*p += 4;
	}
	return c;
}

struct shift {
	uint32_t bits;
	unsigned count;
	bool open;
};

static bool
shift_unit(struct shift *s, uint32_t unit, struct buf *out)
{
	bool ok = s->open || buf_putc(out, '&');

	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		ok = ok && buf_putc(out, digits[s->bits >> s->count & 0x3f]);
	}
	s->bits &= (1u << s->count) - 1;
	return ok;
}

static bool
shift_close(struct shift *s, struct buf *out)
{
	bool ok = true;

	if (!s->open)
		return true;
	if (s->count > 0)
		ok = buf_putc(out, digits[s->bits << (6 - s->count) & 0x3f]);
	*s = (struct shift){ 0 };
	return ok && buf_putc(out, '-');
}

bool
mutf7_from_utf8(struct str name, struct buf *out)
{
	const size_t before = out->n;
	const char *p = name.p, *end = name.p + name.n;
	struct shift s = { 0 };
	bool ok = str_is_utf8(name);

	while (ok && p < end) {
		uint32_t c = take_utf8(&p);

		if (c >= 0x20 && c < 0x7f) {
			ok = shift_close(&s, out) && buf_putc(out, (char)c) &&
			     (c != '&' || buf_putc(out, '-'));
		} else if (c < 0x20 || c == 0x7f) {
			ok = false; /* RFC 3501 5.1.3: no way to write them, and no wish */
		} else if (c < 0x10000) {
			ok = shift_unit(&s, c, out);
		} else {
			ok = shift_unit(&s, 0xd800 + ((c - 0x10000) >> 10), out) &&
			     shift_unit(&s, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
		}
	}
	ok = ok && shift_close(&s, out);
	if (!ok)
		out->n = before;
	return ok;
}

/* What no eye can tell from nothing, or what ends a line somewhere. */
static bool
forbidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

static bool
level_valid(struct str level, bool first)
{
	if (level.n == 0 || level.n > MAILBOX_LABEL_MAX)
		return false;
	if (str_eq(level, STR(".")) || str_eq(level, STR("..")))
		return false;
	return !first || level.p[0] != '~';
}

bool
mailbox_name_valid(struct str utf8, char sep)
{
	const char *p = utf8.p, *end = utf8.p + utf8.n;
	struct str level, rest = utf8;
	size_t depth = 0;
	bool more;

	if (utf8.n == 0 || utf8.n > MAILBOX_NAME_MAX || !str_is_utf8(utf8))
		return false;
	while (p < end) {
		uint32_t c = take_utf8(&p);

		if (forbidden(c) || (c == '/' && sep != '/'))
			return false;
	}
	do {
		more = str_cut(rest, sep, &level, &rest);
		if (!level_valid(level, depth == 0) || ++depth > MAILBOX_DEPTH_MAX)
			return false;
	} while (more);
	return true;
}
