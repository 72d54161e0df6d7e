/*
 * crlf.c - line ends as stored and as presented.
 *
 * All walks go from LF to LF by memchr, so text at a few GB/s; where nothing is
 * to be changed pieces are as long as the input.
 */
#include "mail/crlf.h"
#include "mail/find.h"

void
crlf_count(struct str s, struct crlf_count *out)
{
	const char *p = s.p, *end = s.p + s.n;

	*out = (struct crlf_count){ .size = s.n };
	out->nul = s.n > 0 && memchr(s.p, '\0', s.n) != NULL;
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (lf == NULL)
			return;
		out->lines++;
		if (lf == s.p || lf[-1] != '\r')
			out->bare++;
		p = lf + 1;
	}
}

/* The first LF without CR at or behind p; *cr says what comes before p. */
static const char *
bare_lf(const char *p, const char *end, bool cr)
{
	const char *at = p;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		if (lf == NULL)
			return NULL;
		if (lf == p ? !cr : lf[-1] != '\r')
			return lf;
		at = lf + 1;
	}
	return NULL;
}

/* The first octet at or behind p that is not sent as it is; end if all are. */
static const char *
changed(const char *p, const char *end, bool cr)
{
	const char *at = p;

	for (;;) {
		at = find_either(at, end, '\n', '\0');
		if (at == NULL)
			return end;
		if (*at == '\0' || (at == p ? !cr : at[-1] != '\r'))
			return at;
		at++;
	}
}

bool
crlf_next(struct crlf *c, struct scan *in, struct str *piece)
{
	const char *stop;

	if (scan_end(in))
		return false;
	stop = changed(in->p, in->end, c->cr);
	if (stop > in->p) {
		*piece = str_n(in->p, (size_t)(stop - in->p));
		c->cr = stop[-1] == '\r';
		in->p = stop;
	} else if (*stop == '\n') {
		/* Its CR first; then the LF itself is no longer bare. */
		*piece = STR("\r");
		c->cr = true;
	} else {
		*piece = STR("\x80");
		c->cr = false;
		in->p++;
	}
	return true;
}

bool
crlf_put(struct buf *out, struct str s)
{
	struct scan in = scan_of(s);
	struct crlf c = { 0 };
	struct str piece;

	while (crlf_next(&c, &in, &piece))
		if (!buf_put(out, piece))
			return false;
	return true;
}

struct str
crlf_seek(struct str region, uint64_t origin, bool *half)
{
	const char *p = region.p, *end = region.p + region.n;
	bool cr = false;

	*half = false;
	while (p < end) {
		const char *lf = bare_lf(p, end, cr);
		uint64_t run = (uint64_t)((lf != NULL ? lf : end) - p);

		if (origin <= run)
			return str_from(region, (size_t)(p - region.p) + (size_t)origin);
		if (lf == NULL)
			break;
		origin -= run;
		if (origin == 1) { /* its CR is behind us */
			*half = true;
			return str_from(region, (size_t)(lf - region.p));
		}
		origin -= 2;
		p = lf + 1;
		cr = false;
	}
	return str_from(region, region.n);
}

bool
crlf_put_partial(struct buf *out, struct str region, uint64_t bare, uint64_t origin, uint64_t count)
{
	struct crlf c = { 0 };
	struct str from, piece;
	struct scan in;
	bool half = false;

	if (bare == 0) {
		from = str_from(region, (size_t)MIN(origin, (uint64_t)region.n));
		from = str_first(from, (size_t)MIN(count, (uint64_t)from.n));
	} else {
		from = crlf_seek(region, origin, &half);
	}
	in = scan_of(from);
	/* A region without bare LFs may be cut behind a CR: its LF is not bare. */
	c.cr = half || (from.p > region.p && from.p[-1] == '\r');
	while (count > 0 && crlf_next(&c, &in, &piece)) {
		piece = str_first(piece, (size_t)MIN(count, (uint64_t)piece.n));
		if (!buf_put(out, piece))
			return false;
		count -= piece.n;
	}
	return true;
}
