/*
 * fetch_parse.c - FETCH's arguments: RFC 3501 6.4.5 and 9, RFC 7162 3.1.4.
 *
 * Sections are bounded in depth and number here, so what runs per message
 * has nothing to check.
 */
#include "imapd/fetch_parse.h"

#include "mail/imap.h"

#define LABEL_MAX (32 * 1024)

struct plain_item {
	const char *name;
	unsigned item;
};

/* Longer names first where one begins another. */
static const struct plain_item plain_items[] = {
	{ "UID", FETCH_UID },
	{ "FLAGS", FETCH_FLAGS },
	{ "INTERNALDATE", FETCH_INTERNALDATE },
	{ "RFC822.SIZE", FETCH_SIZE },
	{ "ENVELOPE", FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", FETCH_BODYSTRUCTURE },
	{ "MODSEQ", FETCH_MODSEQ },
};

static const struct plain_item macros[] = {
	{ "ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE },
	{ "FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
	{ "FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY },
};

static bool
parse_plain(struct parse *p, const struct plain_item *table, size_t n, unsigned *items)
{
	for (size_t i = 0; i < n; i++) {
		if (parse_word(p, table[i].name)) {
			*items |= table[i].item;
			return true;
		}
	}
	return false;
}

/* header-list: "(" header-fld-name *(SP header-fld-name) ")" */
static bool
parse_names(struct parse *p, struct header_names *names)
{
	size_t room = 8;

	names->v = arena_array(p->arena, room, sizeof(*names->v));
	names->n = 0;
	if (!parse_char(p, '('))
		return parse_wrong(p, "Expected a list of header names");
	do {
		struct str name;

		if (!parse_astring(p, &name))
			return false;
		if (names->n == FETCH_NAMES_MAX)
			return parse_wrong(p, "Too many header names");
		if (names->n == room) {
			struct str *more = arena_array(p->arena, room * 2, sizeof(*more));

			memcpy(more, names->v, room * sizeof(*more));
			names->v = more;
			room *= 2;
		}
		names->v[names->n++] = name;
	} while (parse_char(p, ' '));
	return parse_char(p, ')') || parse_wrong(p, "Expected the end of the list of header names");
}

/* section-msgtext or MIME, behind the part numbers. */
static bool
parse_section_text(struct parse *p, struct fetch_section *s)
{
	if (parse_word(p, "HEADER.FIELDS.NOT")) {
		s->kind = SECTION_HEADER;
		s->fields = s->fields_not = true;
		return parse_sp(p) && parse_names(p, &s->names);
	}
	if (parse_word(p, "HEADER.FIELDS")) {
		s->kind = SECTION_HEADER;
		s->fields = true;
		return parse_sp(p) && parse_names(p, &s->names);
	}
	if (parse_word(p, "HEADER"))
		s->kind = SECTION_HEADER;
	else if (parse_word(p, "TEXT"))
		s->kind = SECTION_TEXT;
	else if (s->count > 0 && parse_word(p, "MIME"))
		s->kind = SECTION_MIME;
	else
		return parse_wrong(p, "Unknown section");
	return true;
}

/* Between "[" and "]". */
static bool
parse_section_spec(struct parse *p, struct fetch_section *s)
{
	uint32_t numbers[SECTION_DEPTH_MAX];
	bool dot = false;

	while (!scan_end(&p->s) && ascii_digit(*p->s.p)) {
		if (s->count == SECTION_DEPTH_MAX)
			return parse_wrong(p, "Section number too deep");
		if (!parse_nz_number(p, &numbers[s->count]))
			return false;
		s->count++;
		dot = parse_char(p, '.');
		if (!dot)
			break;
	}
	if (s->count > 0) {
		s->numbers = arena_array(p->arena, s->count, sizeof(*s->numbers));
		memcpy(s->numbers, numbers, s->count * sizeof(*s->numbers));
	}
	if (scan_peek(&p->s) == ']')
		return !dot || parse_wrong(p, "Unknown section");
	if (s->count > 0 && !dot)
		return parse_wrong(p, "Expected a dot in the section");
	return parse_section_text(p, s);
}

/* "<" number "." nz-number ">" */
static bool
parse_partial(struct parse *p, struct fetch_section *s)
{
	if (!parse_char(p, '<'))
		return true;
	s->partial = true;
	if (!parse_number64(p, &s->origin))
		return false;
	if (!parse_char(p, '.') || !parse_number64(p, &s->octets) || s->octets == 0 ||
	    !parse_char(p, '>'))
		return parse_wrong(p, "Expected a partial such as <0.1024>");
	return true;
}

static void
put_label(struct parse *p, struct fetch_section *s)
{
	static const char *const kinds[] = {
		[SECTION_ALL] = "",
		[SECTION_HEADER] = "HEADER",
		[SECTION_TEXT] = "TEXT",
		[SECTION_MIME] = "MIME",
	};
	struct buf b;

	buf_init(&b, LABEL_MAX);
	buf_puts(&b, "BODY[");
	for (size_t i = 0; i < s->count; i++) {
		if (i > 0)
			buf_putc(&b, '.');
		buf_put_u64(&b, s->numbers[i]);
	}
	if (s->count > 0 && s->kind != SECTION_ALL)
		buf_putc(&b, '.');
	buf_puts(&b, kinds[s->kind]);
	if (s->fields) {
		buf_puts(&b, s->fields_not ? ".FIELDS.NOT (" : ".FIELDS (");
		for (size_t i = 0; i < s->names.n; i++) {
			if (i > 0)
				buf_putc(&b, ' ');
			(void)imap_put_astring(&b, s->names.v[i]);
		}
		buf_putc(&b, ')');
	}
	buf_putc(&b, ']');
	if (s->partial) {
		buf_putc(&b, '<');
		buf_put_u64(&b, s->origin);
		buf_putc(&b, '>');
	}
	s->label = arena_str(p->arena, buf_str(&b));
	buf_free(&b);
}

static struct fetch_section *
add_section(struct parse *p, struct fetch_program *out)
{
	if (out->section_count == FETCH_SECTIONS_MAX) {
		parse_wrong(p, "Too many sections");
		return NULL;
	}
	if (out->sections == NULL)
		out->sections = arena_array(p->arena, FETCH_SECTIONS_MAX, sizeof(*out->sections));
	return &out->sections[out->section_count++];
}

/* The three of RFC 3501 that are other names for sections. */
static bool
parse_rfc822(struct parse *p, struct fetch_program *out, bool *is)
{
	static const struct {
		const char *name;
		enum section_kind kind;
		bool peek;
	} forms[] = {
		{ "RFC822.HEADER", SECTION_HEADER, true },
		{ "RFC822.TEXT", SECTION_TEXT, false },
		{ "RFC822", SECTION_ALL, false },
	};

	*is = false;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct fetch_section *s;

		if (!parse_word(p, forms[i].name))
			continue;
		*is = true;
		s = add_section(p, out);
		if (s == NULL)
			return false;
		s->kind = forms[i].kind;
		s->label = str_of(forms[i].name);
		out->sets_seen |= !forms[i].peek;
		return true;
	}
	return true;
}

static bool
parse_item(struct parse *p, struct fetch_program *out)
{
	struct fetch_section *s;
	bool is, peek;

	if (parse_plain(p, plain_items, COUNT_OF(plain_items), &out->items))
		return true;
	if (!parse_rfc822(p, out, &is))
		return false;
	if (is)
		return true;
	peek = parse_word(p, "BODY.PEEK");
	if (!peek && !parse_word(p, "BODY"))
		return parse_wrong(p, "Unknown FETCH item");
	if (!parse_char(p, '[')) {
		if (peek)
			return parse_wrong(p, "Expected a section");
		out->items |= FETCH_BODY;
		return true;
	}
	s = add_section(p, out);
	if (s == NULL || !parse_section_spec(p, s))
		return false;
	if (!parse_char(p, ']'))
		return parse_wrong(p, "Expected the end of the section");
	if (!parse_partial(p, s))
		return false;
	put_label(p, s);
	if (s->fields)
		header_names_sort(&s->names);
	out->sets_seen |= !peek;
	return true;
}

/* fetch-modifiers, RFC 4466 2.4. */
static bool
parse_modifiers(struct parse *p, struct fetch_program *out)
{
	if (!parse_char(p, '('))
		return parse_wrong(p, "Expected FETCH modifiers");
	do {
		if (!parse_word(p, "CHANGEDSINCE"))
			return parse_wrong(p, "Unknown FETCH modifier");
		if (out->has_since)
			return parse_wrong(p, "CHANGEDSINCE given twice");
		out->has_since = true;
		/* RFC 7162 3.1.4.1: the response then holds MODSEQ. */
		out->items |= FETCH_MODSEQ;
		if (!parse_sp(p) || !parse_modseq(p, &out->since))
			return false;
	} while (parse_char(p, ' '));
	return parse_char(p, ')') || parse_wrong(p, "Expected the end of the FETCH modifiers");
}

bool
fetch_parse(struct parse *p, struct fetch_program *out)
{
	*out = (struct fetch_program){ 0 };
	if (parse_char(p, '(')) {
		do {
			if (!parse_item(p, out))
				return false;
		} while (parse_char(p, ' '));
		if (!parse_char(p, ')'))
			return parse_wrong(p, "Expected the end of the FETCH items");
	} else if (!parse_plain(p, macros, COUNT_OF(macros), &out->items)) {
		if (!parse_item(p, out))
			return false;
	}
	if (parse_char(p, ' ') && !scan_end(&p->s) && !parse_modifiers(p, out))
		return false;
	return parse_end(p);
}
