/*
 * imap.c - strings, ENVELOPE and BODYSTRUCTURE as IMAP writes them.
 *
 * The tree is walked by its own pointers, down and up, so that depth costs no
 * stack.  All numbers are those of the message as presented, with CRLF.
 */
#include "mail/imap.h"
#include "mail/content.h"
#include "mail/header.h"
#include "mail/lex.h"
#include "mail/structure.h"
#include "mail/transfer.h"
#include "mail/varint.h"

/* Octets of one field that are read for ENVELOPE and BODYSTRUCTURE. */
#define FIELD_MAX       (512 * 1024)
/* Memory for one field's addresses and their array. */
#define ADDRESSES_ARENA (2 * FIELD_MAX + STRUCTURE_ADDRESSES_MAX * 224 + 64 * 1024)

enum string_form {
	QUOTED,
	QUOTED_ESCAPED,
	LITERAL,
	LITERAL_NUL
};

static enum string_form
string_form(struct str s)
{
	enum string_form form = QUOTED;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\0')
			return LITERAL_NUL;
		if (c >= 0x80 || c == '\r' || c == '\n')
			form = LITERAL;
		else if ((c == '"' || c == '\\') && form == QUOTED)
			form = QUOTED_ESCAPED;
	}
	return form;
}

/* RFC 3501 9: a literal's CHAR8 is any octet but NUL, which is sent as 0x80. */
static bool
put_literal(struct buf *b, struct str s, bool nul)
{
	size_t from;

	if (!buf_putc(b, '{') || !buf_put_u64(b, s.n) || !buf_puts(b, "}\r\n"))
		return false;
	from = b->n;
	if (!buf_put(b, s))
		return false;
	for (size_t i = from; nul && i < b->n; i++)
		if (b->p[i] == '\0')
			b->p[i] = (char)0x80;
	return true;
}

bool
imap_put_string(struct buf *b, struct str s)
{
	enum string_form form = string_form(s);

	if (form == LITERAL || form == LITERAL_NUL)
		return put_literal(b, s, form == LITERAL_NUL);
	if (!buf_putc(b, '"'))
		return false;
	if (form == QUOTED)
		return buf_put(b, s) && buf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] == '"' || s.p[i] == '\\') && !buf_putc(b, '\\'))
			return false;
		if (!buf_putc(b, s.p[i]))
			return false;
	}
	return buf_putc(b, '"');
}

bool
imap_put_nstring(struct buf *b, struct str s)
{
	return s.p == NULL ? buf_puts(b, "NIL") : imap_put_string(b, s);
}

/* ASTRING-CHAR (RFC 3501 9). */
static bool
is_astring_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\", c) == NULL;
}

bool
imap_put_astring(struct buf *b, struct str s)
{
	bool atom = s.n > 0 && s.n <= 256 && !str_eq_nocase(s, STR("NIL"));

	for (size_t i = 0; atom && i < s.n; i++)
		atom = is_astring_char(s.p[i]);
	return atom ? buf_put(b, s) : imap_put_string(b, s);
}

/* A field's value on one line, bounded; NIL where the field is missing. */
static bool
put_unfolded(struct buf *b, struct str value)
{
	struct buf line;
	bool ok;

	if (value.p == NULL)
		return buf_puts(b, "NIL");
	value = str_first(str_trim(value), STRUCTURE_STRING_MAX);
	buf_init(&line, value.n);
	ok = header_unfold(value, &line) &&
	     imap_put_string(b, line.n > 0 ? buf_str(&line) : STR(""));
	buf_free(&line);
	return ok;
}

/* Message-ID and In-Reply-To are never empty (RFC 3501 7.4.2). */
static bool
put_id(struct buf *b, struct str value)
{
	return put_unfolded(b, str_trim(value).n > 0 ? value : STR_NONE);
}

static bool
put_address(struct buf *b, const struct addr *a)
{
	return buf_putc(b, '(') && imap_put_nstring(b, a->name) && buf_putc(b, ' ') &&
	       imap_put_nstring(b, a->route) && buf_putc(b, ' ') && imap_put_nstring(b, a->local) &&
	       buf_putc(b, ' ') && imap_put_nstring(b, a->domain) && buf_putc(b, ')');
}

/* NIL where there is no address in it; says in *any whether there is. */
static bool
put_addresses(struct buf *b, struct str value, struct arena *scratch, bool *any)
{
	struct addrlist list;
	bool ok;

	*any = false;
	if (str_trim(value).n == 0)
		return buf_puts(b, "NIL");
	arena_reset(scratch);
	addrlist_parse(str_first(value, FIELD_MAX), scratch, STRUCTURE_ADDRESSES_MAX, &list);
	*any = list.n > 0;
	if (!*any)
		return buf_puts(b, "NIL");
	ok = buf_putc(b, '(');
	for (size_t i = 0; i < list.n && ok; i++)
		ok = put_address(b, &list.v[i]);
	return ok && buf_putc(b, ')');
}

enum envelope_field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID
};

static void
gather_envelope(struct str header, struct str v[10])
{
	static const struct str names[10] = { STR("Date"), STR("Subject"), STR("From"),
		STR("Sender"), STR("Reply-To"), STR("To"), STR("Cc"), STR("Bcc"),
		STR("In-Reply-To"), STR("Message-ID") };
	struct header_iter it = header_iter(header);
	struct field f;

	while (header_next(&it, &f)) {
		for (size_t i = 0; i < 10; i++) {
			if (f.name.n != names[i].n || !str_eq_nocase(f.name, names[i]))
				continue;
			if (v[i].p == NULL) /* of two fields the first counts */
				v[i] = f.value;
			break;
		}
	}
}

bool
imap_put_envelope(struct buf *b, struct str header)
{
	struct arena *scratch = arena_new(ADDRESSES_ARENA);
	struct str v[10] = { { NULL, 0 } };
	size_t from_at, from_n;
	bool any, ok;

	gather_envelope(header, v);
	ok = buf_putc(b, '(') && put_unfolded(b, v[DATE]) && buf_putc(b, ' ') &&
	     put_unfolded(b, v[SUBJECT]) && buf_putc(b, ' ');
	from_at = b->n;
	ok = ok && put_addresses(b, v[FROM], scratch, &any);
	from_n = b->n - from_at;
	for (int i = SENDER; i <= BCC && ok; i++) {
		const size_t at = b->n;

		ok = buf_putc(b, ' ') && put_addresses(b, v[i], scratch, &any);
		if (ok && !any && (i == SENDER || i == REPLY_TO)) {
			/* RFC 3501 7.4.2: the same as From. */
			b->n = at + 1;
			ok = buf_room(b, from_n) != NULL &&
			     buf_put(b, str_n(b->p + from_at, from_n));
		}
	}
	ok = ok && buf_putc(b, ' ') && put_id(b, v[IN_REPLY_TO]) && buf_putc(b, ' ') &&
	     put_id(b, v[MESSAGE_ID]) && buf_putc(b, ')');
	arena_free(&scratch);
	return ok;
}

/* Parenthesised parameters with a blank before; NIL where there are none. */
static bool
put_params(struct buf *b, const struct content *c, bool default_charset)
{
	bool ok = true;

	if (c->n == 0 && !default_charset)
		return buf_puts(b, " NIL");
	ok = buf_puts(b, " (");
	for (size_t i = 0; i < c->n && ok; i++) {
		const struct param *p = &c->params[i];
		struct buf name;

		if (i > 0)
			ok = buf_putc(b, ' ');
		/* RFC 2231 5: continuations are joined, the encoding stays and its '*' tells. */
		buf_init(&name, p->name.n + 1);
		(void)buf_put(&name, p->name);
		if (p->extended)
			(void)buf_putc(&name, '*');
		ok = ok && imap_put_string(b, buf_str(&name)) && buf_putc(b, ' ') &&
		     imap_put_string(b, p->value.n > 0 ? p->value : STR(""));
		buf_free(&name);
	}
	if (default_charset)
		ok = ok && buf_puts(b,
			       c->n > 0 ? " \"charset\" \"us-ascii\"" : "\"charset\" \"us-ascii\"");
	return ok && buf_putc(b, ')');
}

static bool
put_disposition(struct buf *b, struct str value, struct arena *scratch)
{
	struct content d;

	arena_reset(scratch);
	if (value.p == NULL || !content_disposition_parse(value, scratch, &d))
		return buf_puts(b, " NIL");
	return buf_puts(b, " (") && imap_put_string(b, d.type) && put_params(b, &d, false) &&
	       buf_putc(b, ')');
}

/* Content-Language: en, de-AT (RFC 3282 by way of RFC 3501 7.4.2). */
static bool
put_language(struct buf *b, struct str value)
{
	struct scan s = scan_of(str_first(value, STRUCTURE_STRING_MAX));
	struct str tag;
	size_t n = 0;
	bool ok = true;

	while (ok && !scan_end(&s) && n < CONTENT_PARAMS_MAX) {
		lex_cfws(&s, NULL);
		if (!lex_token(&s, &tag)) {
			if (!scan_end(&s))
				s.p++;
			continue;
		}
		ok = buf_puts(b, n++ == 0 ? " (" : " ") && imap_put_string(b, tag);
	}
	return ok && (n > 0 ? buf_putc(b, ')') : buf_puts(b, " NIL"));
}

struct walk {
	struct buf *b;
	const struct mime *m;
	struct arena *scratch;
	struct buf *ext;
	size_t base;    /* where BODYSTRUCTURE begins in b */
	size_t ext_end; /* of the last stretch, from base */
};

/* Disposition, language, location: common to the extension data of all parts. */
static bool
put_extension_tail(struct walk *w, const struct mime_part *p)
{
	return put_disposition(w->b, p->content_disposition, w->scratch) &&
	       put_language(w->b, p->content_language) && buf_putc(w->b, ' ') &&
	       put_unfolded(w->b, p->content_location);
}

static bool
mark_extension(struct walk *w, size_t from)
{
	bool ok = w->ext == NULL || (varint_put(w->ext, from - w->base - w->ext_end) &&
					varint_put(w->ext, w->b->n - from));

	w->ext_end = w->b->n - w->base;
	return ok;
}

/* What the part is presented as: its own type, a default (RFC 2045 5.2), or opaque. */
static void
presented_type(struct walk *w, const struct mime_part *p, struct content *c)
{
	bool known =
	    p->content_type.p != NULL && content_type_parse(p->content_type, w->scratch, c);

	if (!known) {
		bool message = p->content_type.p == NULL && p->digest;

		*c = (struct content){ 0 };
		c->type = message ? STR("message") : STR("text");
		c->subtype = message ? STR("rfc822") : STR("plain");
	}
	if (p->opaque) {
		c->type = STR("application");
		c->subtype = STR("octet-stream");
	}
}

static bool
put_encoding(struct buf *b, struct str value)
{
	struct scan s = scan_of(value);
	struct str token;

	lex_cfws(&s, NULL);
	if (value.p == NULL || !lex_token(&s, &token))
		token = STR("7bit");
	return imap_put_string(b, str_first(token, 255));
}

/* Type to size: body-fields (RFC 3501 9). */
static bool
put_basic(struct walk *w, const struct mime_part *p, struct content *c)
{
	struct buf *b = w->b;
	bool charset;

	arena_reset(w->scratch);
	presented_type(w, p, c);
	charset = str_eq_nocase(c->type, STR("text")) && content_find(c, STR("charset")) == NULL;
	return imap_put_string(b, c->type) && buf_putc(b, ' ') && imap_put_string(b, c->subtype) &&
	       put_params(b, c, charset) && buf_putc(b, ' ') && put_unfolded(b, p->content_id) &&
	       buf_putc(b, ' ') && put_unfolded(b, p->content_description) && buf_putc(b, ' ') &&
	       put_encoding(b, p->content_encoding) && buf_putc(b, ' ') &&
	       buf_put_u64(b, region_crlf_size(&p->body));
}

static bool
put_lines(struct buf *b, const struct mime_part *p)
{
	return buf_putc(b, ' ') && buf_put_u64(b, p->body.lines);
}

static bool
put_single_end(struct walk *w, const struct mime_part *p)
{
	const size_t from = w->b->n;

	return buf_putc(w->b, ' ') && put_unfolded(w->b, p->content_md5) &&
	       put_extension_tail(w, p) && mark_extension(w, from) && buf_putc(w->b, ')');
}

/* A multipart without parts is none by the grammar: an empty text stands in. */
static bool
put_stand_in(struct walk *w)
{
	size_t from;

	if (!buf_puts(w->b, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0"))
		return false;
	from = w->b->n;
	return buf_puts(w->b, " NIL NIL NIL NIL") && mark_extension(w, from) && buf_putc(w->b, ')');
}

/* Up to the parts in it; all of it where there are none. */
static bool
part_enter(struct walk *w, const struct mime_part *p)
{
	struct content c;
	bool ok = buf_putc(w->b, '(');

	if (p->kind == MIME_MULTIPART)
		return ok && (p->child != NULL || put_stand_in(w));
	ok = ok && put_basic(w, p, &c);
	if (p->kind == MIME_MESSAGE)
		return ok && buf_putc(w->b, ' ') &&
		       imap_put_envelope(w->b,
			   str_n(w->m->message.p + p->child->header.at, p->child->header.size)) &&
		       buf_putc(w->b, ' ');
	if (str_eq_nocase(c.type, STR("text")))
		ok = ok && put_lines(w->b, p);
	return ok && put_single_end(w, p);
}

/* Behind the parts in it. */
static bool
part_leave(struct walk *w, const struct mime_part *p)
{
	struct content c;
	size_t from;

	if (p->kind == MIME_MESSAGE)
		return put_lines(w->b, p) && put_single_end(w, p);
	arena_reset(w->scratch);
	presented_type(w, p, &c);
	if (!buf_putc(w->b, ' ') || !imap_put_string(w->b, c.subtype))
		return false;
	from = w->b->n;
	return put_params(w->b, &c, false) && put_extension_tail(w, p) && mark_extension(w, from) &&
	       buf_putc(w->b, ')');
}

bool
imap_put_bodystructure(struct buf *b, const struct mime *m, struct buf *ext)
{
	struct walk w = { .b = b, .m = m, .ext = ext, .base = b->n };
	const struct mime_part *p = m->root;
	bool ok;

	w.scratch = arena_new(CONTENT_ARENA);
	ok = part_enter(&w, p);
	while (ok) {
		if (p->child != NULL) {
			p = p->child;
			ok = part_enter(&w, p);
			continue;
		}
		if (p->kind != MIME_LEAF)
			ok = part_leave(&w, p);
		while (ok && p->next == NULL && p->parent != NULL) {
			p = p->parent;
			ok = part_leave(&w, p);
		}
		if (!ok || p->next == NULL)
			break;
		p = p->next;
		ok = part_enter(&w, p);
	}
	arena_free(&w.scratch);
	return ok;
}
