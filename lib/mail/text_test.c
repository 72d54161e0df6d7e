/* text_test.c - transfer encodings, charsets, encoded words, folding, IDN. */
#include "base/test.h"

#include "mail/charset.h"
#include "mail/fold.h"
#include "mail/idn.h"
#include "mail/transfer.h"
#include "mail/words.h"

static void
transfers(void **state)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
		struct str in, want;
		bool damaged;
	} rows[] = {
		{ "base64", MIME_BASE64, STR("SGVs\r\nbG8s\nIHdvcmxk"), STR("Hello, world"),
		    false },
		{ "padded", MIME_BASE64, STR("SGVsbG8="), STR("Hello"), false },
		{ "junk", MIME_BASE64, STR("S!GVs\x80 bG8="), STR("Hello"), true },
		{ "glued", MIME_BASE64, STR("SGk=SGk="), STR("HiHi"), true },
		{ "cut", MIME_BASE64, STR("SGVsb"), STR("Hel"), true },
		{ "qp", MIME_QP, STR("J=C3=BCrgen=\r\n la=62"), STR("J\xc3\xbcrgen lab"), false },
		{ "qp lower case", MIME_QP, STR("=c3=bc"), STR("\xc3\xbc"), false },
		{ "qp trailing blanks", MIME_QP, STR("a \t\r\nb  \nc "), STR("a\r\nb\nc"), false },
		{ "qp soft break with blanks", MIME_QP, STR("a= \t\r\nb=\nc"), STR("abc"), false },
		{ "qp broken", MIME_QP, STR("a=G1=4Z==41=\rx"), STR("a=G1=4Z=A=\rx"), true },
		{ "qp at the end", MIME_QP, STR("a="), STR("a"), false },
		{ "qp cut", MIME_QP, STR("a=4"), STR("a=4"), true },
		{ "7bit", MIME_7BIT, STR("=41"), STR("=41"), false },
	};
	struct transfer t;
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			buf_clear(&b);
			transfer_init(&t, rows[i].encoding);
			for (size_t at = 0; at < rows[i].in.n; at += step)
				assert_true(transfer_put(
				    &t, str_first(str_from(rows[i].in, at), step), &b));
			assert_true(transfer_end(&t, &b));
			if (!str_eq(buf_str(&b), rows[i].want) || t.damaged != rows[i].damaged)
				fail_msg("%s by %zu: '%s' %d", rows[i].name, step, buf_cstr(&b),
				    t.damaged);
		}
	}
	assert_int_equal(transfer_parse(STR(" (c) Quoted-Printable ; x")), MIME_QP);
	assert_int_equal(transfer_parse(STR("x-uuencode")), MIME_OTHER_ENCODING);
	assert_int_equal(transfer_parse(STR("")), MIME_7BIT);
	buf_free(&b);
}

static void
charsets(void **state)
{
	static const struct {
		const char *charset;
		struct str in, want;
	} rows[] = {
		{ "UTF-8", STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xab"),
		    STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xab") },
		{ "utf-8", STR("a\xff\xc3z\xed\xa0\x80"),
		    STR("a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ "utf-8", STR("\xe2\x82"), STR("\xef\xbf\xbd\xef\xbf\xbd") },
		{ "us-ascii", STR("a\x80"), STR("a\xef\xbf\xbd") },
		{ "ISO-8859-1", STR("\xe4\x80"), STR("\xc3\xa4\xe2\x82\xac") },
		{ "koi8-r", STR("\xf0\xd2\xc9"), STR("\xd0\x9f\xd1\x80\xd0\xb8") },
		{ "iso-2022-jp", STR("\x1b$B$3\x1b(B!"), STR("\xe3\x81\x93!") },
		{ "gb2312", STR("\xc4\xe3\xba\xc3"), STR("\xe4\xbd\xa0\xe5\xa5\xbd") },
		{ "windows-1258", STR("a"), STR("a") },
		{ "windows-1258", STR("a\xec"), STR("\xc3\xa1") },
		{ "big5", STR("\x88\x66"), STR("\xc3\x8a") },
		{ "utf-16be", STR("\0a\xd8\x3d\xdc\xeb"), STR("a\xf0\x9f\x93\xab") },
	};
	struct charset_modules *m = charset_preload();
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step <= rows[i].in.n; step++) {
			struct charset *c = charset_open(str_of(rows[i].charset));

			assert_non_null(c);
			buf_clear(&b);
			for (size_t at = 0; at < rows[i].in.n; at += step)
				assert_true(
				    charset_put(c, str_first(str_from(rows[i].in, at), step), &b));
			assert_true(charset_end(c, &b));
			charset_close(&c);
			if (!str_eq(buf_str(&b), rows[i].want))
				fail_msg("%s row %zu by %zu: '%s'", rows[i].charset, i, step,
				    buf_cstr(&b));
		}
	}
	assert_null(charset_open(STR("../../etc/passwd")));
	assert_null(charset_open(STR("utf-8//IGNORE")));
	buf_free(&b);
	charset_unload(&m);
	assert_null(m);
	/* Each name of the list is one that iconv has: the list says so, the library must agree. */
	static const char *const some[] = { "gb18030", "iso-8859-16", "windows-1258", "euc-kr",
		"utf-7", "macintosh", "iso-2022-kr", "big5", "shift_jis", "koi8-u", "cp866" };
	for (size_t i = 0; i < COUNT_OF(some); i++) {
		struct charset *c = charset_open(str_of(some[i]));
		if (c == NULL)
			fail_msg("%s", some[i]);
		charset_close(&c);
	}
}

static void
words(void **state)
{
	static const struct {
		struct str in, want;
	} rows[] = {
		/* RFC 2047 8 */
		{ STR("=?ISO-8859-1?Q?a?="), STR("a") },
		{ STR("=?ISO-8859-1?Q?a?= b"), STR("a b") },
		{ STR("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), STR("ab") },
		{ STR("=?ISO-8859-1?Q?a?=\r\n   =?ISO-8859-1?Q?b?="), STR("ab") },
		{ STR("=?ISO-8859-1?Q?a_b?="), STR("a b") },
		{ STR("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
		      " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
		    STR("If you can read this you understand the example.") },
		{ STR("Keith =?US-ASCII*EN?Q?Moore?="), STR("Keith Moore") },
		{ STR("=?utf-8?q?=C3?= =?utf-8?q?=A4?="), STR("\xc3\xa4") },
		{ STR("=?utf-8?b?w6TD?=\r\n =?utf-8?b?tg==?="), STR("\xc3\xa4\xc3\xb6") },
		{ STR("=?nonsense?q?a?= =?utf-8?x?a?= =?utf-8?q?a"),
		    STR("=?nonsense?q?a?= =?utf-8?x?a?= =?utf-8?q?a") },
		{ STR("=?utf-8?q?a=00b=0D=0ABcc:_x?="), STR("a b  Bcc: x") },
		{ STR("r\xc3\xa4w =?utf-8?q?x?="), STR("r\xc3\xa4w x") },
		{ STR("r\xe4w"), STR("r\xc3\xa4w") },
		{ STR("a\0b\x1b[c\xc2\x85"), STR("a b [c  ") },
		{ STR("=?utf-8?q?a b?="), STR("a b") },
		{ STR("=?=?utf-8?q?a?="), STR("=?a") },
		{ STR(""), STR("") },
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		assert_true(words_decode(rows[i].in, &b));
		if (!str_eq(buf_str(&b), rows[i].want))
			fail_msg("row %zu: '%s'", i, buf_cstr(&b));
	}
	buf_free(&b);
}

static void
folds(void **state)
{
	static const struct {
		const char *text, *needle;
		bool found;
	} rows[] = {
		{ "Hello World", "o wOR", true },
		{ "STRASSE",
		    "stra\xc3\x9f"
		    "e",
		    true },
		{ "\xc3\x84pfel", "\xc3\xa4PF", true },
		{ "A\xcc\x88pfel", "\xc3\xa4", true },
		{ "\xd0\x9f\xd0\xa0\xd0\x98\xd0\x92\xd0\x95\xd0\xa2", "\xd0\xbf\xd1\x80\xd0\xb8",
		    true },
		{ "\xef\xac\x81ne", "FINE", true },
		{ "Apfel", "\xc3\xa4", false },
		{ "abc", "", true },
		{ "", "a", false },
		{ "a\xff"
		  "b",
		    "B", true },
	};
	struct buf n, long_text;

	buf_init(&n, FOLD_NEEDLE_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str text = str_of(rows[i].text);

		buf_clear(&n);
		assert_true(fold_put(str_of(rows[i].needle), &n));
		if (fold_has(text, buf_str(&n)) != rows[i].found)
			fail_msg("row %zu", i);
		for (size_t step = 1; step <= text.n; step++) {
			struct fold_search f;

			fold_search_init(&f, buf_str(&n));
			for (size_t at = 0; at < text.n; at += step)
				(void)fold_search_put(&f, str_first(str_from(text, at), step));
			if (fold_search_end(&f) != rows[i].found)
				fail_msg("row %zu by %zu", i, step);
			fold_search_free(&f);
		}
	}
	/* Found wherever it lies across blocks, ASCII or not. */
	buf_init(&long_text, 1 << 20);
	buf_clear(&n);
	assert_true(fold_put(STR("N\xc3\x84"
				 "DEL im Heu"),
	    &n));
	for (size_t before = 4000; before < 4200; before++) {
		buf_clear(&long_text);
		for (size_t i = 0; i < before; i++)
			(void)(i % 2 == before % 2 ? buf_putc(&long_text, 'x')
						   : buf_puts(&long_text, "\xc3\xb6"));
		buf_puts(&long_text, "n\xc3\xa4"
				     "del IM heu");
		if (!fold_has(buf_str(&long_text), buf_str(&n)))
			fail_msg("behind %zu", before);
	}
	buf_free(&long_text);
	buf_free(&n);
}

static void
domains(void **state)
{
	static const struct {
		struct str in;
		const char *want;
	} rows[] = {
		{ STR("Example.TEST"), "example.test" },
		{ STR("b\xc3\xbc"
		      "cher.test"),
		    "xn--bcher-kva.test" },
		{ STR("B\xc3\x9c"
		      "CHER.test"),
		    "xn--bcher-kva.test" },
		{ STR("fa\xc3\x9f.test"), "xn--fa-hia.test" },
		{ STR("a..test"), NULL },
		{ STR("a.test."), NULL },
		{ STR("\xe4.test"), NULL },
		{ STR("a\0b.test"), NULL },
		{ STR("\xe2\x84\xab\0.test"), NULL },
	};
	struct arena *a = arena_new(1 << 16);
	struct str out;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok = idn_to_ascii(rows[i].in, a, &out);

		if (ok != (rows[i].want != NULL) || (ok && !str_eq(out, str_of(rows[i].want))))
			fail_msg("row %zu: %d " STR_FMT, i, ok, STR_ARG(out));
	}
	assert_true(str_eq(idn_to_unicode(STR("xn--bcher-kva.test"), a), STR("b\xc3\xbc"
									     "cher.test")));
	assert_true(str_eq(idn_to_unicode(STR("a..b"), a), STR("a..b")));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers),
		cmocka_unit_test(charsets),
		cmocka_unit_test(words),
		cmocka_unit_test(folds),
		cmocka_unit_test(domains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
