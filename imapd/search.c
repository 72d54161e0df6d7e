/*
 * search.c - a search program over a folder: a loop over rows, and for each
 * the chain of tests until it ends in yes or no.
 */
#include "imapd/search.h"

#include "imapd/envelope.h"
#include "imapd/message.h"
#include "imapd/rows.h"
#include "imapd/search_text.h"
#include "mail/date.h"
#include "mail/fold.h"
#include "mail/words.h"

#define ARENA_MAX     ((size_t)16 * 1024 * 1024 + MIME_ARENA + MIME_PARTS_MAX * (size_t)CONTENT_BOUND)
#define CONTENT_BOUND 1024
#define VALUE_MAX     (512 * 1024)
#define NO_KEYWORD    UINT64_MAX

/* What is known of the message that is being tested. */
struct subject {
	struct imap *s;
	const struct msg_row *row;
	uint32_t seq;
	struct arena *arena;
	struct message message;
	struct envelope envelope;
	bool has_envelope;
	bool no_envelope; /* it was looked for in vain */
};

void
search_result_free(struct search_result *r)
{
	seqset_free(&r->found);
}

bool
search_prepare(struct imap *s, struct search_program *p)
{
	size_t n;
	const struct str *keywords = view_keywords(&s->view, &n);

	for (size_t i = 0; i < p->count; i++) {
		struct search_step *step = &p->steps[i];

		if (step->test == TEST_SET && !set_resolve(s, step->set, step->uid, &step->uids))
			return false;
		if (step->test != TEST_KEYWORD)
			continue;
		step->number = NO_KEYWORD;
		for (size_t k = 0; k < n; k++) {
			if (str_eq_nocase(keywords[k], step->text))
				step->number = k;
		}
	}
	return true;
}

void
search_release(struct search_program *p)
{
	for (size_t i = 0; i < p->count; i++)
		seqset_free(&p->steps[i].uids);
}

static bool
load_envelope(struct subject *m)
{
	if (!m->has_envelope && !m->no_envelope) {
		m->has_envelope =
		    message_structure(&m->message) &&
		    envelope_split(m->message.structure.envelope, m->arena, &m->envelope);
		m->no_envelope = !m->has_envelope;
	}
	return m->has_envelope;
}

static bool
in_addresses(struct subject *m, enum envelope_list which, struct str needle)
{
	struct parse list;
	struct buf b;
	bool found = false;

	if (!load_envelope(m))
		return false;
	buf_init(&b, VALUE_MAX);
	list = envelope_addresses(m->envelope.lists[which], m->arena);
	for (bool more = true; more && !found;) {
		buf_clear(&b);
		more = envelope_next_address(&list, &b);
		found = more && fold_has(buf_str(&b), needle);
	}
	buf_free(&b);
	return found || needle.n == 0;
}

static bool
in_value(struct str value, struct str needle)
{
	struct buf b;
	bool found;

	if (value.p == NULL)
		return false;
	buf_init(&b, VALUE_MAX);
	(void)words_decode(value, &b);
	found = fold_has(buf_str(&b), needle);
	buf_free(&b);
	return found;
}

/* HEADER: the fields whose text ENVELOPE keeps as it is need no file. */
static bool
in_header(struct subject *m, const struct search_step *step)
{
	static const struct {
		struct str name;
		size_t offset;
	} kept[] = {
		{ { "Subject", 7 }, offsetof(struct envelope, subject) },
		{ { "Message-ID", 10 }, offsetof(struct envelope, message_id) },
		{ { "In-Reply-To", 11 }, offsetof(struct envelope, in_reply_to) },
		{ { "Date", 4 }, offsetof(struct envelope, date) },
	};
	const struct region *header;

	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		if (str_eq_nocase(step->field, kept[i].name) && load_envelope(m))
			return in_value(
			    *(const struct str *)(const void *)((const char *)&m->envelope +
								kept[i].offset),
			    step->text);
	}
	if (!message_structure(&m->message) || !message_open(&m->message, true))
		return false;
	header = &m->message.structure.header;
	return text_in_header(str_first(str_from(m->message.file.data, header->at), header->size),
	    step->field, step->text);
}

/* RFC 3501 6.4.4: the Date field's day, time and zone disregarded. */
static bool
sent_day(struct subject *m, int64_t *day)
{
	struct maildate date;

	if (!load_envelope(m) || m->envelope.date.p == NULL || !date_parse(m->envelope.date, &date))
		return false;
	*day = date_day(date);
	return true;
}

static int64_t
day_of(int64_t seconds)
{
	return date_day((struct maildate){ seconds, 0 });
}

static bool
size_of(struct subject *m, uint64_t *size)
{
	uint32_t n;

	if (!message_size(&m->message, &n))
		return false;
	*size = n;
	return true;
}

static bool
holds(struct subject *m, const struct search_step *step)
{
	const struct msg_row *row = m->row;
	uint64_t size;
	int64_t day;

	switch (step->test) {
	case TEST_ALL:
		return true;
	case TEST_SET:
		return seqset_has(&step->uids, row->uid);
	case TEST_FLAGS:
		return (row->flags & step->flags) != 0;
	case TEST_RECENT:
		return seqset_has(&m->s->recent, row->uid);
	case TEST_KEYWORD:
		return step->number != NO_KEYWORD && (row->keywords >> step->number & 1) != 0;
	case TEST_BEFORE:
		return day_of(row->internaldate) < step->day;
	case TEST_ON:
		return day_of(row->internaldate) == step->day;
	case TEST_SINCE:
		return day_of(row->internaldate) >= step->day;
	case TEST_LARGER:
		return size_of(m, &size) && size > step->number;
	case TEST_SMALLER:
		return size_of(m, &size) && size < step->number;
	case TEST_MODSEQ:
		return row->modseq >= step->number;
	case TEST_SENTBEFORE:
		return sent_day(m, &day) && day < step->day;
	case TEST_SENTON:
		return sent_day(m, &day) && day == step->day;
	case TEST_SENTSINCE:
		return sent_day(m, &day) && day >= step->day;
	case TEST_FROM:
		return in_addresses(m, ENVELOPE_FROM, step->text);
	case TEST_TO:
		return in_addresses(m, ENVELOPE_TO, step->text);
	case TEST_CC:
		return in_addresses(m, ENVELOPE_CC, step->text);
	case TEST_BCC:
		return in_addresses(m, ENVELOPE_BCC, step->text);
	case TEST_SUBJECT:
		return load_envelope(m) &&
		       (step->text.n == 0 || in_value(m->envelope.subject, step->text));
	case TEST_HEADER:
		return in_header(m, step);
	case TEST_BODY:
	case TEST_TEXT:
		return message_open(&m->message, true) &&
		       text_in_message(
			   m->message.file.data, step->text, step->test == TEST_TEXT, m->arena);
	}
	return false;
}

static bool
matches(struct subject *m, const struct search_program *p)
{
	int at = p->first;

	while (at >= 0)
		at = holds(m, &p->steps[at]) ? p->steps[at].yes : p->steps[at].no;
	return at == SEARCH_YES;
}

static void
add(struct search_result *r, uint32_t number, uint64_t modseq)
{
	if (r->found.n == 0)
		r->first = modseq;
	r->last = modseq;
	r->highest = MAX(r->highest, modseq);
	seqset_add(&r->found, number, number);
}

void
search_run(struct imap *s, const struct search_program *p, bool uid, struct search_result *out)
{
	struct subject m = { .s = s, .arena = arena_new(ARENA_MAX) };
	struct seqset all = SEQSET_EMPTY;
	struct rows rows;

	*out = (struct search_result){ .found = SEQSET_EMPTY };
	seqset_add(&all, 1, UINT32_MAX);
	rows_begin(&rows, s, &all);
	while (rows_next(&rows)) {
		for (size_t i = 0; i < rows.n; i++) {
			if ((rows.row[i].flags & MSG_EXPUNGED) != 0)
				continue;
			m.row = &rows.row[i];
			m.has_envelope = m.no_envelope = false;
			message_init(&m.message, s, m.row, m.arena);
			if (matches(&m, p))
				add(out, uid ? m.row->uid : rows.seq + (uint32_t)i, m.row->modseq);
			message_done(&m.message);
			if (!arena_empty(m.arena))
				arena_reset(m.arena);
		}
	}
	seqset_free(&all);
	arena_free(&m.arena);
}
