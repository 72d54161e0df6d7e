/*
 * parse_test.c - tokens, the reader, patterns, FETCH and SEARCH arguments.
 */
#include "base/test.h"

#include <stdio.h>

#include "imapd/fetch_parse.h"
#include "imapd/flags.h"
#include "imapd/parse.h"
#include "imapd/pattern.h"
#include "imapd/reader.h"
#include "imapd/search_parse.h"

static struct arena *arena;

static int
make_arena(void **state)
{
	arena = arena_new(64 * 1024 * 1024);
	return 0;
}

static int
drop_arena(void **state)
{
	arena_free(&arena);
	return 0;
}

/* --- tokens --- */

static void
astrings(void **state)
{
	static const struct {
		const char *name, *in, *want; /* want NULL: refused */
	} rows[] = {
		{ "atom", "INBOX rest", "INBOX" },
		{ "bracket", "a]b", "a]b" },
		{ "quoted", "\"a b\"", "a b" },
		{ "escapes", "\"a\\\"b\\\\c\"", "a\"b\\c" },
		{ "other escape", "\"a\\nb\"", NULL },
		{ "open quote", "\"abc", NULL },
		{ "line in quotes", "\"a\r\nb\"", NULL },
		{ "empty quotes", "\"\"", "" },
		{ "literal", "{3}\r\na b", "a b" },
		{ "literal+", "{3+}\r\n\"{x", "\"{x" },
		{ "literal of none", "{0}\r\n", "" },
		{ "short literal", "{4}\r\nabc", NULL },
		{ "literal 2^32", "{4294967296}\r\nabc", NULL },
		{ "paren", "(a", NULL },
		{ "nothing", "", NULL },
		{ "eight bit", "\xc3\xa4", NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parse p = parse_of(str_of(rows[i].in), arena);
		struct str got;
		bool ok = parse_astring(&p, &got);

		if (ok != (rows[i].want != NULL) || (ok && !str_eq(got, str_of(rows[i].want))))
			fail_msg("%s: got %d \"" STR_FMT "\"", rows[i].name, ok,
			    STR_ARG(ok ? got : STR_NONE));
		if (!ok && p.s.p != rows[i].in)
			fail_msg("%s: the cursor moved", rows[i].name);
	}
}

static void
numbers(void **state)
{
	static const struct {
		const char *in;
		bool ok, nz;
	} rows[] = {
		{ "0", true, false },
		{ "1", true, true },
		{ "4294967295", true, true },
		{ "4294967296", false, false },
		{ "-1", false, false },
		{ "", false, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parse p = parse_of(str_of(rows[i].in), arena);
		struct parse q = p;
		uint32_t v;

		assert_int_equal(parse_number(&p, &v), rows[i].ok);
		assert_int_equal(parse_nz_number(&q, &v), rows[i].nz);
	}
}

static void
flag_lists(void **state)
{
	static const struct {
		const char *in;
		bool bare, ok;
		unsigned flags;
		size_t keywords;
	} rows[] = {
		{ "()", false, true, 0, 0 },
		{ "(\\Seen $Junk \\deleted)", false, true, MSG_SEEN | MSG_DELETED, 1 },
		{ "\\Seen $Junk", true, true, MSG_SEEN, 1 },
		{ "\\Seen", false, false, 0, 0 },
		{ "(\\Recent)", false, false, 0, 0 },
		{ "(\\Unknown)", false, false, 0, 0 },
		{ "(a b", false, false, 0, 0 },
		{ "(a  b)", false, false, 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parse p = parse_of(str_of(rows[i].in), arena);
		struct flag_list list;
		struct str keywords[PARSE_FLAGS_MAX];
		unsigned flags = 0;
		size_t n = 0;
		bool ok = parse_flag_list(&p, rows[i].bare, &list) &&
			  flags_take(&list, &flags, keywords, &n);

		if (ok != rows[i].ok || (ok && (flags != rows[i].flags || n != rows[i].keywords)))
			fail_msg("%s: got %d %x %zu", rows[i].in, ok, flags, n);
	}
}

/* --- the reader --- */

static bool
no_stream(struct str text)
{
	return str_starts_nocase(text, STR("a APPEND ")) && text.n > 9;
}

/* What the reader makes of a text: a letter for each thing it says. */
static void
read_all(struct str text, size_t step, char *out, size_t room)
{
	struct reader r = { 0 };
	struct reader_line line;
	size_t at = 0, seen = MIN(step, text.n), n = 0;

	while (n + 1 < room) {
		struct str input = str_n(text.p + at, seen - at);
		enum reader_got got = reader_next(&r, input, no_stream, &line);

		if (got == READER_MORE) {
			if (seen == text.n)
				break;
			seen = MIN(seen + step, text.n);
			continue;
		}
		if (got == READER_SKIP && step == 1) {
			at += line.octets;
			continue; /* comes once an octet */
		}
		out[n++] = "?+CSLKX"[got];
		at += got == READER_CONTINUE ? 0 : line.octets;
	}
	out[n] = '\0';
}

static void
reader_lines(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{ "one", "a NOOP\r\n", "C" },
		{ "bare lf", "a NOOP\nb NOOP\r\n", "CC" },
		{ "half", "a NOOP", "" },
		{ "literal", "a X {3}\r\nabc\r\n", "+C" },
		{ "literal+", "a X {3+}\r\nabc {0+}\r\n y\r\nb NOOP\r\n", "CC" },
		{ "literal with lines", "a X {8+}\r\n\r\nb X\r\n\r\nc\r\n", "CC" },
		{ "two literals", "a X {1}\r\nx {1}\r\ny\r\n", "++C" },
		{ "stream", "a APPEND x {30}\r\n", "S" },
		{ "stream 2^63", "a APPEND x {9223372036854775808}\r\n", "X" },
		{ "mailbox literal first", "a APPEND {1}\r\nx {5}\r\n", "+S" },
		{ "too large", "a X {4294967295}\r\n", "X" },
		{ "2^64", "a X {18446744073709551616}\r\n", "X" },
		{ "negative", "a X {-1}\r\n", "X" },
		{ "nothing", "a X {}\r\n", "X" },
		{ "no number", "a X {abc}\r\n", "C" },
	};
	char whole[64], pieces[64];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		read_all(str_of(rows[i].in), strlen(rows[i].in), whole, sizeof(whole));
		read_all(str_of(rows[i].in), 1, pieces, sizeof(pieces));
		if (strcmp(whole, rows[i].want) != 0 || strcmp(pieces, whole) != 0)
			fail_msg("%s: want %s, whole %s, octet by octet %s", rows[i].name,
			    rows[i].want, whole, pieces);
	}
}

static void
reader_limits(void **state)
{
	struct buf b;
	char got[64];

	buf_init(&b, 1024 * 1024);
	for (size_t i = 0; i < 100 * 1024; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\na NOOP\r\n");
	read_all(buf_str(&b), b.n, got, sizeof(got));
	assert_string_equal(got, "LC");
	read_all(buf_str(&b), 1000, got, sizeof(got));
	assert_int_equal(got[0], 'L');
	assert_int_equal(got[strlen(got) - 1], 'C');
	buf_clear(&b);
	for (size_t i = 0; i < READER_LITERALS_MAX + 1; i++)
		buf_puts(&b, i == 0 ? "a X {1+}\r\n" : "x {1+}\r\n");
	read_all(buf_str(&b), b.n, got, sizeof(got));
	assert_string_equal(got, "X");
	buf_free(&b);
}

/* --- patterns --- */

static void
patterns(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
		{ "*", "INBOX", true },
		{ "*", "a.b.c", true },
		{ "%", "a", true },
		{ "%", "a.b", false },
		{ "%.%", "a.b", true },
		{ "%.%", "a.b.c", false },
		{ "a.%", "a.b", true },
		{ "a.*", "a.b.c", true },
		{ "a.*", "a", false },
		{ "a*", "a", true },
		{ "*c", "a.b.c", true },
		{ "%c", "a.b.c", false },
		{ "inbox", "INBOX", true },
		{ "InBox.%", "INBOX.x", true },
		{ "inb*", "INBOX", true },
		{ "inboxes", "INBOXES", false },
		{ "INBOX.X", "INBOX.x", false },
		{ "sent", "Sent", false },
		{ "", "a", false },
		{ "**", "x", true },
		{ "%%", "x.y", false },
		{ "*%", "x.y", true },
		{ "*.%.z", "a.b.c.z", true },
		{ "*****************************************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
		    false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (pattern_match(str_of(rows[i].pattern), str_of(rows[i].name), '.') !=
		    rows[i].want)
			fail_msg("%s against %s", rows[i].pattern, rows[i].name);
	}
}

/* --- FETCH --- */

static void
fetch_items(void **state)
{
	static const struct {
		const char *in;
		unsigned items;
		const char *label; /* of the last section; NULL: no section */
		bool seen;
	} rows[] = {
		{ "ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE },
		{ "FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
		{ "FULL",
		    FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY },
		{ "(FLAGS UID)", FETCH_FLAGS | FETCH_UID },
		{ "BODY", FETCH_BODY },
		{ "bodystructure", FETCH_BODYSTRUCTURE },
		{ "BODY[]", 0, "BODY[]", true },
		{ "BODY.PEEK[]", 0, "BODY[]", false },
		{ "RFC822", 0, "RFC822", true },
		{ "RFC822.HEADER", 0, "RFC822.HEADER", false },
		{ "RFC822.TEXT", 0, "RFC822.TEXT", true },
		{ "RFC822.SIZE", FETCH_SIZE },
		{ "BODY[1.2.MIME]", 0, "BODY[1.2.MIME]", true },
		{ "BODY.PEEK[1.header]<0.100>", 0, "BODY[1.HEADER]<0>", false },
		{ "BODY.PEEK[HEADER.FIELDS (from \"To\")]", 0, "BODY[HEADER.FIELDS (from To)]",
		    false },
		{ "BODY.PEEK[2.HEADER.FIELDS.NOT (X)]<5.6>", 0, "BODY[2.HEADER.FIELDS.NOT (X)]<5>",
		    false },
		{ "(FLAGS BODY.PEEK[TEXT])", FETCH_FLAGS, "BODY[TEXT]", false },
		{ "FLAGS (CHANGEDSINCE 7)", FETCH_FLAGS | FETCH_MODSEQ },
	};
	static const char *const wrong[] = {
		"",
		"()",
		"(ALL)",
		"(FLAGS",
		"FLAGS UID",
		"BODY[0]",
		"BODY[MIME]",
		"BODY[1.]",
		"BODY[1",
		"BODY[HEADER.FIELDS]",
		"BODY[HEADER.FIELDS ()]",
		"BODY[]<0>",
		"BODY[]<0.0>",
		"BODY[]<18446744073709551616.1>",
		"BODY[]<0.9223372036854775808>",
		"BODY[4294967296]",
		"BODY.PEEK",
		"FLAGS (CHANGEDSINCE)",
		"FLAGS (CHANGEDSINCE 9223372036854775808)",
		"FLAGS (VANISHED)",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parse p = parse_of(str_of(rows[i].in), arena);
		struct fetch_program f;
		struct str label;

		if (!fetch_parse(&p, &f))
			fail_msg("%s: refused: %s", rows[i].in, p.wrong);
		label = f.section_count > 0 ? f.sections[f.section_count - 1].label : STR_NONE;
		if (f.items != rows[i].items || !str_eq(label, str_of(rows[i].label)) ||
		    f.sets_seen != rows[i].seen)
			fail_msg("%s: got %x " STR_FMT, rows[i].in, f.items, STR_ARG(label));
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct parse p = parse_of(str_of(wrong[i]), arena);
		struct fetch_program f;

		if (fetch_parse(&p, &f))
			fail_msg("%s: taken", wrong[i]);
	}
}

static void
fetch_depth(void **state)
{
	struct fetch_program f;
	struct parse p;
	struct buf b;

	buf_init(&b, 1024 * 1024);
	buf_puts(&b, "BODY[");
	for (int i = 0; i < 20000; i++)
		buf_puts(&b, "1.");
	buf_puts(&b, "1]");
	p = parse_of(buf_str(&b), arena);
	assert_false(fetch_parse(&p, &f));
	buf_free(&b);
}

/* --- SEARCH --- */

/* A chain with named flags as truth values: A answered, D deleted, F flagged, S seen, R draft. */
static bool
run_chain(const struct search_program *p, unsigned flags)
{
	int at = p->first;
	size_t steps = 0;

	while (at >= 0) {
		const struct search_step *s = &p->steps[at];
		bool holds = s->test == TEST_ALL || (s->flags & flags) != 0;

		assert_true(steps++ <= p->count);
		at = holds ? s->yes : s->no;
	}
	return at == SEARCH_YES;
}

#define A MSG_ANSWERED
#define D MSG_DELETED
#define F MSG_FLAGGED
#define S MSG_SEEN

static void
search_logic(void **state)
{
	static const struct {
		const char *in;
		unsigned flags;
		bool want;
	} rows[] = {
		{ "ALL", 0, true },
		{ "ANSWERED", A, true },
		{ "ANSWERED", 0, false },
		{ "UNANSWERED", 0, true },
		{ "ANSWERED SEEN", A, false },
		{ "ANSWERED SEEN", A | S, true },
		{ "OR ANSWERED SEEN", S, true },
		{ "OR ANSWERED SEEN", D, false },
		{ "NOT ANSWERED", A, false },
		{ "NOT NOT ANSWERED", A, true },
		{ "NOT (ANSWERED SEEN)", A, true },
		{ "NOT (ANSWERED SEEN)", A | S, false },
		{ "OR (ANSWERED SEEN) (DELETED FLAGGED)", D | F, true },
		{ "OR (ANSWERED SEEN) (DELETED FLAGGED)", A | D, false },
		{ "OR OR ANSWERED SEEN DELETED FLAGGED", D, true },
		{ "OR OR ANSWERED SEEN DELETED", D, true },
		{ "NOT OR ANSWERED SEEN", 0, true },
		{ "NOT OR ANSWERED SEEN", S, false },
		{ "((ANSWERED))", A, true },
		{ "(ANSWERED) UNSEEN", A, true },
		{ "OR NOT ANSWERED NOT SEEN", A | S, false },
		{ "OR NOT ANSWERED NOT SEEN", A, true },
		{ "UNDELETED OR SEEN (FLAGGED NOT ANSWERED)", F, true },
		{ "UNDELETED OR SEEN (FLAGGED NOT ANSWERED)", F | A, false },
		{ "UNDELETED OR SEEN (FLAGGED NOT ANSWERED)", S | D, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parse p = parse_of(str_of(rows[i].in), arena);
		struct search_program prog;

		/* "OR OR a b c d" is (a or b) or c, and d. */
		if (!search_parse(&p, &prog))
			fail_msg("%s: refused: %s", rows[i].in, p.wrong);
		if (i == 14) {
			assert_false(run_chain(&prog, D));
			continue;
		}
		if (run_chain(&prog, rows[i].flags) != rows[i].want)
			fail_msg("%s with %x", rows[i].in, rows[i].flags);
	}
}

static void
search_keys(void **state)
{
	static const char *const right[] = {
		"BCC x",
		"BEFORE 1-Feb-1994",
		"ON \"1-Feb-1994\"",
		"BODY {3}\r\nabc",
		"CC \"a b\"",
		"FROM x",
		"HEADER Message-ID \"<x@y>\"",
		"HEADER X \"\"",
		"KEYWORD $Junk",
		"UNKEYWORD foo",
		"LARGER 100",
		"SMALLER 4294967295",
		"NEW",
		"OLD",
		"RECENT",
		"SENTBEFORE 1-Jan-2000",
		"SENTON 1-Jan-2000",
		"SENTSINCE 1-Jan-2000",
		"SINCE 01-Jan-2000",
		"SUBJECT x",
		"TEXT x",
		"TO x",
		"UID 1:*",
		"1,3:5,*",
		"*",
		"MODSEQ 5",
		"MODSEQ \"/flags/\\\\draft\" all 620162338",
		"CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xa4",
		"CHARSET us-ascii ALL",
		"UNSEEN UNDELETED 1:5",
		"ALL ",
	};
	static const char *const wrong[] = {
		"",
		"NOT",
		"OR ALL",
		"(ALL",
		"ALL)",
		"()",
		"FOO",
		"BEFORE 31-Feb-2000",
		"LARGER -1",
		"LARGER 4294967296",
		"SUBJECT",
		"UID",
		"0",
		"1:",
		"4294967296",
		"NOT  ALL",
		"ALL  ALL",
		"HEADER x",
		"MODSEQ",
		"MODSEQ \"x\" none 5",
	};

	for (size_t i = 0; i < COUNT_OF(right); i++) {
		struct parse p = parse_of(str_of(right[i]), arena);
		struct search_program prog;

		if (!search_parse(&p, &prog))
			fail_msg("%s: refused: %s", right[i], p.wrong);
		assert_false(prog.bad_charset);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct parse p = parse_of(str_of(wrong[i]), arena);
		struct search_program prog;

		if (search_parse(&p, &prog))
			fail_msg("\"%s\": taken", wrong[i]);
	}
}

static void
search_limits(void **state)
{
	static const char *const openers[] = { "(", "NOT ", "OR ALL " };
	struct search_program prog;
	struct parse p;
	struct buf b;

	buf_init(&b, 16 * 1024 * 1024);
	for (size_t k = 0; k < COUNT_OF(openers); k++) {
		buf_clear(&b);
		for (int i = 0; i < 1000000; i++)
			buf_puts(&b, openers[k]);
		p = parse_of(buf_str(&b), arena);
		assert_false(search_parse(&p, &prog));
	}
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "ALL ");
	p = parse_of(buf_str(&b), arena);
	assert_false(search_parse(&p, &prog));
	buf_clear(&b);
	for (int i = 0; i < SEARCH_DEPTH_MAX - 1; i++)
		buf_puts(&b, "NOT ");
	buf_puts(&b, "SEEN");
	p = parse_of(buf_str(&b), arena);
	assert_true(search_parse(&p, &prog));
	assert_int_equal(run_chain(&prog, MSG_SEEN), SEARCH_DEPTH_MAX % 2 == 1);
	p = parse_of(STR("CHARSET KOI8-R SUBJECT x"), arena);
	assert_true(search_parse(&p, &prog));
	assert_true(prog.bad_charset);
	buf_free(&b);
}

static void
search_order(void **state)
{
	struct search_program prog;
	struct parse p = parse_of(STR("BODY x SUBJECT y HEADER z z SEEN"), arena);

	/* Cheap tests first, whatever the client's order. */
	assert_true(search_parse(&p, &prog));
	assert_int_equal(prog.steps[prog.first].test, TEST_FLAGS);
	assert_int_equal(prog.steps[prog.steps[prog.first].yes].test, TEST_SUBJECT);
	assert_int_equal(prog.steps[prog.first].no, SEARCH_NO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(astrings),
		cmocka_unit_test(numbers),
		cmocka_unit_test(flag_lists),
		cmocka_unit_test(reader_lines),
		cmocka_unit_test(reader_limits),
		cmocka_unit_test(patterns),
		cmocka_unit_test(fetch_items),
		cmocka_unit_test(fetch_depth),
		cmocka_unit_test(search_logic),
		cmocka_unit_test(search_keys),
		cmocka_unit_test(search_limits),
		cmocka_unit_test(search_order),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
