/*
 * trace.c - the lines we add to mail.
 *
 * What a peer says of itself goes into Received only after everything that
 * could end a comment, a clause, a line or a terminal's patience is gone
 * (faults.md 19).
 */
#include "mail/trace.h"

#define VALUE_MAX  255 /* octets of one peer-given value */
#define LINE_WIDTH 78  /* RFC 5322 2.1.1 */

static bool
is_plain(unsigned char c)
{
	return ascii_alnum((char)c) || (c != '\0' && strchr("-._:[]@+=", c) != NULL);
}

/* Peer data, each octet beyond is_plain a '?'. */
static void
put_plain(struct buf *b, struct str s)
{
	s = str_first(s, VALUE_MAX);
	for (size_t i = 0; i < s.n; i++)
		(void)buf_putc(b, is_plain((unsigned char)s.p[i]) ? s.p[i] : '?');
}

/* Something, and all of it can stand as it is: the FOR clause is given so or not at all. */
static bool
all_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_plain((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.n <= VALUE_MAX;
}

/* Words joined by spaces, folded before the line gets too long. */
struct folder {
	struct buf *out;
	struct buf word;
	size_t column;
};

static void
word_end(struct folder *f)
{
	if (f->word.n == 0)
		return;
	if (f->column + 1 + f->word.n > LINE_WIDTH) {
		(void)buf_puts(f->out, "\r\n\t");
		f->column = 8;
	} else {
		(void)buf_putc(f->out, ' ');
		f->column++;
	}
	(void)buf_put(f->out, buf_str(&f->word));
	f->column += f->word.n;
	buf_clear(&f->word);
}

static void
word(struct folder *f, const char *before, struct str value, const char *after)
{
	(void)buf_puts(&f->word, before);
	put_plain(&f->word, value);
	(void)buf_puts(&f->word, after);
	word_end(f);
}

/* A clause of a few words of ours. */
static void
text(struct folder *f, struct str s)
{
	struct str head, rest = s;
	bool more;

	do {
		more = str_cut(rest, ' ', &head, &rest);
		word(f, "", head, "");
	} while (more);
}

bool
received_put(struct buf *b, const struct received *r)
{
	struct folder f = { .out = b, .column = sizeof("Received:") - 1 };
	const size_t before = b->n;

	buf_init(&f.word, 4 * VALUE_MAX);
	(void)buf_puts(b, "Received:");
	if (r->ip.n > 0) {
		/* RFC 5321 4.4: FROM the name given, in the comment what we know. */
		bool v6 = str_chr(r->ip, ':') >= 0;

		text(&f, STR("from"));
		word(&f, "", r->helo.n > 0 ? r->helo : STR("unknown"), "");
		word(&f, "(", r->rdns.n > 0 ? r->rdns : STR("unknown"), "");
		word(&f, v6 ? "[IPv6:" : "[", r->ip, "])");
	}
	text(&f, STR("by"));
	word(&f, "", r->by, "");
	text(&f, STR("with"));
	word(&f, "", r->with, "");
	if (r->tls.n > 0) {
		struct str head, rest = r->tls;
		const char *open = "(";

		while (str_cut(rest, ' ', &head, &rest)) {
			word(&f, open, head, "");
			open = "";
		}
		word(&f, open, head, ")");
	}
	if (r->id.n > 0) {
		text(&f, STR("id"));
		word(&f, "", r->id, "");
	}
	if (all_plain(r->for_address)) {
		text(&f, STR("for"));
		word(&f, "<", r->for_address, ">");
	}
	(void)buf_puts(b, ";\r\n\t");
	(void)date_put(b, r->date);
	(void)buf_puts(b, "\r\n");
	buf_free(&f.word);
	if (b->full || b->n - before > TRACE_LINE_MAX) {
		b->n = before;
		return false;
	}
	return true;
}

bool
msgid_put(struct buf *b, int64_t time, const unsigned char random[16], struct str host)
{
	char hex[33];

	for (size_t i = 0; i < 16; i++) {
		hex[2 * i] = "0123456789abcdef"[random[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[random[i] & 15];
	}
	return buf_printf(
	    b, "<%.32s.%llx@" STR_FMT ">", hex, (unsigned long long)time, STR_ARG(host));
}

bool
return_path_put(struct buf *b, const struct mailaddr *from)
{
	return buf_puts(b, "Return-Path: <") && address_put(b, from) && buf_puts(b, ">\r\n");
}

bool
delivered_to_put(struct buf *b, const struct mailaddr *to)
{
	return buf_puts(b, "Delivered-To: ") && address_put(b, to) && buf_puts(b, "\r\n");
}
