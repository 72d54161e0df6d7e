/* params_test.c - the parameters of MAIL and RCPT, row by row. */
#include "base/test.h"

#include "smtpd/params.h"

static void
xtext(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		bool utf8, ok;
	} rows[] = {
		{ "plain", STR("abc@d.test"), false, true },
		{ "empty", STR(""), false, true },
		{ "escaped plus", STR("a+2Bb"), false, true },
		{ "lower case digits", STR("a+2bb"), false, false },
		{ "cut", STR("a+2"), false, false },
		{ "equals sign", STR("a=b"), false, false },
		{ "escaped equals sign", STR("a+3Db"), false, true },
		{ "blank", STR("a b"), false, false },
		{ "escaped blank", STR("a+20b"), false, true },
		{ "escaped NUL", STR("a+00b"), false, false },
		{ "escaped LF", STR("a+0Ab"), false, false },
		{ "eight bits", STR("\xc3\xa4"), false, false },
		{ "eight bits by SMTPUTF8", STR("\xc3\xa4"), true, true },
		{ "broken UTF-8", STR("\xc3"), true, false },
		{ "DEL", STR("\x7f"), false, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (xtext_valid(rows[i].in, rows[i].utf8) != rows[i].ok)
			fail_msg("%s: wanted %d", rows[i].name, rows[i].ok);
}

static void
all_of_mail(void **state)
{
	struct scan s =
	    scan_of(STR(" size=500 Body=8BITMIME smtputf8 RET=full ENVID=x AUTH=a@b.test  "));
	struct mail_params p;
	struct why why;

	assert_int_equal(mail_params_parse(&s, &p, &why), DONE);
	assert_int_equal(p.size, 500);
	assert_int_equal(p.body, BODY_8BITMIME);
	assert_true(p.smtputf8);
	assert_int_equal(p.ret, DELIVER_RET_FULL);
	assert_true(str_eq(p.envid, STR("x")));
	assert_true(str_eq(p.auth, STR("a@b.test")));
}

static void
lengths(void **state)
{
	char text[700];
	struct rcpt_params r;
	struct mail_params m;
	struct scan s;
	struct why why;

	for (size_t n = 99; n <= 101; n++) { /* RFC 3461 4.4 */
		memcpy(text, " ENVID=", 7);
		memset(text + 7, 'e', n);
		s = scan_of(str_n(text, 7 + n));
		assert_int_equal(mail_params_parse(&s, &m, &why), n <= 100 ? DONE : PERMFAIL);
	}
	for (size_t n = 499; n <= 501; n++) { /* RFC 3461 4.2 */
		memcpy(text, " ORCPT=rfc822;", 14);
		memset(text + 14, 'o', n - 7);
		s = scan_of(str_n(text, 7 + n));
		assert_int_equal(
		    rcpt_params_parse(&s, false, &r, &why), n <= 500 ? DONE : PERMFAIL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xtext),
		cmocka_unit_test(all_of_mail),
		cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
