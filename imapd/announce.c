/*
 * announce.c - untagged responses about the selected folder.
 */
#include "imapd/announce.h"

#include <stdio.h>

#include "imapd/fetch_parse.h"
#include "imapd/flags.h"
#include "mail/date.h"

/* Decimal digits of v at p; behind them. */
static char *
put_number(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

/* A name and a number, as "UID 17". */
static void
put_named(struct buf *out, const char *name, uint64_t v, const char *behind)
{
	size_t n = strlen(name), m = strlen(behind);
	char *p = buf_room(out, n + m + 20);
	char *from = p;

	memcpy(p, name, n);
	p = put_number(p + n, v);
	memcpy(p, behind, m);
	buf_claim(out, (size_t)(p + m - from));
}

void
put_plain_items(struct imap *s, const struct msg_row *row, unsigned items, bool *first)
{
	struct buf *out = io_out(s->io);
	size_t keyword_count = 0;
	const struct str *keywords = NULL;

	if ((items & FETCH_UID) != 0) {
		put_named(out, *first ? "UID " : " UID ", row->uid, "");
		*first = false;
	}
	if ((items & FETCH_FLAGS) != 0) {
		if (row->keywords != 0)
			keywords = view_keywords(&s->view, &keyword_count);
		buf_put(out, *first ? STR("FLAGS (") : STR(" FLAGS ("));
		(void)flags_put(out, row, s->recent.n > 0 && seqset_has(&s->recent, row->uid),
		    keywords, keyword_count);
		buf_putc(out, ')');
		*first = false;
	}
	if ((items & FETCH_MODSEQ) != 0) {
		put_named(out, *first ? "MODSEQ (" : " MODSEQ (", row->modseq, ")");
		*first = false;
	}
	if ((items & FETCH_INTERNALDATE) != 0) {
		buf_put(out, *first ? STR("INTERNALDATE \"") : STR(" INTERNALDATE \""));
		(void)date_put_internal(out, (struct maildate){ row->internaldate, 0 });
		buf_putc(out, '"');
		*first = false;
	}
	if ((items & FETCH_SIZE) != 0) {
		put_named(out, *first ? "RFC822.SIZE " : " RFC822.SIZE ", row->vsize, "");
		*first = false;
	}
}

void
put_plain_row(struct imap *s, const struct msg_row *row, uint32_t seq, unsigned items)
{
	struct buf *out = io_out(s->io);
	bool first = true;

	put_named(out, "* ", seq, " FETCH (");
	put_plain_items(s, row, items, &first);
	buf_put(out, STR(")\r\n"));
	io_spill(s->io);
}

/* --- \Recent --- */

static uint32_t
existing(struct imap *s, const struct seqset *uids)
{
	struct seqset seqs = SEQSET_EMPTY;
	uint32_t n;

	view_seqs_of_uids(&s->view, uids, &seqs);
	n = (uint32_t)seqset_count(&seqs);
	seqset_free(&seqs);
	return n;
}

void
take_recent(struct imap *s)
{
	uint32_t lo = 0, hi = 0;

	/* A failure only means that nothing is \Recent to us. */
	if (view_recent(&s->view, !s->read_only, imap_store_deadline(s), &lo, &hi, NULL) == DONE &&
	    lo < hi)
		seqset_add(&s->recent, lo, hi - 1);
}

uint32_t
count_recent(struct imap *s)
{
	return s->recent.n == 0 ? 0 : existing(s, &s->recent);
}

/* --- news --- */

static void
announce_expunges(struct imap *s, const struct view_news *news)
{
	struct seqset seqs = SEQSET_EMPTY;
	struct seqset uids = SEQSET_EMPTY;

	view_expunged(&s->view, news, &seqs, &uids);
	/* From the highest down, so that no number has moved when it is told. */
	for (size_t i = seqs.n; i-- > 0;) {
		for (uint32_t q = seqs.v[i].hi; q >= seqs.v[i].lo; q--) {
			put_named(io_out(s->io), "* ", q, " EXPUNGE\r\n");
			io_spill(s->io);
		}
	}
	seqset_subtract(&s->recent, &uids);
	view_told_expunges(&s->view, news);
	seqset_free(&seqs);
	seqset_free(&uids);
}

static void
announce_flags(struct imap *s, const struct command *c, const struct view_news *news)
{
	struct view_cursor at = view_from_seq(1);
	struct msg_row rows[VIEW_CHUNK];
	uint32_t seqs[VIEW_CHUNK];
	/* RFC 7162 3.2.4: with CONDSTORE also the UID does no harm and helps. */
	unsigned items = FETCH_FLAGS | (s->condstore ? FETCH_UID | FETCH_MODSEQ : 0u);
	size_t n;

	while ((n = view_changed(&s->view, &at, s->view.flags_told, rows, seqs, VIEW_CHUNK)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if ((rows[i].flags & MSG_EXPUNGED) == 0 &&
			    (c == NULL || !is_own_modseq(c, rows[i].modseq)))
				put_plain_row(s, &rows[i], seqs[i], items);
		}
	}
	view_told_flags(&s->view, news);
}

enum outcome
announce(struct imap *s, const struct command *c, bool expunges)
{
	struct view_news news;
	uint32_t before;

	view_news(&s->view, &news);
	if (news.flags)
		announce_flags(s, c, &news);
	if (news.expunged > 0 && expunges)
		announce_expunges(s, &news);
	if (news.uidnext == s->view.uidnext_told)
		return DONE;
	/* The count is the view's: a message that came and went unseen has no number. */
	if (expunges)
		view_told_expunges(&s->view, &news);
	before = view_count(&s->view);
	view_told_new(&s->view, &news);
	if (view_count(&s->view) != before) {
		take_recent(s);
		io_printf(
		    s->io, "* %u EXISTS\r\n* %u RECENT\r\n", view_count(&s->view), count_recent(s));
	}
	return DONE;
}

void
put_flag_names(struct imap *s, bool any)
{
	static const struct msg_row all = { .flags = MSG_FLAGS };
	struct buf *out = io_out(s->io);
	const struct str *keywords;
	size_t n = 0;

	keywords = view_keywords(&s->view, &n);
	buf_putc(out, '(');
	(void)flags_put(out, &all, false, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		buf_putc(out, ' ');
		(void)buf_put(out, keywords[i]);
	}
	if (any)
		buf_put(out, STR(" \\*"));
	buf_putc(out, ')');
}

void
enable_condstore(struct imap *s)
{
	if (s->condstore)
		return;
	s->condstore = true;
	if (s->entered)
		io_printf(s->io, "* OK [HIGHESTMODSEQ %llu] CONDSTORE is on\r\n",
		    (unsigned long long)s->view.flags_told);
}
