/* addrlist_test.c - address lists of RFC 5322 A, and those people send. */
#include "base/test.h"

#include "base/buf.h"
#include "mail/addrlist.h"

static void
show_part(struct buf *b, struct str s)
{
	if (s.p == NULL)
		buf_puts(b, "-");
	else
		buf_printf(b, "'" STR_FMT "'", STR_ARG(s));
}

static void
show(struct buf *b, const struct addrlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct addr *a = &l->v[i];

		buf_puts(b, a->kind == ADDR_MAILBOX       ? "["
			    : a->kind == ADDR_GROUP_START ? "{"
							  : "}");
		if (a->kind == ADDR_GROUP_END)
			continue;
		show_part(b, a->name);
		buf_putc(b, ' ');
		show_part(b, a->route);
		buf_putc(b, ' ');
		show_part(b, a->local);
		buf_putc(b, ' ');
		show_part(b, a->domain);
		if (a->kind == ADDR_MAILBOX)
			buf_putc(b, ']');
	}
}

static void
lists(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "ann@x.test", "[- - 'ann' 'x.test']" },
		{ "Ann Smith <ann@x.test>", "['Ann Smith' - 'ann' 'x.test']" },
		{ "\"Joe Q. Public\" <john.q.public@example.com>",
		    "['Joe Q. Public' - 'john.q.public' 'example.com']" },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		    "['Mary Smith' - 'mary' 'x.test'][- - 'jdoe' 'example.org']['Who?' - 'one' "
		    "'y.test']" },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		    "[- - 'boss' 'nil.test']['Giant; \"Big\" Box' - 'sysservices' 'example.net']" },
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		    "{- - 'A Group' -['Ed Jones' - 'c' 'a.test'][- - 'joe' 'where.test']"
		    "['John' - 'jdoe' 'one.test']}" },
		{ "Undisclosed recipients:;", "{- - 'Undisclosed recipients' -}" },
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		    "['Pete' - 'pete' 'silly.test']" },
		{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
		  "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end "
		  "of the group)",
		    "{- - 'A Group' -['Chris Jones' - 'c' 'public.example'][- - 'joe' "
		    "'example.org']"
		    "['John' - 'jdoe' 'one.test']}" },
		{ "Joe Q. Public <john.q.public@example.com>",
		    "['Joe Q. Public' - 'john.q.public' 'example.com']" },
		{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
		    "['Mary Smith' '@node.test' 'mary' 'example.net'][- - 'jdoe' 'test.example']" },
		{ "<@a,@b.test : c@d.test>", "[- '@a,@b.test' 'c' 'd.test']" },
		{ "ann@x.test (Ann Smith)", "['Ann Smith' - 'ann' 'x.test']" },
		{ "ann@x.test <ann@x.test>", "['ann@x.test' - 'ann' 'x.test']" },
		{ "root", "[- - 'root' 'MISSING_DOMAIN']" },
		{ "Ann <ann>", "['Ann' - 'ann' 'MISSING_DOMAIN']" },
		{ "=?utf-8?q?J=C3=BCrgen?= <j@x.test>",
		    "['=?utf-8?q?J=C3=BCrgen?=' - 'j' 'x.test']" },
		{ "J\xc3\xbcrgen <j@x.test>", "['J\xc3\xbcrgen' - 'j' 'x.test']" },
		{ "ann@[192.\r\n 0]", "[- - 'ann' '[192. 0]']" },
		{ "ann@[192.0.2.1]", "[- - 'ann' '[192.0.2.1]']" },
		{ "a@x.test; b@y.test", "[- - 'a' 'x.test'][- - 'b' 'y.test']" },
		{ "Bob bob@y.test", "['Bob' - 'bob' 'y.test']" },
		{ "\"a b\"@x.test", "[- - 'a b' 'x.test']" },
		{ "a . b @ x.test", "[- - 'a.b' 'x.test']" },
		{ "<a@b@c.test>", "[- - 'a@b' 'c.test']" },
		{ "Ann <ann@x.test, Bob <bob@x.test>",
		    "['Ann' - 'ann' 'x.test']['Bob' - 'bob' 'x.test']" },
		{ "g:a@x", "{- - 'g' -[- - 'a' 'x']}" },
		{ "", "" },
		{ ",,;,", "" },
		{ "(only a comment)", "" },
		{ "<>", "[- - 'MISSING_MAILBOX' 'MISSING_DOMAIN']" },
		{ "a b c", "['a b c' - 'MISSING_MAILBOX' 'MISSING_DOMAIN']" },
		{ "a@b@c", "[- - 'a@b' 'c']" },
		{ "@", "[- - 'MISSING_MAILBOX' 'MISSING_DOMAIN']" },
		{ "A <a@b> <c@d> x", "['A' - 'a' 'b'][- - 'c' 'd']" },
		{ "a@b <c@d> e@f", "['a@b' - 'c' 'd']" },
		{ "\"open", "[- - 'open' 'MISSING_DOMAIN']" },
	};
	struct arena *a = arena_new(1 << 20);
	struct addrlist l;
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		addrlist_parse(str_of(rows[i].in), a, 100, &l);
		show(&b, &l);
		if (strcmp(buf_cstr(&b), rows[i].want) != 0)
			fail_msg("%s\n got %s\nwant %s", rows[i].in, buf_cstr(&b), rows[i].want);
		assert_false(l.cut);
	}
	buf_free(&b);
	arena_free(&a);
}

static void
bounds(void **state)
{
	struct arena *a = arena_new(64 << 20);
	struct addrlist l;
	struct addr first;
	struct buf b;

	buf_init(&b, 8 << 20);
	buf_puts(&b, "g:");
	for (int i = 0; i < 60000; i++)
		buf_puts(&b, "a@b.test,");
	addrlist_parse(buf_str(&b), a, 1000, &l);
	assert_true(l.cut);
	assert_int_equal(l.n, 1000);
	assert_int_equal(l.v[999].kind, ADDR_GROUP_END);
	assert_true(addrlist_first(buf_str(&b), a, &first));
	assert_true(str_eq(first.domain, STR("b.test")));
	buf_clear(&b);
	for (int i = 0; i < 1000000; i++)
		buf_putc(&b, "(<:@"[i % 4]);
	addrlist_parse(buf_str(&b), a, 1000, &l);
	buf_free(&b);
	arena_free(&a);
	a = arena_new(4096);
	addrlist_parse(
	    STR("a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b"), a, 100,
	    &l);
	assert_true(l.cut || l.n == 18);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
