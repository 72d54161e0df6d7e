/*
 * words.c - RFC 2047 in reverse, for reading only.
 *
 * Octets of neighbouring words of one charset are joined before they are
 * converted, since senders cut characters between words.  Each search for the
 * end of a word is bounded by WORD_MAX, so the whole is linear.
 */
#include "mail/words.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/transfer.h"

#define WORD_MAX    2048 /* octets; RFC 2047 2 says 75, senders do not */
#define CHARSET_MAX 64

struct decoder {
	struct buf *out;
	struct buf octets;  /* of words not yet converted */
	struct str charset; /* theirs; empty: there are none */
	bool ok;
};

static void
flush(struct decoder *d)
{
	if (d->charset.n > 0 && d->octets.n > 0)
		d->ok = charset_to_utf8(d->charset, buf_str(&d->octets), d->out) && d->ok;
	buf_clear(&d->octets);
	d->charset = STR_NONE;
}

/* Text that is no word: UTF-8, or what Latin-1 senders left there. */
static void
put_raw(struct decoder *d, struct str s)
{
	if (str_is_utf8(s))
		d->ok = buf_put(d->out, s) && d->ok;
	else
		d->ok = charset_to_utf8(STR("windows-1252"), s, d->out) && d->ok;
}

struct word {
	struct str charset;
	char encoding; /* 'b' or 'q' */
	struct str text;
	size_t n; /* octets of all of it */
};

/* `=?charset?encoding?text?=` at the start of s (RFC 2047 2; "*language": RFC 2231 5). */
static bool
take_word(struct str s, struct word *w)
{
	struct str in = str_first(s, WORD_MAX), language;
	ptrdiff_t at;

	if (!str_starts(in, STR("=?")))
		return false;
	in = str_from(in, 2);
	at = str_chr(str_first(in, CHARSET_MAX), '?');
	if (at <= 0)
		return false;
	(void)str_cut(str_first(in, (size_t)at), '*', &w->charset, &language);
	in = str_from(in, (size_t)at + 1);
	if (in.n < 2 || in.p[1] != '?')
		return false;
	w->encoding = ascii_lower(in.p[0]);
	in = str_from(in, 2);
	at = str_find(in, STR("?="));
	if (at < 0 || (w->encoding != 'b' && w->encoding != 'q'))
		return false;
	w->text = str_first(in, (size_t)at);
	w->n = (size_t)(in.p - s.p) + (size_t)at + 2;
	return charset_known(w->charset);
}

static int
hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 4.2. */
static void
put_q(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '=' && i + 2 < s.n && hex_value(s.p[i + 1]) >= 0 &&
		    hex_value(s.p[i + 2]) >= 0) {
			c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		(void)buf_putc(out, c);
	}
}

static void
put_word(struct decoder *d, const struct word *w)
{
	struct transfer t;

	if (!str_eq_nocase(d->charset, w->charset))
		flush(d);
	d->charset = w->charset;
	if (w->encoding == 'q') {
		put_q(w->text, &d->octets);
		return;
	}
	transfer_init(&t, MIME_BASE64);
	(void)transfer_put(&t, w->text, &d->octets);
}

static bool
all_blank(struct str s)
{
	return str_trim(s).n == 0;
}

static void
decode(struct decoder *d, struct str s)
{
	bool after_word = false;
	struct word w;

	while (s.n > 0) {
		struct str raw = s;
		size_t from = 0;
		ptrdiff_t at;

		/* To the next word that is one. */
		for (;;) {
			at = str_find(str_from(s, from), STR("=?"));
			if (at < 0)
				break;
			from += (size_t)at;
			if (take_word(str_from(s, from), &w))
				break;
			from += 2;
		}
		raw = at < 0 ? s : str_first(s, from);
		/* RFC 2047 6.2: blanks between two words are not displayed. */
		if (raw.n > 0 && !(after_word && at >= 0 && all_blank(raw))) {
			flush(d);
			put_raw(d, raw);
		}
		if (at < 0)
			return;
		put_word(d, &w);
		after_word = true;
		s = str_from(s, from + w.n);
	}
}

/* No control character goes through, from wherever it came (faults.md 39). */
static void
no_controls(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->n; i++) {
		unsigned char c = (unsigned char)out->p[i];

		if (c < 0x20 || c == 0x7f) {
			out->p[i] = ' ';
		} else if (c == 0xc2 && i + 1 < out->n && (unsigned char)out->p[i + 1] < 0xa0) {
			out->p[i] = ' ';
			out->p[++i] = ' ';
		}
	}
}

bool
words_decode(struct str value, struct buf *out)
{
	struct decoder d = { .out = out, .ok = true };
	const size_t before = out->n;
	struct buf line;

	buf_init(&line, value.n);
	(void)header_unfold(value, &line);
	buf_init(&d.octets, value.n + 256);
	decode(&d, buf_str(&line));
	flush(&d);
	no_controls(out, before);
	buf_free(&d.octets);
	buf_free(&line);
	return d.ok;
}
