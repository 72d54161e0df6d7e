/*
 * charset.c - charsets of mail by a fixed table of names; iconv(3) behind it.
 *
 * A few names mean more than they say, as in every client: who writes
 * iso-8859-1 means windows-1252, gb2312 its successor, shift_jis that of
 * Windows.
 */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#include "mail/charset.h"

#define REPLACEMENT STR("\xef\xbf\xbd")

enum how {
	ASCII,
	UTF8,
	ICONV
};

static const struct known {
	const char *name;
	const char *iconv_name; /* NULL: ours */
	enum how how;
} table[] = {
	{ "utf-8", NULL, UTF8 },
	{ "utf8", NULL, UTF8 },
	{ "us-ascii", NULL, ASCII },
	{ "ascii", NULL, ASCII },
	{ "ansi_x3.4-1968", NULL, ASCII },
	{ "iso-8859-1", "CP1252", ICONV },
	{ "iso8859-1", "CP1252", ICONV },
	{ "iso_8859-1", "CP1252", ICONV },
	{ "latin1", "CP1252", ICONV },
	{ "iso-8859-2", "ISO-8859-2", ICONV },
	{ "iso-8859-3", "ISO-8859-3", ICONV },
	{ "iso-8859-4", "ISO-8859-4", ICONV },
	{ "iso-8859-5", "ISO-8859-5", ICONV },
	{ "iso-8859-6", "ISO-8859-6", ICONV },
	{ "iso-8859-7", "ISO-8859-7", ICONV },
	{ "iso-8859-8", "ISO-8859-8", ICONV },
	{ "iso-8859-8-i", "ISO-8859-8", ICONV },
	{ "iso-8859-9", "CP1254", ICONV },
	{ "iso-8859-10", "ISO-8859-10", ICONV },
	{ "iso-8859-11", "CP874", ICONV },
	{ "iso-8859-13", "ISO-8859-13", ICONV },
	{ "iso-8859-14", "ISO-8859-14", ICONV },
	{ "iso-8859-15", "ISO-8859-15", ICONV },
	{ "iso8859-15", "ISO-8859-15", ICONV },
	{ "iso-8859-16", "ISO-8859-16", ICONV },
	{ "windows-1250", "CP1250", ICONV },
	{ "windows-1251", "CP1251", ICONV },
	{ "windows-1252", "CP1252", ICONV },
	{ "windows-1253", "CP1253", ICONV },
	{ "windows-1254", "CP1254", ICONV },
	{ "windows-1255", "CP1255", ICONV },
	{ "windows-1256", "CP1256", ICONV },
	{ "windows-1257", "CP1257", ICONV },
	{ "windows-1258", "CP1258", ICONV },
	{ "windows-874", "CP874", ICONV },
	{ "cp1250", "CP1250", ICONV },
	{ "cp1251", "CP1251", ICONV },
	{ "cp1252", "CP1252", ICONV },
	{ "cp1254", "CP1254", ICONV },
	{ "tis-620", "CP874", ICONV },
	{ "koi8-r", "KOI8-R", ICONV },
	{ "koi8-u", "KOI8-U", ICONV },
	{ "macintosh", "MACINTOSH", ICONV },
	{ "x-mac-roman", "MACINTOSH", ICONV },
	{ "ibm437", "CP437", ICONV },
	{ "cp437", "CP437", ICONV },
	{ "ibm850", "CP850", ICONV },
	{ "cp850", "CP850", ICONV },
	{ "ibm866", "CP866", ICONV },
	{ "cp866", "CP866", ICONV },
	{ "gb2312", "GB18030", ICONV },
	{ "gbk", "GB18030", ICONV },
	{ "x-gbk", "GB18030", ICONV },
	{ "gb18030", "GB18030", ICONV },
	{ "big5", "BIG5-HKSCS", ICONV },
	{ "big5-hkscs", "BIG5-HKSCS", ICONV },
	{ "euc-jp", "EUC-JP", ICONV },
	{ "shift_jis", "CP932", ICONV },
	{ "shift-jis", "CP932", ICONV },
	{ "windows-31j", "CP932", ICONV },
	{ "cp932", "CP932", ICONV },
	{ "iso-2022-jp", "ISO-2022-JP", ICONV },
	{ "iso-2022-kr", "ISO-2022-KR", ICONV },
	{ "euc-kr", "UHC", ICONV },
	{ "ks_c_5601-1987", "UHC", ICONV },
	{ "cp949", "UHC", ICONV },
	{ "utf-16", "UTF-16", ICONV },
	{ "utf-16le", "UTF-16LE", ICONV },
	{ "utf-16be", "UTF-16BE", ICONV },
	{ "utf-7", "UTF-7", ICONV },
};

static const struct known *
find(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (str_eq_nocase(name, str_of(table[i].name)))
			return &table[i];
	return NULL;
}

bool
charset_known(struct str name)
{
	return find(name) != NULL;
}

struct charset_modules {
	iconv_t open[COUNT_OF(table)];
};

static bool
is_open(iconv_t cd)
{
	return cd != (iconv_t)-1; /* NOLINT: iconv.h has no other name for it */
}

struct charset_modules *
charset_preload(void)
{
	struct charset_modules *m = xcalloc(1, sizeof(*m));

	for (size_t i = 0; i < COUNT_OF(table); i++)
		m->open[i] =
		    table[i].how == ICONV ? iconv_open("UTF-8", table[i].iconv_name) : (iconv_t)-1;
	return m;
}

void
charset_unload(struct charset_modules **m)
{
	if (*m == NULL)
		return;
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (is_open((*m)->open[i]))
			(void)iconv_close((*m)->open[i]);
	free(*m);
	*m = NULL;
}

#define HELD_MAX 32 /* no charset of ours has characters, or escapes, that long */

struct charset {
	enum how how;
	iconv_t cd;
	char held[HELD_MAX]; /* the start of a character whose end has not come */
	size_t n_held;
};

struct charset *
charset_open(struct str name)
{
	const struct known *k = find(name);
	struct charset *c;

	if (k == NULL)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->how = k->how;
	if (k->how != ICONV)
		return c;
	c->cd = iconv_open("UTF-8", k->iconv_name);
	if (!is_open(c->cd)) {
		free(c);
		return NULL;
	}
	return c;
}

void
charset_close(struct charset **c)
{
	if (*c == NULL)
		return;
	if ((*c)->how == ICONV)
		(void)iconv_close((*c)->cd);
	free(*c);
	*c = NULL;
}

/*
 * Length of the UTF-8 character at s; 0 where it is ill-formed; *cut says that
 * it is well-formed so far and goes on behind the end.
 */
static size_t
utf8_length(struct str s, bool *cut)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	*cut = false;
	if (n == 0)
		return 0;
	for (size_t i = 1; i < MIN(n, s.n); i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
	if (s.n > 1) {
		unsigned char d = (unsigned char)s.p[1];

		/* Overlong forms, surrogates, beyond U+10FFFF (RFC 3629 4). */
		if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
		    (c == 0xf4 && d > 0x8f))
			return 0;
	}
	*cut = n > s.n;
	return n;
}

/* Well-formed stretches as they are; *left is a cut character at the end. */
static bool
repair(struct str s, struct buf *out, struct str *left)
{
	while (s.n > 0) {
		size_t good = 0, n = 1;
		bool cut = false;

		while (good < s.n) {
			n = utf8_length(str_from(s, good), &cut);
			if (n == 0 || cut)
				break;
			good += n;
		}
		if (!buf_put(out, str_first(s, good)))
			return false;
		s = str_from(s, good);
		if (s.n == 0 || cut)
			break;
		if (!buf_put(out, REPLACEMENT))
			return false;
		s = str_from(s, 1);
	}
	*left = s;
	return true;
}

bool
utf8_repair(struct str s, struct buf *out)
{
	struct str left;

	if (!repair(s, out, &left))
		return false;
	for (size_t i = 0; i < left.n; i++)
		if (!buf_put(out, REPLACEMENT))
			return false;
	return true;
}

static bool
ascii_put(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x80 ? !buf_putc(out, s.p[i])
						 : !buf_put(out, REPLACEMENT))
			return false;
	return true;
}

/* iconv as far as it goes; *left is a cut character at the end. */
static bool
convert(iconv_t cd, struct str s, struct buf *out, struct str *left)
{
	char *in = (char *)(uintptr_t)s.p; /* iconv does not write to it */
	size_t n = s.n;

	while (n > 0) {
		size_t want = MIN(4 * n + 16, (size_t)64 * 1024), room;
		char *to = buf_room(out, MIN(want, out->max - out->n));
		char *at = to;
		size_t got;
		int error;

		if (to == NULL)
			return false;
		room = MIN(want, out->max - out->n);
		got = iconv(cd, &in, &n, &at, &room);
		error = errno;
		buf_claim(out, (size_t)(at - to));
		if (got != (size_t)-1)
			break;
		if (error == EINVAL && n <= HELD_MAX)
			break;
		if (error == E2BIG) {
			if (at == to && out->max - out->n < 16)
				return out->full = true, false;
			continue;
		}
		if (!buf_put(out, REPLACEMENT))
			return false;
		in++;
		n--;
	}
	*left = str_n(in, n);
	return true;
}

/* s with what was held; what is then left is held. */
static bool
put_all(struct charset *c, struct str s, struct buf *out)
{
	struct str left = STR_NONE;
	bool ok;

	if (c->how == ASCII)
		return ascii_put(s, out);
	ok = c->how == UTF8 ? repair(s, out, &left) : convert(c->cd, s, out, &left);
	assert(left.n <= HELD_MAX);
	c->n_held = left.n;
	if (left.n > 0)
		memmove(c->held, left.p, left.n);
	return ok;
}

bool
charset_put(struct charset *c, struct str in, struct buf *out)
{
	char both[2 * HELD_MAX];

	/* Finish the held character with as little of the input as it takes. */
	while (c->n_held > 0 && in.n > 0) {
		size_t held = c->n_held;

		memcpy(both, c->held, held);
		both[held] = in.p[0];
		in = str_from(in, 1);
		c->n_held = 0;
		if (!put_all(c, str_n(both, held + 1), out))
			return false;
	}
	return in.n == 0 || put_all(c, in, out);
}

bool
charset_end(struct charset *c, struct buf *out)
{
	bool ok = true;

	/* Some converters keep a letter back to see whether a mark follows. */
	if (c->how == ICONV) {
		char last[32], *at = last;
		size_t room = sizeof(last);

		(void)iconv(c->cd, NULL, NULL, &at, &room);
		ok = buf_put(out, str_n(last, sizeof(last) - room));
	}
	for (size_t i = 0; i < c->n_held && ok; i++)
		ok = buf_put(out, REPLACEMENT);
	c->n_held = 0;
	return ok;
}

bool
charset_to_utf8(struct str charset, struct str in, struct buf *out)
{
	struct charset *c = charset_open(charset);
	bool ok;

	if (c == NULL)
		return false;
	ok = charset_put(c, in, out) && charset_end(c, out);
	charset_close(&c);
	return ok;
}
