/* text_test.c - str, buf, scan, codec, hash, arena: the rows that callers rely on. */
#include "base/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/outcome.h"
#include "base/scan.h"

static void
utf8(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		bool ok;
	} rows[] = {
		{ "ascii", STR("abc"), true },
		{ "two octets", STR("\xc3\xa4"), true },
		{ "overlong slash", STR("\xc0\xaf"), false },
		{ "overlong in three", STR("\xe0\x80\xaf"), false },
		{ "surrogate", STR("\xed\xa0\x80"), false },
		{ "beyond U+10FFFF", STR("\xf4\x90\x80\x80"), false },
		{ "cut", STR("\xe2\x82"), false },
		{ "lone continuation", STR("\x80"), false },
		{ "four octets", STR("\xf0\x9f\x93\xab"), true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (str_is_utf8(rows[i].in) != rows[i].ok)
			fail_msg("%s: wanted %d", rows[i].name, rows[i].ok);
}

static void
numbers(void **state)
{
	uint64_t v = 7;
	uint32_t w = 7;

	assert_true(str_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	assert_false(str_u64(STR("18446744073709551616"), &v));
	assert_false(str_u64(STR(""), &v));
	assert_false(str_u64(STR("-1"), &v));
	assert_false(str_u64(STR(" 1"), &v));
	assert_true(v == UINT64_MAX);
	assert_false(str_u32(STR("4294967296"), &w));
	assert_true(str_u32(STR("4294967295"), &w) && w == UINT32_MAX);
}

static void
buffer_keeps_its_maximum(void **state)
{
	struct buf b;

	buf_init(&b, 5);
	assert_true(buf_puts(&b, "abc"));
	assert_false(buf_puts(&b, "def"));
	assert_true(b.full);
	assert_true(buf_puts(&b, "de"));
	assert_string_equal(buf_cstr(&b), "abcde");
	buf_drop(&b, 2);
	assert_true(buf_printf(&b, "%d", 12));
	assert_string_equal(buf_cstr(&b), "cde12");
	buf_free(&b);
	assert_string_equal(buf_cstr(&b), "");
}

/* RFC 4648 10: the test vectors, there and back. */
static void
base64(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = { "Z", "Zg=", "Zg", "Zh==", "Zm9=", "Zm9v\n", "Z===", "=",
		"Zg==Zg==", "Zm 9" };
	struct buf b;

	buf_init(&b, 64);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		assert_true(base64_put(&b, str_of(rows[i][0])));
		assert_string_equal(buf_cstr(&b), rows[i][1]);
		buf_clear(&b);
		assert_true(base64_take(&b, str_of(rows[i][1])));
		assert_string_equal(buf_cstr(&b), rows[i][0]);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_clear(&b);
		if (base64_take(&b, str_of(bad[i])))
			fail_msg("took %s", bad[i]);
		assert_int_equal(b.n, 0);
	}
	buf_free(&b);
}

static void
hashes(void **state)
{
	/* The vector of the SipHash paper: key 00..0f, input 00..0e. */
	struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	unsigned char in[15];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	assert_true(siphash(&key, in, sizeof(in)) == 0xa129ca6149be45e5ULL);
	/* RFC 3720 B.4: 32 octets of zero; and the usual check value. */
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283U);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283U);
}

static void
scan_leaves_the_cursor(void **state)
{
	struct scan s = scan_of(STR("FROM:<a> 12"));
	struct str t;
	uint32_t v;

	assert_false(scan_word(&s, "TO:"));
	assert_true(scan_word(&s, "from:"));
	assert_false(scan_u32(&s, &v));
	assert_true(scan_take(&s, 3, &t));
	assert_true(str_eq(t, STR("<a>")));
	assert_true(scan_blanks(&s));
	assert_true(scan_u32(&s, &v));
	assert_int_equal(v, 12);
	assert_true(scan_end(&s));
}

static void
arena_lives(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char *first = arena_cstr(a, STR("abc"));
	unsigned char *large = arena_alloc(a, 100000);

	assert_string_equal(first, "abc");
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(large[i], 0);
	assert_false(arena_has_room(a, 1 << 20));
	arena_reset(a);
	assert_true(arena_empty(a));
	assert_string_equal(arena_printf(a, "%d-%s", 5, "x"), "5-x");
	arena_release(a);
	arena_free(&a);
	assert_null(a);
}

/* faults.md 19: CR, LF, ESC and broken UTF-8 never reach a log line raw. */
static void
log_values_are_escaped(void **state)
{
	char out[64];

	log_escape(STR("a\r\nb\x1b[31m\"\\"), out, sizeof(out));
	assert_string_equal(out, "a\\x0d\\x0ab\\x1b[31m\\x22\\x5c");
	log_escape(STR("\xc3\xa4\xff\xc2\x9b"), out, sizeof(out));
	assert_string_equal(out, "\xc3\xa4\\xff\\xc2\\x9b");
	log_escape(STR("abcdef"), out, 4);
	assert_string_equal(out, "abc");
}

static void
why_is_cut_at_a_character(void **state)
{
	struct why why;
	char text[256];

	memset(text, 'x', sizeof(text));
	memcpy(text + 110, "\xc3\xa4\xc3\xa4\r", 6);
	assert_int_equal(fail(PERMFAIL, &why, 550, "5.1.1", "%s", text), PERMFAIL);
	assert_int_equal(strlen(why.text), 110);
	assert_int_equal(fail(TEMPFAIL, &why, 451, "4.3.0", "a\r\nb"), TEMPFAIL);
	assert_string_equal(why.text, "a??b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8),
		cmocka_unit_test(numbers),
		cmocka_unit_test(buffer_keeps_its_maximum),
		cmocka_unit_test(base64),
		cmocka_unit_test(hashes),
		cmocka_unit_test(scan_leaves_the_cursor),
		cmocka_unit_test(arena_lives),
		cmocka_unit_test(log_values_are_escaped),
		cmocka_unit_test(why_is_cut_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
