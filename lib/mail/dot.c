/*
 * dot.c - dot transparency, in pieces that point into the input.
 *
 * undot: the states are those between line start and end of message.  What was
 * held back at a chunk's end (a dot, a dot and a CR) is either syntax and gone
 * or data and then a constant, so no octet is ever copied.
 */
#include "mail/dot.h"
#include "mail/find.h"

enum undot_state {
	LINE_START = 0, /* at the very start, or CRLF is behind us */
	IN_LINE,
	IN_LINE_CR, /* the CR was handed out */
	DOT,        /* a dot at line start, held */
	DOT_CR,     /* and a CR, held */
};

/* Count and mark what is handed out; tells the line length from CRLF to CRLF. */
static void
look(struct undot *u, struct str s, bool cr)
{
	const char *p = s.p, *end = s.p + s.n;

	u->octets += s.n;
	if (memchr(p, '\0', s.n) != NULL)
		u->marks |= UNDOT_NUL;
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		const char *c = memchr(p, '\r', (size_t)(stop - p));

		if (cr && p < stop) /* a CR before p and no LF after it */
			u->marks |= UNDOT_BARE_CR;
		if (c != NULL && c + 1 < stop)
			u->marks |= UNDOT_BARE_CR;
		cr = stop > p ? stop[-1] == '\r' : cr;
		u->line += (uint64_t)(stop - p);
		if (lf == NULL)
			break;
		if (!cr) {
			u->marks |= UNDOT_BARE_LF;
			u->line++;
		} else {
			u->line -= u->line > 0; /* the CR */
			u->longest = MAX(u->longest, u->line);
			u->line = 0;
		}
		cr = false;
		p = lf + 1;
	}
	u->longest = MAX(u->longest, u->line - (cr && u->line > 0));
}

/* The first line start behind p that a dot follows or that ends the input. */
static const char *
line_with_dot(const char *p, const char *end, bool cr)
{
	const char *from = p;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (lf == NULL)
			return NULL;
		p = lf + 1;
		if ((lf == from ? cr : lf[-1] == '\r') && (p == end || *p == '.'))
			return p;
	}
	return NULL;
}

/* Hand out a run of data; the state is LINE_START, IN_LINE or IN_LINE_CR. */
static void
run(struct undot *u, struct scan *in, struct str *piece)
{
	const bool cr = u->state == IN_LINE_CR;
	const char *stop = line_with_dot(in->p, in->end, cr);

	if (stop != NULL) {
		u->state = LINE_START;
	} else {
		stop = in->end;
		u->state = stop[-1] == '\r' ? IN_LINE_CR : IN_LINE;
	}
	*piece = str_n(in->p, (size_t)(stop - in->p));
	look(u, *piece, cr);
	in->p = stop;
}

bool
undot_next(struct undot *u, struct scan *in, struct str *piece)
{
	while (!u->done && !scan_end(in)) {
		switch ((enum undot_state)u->state) {
		case LINE_START:
			if (*in->p == '.') {
				in->p++;
				u->state = DOT;
				continue;
			}
			run(u, in, piece);
			return true;
		case DOT:
			/* RFC 5321 4.5.2: a dot before anything else is taken off. */
			if (*in->p == '\r') {
				in->p++;
				u->state = DOT_CR;
				continue;
			}
			u->state = IN_LINE;
			continue;
		case DOT_CR:
			if (*in->p == '\n') {
				in->p++;
				u->done = true;
				u->state = LINE_START;
				return false;
			}
			*piece = STR("\r");
			look(u, *piece, false);
			u->state = IN_LINE_CR;
			return true;
		case IN_LINE:
		case IN_LINE_CR:
			run(u, in, piece);
			return true;
		}
	}
	return false;
}

void
undot_look(struct undot *u, struct str chunk)
{
	if (chunk.n == 0)
		return;
	look(u, chunk, u->state == IN_LINE_CR);
	u->state = chunk.p[chunk.n - 1] == '\r' ? IN_LINE_CR : IN_LINE;
}

void
undot_look_end(struct undot *u)
{
	if (u->state == IN_LINE_CR)
		u->marks |= UNDOT_BARE_CR;
}

enum dot_state {
	OUT_START = 0, /* at a line start, nothing sent of the line */
	OUT_DOTTED,    /* the extra dot is out, its own dot is next */
	OUT_LINE,
	OUT_HELD_CR, /* a CR came in and is not yet judged */
	OUT_CR,      /* the CR of a line end is out, its LF is next */
};

/*
 * How many octets from p can go as they are, line ends included, up to the
 * next dot at a line start.
 */
static size_t
plain(const char *p, const char *end, int *state)
{
	const char *at = p;

	*state = OUT_LINE;
	while ((at = find_either(at, end, '\r', '\n')) != NULL) {
		if (*at == '\n' || at + 1 == end || at[1] != '\n')
			return (size_t)(at - p);
		at += 2;
		if (at == end || *at == '.') {
			*state = OUT_START;
			return (size_t)(at - p);
		}
	}
	return (size_t)(end - p);
}

bool
dot_next(struct dot *d, struct scan *in, struct str *piece)
{
	while (!scan_end(in)) {
		const char *p = in->p;
		size_t n;

		switch ((enum dot_state)d->state) {
		case OUT_START:
			if (*p == '.') {
				d->state = OUT_DOTTED;
				*piece = STR(".");
				return true;
			}
			d->state = OUT_LINE;
			continue;
		case OUT_HELD_CR:
			if (*p == '\n') {
				d->state = OUT_CR;
				*piece = STR("\r");
			} else {
				d->state = OUT_LINE;
				*piece = STR(" ");
			}
			return true;
		case OUT_CR:
			in->p++;
			d->state = OUT_START;
			*piece = STR("\n");
			return true;
		case OUT_DOTTED:
		case OUT_LINE:
			if (*p == '\r') {
				in->p++;
				d->state = OUT_HELD_CR;
				continue;
			}
			if (*p == '\n') {
				d->state = OUT_CR;
				*piece = STR("\r");
				return true;
			}
			n = plain(p, in->end, &d->state);
			*piece = str_n(p, n);
			in->p += n;
			return true;
		}
	}
	return false;
}

struct str
dot_end(struct dot *d)
{
	switch ((enum dot_state)d->state) {
	case OUT_START:
		return STR(".\r\n");
	case OUT_CR:
		return STR("\n.\r\n");
	case OUT_HELD_CR: /* a bare CR at the very end becomes a space */
		return STR(" \r\n.\r\n");
	case OUT_DOTTED:
	case OUT_LINE:
		break;
	}
	return STR("\r\n.\r\n");
}
