/*
 * addrlist.c - address lists of headers, as they are and not as they should be.
 *
 * One loop over words and specials.  What a run of words is (a display name,
 * a local part, a group's name) is only known at the special behind it, so it
 * is gathered both ways: as a phrase with blanks, and as a local part, which
 * is the last run of words joined by dots.
 */
#include "mail/addrlist.h"
#include "mail/lex.h"

struct parser {
	struct scan in;
	struct arena *arena;
	struct addrlist *out;
	size_t max; /* entries there is room for */
	bool in_group;

	/* The element being read. */
	struct buf phrase;
	struct buf local;
	struct buf domain;
	struct buf route;
	size_t before_run; /* octets of phrase before the last dotted run */
	bool after_dot;    /* the last thing was a dot: the next word joins the run */
	bool have_at;      /* local@domain without brackets was read */
	bool have_angle;
	struct str comment;
};

static void
element_clear(struct parser *p)
{
	buf_clear(&p->phrase);
	buf_clear(&p->local);
	buf_clear(&p->domain);
	buf_clear(&p->route);
	p->before_run = 0;
	p->after_dot = p->have_at = p->have_angle = false;
	p->comment = STR_NONE;
}

static void
add(struct parser *p, struct addr a)
{
	size_t need = a.name.n + a.route.n + a.local.n + a.domain.n + 4 * 32;

	/* A group that was begun keeps a place for its end. */
	bool ends = a.kind == ADDR_GROUP_END;
	size_t keep = p->in_group && !ends ? 1 : a.kind == ADDR_GROUP_START ? 1 : 0;
	if (p->out->n + keep >= p->max || !arena_has_room(p->arena, need)) {
		p->out->cut = true;
		return;
	}
	struct str *text[] = { &a.name, &a.route, &a.local, &a.domain };
	for (size_t i = 0; i < COUNT_OF(text); i++)
		if (text[i]->p != NULL)
			*text[i] = arena_str(p->arena, *text[i]);
	p->out->v[p->out->n++] = a;
	p->in_group = a.kind == ADDR_GROUP_START || (p->in_group && !ends);
}

/* Text that is there even when it is empty. */
static struct str
present(const struct buf *b)
{
	return b->p != NULL ? buf_str(b) : STR("");
}

/* What the element is called, STR_NONE where it has no name; `text` holds it if need be. */
static struct str
name_of(struct parser *p, struct buf *text)
{
	if (p->have_angle && p->phrase.n > 0)
		return buf_str(&p->phrase);
	if (p->have_at && !p->have_angle && p->before_run > 0)
		return str_first(buf_str(&p->phrase), p->before_run);
	if (p->comment.n > 0 && lex_unquote(p->comment, text) && text->n > 0)
		return str_trim(buf_str(text));
	return STR_NONE;
}

/* The element is complete: an address, or words that must be one. */
static void
element_end(struct parser *p)
{
	struct addr a = { .kind = ADDR_MAILBOX };
	struct buf text;

	if (!p->have_at && !p->have_angle && p->phrase.n == 0) {
		element_clear(p);
		return;
	}
	buf_init(&text, p->comment.n);
	a.name = name_of(p, &text);
	a.local = buf_str(&p->local);
	if (!p->have_at && !p->have_angle && p->before_run > 0) {
		/* Several words and no address: more likely a name than a mailbox. */
		a.name = buf_str(&p->phrase);
		a.local = STR("");
	}
	if (p->route.n > 0)
		a.route = buf_str(&p->route);
	if (a.local.n == 0)
		a.local = STR(ADDR_NO_LOCAL);
	a.domain = p->domain.n > 0 ? buf_str(&p->domain) : STR(ADDR_NO_DOMAIN);
	add(p, a);
	buf_free(&text);
	element_clear(p);
}

static void
group_start(struct parser *p)
{
	if (!p->in_group)
		add(p, (struct addr){ .kind = ADDR_GROUP_START, .local = present(&p->phrase) });
	element_clear(p);
}

static void
group_end(struct parser *p)
{
	element_end(p);
	if (p->in_group)
		add(p, (struct addr){ .kind = ADDR_GROUP_END });
	p->in_group = false;
}

/* A word of the phrase and of the run; `apart` says that blanks came before it. */
static void
word(struct parser *p, struct str text, bool quoted, bool apart)
{
	const size_t from = p->phrase.n;

	if (from > 0 && (apart || quoted))
		(void)buf_putc(&p->phrase, ' ');
	if (!p->after_dot && (apart || quoted)) {
		p->before_run = from;
		buf_clear(&p->local);
	}
	p->after_dot = false;
	if (quoted) {
		(void)lex_unquote(text, &p->phrase);
		(void)lex_unquote(text, &p->local);
	} else {
		(void)buf_put(&p->phrase, text);
		(void)buf_put(&p->local, text);
	}
}

static void
dot(struct parser *p)
{
	p->in.p++;
	(void)buf_putc(&p->phrase, '.');
	(void)buf_putc(&p->local, '.');
	p->after_dot = true;
}

/* An atom or a domain literal, which may have been folded. */
static bool
scan_domain_part(struct scan *s, struct buf *out)
{
	struct str part;

	if (lex_atom(s, &part)) {
		(void)buf_put(out, part);
		return true;
	}
	if (!lex_literal(s, &part))
		return false;
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] != '\r' && part.p[i] != '\n' && part.p[i] != '\0')
			(void)buf_putc(out, part.p[i]);
	return true;
}

/*
 * Behind "@": atoms, dots and a literal, with blanks and comments between
 * (RFC 5322 4.4).  A word behind blanks with no dot in between is no more of it.
 */
static void
domain(struct parser *p)
{
	struct scan s = p->in;
	bool joined = true;

	buf_clear(&p->domain);
	for (;;) {
		lex_cfws(&s, &p->comment);
		if (scan_char(&s, '.')) {
			(void)buf_putc(&p->domain, '.');
			joined = true;
		} else if (joined && scan_domain_part(&s, &p->domain)) {
			joined = false;
		} else {
			break;
		}
		p->in = s;
	}
	p->in = s;
}

/* Behind "@".  After a second one the first belonged to the local part. */
static void
at(struct parser *p)
{
	if (p->domain.n > 0) {
		(void)buf_putc(&p->local, '@');
		(void)buf_put(&p->local, buf_str(&p->domain));
	}
	p->have_at = p->have_at || !p->have_angle;
	domain(p);
}

/* "@a,@b:" at the start of an angle address. */
static void
route(struct parser *p)
{
	struct scan s = p->in;

	buf_clear(&p->route);
	for (;;) {
		lex_cfws(&s, NULL);
		if (scan_domain_part(&s, &p->route))
			continue;
		if (scan_char(&s, '@'))
			(void)buf_putc(&p->route, '@');
		else if (scan_char(&s, ','))
			(void)buf_putc(&p->route, ',');
		else if (scan_char(&s, '.'))
			(void)buf_putc(&p->route, '.');
		else
			break;
	}
	/* Without its colon it was the address itself: "<@b>". */
	if (scan_char(&s, ':'))
		p->in = s;
	else
		buf_clear(&p->route);
}

/* The cursor is behind '<'. */
static void
angle(struct parser *p)
{
	struct str part;

	/* An address written before this one ("a@b <a@b>") was its display name. */
	if (p->have_at) {
		(void)buf_putc(&p->phrase, '@');
		(void)buf_put(&p->phrase, buf_str(&p->domain));
	}
	buf_clear(&p->local);
	buf_clear(&p->domain);
	p->have_at = false;
	p->have_angle = true;
	lex_cfws(&p->in, NULL);
	if (scan_peek(&p->in) == '@')
		route(p);
	for (;;) {
		lex_cfws(&p->in, NULL);
		int c = scan_peek(&p->in);
		if (c < 0)
			return;
		if (lex_atom(&p->in, &part)) {
			(void)buf_put(&p->local, part);
		} else if (lex_quoted(&p->in, &part)) {
			(void)lex_unquote(part, &p->local);
		} else if (scan_char(&p->in, '>')) {
			return;
		} else if (scan_char(&p->in, '@')) {
			at(p);
		} else if (c == ',' || c == ';') {
			return; /* the bracket was never closed */
		} else {
			p->in.p++;
			if (c != '\0')
				(void)buf_putc(&p->local, (char)c);
		}
	}
}

static void
element_part(struct parser *p, bool apart)
{
	struct str part;

	if (p->have_angle) {
		/* Complete; only "<" means anything, where a comma was forgotten. */
		if (scan_peek(&p->in) == '<')
			element_end(p);
		else if (!lex_atom(&p->in, &part) && !lex_quoted(&p->in, &part))
			p->in.p++;
		return;
	}
	if (lex_atom(&p->in, &part)) {
		word(p, part, false, apart);
	} else if (lex_quoted(&p->in, &part)) {
		word(p, part, true, apart);
	} else if (scan_char(&p->in, '<')) {
		angle(p);
	} else if (scan_char(&p->in, '@')) {
		at(p);
	} else if (scan_peek(&p->in) == '.') {
		dot(p);
	} else {
		p->in.p++; /* nothing an address can hold here */
	}
}

static void
parse(struct parser *p)
{
	while (!scan_end(&p->in)) {
		const char *from = p->in.p;

		lex_cfws(&p->in, &p->comment);
		if (scan_end(&p->in))
			break;
		if (scan_char(&p->in, ','))
			element_end(p);
		else if (scan_char(&p->in, ';'))
			group_end(p);
		else if (!p->have_angle && !p->have_at && scan_char(&p->in, ':'))
			group_start(p);
		else
			element_part(p, p->in.p > from);
	}
	group_end(p);
}

/* No more entries than this can come out of the text. */
static size_t
entries_at_most(struct str value)
{
	size_t n = 2;

	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		n += c == ':' ? 2 : c == ',' || c == ';';
	}
	return n;
}

void
addrlist_parse(struct str value, struct arena *a, size_t max, struct addrlist *out)
{
	struct parser p = { .in = scan_of(value), .arena = a, .out = out };
	struct buf *bufs[] = { &p.phrase, &p.local, &p.domain, &p.route };

	*out = (struct addrlist){ 0 };
	p.max = MIN(max, entries_at_most(value));
	if (!arena_has_room(a, p.max * sizeof(*out->v) + 16)) {
		out->cut = true;
		return;
	}
	out->v = arena_array(a, p.max, sizeof(*out->v));
	for (size_t i = 0; i < COUNT_OF(bufs); i++)
		buf_init(bufs[i], 2 * value.n + 16);
	parse(&p);
	for (size_t i = 0; i < COUNT_OF(bufs); i++)
		buf_free(bufs[i]);
}

bool
addrlist_first(struct str value, struct arena *a, struct addr *out)
{
	struct addrlist list;

	/* The first may stand behind the start of a group. */
	addrlist_parse(value, a, 4, &list);
	for (size_t i = 0; i < list.n; i++) {
		if (list.v[i].kind == ADDR_MAILBOX) {
			*out = list.v[i];
			return true;
		}
	}
	return false;
}
