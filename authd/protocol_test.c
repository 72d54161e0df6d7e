/* protocol_test.c - netstrings, lines of the Dovecot protocol, and our own requests there and back.
 */
#include "base/test.h"

#include "authd/dovecot.h"
#include "authd/socketmap.h"

static void
netstrings(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		enum netstring want;
		struct str text;
		size_t used;
	} rows[] = {
		{ "whole", STR("5:hello,"), NETSTRING_WHOLE, STR("hello"), 8 },
		{ "with another behind", STR("2:hi,2:ho,"), NETSTRING_WHOLE, STR("hi"), 5 },
		{ "empty", STR("0:,"), NETSTRING_WHOLE, STR(""), 3 },
		{ "nothing", STR(""), NETSTRING_MORE, STR(""), 0 },
		{ "half a length", STR("1"), NETSTRING_MORE, STR(""), 0 },
		{ "no octets", STR("5:"), NETSTRING_MORE, STR(""), 0 },
		{ "no comma", STR("5:hello"), NETSTRING_MORE, STR(""), 0 },
		{ "another end", STR("5:hello;"), NETSTRING_BROKEN, STR(""), 0 },
		{ "leading zero", STR("05:hello,"), NETSTRING_BROKEN, STR(""), 0 },
		{ "no number", STR("x:"), NETSTRING_BROKEN, STR(""), 0 },
		{ "minus", STR("-1:"), NETSTRING_BROKEN, STR(""), 0 },
		{ "too long", STR("1025:"), NETSTRING_BROKEN, STR(""), 0 },
		{ "endless digits", STR("99999999999999999999"), NETSTRING_BROKEN, STR(""), 0 },
		{ "NUL inside", STR("3:a\0b,"), NETSTRING_WHOLE, STR("a\0b"), 6 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str text = STR("");
		size_t used = 0;
		enum netstring got = netstring_take(rows[i].in, 1024, &text, &used);

		if (got != rows[i].want ||
		    (got == NETSTRING_WHOLE &&
			(used != rows[i].used || !str_eq(text, rows[i].text))))
			fail_msg("%s: got %d", rows[i].name, got);
	}
}

static void
lines(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		bool ok;
		int verb;
	} rows[] = {
		{ "version", STR("VERSION\t1\t2"), true, DOVECOT_VERSION },
		{ "cpid", STR("CPID\t123"), true, DOVECOT_CPID },
		{ "auth", STR("AUTH\t7\tPLAIN\tservice=smtp\trip=::1\tsecured\tresp=AGEAYg=="),
		    true, DOVECOT_AUTH },
		{ "auth, unknown parameters", STR("AUTH\t7\tLOGIN\tfoo\tbar=1"), true,
		    DOVECOT_AUTH },
		{ "cont", STR("CONT\t7\tAA=="), true, DOVECOT_CONT },
		{ "empty cont", STR("CONT\t7\t"), true, DOVECOT_CONT },
		{ "cont without a field", STR("CONT\t7"), true, DOVECOT_CONT },
		{ "cancel", STR("CANCEL\t7"), true, DOVECOT_CANCEL },
		{ "something new", STR("FUTURE\tx"), true, DOVECOT_OTHER },
		{ "empty", STR(""), true, DOVECOT_OTHER },
		{ "no id", STR("AUTH\t\tPLAIN"), false, 0 },
		{ "no mechanism", STR("AUTH\t7"), false, 0 },
		{ "huge id", STR("AUTH\t4294967296\tPLAIN"), false, 0 },
		{ "bad base64", STR("CONT\t7\tA"), false, 0 },
		{ "bad base64 in auth", STR("AUTH\t7\tPLAIN\tresp=?"), false, 0 },
		{ "bad escape", STR("AUTH\t7\tPLAIN\trip=\001x"), false, 0 },
		{ "cut escape", STR("AUTH\t7\tPLAIN\trip=\001"), false, 0 },
		{ "escape of nothing", STR("AUTH\t7\tPLAIN\trip=\001\0"), false, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(64 * 1024);
		struct dovecot_line line;
		bool ok = dovecot_parse(rows[i].in, a, &line);

		if (ok != rows[i].ok || (ok && (int)line.verb != rows[i].verb))
			fail_msg("%s", rows[i].name);
		arena_free(&a);
	}
}

static void
a_line_has_its_fields(void **state)
{
	struct arena *a = arena_new(64 * 1024);
	struct dovecot_line line;

	assert_true(dovecot_parse(
	    STR("AUTH\t7\tPLAIN\tservice=im\001tap\trip=::1\tlip=::2\tsecured=tls\tresp=AGEAYg=="),
	    a, &line));
	assert_int_equal(line.id, 7);
	assert_true(str_eq(line.mechanism, STR("PLAIN")));
	assert_true(str_eq(line.service, STR("im\tap")));
	assert_true(str_eq(line.client, STR("::1")));
	assert_true(str_eq(line.server, STR("::2")));
	assert_true(line.secured && line.has_response);
	assert_true(str_eq(line.response, STR("\0a\0b")));
	assert_true(dovecot_parse(STR("AUTH\t7\tPLAIN\tsecured=no"), a, &line));
	assert_false(line.secured);
	assert_false(line.has_response);
	arena_free(&a);
}

static void
escaping(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	assert_true(dovecot_escape(&b, STR("a\tb\nc\rd\0e\001f")));
	assert_true(str_eq(buf_str(&b), STR("a\001tb\001nc\001rd\0010e\0011f")));
	buf_free(&b);
}

/* What is put is got, and not a octet less will do. */
static void
requests(void **state)
{
	const struct auth_binding bindings[] = { { STR("tls-exporter"), STR("\0\1\2") } };
	const struct auth_begin begin = { .service = STR("smtp"),
		.mechanism = STR("PLAIN"),
		.initial = STR("\0a\0b"),
		.client = STR("::1"),
		.server = STR("::2"),
		.session = 77,
		.flags = AUTH_FLAG_TLS,
		.bindings = bindings,
		.binding_count = 1 };
	const struct route_target targets[] = {
		{ ROUTE_TO_MAILBOX, STR("a@b"), STR("x"), STR("b/a"), STR("host"), 1, 2 },
		{ ROUTE_TO_REMOTE, STR("c@d"), STR(""), STR(""), STR(""), 0, 0 },
	};
	const struct str reasons[] = { STR("because") };
	const struct route route = { ROUTE_LOCAL, STR("a@b"), targets, 2, reasons, 1 };
	struct arena *a = arena_new(1024 * 1024);
	struct auth_begin begin_got;
	struct route route_got;
	struct rpc_out o;

	rpc_out_init(&o);
	auth_begin_put(&o, &begin);
	for (size_t n = 0; n <= o.body.n; n++) {
		struct rpc_in in = { .p = o.body.p, .end = o.body.p + n };

		assert_int_equal(
		    auth_begin_get(&in, a, &begin_got) && rpc_in_done(&in), n == o.body.n);
	}
	assert_true(str_eq(begin_got.initial, begin.initial));
	assert_true(str_eq(begin_got.bindings[0].data, STR("\0\1\2")));
	rpc_out_free(&o);

	rpc_out_init(&o);
	route_put(&o, &route);
	for (size_t n = 0; n <= o.body.n; n++) {
		struct rpc_in in = { .p = o.body.p, .end = o.body.p + n };

		assert_int_equal(route_get(&in, a, &route_got) && rpc_in_done(&in), n == o.body.n);
	}
	assert_true(str_eq(route_got.targets[0].home, STR("b/a")));
	assert_int_equal(route_got.targets[0].quota_messages, 2);
	assert_int_equal(route_got.targets[1].kind, ROUTE_TO_REMOTE);
	assert_true(str_eq(route_got.reasons[0], STR("because")));
	rpc_out_free(&o);
	arena_free(&a);
}

static void
verdicts(void **state)
{
	struct why why = { 550, "5.1.1", "No such user" }, got = { 0 };
	enum outcome o;
	struct rpc_out out;
	struct rpc_in in;

	rpc_out_init(&out);
	auth_verdict_put(&out, PERMFAIL, &why);
	in = (struct rpc_in){ .p = out.body.p, .end = out.body.p + out.body.n };
	assert_true(auth_verdict_get(&in, &o, &got));
	assert_int_equal(o, PERMFAIL);
	assert_int_equal(got.code, 550);
	assert_string_equal(got.enhanced, "5.1.1");
	assert_string_equal(got.text, "No such user");
	static const char junk[] = "\x07";

	in = (struct rpc_in){ .p = junk, .end = junk + 1 };
	assert_false(auth_verdict_get(&in, &o, &got));
	rpc_out_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netstrings),
		cmocka_unit_test(lines),
		cmocka_unit_test(a_line_has_its_fields),
		cmocka_unit_test(escaping),
		cmocka_unit_test(requests),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
