/* date_test.c - dates of RFC 5322 A and the obsolete ones, IMAP's forms. */
#include "base/test.h"

#include "mail/date.h"

static void
headers(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		int64_t time;
		int zone;
	} rows[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", true, 880127706, -360 },
		{ " Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n           "
		  "    -0330 "
		  "(Newfoundland Time)",
		    true, -27723480, -210 },
		{ "21 Nov 97 09:55:06 GMT", true, 880106106, 0 },
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", true, 880127706, -360 },
		{ "Thu, 1 Jan 1970 00:00:00 +0000", true, 0, 0 },
		{ "1 Jan 70 00:00 EST", true, 18000, -300 },
		{ "Wed, 29 Feb 2012 23:59:60 +0000", true, 1330559999, 0 },
		{ "1 Jan 00 00:00 UT", true, 946684800, 0 },
		{ "1 Jan 103 00:00 Z", true, 1041379200, 0 },
		{ "20-Nov-2025 11:09:00 +0100", true, 1763633340, 60 },
		{ "Thu Nov 20 11:09:00 2025", false, 0, 0 },
		{ "30 Feb 2012 00:00:00 +0000", false, 0, 0 },
		{ "1 Jan 2012 24:00:00 +0000", false, 0, 0 },
		{ "1 Jan 2012 00:00:00 +9999", true, 1325376000, 0 },
		{ "1 Jan 20123 00:00:00", false, 0, 0 },
		{ "", false, 0, 0 },
		{ "garbage", false, 0, 0 },
		{ "((((((((", false, 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct maildate d = { 0, 0 };
		bool ok = date_parse(str_of(rows[i].in), &d);

		if (ok != rows[i].ok || d.time != rows[i].time || d.zone != rows[i].zone)
			fail_msg("%s: %d %lld %d", rows[i].in, ok, (long long)d.time, d.zone);
	}
}

static void
printed(void **state)
{
	struct maildate d = { 1763633340, 60 }, back;
	struct buf b;
	int64_t day;

	buf_init(&b, 100);
	assert_true(date_put(&b, d));
	assert_string_equal(buf_cstr(&b), "Thu, 20 Nov 2025 11:09:00 +0100");
	assert_true(date_parse(buf_str(&b), &back));
	assert_memory_equal(&d, &back, sizeof(d));
	buf_clear(&b);
	d.zone = -570;
	assert_true(date_put_internal(&b, d));
	assert_string_equal(buf_cstr(&b), "20-Nov-2025 00:39:00 -0930");
	assert_true(date_parse_internal(buf_str(&b), &back));
	assert_memory_equal(&d, &back, sizeof(d));
	assert_true(date_parse_internal(STR(" 1-Feb-1994 21:52:25 -0800"), &back));
	assert_int_equal(back.time, 760168345);
	assert_false(date_parse_internal(STR("1-Feb-1994 21:52:25"), &back));
	assert_false(date_parse_internal(STR("32-Feb-1994 21:52:25 +0000"), &back));
	assert_true(date_parse_day(STR("1-Feb-1994"), &day));
	assert_int_equal(day, 8797);
	assert_int_equal(date_day((struct maildate){ 760168345, -480 }), 8797);
	assert_int_equal(date_day((struct maildate){ 760168345, 0 }), 8798);
	assert_int_equal(date_day((struct maildate){ -1, 0 }), -1);
	assert_int_equal(date_day((struct maildate){ -86400, 0 }), -1);
	assert_false(date_parse_day(STR("1-Feb-94"), &day));
	buf_clear(&b);
	assert_true(date_put(&b, (struct maildate){ INT64_MIN, 1439 }));
	assert_true(date_put(&b, (struct maildate){ INT64_MAX, -1439 }));
	buf_free(&b);
}

/* Every day of four centuries there and back. */
static void
calendar(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	for (int64_t day = -150000; day < 150000; day += 7) {
		struct maildate d = { day * 86400 + 43199, 0 }, back;

		buf_clear(&b);
		assert_true(date_put(&b, d));
		assert_true(date_parse(buf_str(&b), &back));
		assert_int_equal(d.time, back.time);
		assert_int_equal(date_day(d), day);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(printed),
		cmocka_unit_test(calendar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
