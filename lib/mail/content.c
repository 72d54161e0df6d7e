/*
 * content.c - Content-Type and Content-Disposition.
 *
 * Pieces are read first, as they come; continuations (RFC 2231 3) are joined
 * after that, by number, since they may come in any order.
 */
#include <stdlib.h>

#include "mail/charset.h"
#include "mail/content.h"
#include "mail/lex.h"
#include "mail/words.h"

#define NO_SECTION (-1)

struct piece {
	struct str name; /* without its stars */
	int section;     /* of a continued one; NO_SECTION */
	bool extended;   /* percent-encoded */
	bool used;
	struct buf value;
};

struct pieces {
	struct piece v[CONTENT_PARAMS_MAX];
	size_t n;
	size_t octets;
};

/* A value without quotes: up to what ends one, whatever tspecials it holds, as senders do. */
static bool
is_bare_value(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != ';' && c != '"' && c != '(';
}

/* name, name*, name*0, name*0* (RFC 2231 7). */
static bool
split_name(struct str name, struct piece *p)
{
	struct str digits;
	ptrdiff_t star;
	uint32_t section;

	p->section = NO_SECTION;
	p->extended = false;
	star = str_chr(name, '*');
	if (star < 0) {
		p->name = name;
		return name.n > 0;
	}
	p->name = str_first(name, (size_t)star);
	digits = str_from(name, (size_t)star + 1);
	if (digits.n == 0) {
		p->extended = true;
		return p->name.n > 0;
	}
	if (digits.p[digits.n - 1] == '*') {
		p->extended = true;
		digits.n--;
	}
	if (!str_u32(digits, &section) || section >= CONTENT_PARAMS_MAX)
		return false;
	p->section = (int)section;
	return p->name.n > 0;
}

/* Behind a ';': one parameter.  False where none is understood. */
static bool
scan_piece(struct scan *s, struct pieces *all)
{
	struct piece *p = &all->v[all->n];
	struct str name, value;
	bool quoted;

	lex_cfws(s, NULL);
	if (!lex_token(s, &name))
		return false;
	lex_cfws(s, NULL);
	if (!scan_char(s, '='))
		return false;
	lex_cfws(s, NULL);
	quoted = lex_quoted(s, &value);
	if (!quoted && !scan_while(s, is_bare_value, &value))
		value = STR("");
	if (!split_name(name, p) || all->octets + name.n + value.n > CONTENT_VALUE_MAX)
		return false;
	all->octets += name.n + value.n;
	buf_init(&p->value, value.n);
	(void)(quoted ? lex_unquote(value, &p->value) : buf_put(&p->value, value));
	all->n++;
	return true;
}

static void
scan_pieces(struct scan *s, struct pieces *all)
{
	while (!scan_end(s) && all->n < CONTENT_PARAMS_MAX) {
		struct str skipped;

		lex_cfws(s, NULL);
		if (scan_char(s, ';')) {
			(void)scan_piece(s, all);
			continue;
		}
		/* Something unexpected: on to the next ';'. */
		if (!lex_quoted(s, &skipped) && !scan_end(s))
			s->p++;
	}
}

/* attribute-char (RFC 2231 7). */
static bool
is_attribute_char(unsigned char c)
{
	return c < 0x80 && lex_is_token(c) && c != '*' && c != '\'' && c != '%';
}

static void
put_percent(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_attribute_char(c)) {
			(void)buf_putc(out, (char)c);
		} else {
			(void)buf_putc(out, '%');
			(void)buf_putc(out, "0123456789ABCDEF"[c >> 4]);
			(void)buf_putc(out, "0123456789ABCDEF"[c & 15]);
		}
	}
}

/* All sections of the name that `first` has, from 0 on as far as they go. */
static void
join(struct pieces *all, size_t first, struct arena *a, struct param *out)
{
	struct piece *section[CONTENT_PARAMS_MAX] = { NULL };
	bool extended = false;
	struct buf value;
	size_t n = 0;

	for (size_t i = first; i < all->n; i++) {
		struct piece *p = &all->v[i];

		if (p->section == NO_SECTION || !str_eq_nocase(p->name, all->v[first].name))
			continue;
		p->used = true;
		if (section[p->section] == NULL)
			section[p->section] = p;
	}
	while (n < CONTENT_PARAMS_MAX && section[n] != NULL)
		extended = section[n++]->extended || extended;
	buf_init(&value, 3 * CONTENT_VALUE_MAX + 8);
	if (extended && n > 0 && !section[0]->extended)
		(void)buf_puts(&value, "''"); /* no charset was said */
	for (size_t i = 0; i < n; i++) {
		if (extended && !section[i]->extended)
			put_percent(buf_str(&section[i]->value), &value);
		else
			(void)buf_put(&value, buf_str(&section[i]->value));
	}
	out->name = arena_str(a, all->v[first].name);
	out->value = arena_str(a, buf_str(&value));
	out->extended = extended;
	buf_free(&value);
}

static void
params(struct scan *s, struct arena *a, struct content *out)
{
	struct pieces *all = xcalloc(1, sizeof(*all));

	scan_pieces(s, all);
	out->n = 0;
	out->params = arena_array(a, all->n, sizeof(*out->params));
	for (size_t i = 0; i < all->n; i++) {
		struct piece *p = &all->v[i];

		if (p->used)
			continue;
		if (p->section != NO_SECTION) {
			join(all, i, a, &out->params[out->n++]);
			continue;
		}
		out->params[out->n++] = (struct param){ arena_str(a, p->name),
			arena_str(a, buf_str(&p->value)), p->extended };
	}
	for (size_t i = 0; i < all->n; i++)
		buf_free(&all->v[i].value);
	free(all);
}

bool
content_type_parse(struct str value, struct arena *a, struct content *out)
{
	struct scan s = scan_of(value);
	struct str type, subtype;

	lex_cfws(&s, NULL);
	if (!lex_token(&s, &type))
		return false;
	lex_cfws(&s, NULL);
	if (!scan_char(&s, '/'))
		return false;
	lex_cfws(&s, NULL);
	if (!lex_token(&s, &subtype))
		return false;
	/* A name that long is nobody's. */
	out->type = arena_str(a, str_first(type, 255));
	out->subtype = arena_str(a, str_first(subtype, 255));
	params(&s, a, out);
	return true;
}

bool
content_disposition_parse(struct str value, struct arena *a, struct content *out)
{
	struct scan s = scan_of(value);
	struct str type;

	lex_cfws(&s, NULL);
	if (!lex_token(&s, &type))
		return false;
	out->type = arena_str(a, str_first(type, 255));
	out->subtype = STR("");
	params(&s, a, out);
	return true;
}

const struct param *
content_find(const struct content *c, struct str name)
{
	const struct param *found = NULL;

	/* RFC 2231 4: the extended form says more than a plain one beside it. */
	for (size_t i = 0; i < c->n; i++)
		if (str_eq_nocase(c->params[i].name, name) &&
		    (found == NULL || (c->params[i].extended && !found->extended)))
			found = &c->params[i];
	return found;
}

static int
hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
take_percent(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = i + 2 < s.n && s.p[i] == '%' ? hex_value(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s.p[i + 2]) : -1;

		if (low < 0) {
			(void)buf_putc(out, s.p[i]);
		} else {
			(void)buf_putc(out, (char)(high << 4 | low));
			i += 2;
		}
	}
}

/* charset'language'text (RFC 2231 4). */
static bool
put_extended(struct str value, struct buf *out)
{
	struct str charset, language, text;
	struct buf octets;
	bool ok;

	if (!str_cut(value, '\'', &charset, &text) || !str_cut(text, '\'', &language, &text)) {
		charset = STR("");
		text = value;
	}
	buf_init(&octets, text.n);
	take_percent(text, &octets);
	ok = charset.n > 0 && charset_known(charset)
		 ? charset_to_utf8(charset, buf_str(&octets), out)
		 : utf8_repair(buf_str(&octets), out);
	buf_free(&octets);
	return ok;
}

bool
content_param(const struct content *c, struct str name, struct buf *out)
{
	const struct param *p = content_find(c, name);
	const size_t from = out->n;

	if (p == NULL)
		return false;
	if (!p->extended)
		return words_decode(p->value, out);
	if (!put_extended(p->value, out))
		return false;
	for (size_t i = from; i < out->n; i++)
		if ((unsigned char)out->p[i] < 0x20 || out->p[i] == 0x7f)
			out->p[i] = ' ';
	return true;
}

bool
content_is(const struct content *c, const char *type, const char *subtype)
{
	return str_eq_nocase(c->type, str_of(type)) && str_eq_nocase(c->subtype, str_of(subtype));
}
