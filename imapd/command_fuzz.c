/*
 * command_fuzz.c - the reader and the parsers of arguments over any octets;
 * whole and in pieces the reader must say the same.
 */
#include "base/fuzz.h"

#include <string.h>

#include "imapd/fetch_parse.h"
#include "imapd/flags.h"
#include "imapd/pattern.h"
#include "imapd/reader.h"

#define SAID_MAX 256

static bool
streams(struct str text)
{
	return str_find_nocase(text, STR("APPEND ")) >= 0 && text.n % 2 == 0;
}

struct said {
	unsigned char what[SAID_MAX];
	size_t length[SAID_MAX];
	size_t n;
};

static void
read_all(struct str text, size_t step, struct said *out)
{
	struct reader r = { 0 };
	struct reader_line line;
	size_t at = 0, seen = MIN(step, text.n);

	out->n = 0;
	while (out->n < SAID_MAX) {
		enum reader_got got =
		    reader_next(&r, str_n(text.p + at, seen - at), streams, &line);

		if (got == READER_MORE) {
			if (seen == text.n)
				return;
			seen = MIN(seen + step, text.n);
			continue;
		}
		if (got != READER_CONTINUE) {
			assert(line.octets <= seen - at);
			at += line.octets;
		}
		if (got == READER_SKIP)
			continue; /* how often it is said depends on the pieces */
		out->what[out->n] = (unsigned char)got;
		out->length[out->n++] = got == READER_TOO_LONG ? 0 : line.text.n;
	}
}

static void
tokens(struct str text, struct arena *arena)
{
	struct parse p = parse_of(text, arena);
	struct flag_list list;
	struct maildate date;
	struct str a;
	int64_t day;
	uint32_t n;

	while (!scan_end(&p.s)) {
		const char *at = p.s.p;
		bool took = parse_astring(&p, &a) || parse_flag_list(&p, false, &list) ||
			    parse_date_time(&p, &date) || parse_date(&p, &day) ||
			    parse_number(&p, &n) || parse_set_text(&p, &a) ||
			    parse_nstring(&p, &a) || parse_list_mailbox(&p, &a);

		assert(p.s.p >= at && p.s.p <= p.s.end && (took || p.s.p == at));
		if (p.s.p == at)
			p.s.p++;
	}
}

FUZZ(data, n)
{
	struct str text = str_n(data, n), head, rest;
	struct arena *arena = arena_new(256 * 1024 * 1024);
	struct fetch_program program;
	static struct said whole, pieces;
	struct parse p;

	read_all(text, n, &whole);
	read_all(text, n > 0 ? data[0] % 7u + 1 : 1, &pieces);
	if (n < READER_COMMAND_MAX) {
		assert(whole.n == pieces.n);
		assert(memcmp(whole.what, pieces.what, whole.n) == 0);
		assert(memcmp(whole.length, pieces.length, whole.n * sizeof(size_t)) == 0);
	}
	tokens(text, arena);
	p = parse_of(text, arena);
	if (fetch_parse(&p, &program))
		assert(program.section_count <= FETCH_SECTIONS_MAX);
	if (str_cut(text, '\n', &head, &rest))
		(void)pattern_match(head, rest, '.');
	arena_free(&arena);
}
