/* resolver_test.c - routes and permissions over a table in memory. */
#include "base/test.h"

#include <stdio.h>

#include "authd/resolver.h"

struct alias_row {
	const char *source, *destination;
	bool off, no_sending;
};

static const struct alias_row aliases[] = {
	{ "info@example.org", "ann@example.org" },
	{ "all@example.org", "ann@example.org, bob@example.org ,far@elsewhere.test" },
	{ "team@example.org", "ann@example.org" },
	{ "team@example.org", "Bob@Example.ORG" },
	{ "keep@example.org", "keep@example.org,copy@elsewhere.test" },
	{ "moved@example.org", "ann@example.org" },
	{ "half@example.org", "nobody@example.org,ann@example.org" },
	{ "dead@example.org", "nobody@example.org" },
	{ "broken@example.org", "|/bin/sh" },
	{ "empty@example.org", "" },
	{ "off@example.org", "ann@example.org", true },
	{ "mixed@example.org", "ann@example.org", true },
	{ "mixed@example.org", "bob@example.org" },
	{ "loop1@example.org", "loop2@example.org" },
	{ "loop2@example.org", "loop1@example.org" },
	{ "chain@example.org", "info@example.org" },
	{ "diamond@example.org", "d1@example.org,d2@example.org,moved@example.org" },
	{ "d1@example.org", "moved@example.org" },
	{ "d2@example.org", "ann@example.org" },
	{ "tagged@example.org", "ann+list@example.org" },
	{ "quiet@example.org", "ann@example.org", false, true },
	{ "ann+exact@example.org", "bob@example.org" },
	{ "@catch.test", "ann@example.org" },
	{ "@shift.test", "@example.org" },
	{ "quoted@example.org", "\"a b\"@example.org" },
};

static const struct {
	const char *address, *home, *host;
	uint64_t quota;
	bool off;
} mailboxes[] = {
	{ "ann@example.org", NULL, NULL, 1000, false },
	{ "bob@example.org", "elsewhere/bob", "two.example.net", 0, false },
	{ "keep@example.org", NULL, NULL, 0, false },
	{ "moved@example.org", NULL, NULL, 0, false },
	{ "disabled@example.org", NULL, NULL, 0, true },
	{ "escapes@example.org", "../../etc", NULL, 0, false },
	{ "a b@example.org", NULL, NULL, 0, false },
	{ "a/../b@example.org", NULL, NULL, 0, false },
	{ "real@catch.test", NULL, NULL, 0, false },
	{ "own@alias.test", NULL, NULL, 0, false },
	{ "\xc3\xa4nna@example.org", NULL, NULL, 0, false },
	{ "idn@b\xc3\xbc"
	  "cher.test",
	    NULL, NULL, 0, false },
	{ "idn@xn--mnchen-3ya.test", NULL, NULL, 0, false },
	{ "x@off.test", NULL, NULL, 0, false },
	{ "ceo+x@example.org", NULL, NULL, 0, false },
};

static const struct {
	const char *name, *alias_of;
	bool off;
} domains[] = {
	{ "example.org", NULL, false },
	{ "catch.test", NULL, false },
	{ "shift.test", NULL, false },
	{ "alias.test", "example.org", false },
	{ "round.test", "about.test", false },
	{ "about.test", "round.test", false },
	{ "off.test", NULL, true },
	{ "b\xc3\xbc"
	  "cher.test",
	    NULL, false },
	{ "xn--mnchen-3ya.test", NULL, false },
	{ "deep.test", NULL, false },
	{ "wide.test", NULL, false },
};

static bool database_down;
static unsigned asked;

static bool
is(struct str s, const char *text)
{
	return str_eq(s, str_of(text));
}

/* Chains and fans that are longer than the limits are made up on the fly. */
static void
made_up(const struct name *n, struct arena *a, struct fact_alias *row, struct facts *out)
{
	unsigned k = 0;

	if (is(n->domain, "deep.test") && sscanf(arena_cstr(a, n->local), "d%u", &k) == 1) {
		row->destination = str_of(arena_printf(a, "d%u@deep.test", k + 1));
	} else if (is(n->domain, "wide.test") && is(n->local, "fan")) {
		struct buf b;

		buf_init(&b, 64 * 1024);
		for (k = 0; k < 2000; k++)
			(void)buf_printf(&b, "u%u@far%u.example,", k, k);
		row->destination = arena_str(a, buf_str(&b));
		buf_free(&b);
	} else {
		return;
	}
	row->source = n->address;
	row->enabled = row->send_as = true;
	out->alias_count++;
}

static enum outcome
look_up(void *arg, const struct name *n, struct arena *a, struct facts *out, struct deadline d,
    struct why *why)
{
	struct fact_mailbox *m = arena_array(a, COUNT_OF(mailboxes), sizeof(*m));
	struct fact_alias *al = arena_array(a, COUNT_OF(aliases) + 1, sizeof(*al));

	asked++;
	*out = (struct facts){ .mailboxes = m, .aliases = al };
	if (database_down)
		return fail(TEMPFAIL, why, 451, "4.3.0", "down");
	for (size_t i = 0; i < COUNT_OF(domains); i++) {
		if (!is(n->domain, domains[i].name))
			continue;
		out->domain_known = true;
		out->domain_enabled = !domains[i].off;
		out->alias_of = str_of(domains[i].alias_of);
	}
	for (size_t i = 0; i < COUNT_OF(mailboxes); i++)
		if (is(n->address, mailboxes[i].address) || is(n->base, mailboxes[i].address))
			m[out->mailbox_count++] = (struct fact_mailbox){
				.address = str_of(mailboxes[i].address),
				.home = str_of(mailboxes[i].home),
				.host = str_of(mailboxes[i].host),
				.quota = mailboxes[i].quota,
				.enabled = !mailboxes[i].off,
			};
	/* As a collation that ignores accents would answer. */
	if (is(n->local, "anna"))
		m[out->mailbox_count++] =
		    (struct fact_mailbox){ .address = STR("\xc3\xa4nna@example.org"),
			    .enabled = true };
	for (size_t i = 0; i < COUNT_OF(aliases); i++)
		if (is(n->address, aliases[i].source) || is(n->base, aliases[i].source) ||
		    is(n->catchall, aliases[i].source))
			al[out->alias_count++] = (struct fact_alias){
				.source = str_of(aliases[i].source),
				.destination = str_of(aliases[i].destination),
				.enabled = !aliases[i].off,
				.send_as = !aliases[i].no_sending,
			};
	made_up(n, a, &al[out->alias_count], out);
	return DONE;
}

static enum outcome
permitted(void *arg, struct str user, const struct name *sender, struct arena *a, bool *yes,
    struct deadline d, struct why *why)
{
	*yes = is(user, "bob@example.org") &&
	       (is(sender->address, "boss@elsewhere.test") || is(sender->domain, "granted.test"));
	return database_down ? fail(TEMPFAIL, why, 451, "4.3.0", "down") : DONE;
}

static const struct resolver resolver = {
	.directory = { look_up, permitted, NULL },
	.separators = STR("+"),
	.postmaster = STR("bob@example.org"),
	.home = STR("%d/%n"),
};

/* The route as one line: "m:address[+detail]=home" and "r:address", or the refusal. */
static void
show(struct str address, char *out, size_t room)
{
	struct arena *a = arena_new(8 * 1024 * 1024);
	struct why why = { 0 };
	struct route r;
	enum outcome o = resolve(&resolver, address, true, a, &r, DEADLINE_NEVER, &why);
	struct buf b;

	buf_init(&b, room - 1);
	if (o != DONE)
		(void)buf_printf(&b, "%d %s", why.code, why.enhanced);
	else if (r.kind == ROUTE_FOREIGN)
		(void)buf_puts(&b, "foreign");
	for (size_t i = 0; o == DONE && i < r.target_count; i++) {
		const struct route_target *t = &r.targets[i];

		(void)buf_printf(&b, "%s%s:" STR_FMT, i > 0 ? " " : "",
		    t->kind == ROUTE_TO_MAILBOX ? "m" : "r", STR_ARG(t->address));
		if (t->detail.n > 0)
			(void)buf_printf(&b, "+" STR_FMT, STR_ARG(t->detail));
		if (t->home.n > 0)
			(void)buf_printf(&b, "=" STR_FMT, STR_ARG(t->home));
	}
	(void)snprintf(out, room, "%s", buf_cstr(&b));
	buf_free(&b);
	arena_free(&a);
}

#define ANN   "m:ann@example.org=example.org/ann"
#define BOB   "m:bob@example.org=elsewhere/bob"
#define KEEP  "m:keep@example.org=example.org/keep"
#define MOVED "m:moved@example.org=example.org/moved"

static void
routes(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		const char *want;
	} rows[] = {
		{ "a mailbox", STR("ann@example.org"), ANN },
		{ "case does not matter", STR("ANN@Example.Org"), ANN },
		{ "quotes do not matter", STR("\"ann\"@example.org"), ANN },
		{ "unknown user", STR("nobody@example.org"), "550 5.1.1" },
		{ "unknown domain", STR("ann@elsewhere.test"), "foreign" },
		{ "an address literal", STR("ann@[192.0.2.1]"), "foreign" },
		{ "no address", STR("ann"), "550 5.1.3" },
		{ "no address at all", STR(""), "550 5.1.3" },
		{ "two at signs", STR("ann@example.org@elsewhere.test"), "550 5.1.3" },
		{ "percent hack", STR("ann%elsewhere.test@example.org"), "550 5.1.1" },
		{ "SQL", STR("x'or'1'='1@example.org"), "550 5.1.1" },
		{ "home from the table", STR("bob@example.org"), BOB },
		{ "an alias", STR("info@example.org"), ANN },
		{ "an alias in upper case", STR("INFO@EXAMPLE.ORG"), ANN },
		{ "an alias to many, with commas", STR("all@example.org"),
		    ANN " " BOB " r:far@elsewhere.test" },
		{ "an alias to many, in rows", STR("team@example.org"), ANN " " BOB },
		{ "an alias that keeps a copy", STR("keep@example.org"),
		    KEEP " r:copy@elsewhere.test" },
		{ "an alias beats a mailbox", STR("moved@example.org"), ANN },
		{ "one dead destination", STR("half@example.org"), ANN },
		{ "only dead destinations", STR("dead@example.org"), "550 5.1.1" },
		{ "no shell", STR("broken@example.org"), "451 4.4.6" },
		{ "an empty alias", STR("empty@example.org"), "451 4.4.6" },
		{ "a switched-off alias", STR("off@example.org"), "550 5.2.1" },
		{ "one of two switched off", STR("mixed@example.org"), BOB },
		{ "a switched-off mailbox", STR("disabled@example.org"), "550 5.2.1" },
		{ "a switched-off domain", STR("x@off.test"), "550 5.2.1" },
		{ "a loop", STR("loop1@example.org"), "451 4.4.6" },
		{ "a chain", STR("chain@example.org"), ANN },
		{ "many ways to one", STR("diamond@example.org"), ANN },
		{ "too deep", STR("d0@deep.test"), "451 4.4.6" },
		{ "too wide", STR("fan@wide.test"), "451 4.4.6" },
		{ "subaddress", STR("ann+news@example.org"),
		    "m:ann@example.org+news=example.org/ann" },
		{ "empty subaddress", STR("ann+@example.org"), ANN },
		{ "two separators", STR("ann+a+b@example.org"),
		    "m:ann@example.org+a+b=example.org/ann" },
		{ "subaddress of an alias", STR("info+x@example.org"),
		    "m:ann@example.org+x=example.org/ann" },
		{ "subaddress of nobody", STR("nobody+x@example.org"), "550 5.1.1" },
		{ "a row with the subaddress", STR("ann+exact@example.org"), BOB },
		{ "a mailbox with a plus", STR("ceo+x@example.org"),
		    "m:ceo+x@example.org=example.org/ceo+x" },
		{ "an alias to a subaddress", STR("tagged@example.org"),
		    "m:ann@example.org+list=example.org/ann" },
		{ "its own wins", STR("tagged+x@example.org"),
		    "m:ann@example.org+list=example.org/ann" },
		{ "catch-all", STR("anything@catch.test"), ANN },
		{ "a mailbox beats the catch-all", STR("real@catch.test"),
		    "m:real@catch.test=catch.test/real" },
		{ "catch-all that keeps the local part", STR("bob@shift.test"), BOB },
		{ "alias domain", STR("bob@alias.test"), BOB },
		{ "alias domain, alias", STR("info+x@alias.test"),
		    "m:ann@example.org+x=example.org/ann" },
		{ "alias domain, own mailbox", STR("own@alias.test"),
		    "m:own@alias.test=alias.test/own" },
		{ "alias domain, nobody", STR("nobody@alias.test"), "550 5.1.1" },
		{ "alias domains in a circle", STR("x@round.test"), "451 4.4.6" },
		{ "postmaster of a domain", STR("Postmaster@example.org"), BOB },
		{ "postmaster of an alias domain", STR("postmaster@alias.test"), BOB },
		{ "postmaster of no domain", STR("postmaster"), BOB },
		{ "postmaster of a stranger", STR("postmaster@elsewhere.test"), "foreign" },
		{ "a home that leaves the root", STR("escapes@example.org"), "451 4.3.5" },
		{ "an odd local part", STR("\"a b\"@example.org"),
		    "m:a b@example.org=example.org/a b" },
		{ "an alias to it", STR("quoted@example.org"),
		    "m:a b@example.org=example.org/a b" },
		{ "a path for a local part", STR("\"a/../b\"@example.org"),
		    "m:a/../b@example.org=example.org/a%2F..%2Fb" },
		{ "beyond ASCII", STR("\xc3\x84NNA@example.org"),
		    "m:\xc3\xa4nna@example.org=example.org/\xc3\xa4nna" },
		{ "accents are not ignored", STR("anna@example.org"), "550 5.1.1" },
		{ "IDN by its U-label",
		    STR("idn@B\xc3\x9c"
			"CHER.test"),
		    "m:idn@b\xc3\xbc"
		    "cher.test=b\xc3\xbc"
		    "cher.test/idn" },
		{ "IDN by its A-label", STR("idn@xn--bcher-kva.test"),
		    "m:idn@b\xc3\xbc"
		    "cher.test=b\xc3\xbc"
		    "cher.test/idn" },
		{ "IDN in the table as A-label", STR("idn@m\xc3\xbcnchen.test"),
		    "m:idn@xn--mnchen-3ya.test=xn--mnchen-3ya.test/idn" },
		{ "not UTF-8", STR("\xff@example.org"), "550 5.1.3" },
		{ "NUL", STR("ann\0x@example.org"), "550 5.1.3" },
	};
	char got[1024];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		show(rows[i].in, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s: got \"%s\", want \"%s\"", rows[i].name, got, rows[i].want);
	}
}

static void
a_plain_mailbox_costs_one_look_up(void **state)
{
	char got[1024];

	asked = 0;
	show(STR("ann+x@example.org"), got, sizeof(got));
	assert_int_equal(asked, 1);
	asked = 0;
	show(STR("info@example.org"), got, sizeof(got));
	assert_int_equal(asked, 2);
}

static void
a_database_that_is_down_refuses_nobody(void **state)
{
	struct arena *a = arena_new(1024 * 1024);
	char got[1024];

	database_down = true;
	show(STR("ann@example.org"), got, sizeof(got));
	assert_string_equal(got, "451 4.3.0");
	assert_int_equal(resolve_send_as(&resolver, STR("ann@example.org"), STR("bob@example.org"),
			     a, DEADLINE_NEVER, NULL),
	    TEMPFAIL);
	database_down = false;
	arena_free(&a);
}

static void
reasons_are_told(void **state)
{
	struct arena *a = arena_new(1024 * 1024);
	struct route r;

	assert_int_equal(
	    resolve(&resolver, STR("chain@alias.test"), true, a, &r, DEADLINE_NEVER, NULL), DONE);
	assert_int_equal(r.reason_count, 4);
	assert_true(is(r.reasons[0], "chain@alias.test: its domain is an alias of example.org"));
	assert_true(is(r.reasons[1], "chain@example.org: alias to info@example.org"));
	assert_true(is(r.reasons[2], "info@example.org: alias to ann@example.org"));
	assert_true(
	    is(r.reasons[3], "ann@example.org: mailbox ann@example.org with home example.org/ann"));
	assert_int_equal(r.targets[0].quota, 1000);
	arena_free(&a);
}

static void
senders(void **state)
{
	static const struct {
		const char *name;
		struct str user, sender;
		enum outcome want;
	} rows[] = {
		{ "own address", STR("ann@example.org"), STR("ann@example.org"), DONE },
		{ "own address cased otherwise", STR("ann@example.org"), STR("Ann@EXAMPLE.org"),
		    DONE },
		{ "own address quoted", STR("ann@example.org"), STR("\"ann\"@example.org"), DONE },
		{ "own subaddress", STR("ann@example.org"), STR("ann+x@example.org"), DONE },
		{ "null reverse-path", STR("ann@example.org"), STR(""), DONE },
		{ "an alias of hers", STR("ann@example.org"), STR("info@example.org"), DONE },
		{ "a shared alias", STR("bob@example.org"), STR("team@example.org"), DONE },
		{ "through an alias domain", STR("ann@example.org"), STR("ann@alias.test"), DONE },
		{ "a catch-all of hers", STR("ann@example.org"), STR("any@catch.test"), DONE },
		{ "a mailbox under her catch-all", STR("ann@example.org"), STR("real@catch.test"),
		    PERMFAIL },
		{ "another's address", STR("ann@example.org"), STR("bob@example.org"), PERMFAIL },
		{ "another's, cased", STR("ann@example.org"), STR("BOB@example.org"), PERMFAIL },
		{ "another's alias", STR("bob@example.org"), STR("info@example.org"), PERMFAIL },
		{ "an alias without the right", STR("ann@example.org"), STR("quiet@example.org"),
		    PERMFAIL },
		{ "a row for her subaddress that leads to him", STR("bob@example.org"),
		    STR("ann+exact@example.org"), DONE },
		{ "a stranger's", STR("ann@example.org"), STR("boss@elsewhere.test"), PERMFAIL },
		{ "a stranger's, permitted", STR("bob@example.org"), STR("boss@elsewhere.test"),
		    DONE },
		{ "a whole domain, permitted", STR("bob@example.org"), STR("x@granted.test"),
		    DONE },
		{ "nobody's", STR("ann@example.org"), STR("nobody@example.org"), PERMFAIL },
		{ "no address", STR("ann@example.org"), STR("ann"), PERMFAIL },
		{ "a quoted at", STR("ann@example.org"), STR("\"ann@example.org\"@elsewhere.test"),
		    PERMFAIL },
		{ "a loop", STR("ann@example.org"), STR("loop1@example.org"), PERMFAIL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena *a = arena_new(1024 * 1024);
		struct why why = { 0 };
		enum outcome got = resolve_send_as(
		    &resolver, rows[i].user, rows[i].sender, a, DEADLINE_NEVER, &why);

		if (got != rows[i].want)
			fail_msg("%s: got %s (%s)", rows[i].name, outcome_name(got), why.text);
		if (got == PERMFAIL)
			assert_int_equal(why.code, 553);
		arena_free(&a);
	}
}

static void
homes(void **state)
{
	static const struct {
		struct str pattern, address;
		const char *want;
	} rows[] = {
		{ STR("%d/%n"), STR("ann@example.org"), "example.org/ann" },
		{ STR("/srv/%u"), STR("ann@example.org"), "/srv/ann@example.org" },
		{ STR("%d/%n"), STR("..@example.org"), "example.org/%2E." },
		{ STR("%d/%n"), STR(".hidden@example.org"), "example.org/%2Ehidden" },
		{ STR("x%n"), STR(".a@example.org"), "x.a" },
		{ STR("%d/%n"), STR("a%2Fb@example.org"), "example.org/a%252Fb" },
		{ STR("%%/%n"), STR("a@b"), "%/a" },
		{ STR("%x"), STR("a@b"), NULL },
		{ STR("%d/../%n"), STR("a@b"), NULL },
		{ STR(""), STR("a@b"), NULL },
		{ STR("%d//%n"), STR("a@b"), NULL },
	};
	struct arena *a = arena_new(1024 * 1024);

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str got;
		bool ok = home_from_template(rows[i].pattern, rows[i].address, a, &got);

		if (ok != (rows[i].want != NULL) || (ok && !is(got, rows[i].want)))
			fail_msg("row %zu: got " STR_FMT, i, STR_ARG(got));
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(a_plain_mailbox_costs_one_look_up),
		cmocka_unit_test(a_database_that_is_down_refuses_nobody),
		cmocka_unit_test(reasons_are_told),
		cmocka_unit_test(senders),
		cmocka_unit_test(homes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
