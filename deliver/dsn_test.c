#include "base/test.h"

#include "deliver/dsn.h"

static const struct dsn_recipient failed[] = {
	{ .final = STR("nobody@far.example"),
	    .orcpt = STR("rfc822;No+2Bbody@far.example"),
	    .status = STR("5.1.1"),
	    .reply = STR("550 5.1.1 No\r\nsuch user"),
	    .mta = STR("mx.far.example"),
	    .at_s = 1000000000 },
};

static struct dsn
sample(void)
{
	return (struct dsn){
		.action = DSN_FAILED,
		.hostname = STR("mail.example.test"),
		.to = STR("ann@example.test"),
		.id = STR("7f3a"),
		.own_id = STR("abcdef0123456789"),
		.envid = STR("QQ+2B1"),
		.helo = STR("client.example"),
		.arrived_s = 999999000,
		.now_s = 1000000001,
		.recipients = failed,
		.recipient_count = 1,
	};
}

/* Each line that has to be there, and one that must not. */
static void
test_failed(void **state)
{
	static const char *const wanted[] = {
		"To: <ann@example.test>\r\n",
		"Auto-Submitted: auto-replied\r\n",
		"Content-Type: multipart/report; report-type=delivery-status;\r\n",
		"\r\n--abcdef0123456789\r\nContent-Type: "
		"message/delivery-status\r\n\r\nReporting-MTA: "
		"dns; mail.example.test\r\n",
		"Original-Envelope-Id: QQ+1\r\n",
		"Received-From-MTA: dns; client.example\r\n",
		"Arrival-Date: ",
		"\r\n\r\nOriginal-Recipient: rfc822;No+body@far.example\r\n"
		"Final-Recipient: rfc822; nobody@far.example\r\nAction: failed\r\nStatus: "
		"5.1.1\r\n",
		"Remote-MTA: dns; mx.far.example\r\n",
		"Diagnostic-Code: smtp; 550 5.1.1 No??such user\r\n",
		"Last-Attempt-Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n",
		"Content-Type: text/rfc822-headers\r\n\r\n",
		"\r\n--abcdef0123456789--\r\n",
	};
	struct dsn d = sample();
	struct buf b;

	buf_init(&b, 64 * 1024);
	assert_true(dsn_begin(&d, &b));
	buf_puts(&b, "Subject: x\r\n");
	assert_true(dsn_end(&d, &b));
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		if (str_find(buf_str(&b), str_of(wanted[i])) < 0)
			fail_msg("lacks \"%s\" in\n%s", wanted[i], buf_cstr(&b));
	assert_true(str_find(buf_str(&b), STR("\nsuch user")) < 0);
	buf_free(&b);
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *name;
		enum dsn_action action;
		bool full, utf8, eightbit;
		const char *want[4];
	} rows[] = {
		{ "delayed", DSN_DELAYED, false, false, false,
		    { "Action: delayed\r\n", "Will-Retry-Until: ", "We stop trying on" } },
		{ "delivered", DSN_DELIVERED, false, false, false,
		    { "Action: delivered\r\n", "Subject: Your mail was delivered\r\n" } },
		{ "relayed", DSN_RELAYED, false, false, false, { "Action: relayed\r\n" } },
		{ "full", DSN_FAILED, true, false, false,
		    { "Content-Type: message/rfc822\r\n\r\n" } },
		{ "full, 8-bit", DSN_FAILED, true, false, true,
		    { "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" } },
		{ "UTF-8", DSN_FAILED, true, true, true,
		    { "Content-Type: message/global-delivery-status\r\n",
			"Content-Type: message/global\r\n" } },
		{ "UTF-8, header only", DSN_FAILED, false, true, true,
		    { "Content-Type: message/global-headers\r\n" } },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dsn d = sample();
		struct buf b;

		d.action = rows[i].action;
		d.full = rows[i].full;
		d.utf8 = rows[i].utf8;
		d.eightbit = rows[i].eightbit;
		d.until_s = 1000005000;
		buf_init(&b, 64 * 1024);
		assert_true(dsn_begin(&d, &b));
		for (size_t k = 0; k < 4 && rows[i].want[k] != NULL; k++)
			if (str_find(buf_str(&b), str_of(rows[i].want[k])) < 0)
				fail_msg("%s: lacks \"%s\" in\n%s", rows[i].name, rows[i].want[k],
				    buf_cstr(&b));
		buf_free(&b);
	}
}

static void
test_xtext(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "ann@example.test", "ann@example.test" },
		{ "a+2Bb+3Dc", "a+b=c" },
		{ "a+", "a+" },
		{ "a+2", "a+2" },
		{ "a+zz", "a+zz" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_true(xtext_decode(str_of(rows[i].in), &b));
		assert_string_equal(buf_cstr(&b), rows[i].want);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
