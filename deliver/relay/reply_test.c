#include "base/test.h"

#include "deliver/relay/reply.h"

static void
test_replies(void **state)
{
	static const struct {
		const char *name;
		const char *lines[4];
		enum reply_state end;
		const char *print, *status;
	} rows[] = {
		{ "plain", { "250 Ok" }, REPLY_END, "250 Ok", "2.0.0" },
		{ "no text", { "250" }, REPLY_END, "250 ", "2.0.0" },
		{ "status", { "550 5.1.1 No such user" }, REPLY_END, "550 5.1.1 No such user",
		    "5.1.1" },
		{ "several lines", { "550-5.7.1 One", "550 5.7.1 two" }, REPLY_END,
		    "550 5.7.1 One two", "5.7.1" },
		{ "status of another class", { "450 5.1.1 Odd" }, REPLY_END, "450 5.1.1 Odd",
		    "4.0.0" },
		{ "no status after all", { "550 5.1 what" }, REPLY_END, "550 5.1 what", "5.0.0" },
		{ "an address that looks like one", { "421 4.192.0.2 x" }, REPLY_END,
		    "421 4.192.0.2 x", "4.0.0" },
		{ "controls", { "550 a\x1b[2Jb\xff" }, REPLY_END, "550 a?[2Jb?", "5.0.0" },
		{ "more to come", { "250-x" }, REPLY_MORE, "250 x", "2.0.0" },
		{ "codes differ", { "250-x", "550 y" }, REPLY_BAD, NULL, NULL },
		{ "no code", { "hello" }, REPLY_BAD, NULL, NULL },
		{ "code too small", { "100 x" }, REPLY_BAD, NULL, NULL },
		{ "code too large", { "600 x" }, REPLY_BAD, NULL, NULL },
		{ "no blank behind", { "250x" }, REPLY_BAD, NULL, NULL },
		{ "empty", { "" }, REPLY_BAD, NULL, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum reply_state got = REPLY_MORE;
		struct reply r;
		char print[600];

		reply_begin(&r);
		for (size_t k = 0; k < 4 && rows[i].lines[k] != NULL; k++)
			got = reply_line(&r, str_of(rows[i].lines[k]));
		if (got != rows[i].end)
			fail_msg("%s: state %d", rows[i].name, (int)got);
		if (rows[i].print == NULL)
			continue;
		reply_print(&r, print, sizeof(print));
		if (strcmp(print, rows[i].print) != 0 ||
		    strcmp(reply_status(&r), rows[i].status) != 0)
			fail_msg("%s: \"%s\", status %s", rows[i].name, print, reply_status(&r));
	}
}

/* A server that talks for ever is given up; one that talks long is cut. */
static void
test_limits(void **state)
{
	char line[REPLY_LINE_MAX + 10];
	enum reply_state s = REPLY_MORE;
	struct reply r;
	unsigned n = 0;

	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	reply_begin(&r);
	while ((s = reply_line(&r, str_n(line, 200))) == REPLY_MORE)
		n++;
	assert_int_equal(s, REPLY_BAD);
	assert_int_equal(n, REPLY_LINES_MAX);
	assert_int_equal(r.text_n, REPLY_TEXT_MAX);
	reply_begin(&r);
	assert_int_equal(reply_line(&r, str_n(line, sizeof(line))), REPLY_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
