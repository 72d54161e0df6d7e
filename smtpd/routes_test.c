/* routes_test.c - what is remembered of a route, and what is not. */
#include "base/test.h"

#include "base/clock.h"
#include "smtpd/routes.h"

static void
remembered(void **state)
{
	static const struct deliver_target targets[5] = {
		{ DELIVER_TO_MAILBOX, { "ann@a.test", 10 } },
		{ DELIVER_TO_REMOTE, { "bob@b.test", 10 } },
	};
	struct smtp_route two = { .targets = targets, .target_count = 2, .hosted = true };
	struct smtp_route five = { .targets = targets, .target_count = 5 };
	struct smtp_route got;
	struct why no = { 550, "5.1.1", "No such user here" }, why;
	struct routes *r = routes_new();
	struct arena *a = arena_new(65536);
	enum outcome o;

	assert_false(routes_get(r, STR("x@a.test"), a, &o, &got, &why));
	routes_put(r, STR("x@a.test"), DONE, &two, NULL);
	assert_true(routes_get(r, STR("x@a.test"), a, &o, &got, &why));
	assert_int_equal(o, DONE);
	assert_int_equal(got.target_count, 2);
	assert_true(got.hosted);
	assert_true(str_eq(got.targets[1].address, STR("bob@b.test")));
	assert_int_equal(got.targets[1].kind, DELIVER_TO_REMOTE);
	assert_false(routes_get(r, STR("X@a.test"), a, &o, &got, &why));

	routes_put(r, STR("y@a.test"), PERMFAIL, NULL, &no);
	assert_true(routes_get(r, STR("y@a.test"), a, &o, &got, &why));
	assert_int_equal(o, PERMFAIL);
	assert_string_equal(why.text, "No such user here");

	routes_put(r, STR("z@a.test"), TEMPFAIL, NULL, &no);
	assert_false(routes_get(r, STR("z@a.test"), a, &o, &got, &why));
	routes_put(r, STR("many@a.test"), DONE, &five, NULL);
	assert_false(routes_get(r, STR("many@a.test"), a, &o, &got, &why));

	for (int i = 0; i < 10000; i++) { /* a place is taken over, none is lost */
		char *name = arena_printf(a, "%d@a.test", i % 3000);
		arena_reset(a);
		routes_put(r, str_of(name), DONE, &two, NULL);
	}
	arena_free(&a);
	routes_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
