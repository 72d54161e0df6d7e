/* structure_test.c - trees, their octets, what IMAP is told of them, and hostile ones. */
#include "base/test.h"

#include <time.h>

#include "mail/crlf.h"
#include "mail/imap.h"
#include "mail/structure.h"

/* RFC 3501 6.4.5's example of part numbers. */
static const struct str nested = STR("Subject: top\r\n"
				     "Content-Type: multipart/mixed; boundary=one\r\n"
				     "\r\n"
				     "preamble\r\n"
				     "--one\r\n"
				     "\r\n"
				     "part 1\r\n"
				     "--one\r\n"
				     "Content-Type: application/octet-stream\r\n"
				     "\r\n"
				     "part 2\r\n"
				     "\r\n"
				     "--one\r\n"
				     "Content-Type: message/rfc822\r\n"
				     "\r\n"
				     "Subject: inner 3\r\n"
				     "Content-Type: multipart/mixed; boundary=two\r\n"
				     "\r\n"
				     "--two\r\n"
				     "\r\n"
				     "part 3.1\r\n"
				     "--two\r\n"
				     "Content-Type: application/octet-stream\r\n"
				     "\r\n"
				     "part 3.2\r\n"
				     "--two--\r\n"
				     "epilogue 3\r\n"
				     "--one\r\n"
				     "Content-Type: multipart/mixed; boundary=\"three\"\r\n"
				     "\r\n"
				     "--three\r\n"
				     "Content-Type: image/gif\r\n"
				     "Content-ID: <gif>\r\n"
				     "\r\n"
				     "part 4.1\r\n"
				     "--three\r\n"
				     "Content-Type: message/rfc822\r\n"
				     "\r\n"
				     "Subject: inner 4.2\r\n"
				     "\r\n"
				     "part 4.2.1\r\n"
				     "--three--\r\n"
				     "--one--\r\n"
				     "epilogue\r\n");

static void
sections(void **state)
{
	static const struct {
		uint32_t numbers[4];
		size_t n;
		enum section_kind kind;
		const char *want; /* NULL: none */
	} rows[] = {
		{ { 1 }, 1, SECTION_ALL, "part 1" },
		{ { 1 }, 1, SECTION_MIME, "\r\n" },
		{ { 1 }, 1, SECTION_HEADER, NULL },
		{ { 1, 1 }, 2, SECTION_ALL, NULL },
		{ { 2 }, 1, SECTION_ALL, "part 2\r\n" },
		{ { 3 }, 1, SECTION_MIME, "Content-Type: message/rfc822\r\n\r\n" },
		{ { 3 }, 1, SECTION_HEADER,
		    "Subject: inner 3\r\nContent-Type: multipart/mixed; boundary=two\r\n\r\n" },
		{ { 3 }, 1, SECTION_TEXT,
		    "--two\r\n\r\npart 3.1\r\n--two\r\nContent-Type: "
		    "application/octet-stream\r\n\r\n"
		    "part 3.2\r\n--two--\r\nepilogue 3" },
		{ { 3, 1 }, 2, SECTION_ALL, "part 3.1" },
		{ { 3, 2 }, 2, SECTION_ALL, "part 3.2" },
		{ { 3, 3 }, 2, SECTION_ALL, NULL },
		{ { 4, 1 }, 2, SECTION_MIME,
		    "Content-Type: image/gif\r\nContent-ID: <gif>\r\n\r\n" },
		{ { 4, 1 }, 2, SECTION_ALL, "part 4.1" },
		{ { 4, 2 }, 2, SECTION_HEADER, "Subject: inner 4.2\r\n\r\n" },
		{ { 4, 2 }, 2, SECTION_ALL, "Subject: inner 4.2\r\n\r\npart 4.2.1" },
		{ { 4, 2, 1 }, 3, SECTION_ALL, "part 4.2.1" },
		{ { 4, 2, 1 }, 3, SECTION_MIME, "Subject: inner 4.2\r\n\r\n" },
		{ { 4, 2, 2 }, 3, SECTION_ALL, NULL },
		{ { 4, 2, 1, 1 }, 4, SECTION_ALL, NULL },
		{ { 5 }, 1, SECTION_ALL, NULL },
		{ { 0 }, 1, SECTION_ALL, NULL },
		{ { 4294967295u }, 1, SECTION_ALL, NULL },
		{ { 0 }, 0, SECTION_HEADER,
		    "Subject: top\r\nContent-Type: multipart/mixed; boundary=one\r\n\r\n" },
		{ { 0 }, 0, SECTION_MIME, NULL },
	};
	struct structure s;
	struct section at;
	struct buf b;

	buf_init(&b, STRUCTURE_MAX);
	assert_true(structure_build(nested, &b));
	assert_true(structure_unpack(buf_str(&b), &s));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = structure_section(&s, rows[i].numbers, rows[i].n, rows[i].kind, &at);
		struct crlf_count n;

		if (ok != (rows[i].want != NULL))
			fail_msg("row %zu: %d", i, ok);
		if (!ok)
			continue;
		struct str got = str_n(nested.p + at.region.at, at.region.size);
		if (!str_eq(got, str_of(rows[i].want)))
			fail_msg("row %zu: '" STR_FMT "'", i, STR_ARG(got));
		crlf_count(got, &n);
		assert_int_equal(at.region.lines, n.lines);
		assert_int_equal(at.region.bare, n.bare);
	}
	assert_true(structure_section(&s, NULL, 0, SECTION_ALL, &at));
	assert_int_equal(at.region.size, nested.n);
	buf_free(&b);
}

static void
texts(void **state)
{
	static const struct {
		const char *name;
		struct str message;
		const char *envelope; /* NULL: not looked at */
		const char *body;     /* BODY */
		const char *extended; /* BODYSTRUCTURE */
	} rows[] = {
		{ "RFC 3501 8",
		    STR("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
			"From: Terry Gray <gray@cac.washington.edu>\r\n"
			"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
			"To: imap@cac.washington.edu\r\n"
			"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
			"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
			"MIME-Version: 1.0\r\n"
			"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
			"\r\nab\r\n"),
		    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
		    "\"IMAP4rev1 WG mtg summary and minutes\" "
		    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
		    "((NIL NIL \"imap\" \"cac.washington.edu\")) "
		    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
		    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
		    "\"<B27397-0100000@cac.washington.edu>\")",
		    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 4 1)",
		    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 4 1 NIL NIL "
		    "NIL NIL)" },
		{ "empty", STR(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)",
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL "
		    "NIL NIL)" },
		{ "literals and empties",
		    STR("Subject:\nFrom: \"a\\\"\xc3\xa4\" <a@b>\nSender:\nTo: g:;\nMessage-ID: "
			"\n\nx\ny"),
		    "(NIL \"\" (({4}\r\na\"\xc3\xa4 NIL \"a\" \"b\")) (({4}\r\na\"\xc3\xa4 NIL "
		    "\"a\" \"b\")) "
		    "(({4}\r\na\"\xc3\xa4 NIL \"a\" \"b\")) ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) "
		    "NIL NIL NIL NIL)",
		    /* two lines presented with CRLF: 3 octets and one more */
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1)", NULL },
		{ "two parts",
		    STR("Content-Type: multipart/mixed; boundary=\"x\"\r\nContent-Language: de, "
			"en\r\n\r\n"
			"--x\r\n\r\nhi\r\n"
			"--x\r\nContent-Type: image/png; name=a.png\r\n"
			"Content-Transfer-Encoding: BASE64\r\nContent-ID: <1>\r\nContent-MD5: "
			"Q2\r\n"
			"Content-Description: a picture\r\nContent-Location: http://x/\r\n"
			"Content-Disposition: attachment; "
			"filename=\"a.png\"\r\n\r\nAAAA\r\n--x--\r\n"),
		    NULL,
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0)"
		    "(\"image\" \"png\" (\"name\" \"a.png\") \"<1>\" \"a picture\" \"BASE64\" 4) "
		    "\"mixed\")",
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0 NIL NIL "
		    "NIL NIL)"
		    "(\"image\" \"png\" (\"name\" \"a.png\") \"<1>\" \"a picture\" \"BASE64\" 4 "
		    "\"Q2\" (\"attachment\" (\"filename\" \"a.png\")) NIL \"http://x/\") "
		    "\"mixed\" (\"boundary\" \"x\") NIL (\"de\" \"en\") NIL)" },
		{ "no parts", STR("Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n"),
		    NULL,
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) "
		    "\"mixed\")",
		    NULL },
		{ "no boundary", STR("Content-Type: multipart/mixed\r\n\r\nnothing\r\n"), NULL,
		    "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 9)", NULL },
		{ "digest",
		    STR("Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: "
			"s\r\n\r\nt\r\n--x--"),
		    NULL,
		    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 "
		    "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) "
		    "\"digest\")",
		    NULL },
		{ "encoded message",
		    STR("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "
			"base64\r\n\r\nAAAA\r\n"),
		    NULL, "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 6)", NULL },
		{ "not closed",
		    STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nSubject: h"), NULL,
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) "
		    "\"mixed\")",
		    NULL },
		{ "longer boundary of two",
		    STR("Content-Type: multipart/mixed; boundary=x\n\n--x\n"
			"Content-Type: multipart/alternative; "
			"boundary=xy\n\n--xy\n\n1\n--xy\n\n2\n--xy--\n--x--\n"),
		    NULL,
		    "(((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) "
		    "\"alternative\") \"mixed\")",
		    NULL },
	};
	struct structure s;
	struct buf b, out;

	buf_init(&b, STRUCTURE_MAX);
	buf_init(&out, STRUCTURE_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		buf_clear(&out);
		assert_true(structure_build(rows[i].message, &b));
		assert_true(structure_unpack(buf_str(&b), &s));
		if (rows[i].envelope != NULL && !str_eq(s.envelope, str_of(rows[i].envelope)))
			fail_msg("%s: " STR_FMT, rows[i].name, STR_ARG(s.envelope));
		assert_true(structure_put_body(&s, &out));
		if (!str_eq(buf_str(&out), str_of(rows[i].body)))
			fail_msg("%s: %s", rows[i].name, buf_cstr(&out));
		if (rows[i].extended != NULL && !str_eq(s.body, str_of(rows[i].extended)))
			fail_msg("%s: " STR_FMT, rows[i].name, STR_ARG(s.body));
	}
	buf_free(&b);
	buf_free(&out);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* faults.md 25, 26: built by kind; each must be done in time linear in its size. */
static void
hostile_message(struct buf *b, int kind, int n)
{
	switch (kind) {
	case 0: /* nested multiparts */
		for (int i = 0; i < n; i++)
			buf_printf(b,
			    "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
		break;
	case 1: /* messages in messages */
		for (int i = 0; i < n; i++)
			buf_puts(b, "Content-Type: message/rfc822\r\n\r\n");
		break;
	case 2: /* one boundary for all */
		for (int i = 0; i < n; i++)
			buf_puts(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
		break;
	case 3: /* many parts */
		buf_puts(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (int i = 0; i < n; i++)
			buf_puts(b, "--b\r\n\r\nx\r\n");
		buf_puts(b, "--b--\r\n");
		break;
	case 4: /* many header fields */
		for (int i = 0; i < n; i++)
			buf_puts(b, "Content-X: y\r\nTo: a@b\r\n");
		break;
	case 5: /* many addresses */
		buf_puts(b, "To: ");
		for (int i = 0; i < n; i++)
			buf_puts(b, "a@b, (((((( ");
		break;
	case 6: /* near misses of a hundred boundaries */
		for (int i = 0; i < 100; i++)
			buf_printf(b,
			    "Content-Type: multipart/mixed; boundary=aaaaaaaaaaaaaaaaaaaaaa%d\n\n"
			    "--aaaaaaaaaaaaaaaaaaaaaa%d\n",
			    i, i);
		buf_putc(b, '\n');
		for (int i = 0; i < n; i++)
			buf_puts(b, "--aaaaaaaaaaaaaaaaaaaaaa\n");
		break;
	case 7: /* empty lines and hyphens */
		buf_puts(b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
		for (int i = 0; i < n; i++)
			buf_puts(b, "\n--\n-\n");
		break;
	default: /* one long subject, NULs in it */
		buf_puts(b, "Subject: ");
		for (int i = 0; i < n; i++)
			buf_put(b, STR("\"\0 "));
		break;
	}
}

static void
hostile(void **state)
{
	struct buf message, packed, body;
	struct structure s;

	buf_init(&message, 64 << 20);
	buf_init(&packed, STRUCTURE_MAX);
	buf_init(&body, STRUCTURE_MAX);
	for (int kind = 0; kind <= 8; kind++) {
		double from = seconds(), took;
		struct section at;

		buf_clear(&message);
		buf_clear(&packed);
		buf_clear(&body);
		hostile_message(&message, kind, 50000);
		assert_true(structure_build(buf_str(&message), &packed));
		assert_true(structure_unpack(buf_str(&packed), &s));
		assert_true(structure_put_body(&s, &body));
		assert_int_equal(s.message.size, message.n);
		uint32_t deep[SECTION_DEPTH_MAX];
		for (size_t i = 0; i < SECTION_DEPTH_MAX; i++)
			deep[i] = 1;
		(void)!structure_section(&s, deep, SECTION_DEPTH_MAX, SECTION_ALL, &at);
		took = seconds() - from;
		if (took > 5.0)
			fail_msg("kind %d of %zu octets took %.2f s", kind, message.n, took);
	}
	buf_free(&message);
	buf_free(&packed);
	buf_free(&body);
}

static void
limits(void **state)
{
	struct arena *a = arena_new(MIME_ARENA);
	struct buf message;
	struct mime m;
	unsigned deepest = 0;

	buf_init(&message, 64 << 20);
	hostile_message(&message, 3, MIME_PARTS_MAX + 5);
	mime_parse(buf_str(&message), a, &m);
	assert_int_equal(m.parts, MIME_PARTS_MAX);
	buf_clear(&message);
	arena_reset(a);
	hostile_message(&message, 1, 1000);
	mime_parse(buf_str(&message), a, &m);
	for (const struct mime_part *p = m.root; p != NULL; p = mime_next(p))
		deepest = MAX(deepest, p->depth);
	assert_int_equal(deepest, MIME_DEPTH_MAX);
	buf_free(&message);
	arena_free(&a);
}

/* Any damage is noticed or harmless. */
static void
damaged(void **state)
{
	static const uint32_t path[] = { 3, 2 };
	struct structure s;
	struct section at;
	struct buf b, out;

	buf_init(&b, STRUCTURE_MAX);
	buf_init(&out, STRUCTURE_MAX);
	assert_true(structure_build(nested, &b));
	for (size_t i = 0; i < b.n; i++) {
		assert_false(structure_unpack(str_first(buf_str(&b), i), &s));
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] = (char)(b.p[i] ^ 1 << bit);
			if (structure_unpack(buf_str(&b), &s)) {
				buf_clear(&out);
				(void)!structure_put_body(&s, &out);
				if (structure_section(&s, path, 2, SECTION_ALL, &at)) {
					assert_true(at.region.at <= s.message.size);
					assert_true(
					    at.region.size <= s.message.size - at.region.at);
				}
			}
			b.p[i] = (char)(b.p[i] ^ 1 << bit);
		}
	}
	buf_free(&b);
	buf_free(&out);
}

static void
flags(void **state)
{
	static const struct {
		struct str message;
		unsigned flags;
	} rows[] = {
		{ STR("A: b\r\n\r\nc"), 0 },
		{ STR("A: b\r\n\r\n\xe4"), STRUCTURE_8BIT },
		{ STR("A: b\r\n\r\n\0"), STRUCTURE_NUL },
		{ STR("Content-Disposition: attachment\r\n\r\n"), STRUCTURE_ATTACH },
		{ STR("Content-Type: image/png; name=x\r\n\r\n"), STRUCTURE_ATTACH },
		{ STR("Content-Type: image/png; name=x\r\nContent-Disposition: inline\r\n\r\n"),
		    0 },
	};
	struct structure s;
	struct buf b;

	buf_init(&b, STRUCTURE_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		assert_true(structure_build(rows[i].message, &b));
		assert_true(structure_unpack(buf_str(&b), &s));
		assert_int_equal(s.flags, rows[i].flags);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections),
		cmocka_unit_test(texts),
		cmocka_unit_test(hostile),
		cmocka_unit_test(limits),
		cmocka_unit_test(damaged),
		cmocka_unit_test(flags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
