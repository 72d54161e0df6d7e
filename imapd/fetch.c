/*
 * fetch.c - one message of a FETCH.
 *
 * Sections are where the packed structure says they are.  Where the stored
 * octets are what is presented (no bare LF, no NUL) they go from the file to
 * the socket without passing through us; else through mail/crlf.h.
 */
#include "imapd/fetch.h"

#include <sys/mman.h>

#include "imapd/announce.h"
#include "imapd/message.h"
#include "mail/crlf.h"
#include "mail/imap.h"

#define FIELDS_MAX (4 * 1024 * 1024)

static const unsigned from_structure = FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE;

static void
put_space(struct imap *s, bool *first)
{
	if (!*first)
		buf_putc(io_out(s->io), ' ');
	*first = false;
}

static void
put_label(struct imap *s, const struct fetch_section *sec, bool *first)
{
	put_space(s, first);
	io_put(s->io, sec->label);
	buf_putc(io_out(s->io), ' ');
}

/* What of `size` octets the client wants: from *origin on, the number of them. */
static uint64_t
cut(const struct fetch_section *sec, uint64_t size, uint64_t *origin)
{
	*origin = sec->partial ? MIN(sec->origin, size) : 0;
	return sec->partial ? MIN(sec->octets, size - *origin) : size;
}

static void
put_literal(struct imap *s, uint64_t n)
{
	buf_printf(io_out(s->io), "{%llu}\r\n", (unsigned long long)n);
}

/* Octets that are not presented as they are stored: n of them from `origin` on. */
static void
put_presented(struct imap *s, struct str region, uint64_t origin, uint64_t n)
{
	struct crlf state = { 0 };
	struct str piece;
	struct scan in;
	bool half;

	in = scan_of(crlf_seek(region, origin, &half));
	if (half && n > 0) {
		buf_putc(io_out(s->io), '\n');
		n--;
		if (!scan_end(&in) && *in.p == '\n')
			in.p++;
	}
	while (n > 0 && crlf_next(&state, &in, &piece)) {
		piece = str_first(piece, n);
		n -= piece.n;
		io_put(s->io, piece);
	}
	/* The client counts: whatever the file was, it gets as many as it was told. */
	for (; n > 0; n--)
		io_put(s->io, STR("\n"));
}

static bool
put_region(struct fetch *f, struct message *m, const struct fetch_section *sec,
    const struct region *r, bool *first)
{
	bool plain = r->bare == 0 && (m->structure.flags & STRUCTURE_NUL) == 0;
	uint64_t origin, n = cut(sec, region_crlf_size(r), &origin);

	if (!message_open(m, !plain) || r->at + r->size > m->file.size)
		return false;
	put_label(f->s, sec, first);
	put_literal(f->s, n);
	if (n == 0)
		return true;
	if (plain)
		return io_send_file(f->s->io, m->file.fd, r->at + origin, n) == DONE;
	put_presented(f->s, str_first(str_from(m->file.data, r->at), r->size), origin, n);
	return true;
}

static bool
put_fields(struct fetch *f, struct message *m, const struct fetch_section *sec,
    const struct region *header, bool *first)
{
	uint64_t origin, n;
	struct buf b;

	if (!message_open(m, true))
		return false;
	buf_init(&b, FIELDS_MAX);
	/* Beyond the maximum what fitted is told. */
	(void)header_put_fields(str_first(str_from(m->file.data, header->at), header->size),
	    &sec->names, sec->fields_not, &b);
	for (size_t i = 0; (m->structure.flags & STRUCTURE_NUL) != 0 && i < b.n; i++) {
		if (b.p[i] == '\0')
			b.p[i] = (char)0x80; /* as in crlf.h */
	}
	n = cut(sec, b.n, &origin);
	put_label(f->s, sec, first);
	put_literal(f->s, n);
	io_put(f->s->io, str_n(b.p + origin, (size_t)n));
	buf_free(&b);
	return true;
}

static bool
put_section(struct fetch *f, struct message *m, const struct fetch_section *sec, bool *first)
{
	struct section found;

	if (!message_structure(m))
		return false;
	if (!structure_section(&m->structure, sec->numbers, sec->count, sec->kind, &found)) {
		put_label(f->s, sec, first);
		io_puts(f->s->io, "NIL");
		return true;
	}
	if (sec->fields)
		return put_fields(f, m, sec, &found.region, first);
	return put_region(f, m, sec, &found.region, first);
}

static bool
put_structure(struct fetch *f, struct message *m, bool *first)
{
	unsigned items = f->program->items;
	struct buf *out = io_out(f->s->io);

	if (!message_structure(m))
		return false;
	if ((items & FETCH_ENVELOPE) != 0) {
		put_space(f->s, first);
		buf_put(out, STR("ENVELOPE "));
		buf_put(out, m->structure.envelope);
	}
	if ((items & FETCH_BODY) != 0) {
		put_space(f->s, first);
		buf_put(out, STR("BODY "));
		(void)!structure_put_body(&m->structure, out);
	}
	if ((items & FETCH_BODYSTRUCTURE) != 0) {
		put_space(f->s, first);
		buf_put(out, STR("BODYSTRUCTURE "));
		buf_put(out, m->structure.body);
	}
	return true;
}

static void
note_trouble(struct fetch *f, const struct message *m)
{
	if (m->trouble == PERMFAIL)
		f->gone = true;
	else
		f->failed = true;
}

enum outcome
fetch_row(struct fetch *f, const struct msg_row *row, uint32_t seq, bool tell_flags)
{
	unsigned seen = FETCH_FLAGS | (f->s->condstore ? FETCH_MODSEQ : 0u);
	unsigned items = f->program->items | (tell_flags ? seen : 0u);
	struct msg_row told = *row;
	struct message m;
	bool first = true;

	message_init(&m, f->s, row, f->message);
	if ((items & FETCH_SIZE) != 0 && !message_size(&m, &told.vsize)) {
		note_trouble(f, &m);
		items &= ~(unsigned)FETCH_SIZE;
	}
	buf_put(io_out(f->s->io), STR("* "));
	buf_put_u64(io_out(f->s->io), seq);
	buf_put(io_out(f->s->io), STR(" FETCH ("));
	put_plain_items(f->s, &told, items, &first);
	if ((items & from_structure) != 0 && !put_structure(f, &m, &first))
		note_trouble(f, &m);
	for (size_t i = 0; i < f->program->section_count; i++) {
		if (!put_section(f, &m, &f->program->sections[i], &first))
			note_trouble(f, &m);
	}
	buf_put(io_out(f->s->io), STR(")\r\n"));
	io_spill(f->s->io);
	message_done(&m);
	arena_reset(f->message);
	return DONE;
}
