/* address_test.c - paths of RFC 5321, what is refused and why. */
#include "base/test.h"

#include "mail/address.h"

enum {
	NULL_OK = ADDRESS_ALLOW_NULL,
	PM = ADDRESS_ALLOW_POSTMASTER,
	U8 = ADDRESS_ALLOW_UTF8
};

static void
paths(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		unsigned allow;
		enum address_fault fault;
		const char *text; /* canonical */
		unsigned marks;
		const char *rest;
	} rows[] = {
		{ "plain", STR("<ann@example.test>"), 0, ADDRESS_OK, "ann@example.test", 0, "" },
		{ "parameters follow", STR("<a@b.test> SIZE=1"), 0, ADDRESS_OK, "a@b.test", 0,
		    " SIZE=1" },
		{ "domain in lower case", STR("<Ann@EXAMPLE.Test>"), 0, ADDRESS_OK,
		    "Ann@example.test", 0, "" },
		{ "null", STR("<>"), NULL_OK, ADDRESS_OK, "", ADDRESS_NULL, "" },
		{ "null not allowed", STR("<>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "postmaster", STR("<PostMaster>"), PM, ADDRESS_OK, "PostMaster",
		    ADDRESS_POSTMASTER, "" },
		{ "postmaster not allowed", STR("<postmaster>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "no domain", STR("<root>"), PM, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "needless quotes", STR("<\"ann\"@b.test>"), 0, ADDRESS_OK, "ann@b.test", 0, "" },
		{ "needless escape", STR("<\"a\\nn\"@b.test>"), 0, ADDRESS_OK, "ann@b.test", 0,
		    "" },
		{ "needed quotes", STR("<\"a b\"@b.test>"), 0, ADDRESS_OK, "\"a b\"@b.test",
		    ADDRESS_QUOTED, "" },
		{ "quote in quotes", STR("<\"a\\\"b\\\\\"@b.test>"), 0, ADDRESS_OK,
		    "\"a\\\"b\\\\\"@b.test", ADDRESS_QUOTED, "" },
		{ "at in quotes", STR("<\"a@x\"@b.test>"), 0, ADDRESS_OK, "\"a@x\"@b.test",
		    ADDRESS_QUOTED | ADDRESS_AT, "" },
		{ "empty quotes", STR("<\"\"@b.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "open quotes", STR("<\"a@b.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "source route", STR("<@a.test,@b.test:c@d.test>"), 0, ADDRESS_OK, "c@d.test",
		    ADDRESS_ROUTED, "" },
		{ "route without address", STR("<@a.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "route of rubbish", STR("<@a_b:c@d.test>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0,
		    NULL },
		{ "percent", STR("<a%b@c.test>"), 0, ADDRESS_OK, "a%b@c.test", ADDRESS_PERCENT,
		    "" },
		{ "bang", STR("<h!u@c.test>"), 0, ADDRESS_OK, "h!u@c.test", ADDRESS_BANG, "" },
		{ "two ats", STR("<a@b@c.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "leading dot", STR("<.a@b.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "trailing dot", STR("<a.@b.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "two dots", STR("<a..b@b.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "domain with trailing dot", STR("<a@b.test.>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0,
		    NULL },
		{ "domain with underscore", STR("<a@b_c.test>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0,
		    NULL },
		{ "domain with hyphen first", STR("<a@-b.test>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0,
		    NULL },
		{ "domain empty", STR("<a@>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0, NULL },
		{ "bare net address", STR("<a@192.0.2.1>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0, NULL },
		{ "literal", STR("<a@[192.0.2.1]>"), 0, ADDRESS_OK, "a@[192.0.2.1]",
		    ADDRESS_LITERAL, "" },
		{ "literal v6", STR("<a@[ipv6:2001:DB8:0::1]>"), 0, ADDRESS_OK,
		    "a@[IPv6:2001:db8::1]", ADDRESS_LITERAL, "" },
		{ "literal v6 without tag", STR("<a@[2001:db8::1]>"), 0, ADDRESS_BAD_DOMAIN, NULL,
		    0, NULL },
		{ "literal octal", STR("<a@[192.0.02.1]>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0, NULL },
		{ "literal open", STR("<a@[192.0.2.1>"), 0, ADDRESS_BAD_DOMAIN, NULL, 0, NULL },
		{ "NUL in local part", STR("<a\0b@c.test>"), 0, ADDRESS_CONTROL, NULL, 0, NULL },
		{ "NUL in domain", STR("<a@c\0.test>"), 0, ADDRESS_CONTROL, NULL, 0, NULL },
		{ "CR in quotes", STR("<\"a\rb\"@c.test>"), 0, ADDRESS_CONTROL, NULL, 0, NULL },
		{ "LF escaped", STR("<\"a\\\nb\"@c.test>"), 0, ADDRESS_CONTROL, NULL, 0, NULL },
		{ "space", STR("<a b@c.test>"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "space before bracket", STR("<a@c.test >"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "no bracket", STR("a@c.test"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "open bracket", STR("<a@c.test"), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
		{ "SQL", STR("<a'--@c.test>"), 0, ADDRESS_OK, "a'--@c.test", 0, "" },
		{ "UTF-8 not asked for", STR("<\xc3\xa4@c.test>"), 0, ADDRESS_NEEDS_UTF8, NULL, 0,
		    NULL },
		{ "UTF-8 domain not asked for", STR("<a@\xc3\xa4.test>"), 0, ADDRESS_NEEDS_UTF8,
		    NULL, 0, NULL },
		{ "UTF-8", STR("<\xc3\xa4@\xc3\xb6.test>"), U8, ADDRESS_OK,
		    "\xc3\xa4@\xc3\xb6.test", ADDRESS_UTF8, "" },
		{ "Latin-1", STR("<\xe4@c.test>"), U8, ADDRESS_BAD_UTF8, NULL, 0, NULL },
		{ "C1", STR("<\xc2\x85@c.test>"), U8, ADDRESS_CONTROL, NULL, 0, NULL },
		{ "nothing", STR(""), 0, ADDRESS_SYNTAX, NULL, 0, NULL },
	};
	struct arena *a = arena_new(1 << 20);

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct scan s = scan_of(rows[i].in);
		struct mailaddr m;
		enum address_fault f = scan_path(&s, a, rows[i].allow, &m);

		if (f != rows[i].fault)
			fail_msg("%s: got %s, want %s", rows[i].name, address_fault_text(f),
			    address_fault_text(rows[i].fault));
		if (f != ADDRESS_OK) {
			assert_ptr_equal(s.p, rows[i].in.p);
			continue;
		}
		struct str text = address_text(a, &m);
		if (!str_eq(text, str_of(rows[i].text)) || m.marks != rows[i].marks)
			fail_msg("%s: got " STR_FMT " %x", rows[i].name, STR_ARG(text), m.marks);
		assert_true(str_eq(scan_rest(&s), str_of(rows[i].rest)));
	}
	arena_free(&a);
}

static void
lengths(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct mailaddr m;
	struct buf b;

	buf_init(&b, 4096);
	for (int i = 0; i < 64; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "@example.test");
	assert_int_equal(address_parse(buf_str(&b), a, 0, &m), ADDRESS_OK);
	buf_clear(&b);
	for (int i = 0; i < 65; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "@example.test");
	assert_int_equal(address_parse(buf_str(&b), a, 0, &m), ADDRESS_TOO_LONG);
	assert_int_equal(address_parse(buf_str(&b), a, ADDRESS_ALLOW_LONG, &m), ADDRESS_OK);
	buf_clear(&b);
	buf_puts(&b, "a@");
	for (int i = 0; i < 64; i++)
		buf_putc(&b, 'x');
	assert_int_equal(address_parse(buf_str(&b), a, 0, &m), ADDRESS_BAD_DOMAIN);
	buf_clear(&b);
	buf_puts(&b, "a@");
	for (int i = 0; i < 60; i++)
		buf_puts(&b, "abc.");
	buf_puts(&b, "abcdefghijk"); /* 251: 253 with local part and at */
	assert_int_equal(address_parse(buf_str(&b), a, 0, &m), ADDRESS_OK);
	buf_puts(&b, "lm");
	assert_int_equal(address_parse(buf_str(&b), a, 0, &m), ADDRESS_TOO_LONG);
	buf_free(&b);
	arena_free(&a);
}

static void
subaddresses(void **state)
{
	static const struct {
		const char *local, *sep, *user, *detail;
		bool split;
	} rows[] = {
		{ "ann+x", "+", "ann", "x", true },
		{ "ann+x+y", "+", "ann", "x+y", true },
		{ "ann-x+y", "+-", "ann", "x+y", true },
		{ "ann+", "+", "ann", "", true },
		{ "+ann", "+", "+ann", "", false },
		{ "++ann", "+", "+", "ann", true },
		{ "ann", "+", "ann", "", false },
		{ "ann+x", "", "ann+x", "", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str user, detail;
		bool split =
		    address_subaddress(str_of(rows[i].local), str_of(rows[i].sep), &user, &detail);

		if (split != rows[i].split || !str_eq(user, str_of(rows[i].user)) ||
		    !str_eq(detail, str_of(rows[i].detail)))
			fail_msg("%s: " STR_FMT " | " STR_FMT, rows[i].local, STR_ARG(user),
			    STR_ARG(detail));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(lengths),
		cmocka_unit_test(subaddresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
