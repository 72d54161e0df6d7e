/*
 * cmd_fetch.c - FETCH: RFC 3501 6.4.5, CHANGEDSINCE: RFC 7162 3.1.4.
 *
 * Where only what the index has is asked for, a message costs its row and its
 * line of text.
 */
#include "imapd/fetch.h"

#include "imapd/announce.h"
#include "imapd/heavy.h"
#include "imapd/rows.h"

#define MESSAGE_ARENA ((size_t)16 * 1024 * 1024 + MIME_ARENA)

static const unsigned plain =
    FETCH_UID | FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_MODSEQ;

/*
 * RFC 3501 6.4.5: a section without PEEK sets \Seen, a piece of rows at a
 * time.  *set: those that were changed, as a bit for each row.
 */
static void
set_seen(struct imap *s, struct command *c, struct rows *rows, bool *changed)
{
	const struct flag_change change = { .op = FLAGS_ADD, .flags = MSG_SEEN };
	struct flag_result result = { 0 };
	struct seqset uids = SEQSET_EMPTY;

	for (size_t i = 0; i < rows->n; i++) {
		changed[i] = false;
		if ((rows->row[i].flags & (MSG_SEEN | MSG_EXPUNGED)) == 0)
			seqset_add(&uids, rows->row[i].uid, rows->row[i].uid);
	}
	/* That reading works matters more than that the flag is set: a full disk, read-only. */
	if (uids.n > 0 && folder_store(s->view.folder, &uids, &change, imap_store_deadline(s),
			      &result, NULL) == DONE) {
		own_modseq(c, result.modseq);
		for (size_t i = 0; i < rows->n; i++) {
			if (!seqset_has(&result.changed, rows->row[i].uid))
				continue;
			changed[i] = true;
			rows->row[i].flags |= MSG_SEEN;
			rows->row[i].modseq = result.modseq;
		}
		flag_result_free(&result);
	}
	seqset_free(&uids);
}

static enum outcome
fetch_rows(struct imap *s, struct command *c, struct fetch *f)
{
	bool seen = f->program->sets_seen && !s->read_only;
	bool sized = (f->program->items & FETCH_SIZE) != 0;
	bool simple = f->program->section_count == 0 && (f->program->items & ~plain) == 0;
	bool changed[VIEW_CHUNK] = { 0 };
	struct rows rows;

	rows_begin(&rows, s, &c->uids);
	while (rows_next(&rows)) {
		if (seen)
			set_seen(s, c, &rows, changed);
		for (size_t i = 0; i < rows.n; i++) {
			const struct msg_row *row = &rows.row[i];

			if (f->program->has_since && row->modseq <= f->program->since)
				continue;
			if (simple && (row->vsize != VSIZE_UNKNOWN || !sized))
				put_plain_row(s, row, rows.seq + (uint32_t)i, f->program->items);
			else if (fetch_row(f, row, rows.seq + (uint32_t)i, changed[i]) != DONE)
				return GONE;
		}
		/* A client that is gone is not served to the end of a large folder. */
		if (io_out(s->io)->n > 32 * 1024 &&
		    io_flush(s->io, deadline_in(s->d->lim.write_ms)) != DONE)
			return GONE;
	}
	return DONE;
}

enum outcome
cmd_fetch(struct imap *s, struct command *c)
{
	struct fetch_program program;
	struct fetch f = { .s = s, .program = &program };
	enum outcome o;

	if (!set_parse(s, c))
		return DONE;
	if (!parse_sp(&c->args) || !fetch_parse(&c->args, &program))
		return reply_bad(c, c->args.wrong);
	if ((program.items & FETCH_MODSEQ) != 0)
		enable_condstore(s);
	if (c->uid)
		program.items |= FETCH_UID;
	if (program.section_count > 0 && !heavy_begin(str_of(s->session.user)))
		return reply_no(c, "LIMIT", "Too many transfers at the same time");
	f.message = arena_new(MESSAGE_ARENA);
	o = fetch_rows(s, c, &f);
	arena_free(&f.message);
	if (program.section_count > 0)
		heavy_end(str_of(s->session.user));
	if (o != DONE)
		return o;
	if (f.failed) /* RFC 5530 3 */
		return reply_no(c, "SERVERBUG", "Some messages could not be read");
	if (f.gone)
		return reply_no(c, "EXPUNGEISSUED", "Some messages were expunged meanwhile");
	return reply_done(c);
}
