/*
 * search_text.c - looking for text in a message.
 *
 * What is looked at is what people would read: fields with their encoded
 * words decoded, text parts with transfer encoding and charset undone.  Other
 * parts (pictures, archives) are not looked into.
 */
#include "imapd/search_text.h"

#include "mail/charset.h"
#include "mail/content.h"
#include "mail/fold.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/transfer.h"
#include "mail/words.h"

#define FIELD_MAX (256 * 1024) /* octets of one field that are looked at */
#define PIECE     (16 * 1024)
#define DECODED   (8 * PIECE)

static bool
value_has(struct str name, struct str value, struct str needle)
{
	struct buf b;
	bool has;

	buf_init(&b, FIELD_MAX);
	if (name.n > 0)
		(void)(buf_put(&b, name) && buf_puts(&b, ": "));
	(void)words_decode(str_first(value, FIELD_MAX / 4), &b);
	has = fold_has(buf_str(&b), needle);
	buf_free(&b);
	return has;
}

bool
text_in_header(struct str header, struct str field, struct str needle)
{
	struct header_iter it = header_iter(header);
	struct field f;

	while (header_next(&it, &f)) {
		if (str_eq_nocase(f.name, field) &&
		    (needle.n == 0 || value_has(STR_NONE, f.value, needle)))
			return true;
	}
	return false;
}

/* Any field, its name included. */
static bool
in_any_field(struct str header, struct str needle)
{
	struct header_iter it = header_iter(header);
	struct field f;

	while (header_next(&it, &f)) {
		if (value_has(f.name, f.value, needle))
			return true;
	}
	return false;
}

static struct charset *
charset_of(const struct mime_part *part, struct arena *arena)
{
	struct content type;
	struct charset *cs = NULL;
	struct buf name;

	if (part->content_type.p == NULL || !content_type_parse(part->content_type, arena, &type))
		return NULL;
	buf_init(&name, 128);
	if (content_param(&type, STR("charset"), &name))
		cs = charset_open(buf_str(&name));
	buf_free(&name);
	return cs;
}

static bool
is_text(const struct mime_part *part, struct arena *arena)
{
	struct content type;

	if (part->kind != MIME_LEAF)
		return false;
	if (part->content_type.p == NULL || !content_type_parse(part->content_type, arena, &type))
		return true; /* text/plain by default */
	return str_eq_nocase(type.type, STR("text")) || str_eq_nocase(type.type, STR("message"));
}

/* One piece through transfer decoding and charset into the search. */
static bool
look_at(
    struct fold_search *search, struct transfer *t, struct charset *cs, struct str piece, bool last)
{
	struct buf plain, utf8;
	bool found;

	buf_init(&plain, DECODED);
	buf_init(&utf8, DECODED);
	(void)transfer_put(t, piece, &plain);
	if (last)
		(void)transfer_end(t, &plain);
	if (cs != NULL) {
		(void)charset_put(cs, buf_str(&plain), &utf8);
		if (last)
			(void)charset_end(cs, &utf8);
	}
	found = fold_search_put(search, cs != NULL ? buf_str(&utf8) : buf_str(&plain));
	if (last)
		found = fold_search_end(search) || found;
	buf_free(&plain);
	buf_free(&utf8);
	return found;
}

static bool
in_part(struct str message, const struct mime_part *part, struct str needle, struct arena *arena)
{
	struct str body = str_first(str_from(message, part->body.at), part->body.size);
	struct charset *cs = charset_of(part, arena);
	struct fold_search search;
	struct transfer t;
	bool found = false;

	fold_search_init(&search, needle);
	transfer_init(&t, part->encoding);
	while (!found) {
		struct str piece = str_first(body, PIECE);

		body = str_from(body, piece.n);
		found = look_at(&search, &t, cs, piece, body.n == 0);
		if (body.n == 0)
			break;
	}
	fold_search_free(&search);
	charset_close(&cs);
	return found;
}

bool
text_in_message(struct str message, struct str needle, bool header, struct arena *arena)
{
	struct mime mime;

	if (needle.n == 0)
		return true;
	mime_parse(message, arena, &mime);
	for (struct mime_part *p = mime.root; p != NULL; p = mime_next(p)) {
		bool embedded = p->parent != NULL && p->parent->kind == MIME_MESSAGE;

		if ((header || embedded) &&
		    in_any_field(
			str_first(str_from(message, p->header.at), p->header.size), needle))
			return true;
		if (is_text(p, arena) && in_part(message, p, needle, arena))
			return true;
	}
	return false;
}
