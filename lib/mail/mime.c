/*
 * mime.c - the tree in one walk over the lines.
 *
 * A stack holds the parts that are open, the message itself at its bottom.
 * Each line is looked at once: may it be a delimiter of an open multipart, or
 * the empty line that ends a header?  Lines and bare LFs are counted as the
 * walk goes, so a region's counts are the difference of two moments.
 *
 * RFC 2046 5.1.1: the line end before a delimiter belongs to the delimiter; a
 * delimiter is recognised by the beginning of its line.  Where several open
 * boundaries fit, the longest is meant, and of equal ones the innermost.
 */
#include <stdlib.h>

#include "mail/content.h"
#include "mail/header.h"
#include "mail/lex.h"
#include "mail/mime.h"
#include "mail/transfer.h"

/* A moment of the walk. */
struct mark {
	size_t at;
	size_t lines;
	size_t bare;
};

/* A boundary that is open; the first octets as a number to tell most lines apart at once. */
struct boundary {
	uint64_t first, mask;
	size_t level; /* of its multipart on the stack */
	size_t n;
	char text[MIME_BOUNDARY_MAX];
};

struct level {
	struct mime_part *part;
	struct mime_part *last_child;
	struct mark header; /* where it begins */
	struct mark body;   /* likewise, once in_header is over */
	bool digest;        /* multipart/digest (RFC 2046 5.1.5) */
};

struct parser {
	struct mime *mime;
	struct arena *arena;
	struct arena *scratch; /* ours: one content type at a time */
	const char *base, *end;
	struct mark now;
	bool in_header; /* of the part on top */
	size_t depth;   /* levels in use */
	size_t open;    /* boundaries in use */
	struct level level[MIME_DEPTH_MAX + 1];
	struct boundary boundary[MIME_DEPTH_MAX + 1];
};

static struct region
between(struct mark from, struct mark to)
{
	if (to.at <= from.at)
		return (struct region){ .at = from.at };
	return (
	    struct region){ from.at, to.at - from.at, to.lines - from.lines, to.bare - from.bare };
}

static void
part_open(struct parser *p)
{
	struct mime_part *part = ARENA_NEW(p->arena, struct mime_part);
	struct level *l = &p->level[p->depth];

	part->depth = (unsigned)p->depth;
	*l = (struct level){ .part = part, .header = p->now };
	if (p->depth > 0) {
		struct level *up = &p->level[p->depth - 1];

		part->parent = up->part;
		part->digest = up->digest;
		if (up->last_child != NULL)
			up->last_child->next = part;
		else
			up->part->child = part;
		up->last_child = part;
	} else {
		p->mime->root = part;
	}
	p->depth++;
	p->mime->parts++;
	p->in_header = true;
}

static uint64_t
first_octets(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, MIN(n, sizeof(v)));
	return v;
}

static void
boundary_open(struct parser *p, struct str text)
{
	struct boundary *b = &p->boundary[p->open++];
	char ones[8];

	memset(ones, 0xff, sizeof(ones));
	b->level = p->depth - 1;
	b->n = text.n;
	memcpy(b->text, text.p, text.n);
	b->first = first_octets(text.p, text.n);
	b->mask = first_octets(ones, text.n);
}

static void
gather_fields(struct parser *p, struct mime_part *part)
{
	static const struct {
		struct str name;
		size_t field;
	} wanted[] = {
		{ STR("Content-Type"), offsetof(struct mime_part, content_type) },
		{ STR("Content-Transfer-Encoding"), offsetof(struct mime_part, content_encoding) },
		{ STR("Content-Disposition"), offsetof(struct mime_part, content_disposition) },
		{ STR("Content-Description"), offsetof(struct mime_part, content_description) },
		{ STR("Content-Language"), offsetof(struct mime_part, content_language) },
		{ STR("Content-Location"), offsetof(struct mime_part, content_location) },
		{ STR("Content-ID"), offsetof(struct mime_part, content_id) },
		{ STR("Content-MD5"), offsetof(struct mime_part, content_md5) },
	};
	struct header_iter it = header_iter(str_n(p->base + part->header.at, part->header.size));
	struct field f;

	while (header_next(&it, &f)) {
		if (!str_starts_nocase(f.name, STR("Content-")))
			continue;
		for (size_t i = 0; i < COUNT_OF(wanted); i++) {
			struct str *to = (struct str *)(void *)((char *)part + wanted[i].field);

			if (to->p == NULL && str_eq_nocase(f.name, wanted[i].name))
				*to = f.value;
		}
	}
}

static struct str
boundary_of(const struct content *type)
{
	const struct param *param = content_find(type, STR("boundary"));
	struct str b = param != NULL ? param->value : STR("");

	while (b.n > 0 && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--; /* RFC 2046 5.1.1: it cannot end in a space */
	return b.n <= MIME_BOUNDARY_MAX ? b : STR("");
}

/*
 * The header of the part on top is complete: what is it?  With a body to come
 * we look into what has parts.
 */
static void
part_judge(struct parser *p, bool body)
{
	struct level *l = &p->level[p->depth - 1];
	struct mime_part *part = l->part;
	const bool deeper = p->depth <= MIME_DEPTH_MAX;
	struct content type = { 0 };
	bool known, message;

	gather_fields(p, part);
	if (part->content_encoding.p != NULL)
		part->encoding = transfer_parse(part->content_encoding);
	arena_reset(p->scratch);
	known = part->content_type.p != NULL &&
		content_type_parse(part->content_type, p->scratch, &type);

	if (known && str_eq_nocase(type.type, STR("multipart"))) {
		struct str b = boundary_of(&type);

		part->opaque = b.n == 0 || !deeper;
		if (part->opaque)
			return;
		part->kind = MIME_MULTIPART;
		l->digest = str_eq_nocase(type.subtype, STR("digest"));
		if (body)
			boundary_open(p, b);
		return;
	}
	message = known ? content_is(&type, "message", "rfc822")
			: part->content_type.p == NULL && part->digest;
	if (!message)
		return;
	/* RFC 2046 5.2.1: 7bit, 8bit and binary only; an encoded one is a file. */
	part->opaque =
	    !body || !deeper || p->mime->parts >= MIME_PARTS_MAX || part->encoding > MIME_BINARY;
	if (part->opaque)
		return;
	part->kind = MIME_MESSAGE;
	part_open(p);
}

/* The header of the part on top ends at m. */
static void
header_end(struct parser *p, struct mark m)
{
	struct level *l = &p->level[p->depth - 1];

	l->part->header = between(l->header, m);
	l->body = m.at > l->header.at ? m : l->header;
	p->in_header = false;
}

/* Everything above `depth` ends at m. */
static void
close_to(struct parser *p, size_t depth, struct mark m)
{
	if (p->in_header && p->depth > depth) {
		header_end(p, m);
		part_judge(p, false);
	}
	while (p->depth > depth) {
		struct level *l = &p->level[--p->depth];

		l->part->body = between(l->body, m);
	}
	while (p->open > 0 && p->boundary[p->open - 1].level >= depth)
		p->open--;
}

/* Which open boundary begins this text (the line behind its two hyphens); -1 for none. */
static ptrdiff_t
boundary_match(const struct parser *p, struct str text)
{
	const uint64_t first = first_octets(text.p, text.n);
	ptrdiff_t best = -1;

	for (size_t i = p->open; i-- > 0;) {
		const struct boundary *b = &p->boundary[i];

		if (((first ^ b->first) & b->mask) != 0 || b->n > text.n)
			continue;
		if ((best < 0 || b->n > p->boundary[best].n) && memcmp(b->text, text.p, b->n) == 0)
			best = (ptrdiff_t)i;
	}
	return best;
}

/* The moment before the line end that ends right before the line at `now`. */
static struct mark
before_line_end(const struct parser *p)
{
	struct mark m = p->now;

	if (m.at > 0) { /* a line begins here, so an LF is before it */
		bool bare = m.at < 2 || p->base[m.at - 2] != '\r';

		m.at -= bare ? 1 : 2;
		m.lines--;
		m.bare -= bare;
	}
	return m;
}

static void
step(struct parser *p, const char *next)
{
	size_t at = (size_t)(next - p->base);

	if (next[-1] == '\n') {
		p->now.lines++;
		p->now.bare += at < 2 || next[-2] != '\r';
	}
	p->now.at = at;
}

/* The line at `now` if it is a delimiter; false and nothing done if it is not. */
static bool
delimiter(struct parser *p, struct str line)
{
	struct str text = str_from(line, 2);
	struct boundary *b;
	ptrdiff_t i;
	bool closing;
	size_t level;

	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	i = boundary_match(p, text);
	if (i < 0)
		return false;
	b = &p->boundary[i];
	level = b->level;
	closing = str_starts(str_from(text, b->n), STR("--"));
	if (!closing && p->mime->parts >= MIME_PARTS_MAX)
		return false; /* all that follows belongs to the last part */
	close_to(p, level + 1, before_line_end(p));
	step(p, line.p + line.n);
	if (closing) {
		p->open--; /* ours is on top now: what follows is epilogue */
		p->in_header = false;
		return true;
	}
	part_open(p);
	return true;
}

static void
walk(struct parser *p)
{
	while (p->now.at < (size_t)(p->end - p->base)) {
		const char *from = p->base + p->now.at;
		const char *lf = memchr(from, '\n', (size_t)(p->end - from));
		const char *next = lf != NULL ? lf + 1 : p->end;
		struct str line = str_n(from, (size_t)(next - from));

		if (p->open > 0 && line.n > 2 && from[0] == '-' && from[1] == '-' &&
		    delimiter(p, line))
			continue;
		step(p, next);
		if (p->in_header && lf != NULL &&
		    (lf == from || (lf == from + 1 && *from == '\r'))) {
			header_end(p, p->now);
			part_judge(p, true);
		}
	}
}

void
mime_parse(struct str message, struct arena *a, struct mime *out)
{
	struct parser *p = xcalloc(1, sizeof(*p));

	*out = (struct mime){ .message = message };
	p->mime = out;
	p->arena = a;
	p->scratch = arena_new(CONTENT_ARENA);
	p->base = message.n > 0 ? message.p : "";
	p->end = p->base + message.n;
	part_open(p);
	walk(p);
	close_to(p, 0, p->now);
	out->whole = between((struct mark){ 0 }, p->now);
	arena_free(&p->scratch);
	free(p);
}

struct mime_part *
mime_next(const struct mime_part *part)
{
	if (part->child != NULL)
		return part->child;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part != NULL ? part->next : NULL;
}
