/*
 * cmd_store.c - STORE: RFC 3501 6.4.6, UNCHANGEDSINCE: RFC 7162 3.1.3.
 *
 * However many messages: one append to the folder's log.
 */
#include "imapd/announce.h"
#include "imapd/fetch_parse.h"
#include "imapd/flags.h"
#include "imapd/rows.h"

struct store_request {
	struct flag_change change;
	bool silent;
	struct flag_list list;
	struct str keywords[PARSE_FLAGS_MAX];
};

/* " (UNCHANGEDSINCE 5)" */
static bool
parse_modifiers(struct parse *p, struct flag_change *change)
{
	if (!parse_char(p, '('))
		return true;
	if (!parse_word(p, "UNCHANGEDSINCE"))
		return parse_wrong(p, "Unknown STORE modifier");
	change->check_modseq = true;
	if (!parse_sp(p) || !parse_modseq(p, &change->unchanged_since))
		return false;
	if (!parse_char(p, ')'))
		return parse_wrong(p, "Expected the end of the STORE modifiers");
	return parse_sp(p);
}

static bool
parse_request(struct parse *p, struct store_request *r)
{
	if (!parse_sp(p) || !parse_modifiers(p, &r->change))
		return false;
	r->change.op = FLAGS_REPLACE;
	if (parse_char(p, '+'))
		r->change.op = FLAGS_ADD;
	else if (parse_char(p, '-'))
		r->change.op = FLAGS_REMOVE;
	r->silent = parse_word(p, "FLAGS.SILENT");
	if (!r->silent && !parse_word(p, "FLAGS"))
		return parse_wrong(p, "Expected FLAGS");
	if (!parse_sp(p) || !parse_flag_list(p, true, &r->list) || !parse_end(p))
		return false;
	r->change.keywords = r->keywords;
	return flags_take(&r->list, &r->change.flags, r->keywords, &r->change.keyword_count) ||
	       parse_wrong(p, "A flag that is not to be set");
}

/* The new flags of every message asked for, as RFC 3501 6.4.6 says; silent: those with news. */
static void
put_rows(struct imap *s, struct command *c, const struct store_request *r,
    const struct flag_result *result)
{
	unsigned items = (r->silent ? 0 : FETCH_FLAGS) | (c->uid || s->condstore ? FETCH_UID : 0u) |
			 (s->condstore ? FETCH_MODSEQ : 0u);
	/* RFC 7162 3.1.3: with CONDSTORE the new MODSEQ is told even when silent. */
	const struct seqset *which = r->silent ? &result->changed : &c->uids;
	struct rows rows;

	if (r->silent && !s->condstore)
		return;
	rows_begin(&rows, s, which);
	while (rows_next(&rows)) {
		for (size_t i = 0; i < rows.n; i++) {
			if ((rows.row[i].flags & MSG_EXPUNGED) == 0 &&
			    !seqset_has(&result->failed, rows.row[i].uid))
				put_plain_row(s, &rows.row[i], rows.seq + (uint32_t)i, items);
		}
	}
}

/* "MODIFIED 7,9": those that somebody else had changed (RFC 7162 3.1.3). */
static enum outcome
reply_modified(struct imap *s, struct command *c, const struct flag_result *result)
{
	struct seqset seqs = SEQSET_EMPTY;
	struct buf code;
	enum outcome o;

	buf_init(&code, READER_COMMAND_MAX);
	(void)buf_puts(&code, "MODIFIED ");
	if (c->uid)
		(void)seqset_put(&code, &result->failed);
	else {
		view_seqs_of_uids(&s->view, &result->failed, &seqs);
		(void)seqset_put(&code, &seqs);
		seqset_free(&seqs);
	}
	o = reply_ok(c, buf_cstr(&code), "Some were changed by somebody else");
	buf_free(&code);
	return o;
}

enum outcome
cmd_store(struct imap *s, struct command *c)
{
	struct store_request *r = ARENA_NEW(c->arena, struct store_request);
	struct flag_result result = { 0 };
	struct why why = { 0 };
	enum outcome o;

	if (!set_parse(s, c))
		return DONE;
	if (!parse_request(&c->args, r))
		return reply_bad(c, c->args.wrong);
	if (r->change.check_modseq)
		enable_condstore(s);
	o = folder_store(
	    s->view.folder, &c->uids, &r->change, imap_store_deadline(s), &result, &why);
	if (o != DONE)
		return reply_failed(c, o, &why, "LIMIT");
	own_modseq(c, result.modseq);
	put_rows(s, c, r, &result);
	o = result.failed.n > 0 ? reply_modified(s, c, &result) : reply_done(c);
	flag_result_free(&result);
	return o;
}
