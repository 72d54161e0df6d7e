/* content_test.c - Content-Type and parameters of RFC 2045, RFC 2183, RFC 2231. */
#include "base/test.h"

#include "mail/content.h"

static void
types(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: none */
	} rows[] = {
		{ "text/plain; charset=us-ascii (Plain text)", "text/plain charset=us-ascii" },
		{ " text / plain ;charset=\"us-ascii\"", "text/plain charset=us-ascii" },
		{ "multipart/mixed;\r\n\tboundary=\"----=_Next;Part\"",
		    "multipart/mixed boundary=----=_Next;Part" },
		{ "multipart/mixed; boundary=----=_NextPart_000",
		    "multipart/mixed boundary=----=_NextPart_000" },
		{ "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
		    "application/x-stuff title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A" },
		{ "message/external-body; access-type=URL;\r\n"
		  " URL*0=\"ftp://\";\r\n "
		  "URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
		    "message/external-body access-type=URL "
		    "URL=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
		{ "application/x-stuff\r\n;title*1*=%2A%2A%2Afun%2A%2A%2A%20"
		  ";title*0*=us-ascii'en'This%20is%20even%20more%20\r\n;title*2=\"isn't it!\"",
		    "application/x-stuff title*=us-ascii'en'This%20is%20even%20more%20"
		    "%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!" },
		{ "a/b; x*0=a; x*2=c", "a/b x=a" },
		{ "a/b;; ; x=1; =2; y; z=3", "a/b x=1 z=3" },
		{ "a/b; x=\"open", "a/b x=open" },
		{ "a/b; x=y junk; z=1", "a/b x=y z=1" },
		{ "a/b; x*99999999999=1; y=2", "a/b y=2" },
		{ "text", NULL },
		{ "", NULL },
		{ "/plain", NULL },
	};
	struct arena *a = arena_new(16 << 20);
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct content c;
		bool ok = content_type_parse(str_of(rows[i].in), a, &c);

		buf_clear(&b);
		if (ok != (rows[i].want != NULL))
			fail_msg("%s: %d", rows[i].in, ok);
		if (!ok)
			continue;
		buf_printf(&b, STR_FMT "/" STR_FMT, STR_ARG(c.type), STR_ARG(c.subtype));
		for (size_t k = 0; k < c.n; k++)
			buf_printf(&b, " " STR_FMT "%s=" STR_FMT, STR_ARG(c.params[k].name),
			    c.params[k].extended ? "*" : "", STR_ARG(c.params[k].value));
		if (strcmp(buf_cstr(&b), rows[i].want) != 0)
			fail_msg("%s\n got %s\nwant %s", rows[i].in, buf_cstr(&b), rows[i].want);
	}
	buf_free(&b);
	arena_free(&a);
}

static void
decoded(void **state)
{
	static const struct {
		const char *in;
		struct str want;
	} rows[] = {
		{ "attachment; filename=genome.jpeg", STR("genome.jpeg") },
		{ "attachment; filename*=utf-8''%e2%82%ac%20rates", STR("\xe2\x82\xac rates") },
		{ "attachment; filename=x; filename*=iso-8859-1'en'%A3%20rates",
		    STR("\xc2\xa3 rates") },
		{ "attachment; filename=\"=?utf-8?q?J=C3=BC?=\"", STR("J\xc3\xbc") },
		{ "attachment; filename*=utf-8''a%00b%0d%0ac", STR("a b  c") },
		{ "attachment; filename*=nonsense''%ff", STR("\xef\xbf\xbd") },
		{ "attachment; filename*=%41%4", STR("A%4") },
	};
	struct arena *a = arena_new(1 << 20);
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct content c;

		buf_clear(&b);
		assert_true(content_disposition_parse(str_of(rows[i].in), a, &c));
		assert_true(str_eq(c.type, STR("attachment")));
		assert_true(content_param(&c, STR("FILENAME"), &b));
		if (!str_eq(buf_str(&b), rows[i].want))
			fail_msg("%s: %s", rows[i].in, buf_cstr(&b));
	}
	buf_free(&b);
	arena_free(&a);
}

/* faults.md 26: RFC 2231 x 20000. */
static void
bounds(void **state)
{
	struct arena *a = arena_new(CONTENT_ARENA);
	struct content c;
	struct buf b;

	buf_init(&b, 8 << 20);
	buf_puts(&b, "a/b");
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, ";x*%d*=%%41%%42%%43", i);
	assert_true(content_type_parse(buf_str(&b), a, &c));
	assert_int_equal(c.n, 1);
	arena_reset(a);
	buf_clear(&b);
	buf_puts(&b, "a/b");
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, ";y%d*0=\"(((((((((\"", i);
	assert_true(content_type_parse(buf_str(&b), a, &c));
	assert_int_equal(c.n, CONTENT_PARAMS_MAX);
	arena_reset(a);
	buf_clear(&b);
	buf_puts(&b, "a/b;x*1*=z;x*0=\"");
	for (int i = 0; i < CONTENT_VALUE_MAX - 40; i++)
		buf_putc(&b, ' ');
	buf_puts(&b, "\"");
	assert_true(content_type_parse(buf_str(&b), a, &c));
	assert_int_equal(c.n, 1);
	assert_true(c.params[0].value.n > 3 * (CONTENT_VALUE_MAX - 50));
	buf_free(&b);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(decoded),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
