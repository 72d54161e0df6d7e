/*
 * structure.c - the packed form: written once, read without the message.
 */
#include "mail/structure.h"
#include "mail/content.h"
#include "mail/imap.h"
#include "mail/varint.h"

#define MAGIC   'S'
#define VERSION 1

/* Kind and encoding of a part share an octet. */
#define KIND(octet)     ((octet)&3)
#define ENCODING(octet) ((octet) >> 2)

static bool
has_8bit(struct str s)
{
	uint64_t all = 0, v;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&v, s.p + i, 8);
		all |= v;
	}
	for (; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return (all & 0x8080808080808080) != 0;
}

/* What a person would call an attachment: so named, or a named part that is no text. */
static bool
is_attachment(const struct mime_part *p, struct arena *scratch)
{
	struct content d = { 0 }, t = { 0 };
	bool disposed, typed, named;

	if (p->kind == MIME_MULTIPART)
		return false;
	arena_reset(scratch);
	disposed = p->content_disposition.p != NULL &&
		   content_disposition_parse(p->content_disposition, scratch, &d);
	if (disposed)
		return !str_eq_nocase(d.type, STR("inline"));
	typed = p->content_type.p != NULL && content_type_parse(p->content_type, scratch, &t);
	named = typed && content_find(&t, STR("name")) != NULL;
	return named && !str_eq_nocase(t.type, STR("text"));
}

static unsigned
flags_of(const struct mime *m)
{
	struct arena *scratch = arena_new(2 * CONTENT_ARENA);
	unsigned flags = 0;

	if (m->message.n > 0 && memchr(m->message.p, '\0', m->message.n) != NULL)
		flags |= STRUCTURE_NUL;
	if (has_8bit(m->message))
		flags |= STRUCTURE_8BIT;
	for (const struct mime_part *p = m->root; p != NULL; p = mime_next(p)) {
		if (is_attachment(p, scratch)) {
			flags |= STRUCTURE_ATTACH;
			break;
		}
	}
	arena_free(&scratch);
	return flags;
}

static bool
put_region(struct buf *b, const struct region *r)
{
	return varint_put(b, r->size) && varint_put(b, r->lines) && varint_put(b, r->bare);
}

static bool
put_parts(struct buf *b, const struct mime *m)
{
	size_t at = 0;
	bool ok = true;

	for (const struct mime_part *p = m->root; p != NULL && ok; p = mime_next(p)) {
		ok = buf_putc(b, (char)((unsigned)p->kind | (unsigned)p->encoding << 2)) &&
		     varint_put(b, p->depth) && varint_put(b, p->header.at - at) &&
		     put_region(b, &p->header) && put_region(b, &p->body);
		at = p->header.at;
	}
	return ok;
}

static bool
put_packed(struct buf *out, const struct mime *m, const struct str text[4])
{
	bool ok = buf_putc(out, MAGIC) && buf_putc(out, VERSION) && put_region(out, &m->whole) &&
		  varint_put(out, flags_of(m)) && put_region(out, &m->root->header);

	for (size_t i = 0; i < 4 && ok; i++)
		ok = varint_put(out, text[i].n);
	for (size_t i = 0; i < 4 && ok; i++)
		ok = buf_put(out, text[i]);
	return ok;
}

bool
structure_pack(const struct mime *m, struct buf *out)
{
	const size_t before = out->n;
	struct buf text[4]; /* ENVELOPE, BODYSTRUCTURE, extensions, parts */
	struct str s[4];
	bool ok;

	for (size_t i = 0; i < 4; i++)
		buf_init(&text[i], out->max);
	ok = imap_put_envelope(&text[0], str_n(m->message.p, m->root->header.size)) &&
	     imap_put_bodystructure(&text[1], m, &text[2]) && put_parts(&text[3], m);
	for (size_t i = 0; i < 4; i++)
		s[i] = buf_str(&text[i]);
	ok = ok && put_packed(out, m, s);
	for (size_t i = 0; i < 4; i++)
		buf_free(&text[i]);
	if (!ok)
		out->n = before;
	return ok;
}

bool
structure_build(struct str message, struct buf *out)
{
	struct arena *a = arena_new(MIME_ARENA);
	struct mime m;
	bool ok;

	mime_parse(message, a, &m);
	ok = structure_pack(&m, out);
	arena_free(&a);
	return ok;
}

static bool
take_region(struct scan *s, size_t at, struct region *r)
{
	uint64_t size, lines, bare;

	if (!varint_take(s, &size) || !varint_take(s, &lines) || !varint_take(s, &bare))
		return false;
	*r = (struct region){ at, size, lines, bare };
	return lines <= size && bare <= lines;
}

bool
structure_unpack(struct str packed, struct structure *out)
{
	struct str *text[4] = { &out->envelope, &out->body, &out->extensions, &out->parts };
	struct scan s = scan_of(packed);
	uint64_t flags, n[4];

	if (!scan_char(&s, MAGIC) || !scan_char(&s, VERSION) ||
	    !take_region(&s, 0, &out->message) || !varint_take(&s, &flags) ||
	    !take_region(&s, 0, &out->header) || out->header.size > out->message.size)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (!varint_take(&s, &n[i]))
			return false;
	for (size_t i = 0; i < 4; i++)
		if (!scan_take(&s, n[i], text[i]))
			return false;
	out->flags = (unsigned)flags;
	return scan_end(&s) && out->envelope.n > 0 && out->body.n > 0;
}

bool
structure_put_body(const struct structure *st, struct buf *out)
{
	const size_t before = out->n;
	struct scan s = scan_of(st->extensions);
	struct str rest = st->body;
	uint64_t gap, skip;

	while (!scan_end(&s)) {
		if (!varint_take(&s, &gap) || !varint_take(&s, &skip) || gap > rest.n ||
		    skip > rest.n - gap || !buf_put(out, str_first(rest, gap))) {
			out->n = before;
			return false;
		}
		rest = str_from(rest, gap + skip);
	}
	if (!buf_put(out, rest)) {
		out->n = before;
		return false;
	}
	return true;
}

/* A part as the table has it, and where the next one is. */
struct entry {
	enum mime_kind kind;
	enum mime_encoding encoding;
	size_t depth;
	struct region header, body;
};

struct table {
	struct scan in;
	size_t size; /* of the message: no region reaches beyond */
	size_t at;   /* of the last part's header */
	struct entry part;
};

static bool
within(const struct region *r, size_t size)
{
	return r->at <= size && r->size <= size - r->at;
}

/* The next part; false at the end of the table or where it is damaged. */
static bool
table_next(struct table *t)
{
	struct entry *e = &t->part;
	uint64_t depth, gap;
	unsigned octet;

	if (scan_end(&t->in))
		return false;
	octet = (unsigned char)*t->in.p++;
	if (KIND(octet) > MIME_MESSAGE || ENCODING(octet) > MIME_OTHER_ENCODING ||
	    !varint_take(&t->in, &depth) || depth > MIME_DEPTH_MAX || !varint_take(&t->in, &gap) ||
	    __builtin_add_overflow(t->at, gap, &t->at) || !take_region(&t->in, t->at, &e->header) ||
	    !within(&e->header, t->size) ||
	    !take_region(&t->in, t->at + e->header.size, &e->body) || !within(&e->body, t->size))
		return false;
	e->kind = (enum mime_kind)KIND(octet);
	e->encoding = (enum mime_encoding)ENCODING(octet);
	e->depth = depth;
	return true;
}

/* On to the k-th part directly in the one we are at. */
static bool
table_child(struct table *t, uint32_t k)
{
	const size_t depth = t->part.depth + 1;

	while (table_next(t) && t->part.depth >= depth)
		if (t->part.depth == depth && --k == 0)
			return true;
	return false;
}

/*
 * RFC 3501 6.4.5: the parts of a message are those of its multipart, or the
 * one part 1 which is its body; a message in a message is entered by the
 * number that follows.
 */
static bool
table_descend(struct table *t, const uint32_t *numbers, size_t n)
{
	bool message = true; /* the root is one */

	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == 0)
			return false;
		if (i > 0 && t->part.kind == MIME_MESSAGE) {
			if (!table_child(t, 1))
				return false;
			message = true;
		}
		if (t->part.kind == MIME_MULTIPART) {
			if (!table_child(t, numbers[i]))
				return false;
		} else if (!message || numbers[i] != 1) {
			return false;
		}
		message = false;
	}
	return true;
}

bool
structure_section(const struct structure *st, const uint32_t *numbers, size_t n,
    enum section_kind kind, struct section *out)
{
	struct table t = { .in = scan_of(st->parts), .size = st->message.size };

	if (n > SECTION_DEPTH_MAX || !table_next(&t) || t.part.depth != 0 ||
	    !table_descend(&t, numbers, n))
		return false;
	out->kind = t.part.kind;
	out->encoding = t.part.encoding;
	switch (kind) {
	case SECTION_ALL:
		out->region = n == 0 ? st->message : t.part.body;
		return true;
	case SECTION_MIME:
		out->region = t.part.header;
		return n > 0;
	case SECTION_HEADER:
	case SECTION_TEXT:
		/* RFC 3501 6.4.5: of the message itself, or of a part that is one. */
		if (n > 0 && (t.part.kind != MIME_MESSAGE || !table_child(&t, 1)))
			return false;
		out->kind = t.part.kind;
		out->encoding = t.part.encoding;
		out->region = kind == SECTION_HEADER ? t.part.header : t.part.body;
		return true;
	}
	return false;
}
