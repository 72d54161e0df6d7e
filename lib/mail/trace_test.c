/* trace_test.c - our own lines, and that a peer cannot write into them. */
#include "base/test.h"

#include "mail/trace.h"

static void
received(void **state)
{
	struct received r = {
		.helo = STR("evil\r\nX: (y) <z>"),
		.rdns = STR("mail.example.test"),
		.ip = STR("2001:db8::1"),
		.by = STR("mx.example.net"),
		.with = STR("ESMTPS"),
		.id = STR("7f3a"),
		.tls = STR("TLSv1.3 TLS_AES_256_GCM_SHA384"),
		.for_address = STR("ann@example.net"),
		.date = { 1763633340, 60 },
	};
	struct buf b;

	buf_init(&b, TRACE_LINE_MAX);
	assert_true(received_put(&b, &r));
	assert_string_equal(buf_cstr(&b),
	    "Received: from evil??X:??y???z? (mail.example.test [IPv6:2001:db8::1]) by\r\n"
	    "\tmx.example.net with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 7f3a\r\n"
	    "\tfor <ann@example.net>;\r\n"
	    "\tThu, 20 Nov 2025 11:09:00 +0100\r\n");
	buf_clear(&b);
	r.ip = STR("");
	r.tls = STR("");
	r.for_address = STR("\"a b\"@example.net");
	assert_true(received_put(&b, &r));
	assert_string_equal(buf_cstr(&b), "Received: by mx.example.net with ESMTPS id 7f3a;\r\n"
					  "\tThu, 20 Nov 2025 11:09:00 +0100\r\n");
	buf_free(&b);
}

static void
others(void **state)
{
	static const unsigned char random[16] = { 0xab, 1, 2, 3 };
	struct mailaddr null = { STR(""), STR(""), ADDRESS_NULL };
	struct mailaddr ann = { STR("a b"), STR("x.test"), ADDRESS_QUOTED };
	struct buf b;

	buf_init(&b, 1000);
	assert_true(msgid_put(&b, 255, random, STR("mx.test")));
	assert_string_equal(buf_cstr(&b), "<ab010203000000000000000000000000.ff@mx.test>");
	buf_clear(&b);
	assert_true(return_path_put(&b, &null) && delivered_to_put(&b, &ann));
	assert_string_equal(buf_cstr(&b), "Return-Path: <>\r\nDelivered-To: \"a b\"@x.test\r\n");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(received),
		cmocka_unit_test(others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
