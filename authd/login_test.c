/* login_test.c - limits, cookies and remembered verifications. */
#include "base/test.h"

#include <stdio.h>

#include "authd/cookie.h"
#include "authd/limit.h"
#include "authd/verify.h"

static struct secret
secret(const char *text)
{
	struct secret s = { 0 };

	assert_true(secret_set(&s, str_of(text)));
	return s;
}

static uint32_t
guess(struct limits *l, const char *client, const char *user, const char *password, bool trusted,
    int64_t now)
{
	struct secret s = secret(password);
	uint32_t delay = limits_failed(l, str_of(client), str_of(user), &s, trusted, now);

	secret_free(&s);
	return delay;
}

static enum outcome
check(struct limits *l, const char *client, const char *user, bool trusted, int64_t now)
{
	return limits_check(l, str_of(client), str_of(user), trusted, now, NULL);
}

static void
network_limit_ends_after_a_minute(void **state)
{
	struct limits *l = limits_new();
	struct why why;
	char user[32];

	for (int i = 0; i < LIMIT_NETWORK_FAILURES; i++) {
		(void)snprintf(user, sizeof(user), "u%d@x", i);
		assert_int_equal(check(l, "192.0.2.1", user, false, 1000), DONE);
		(void)guess(l, "192.0.2.1", user, "x", false, 1000);
	}
	assert_int_equal(
	    limits_check(l, STR("192.0.2.200"), STR("a@x"), false, 31000, &why), TEMPFAIL);
	assert_int_equal(why.code, 454);
	assert_string_equal(
	    why.text, "Too many failed logins from your network, try again in 31 s");
	assert_int_equal(check(l, "192.0.3.1", "a@x", false, 31000), DONE);
	assert_int_equal(check(l, "192.0.2.1", "a@x", true, 31000), DONE);
	assert_int_equal(check(l, "192.0.2.1", "a@x", false, 61001), DONE);
	/* A /64 is one network, its neighbour another. */
	for (int i = 0; i < LIMIT_NETWORK_FAILURES; i++)
		(void)guess(l, "2001:db8:0:1::1", "b@x", "x", false, 1000);
	assert_int_equal(check(l, "2001:db8:0:1:ffff::9", "c@x", false, 2000), TEMPFAIL);
	assert_int_equal(check(l, "2001:db8:0:2::1", "c@x", false, 2000), DONE);
	limits_free(&l);
}

static void
account_limit_counts_distinct_passwords(void **state)
{
	struct limits *l = limits_new();
	char client[32], password[32];

	limits_passed(l, STR("203.0.113.9"), STR("ann@x"), false, 0);
	for (int i = 0; i < 200; i++)
		(void)guess(l, "10.0.0.1", "ann@x", "always the same", true, 1000);
	assert_int_equal(check(l, "10.0.0.1", "ann@x", true, 1000), DONE);
	for (int i = 0; i < LIMIT_ACCOUNT_GUESSES; i++) {
		assert_int_equal(check(l, "10.9.9.9", "ann@x", false, 2000), DONE);
		(void)snprintf(client, sizeof(client), "10.0.%d.1", i);
		(void)snprintf(password, sizeof(password), "guess %d", i);
		(void)guess(l, client, "ann@x", password, false, 2000);
	}
	assert_int_equal(check(l, "10.9.9.9", "ann@x", false, 2000), TEMPFAIL);
	assert_int_equal(
	    check(l, "203.0.113.77", "ann@x", false, 2000), DONE); /* the owner's /24 */
	/* Webmail is open to the owner still, and its guesses are counted too. */
	for (int i = 1; i < LIMIT_ACCOUNT_GUESSES; i++) {
		assert_int_equal(check(l, "127.0.0.1", "ann@x", true, 2000), DONE);
		(void)snprintf(password, sizeof(password), "guess %d", i);
		(void)guess(l, "127.0.0.1", "ann@x", password, true, 2000);
	}
	assert_int_equal(check(l, "127.0.0.1", "ann@x", true, 2000), TEMPFAIL);
	assert_int_equal(check(l, "10.9.9.9", "bob@x", false, 2000), DONE);
	assert_int_equal(check(l, "10.9.9.9", "ann@x", false, 1000 + LIMIT_ACCOUNT_MS + 1), DONE);
	limits_free(&l);
}

static void
good_networks_are_the_latest_eight(void **state)
{
	struct limits *l = limits_new();
	char client[32], password[32];

	for (int i = 0; i < 10; i++) {
		(void)snprintf(client, sizeof(client), "10.0.%d.1", i);
		limits_passed(l, str_of(client), STR("ann@x"), false, 0);
	}
	limits_passed(l, STR("10.0.2.1"), STR("ann@x"), false, 0); /* used again: stays */
	limits_passed(l, STR("10.0.99.1"), STR("ann@x"), false, 0);
	limits_passed(l, STR("127.0.0.1"), STR("ann@x"), true, 0); /* webmail is nobody's own */
	for (int i = 0; i < LIMIT_ACCOUNT_GUESSES; i++) {
		(void)snprintf(password, sizeof(password), "guess %d", i);
		(void)guess(l, "198.51.100.1", "ann@x", password, false, 0);
	}
	assert_int_equal(check(l, "10.0.2.1", "ann@x", false, 0), DONE);
	assert_int_equal(check(l, "10.0.99.1", "ann@x", false, 0), DONE);
	assert_int_equal(check(l, "10.0.3.1", "ann@x", false, 0), TEMPFAIL);
	assert_int_equal(check(l, "127.0.0.1", "ann@x", false, 0), TEMPFAIL);
	limits_free(&l);
}

static void
a_flood_is_bounded(void **state)
{
	struct limits *l = limits_new();
	char client[32], user[32];

	for (int i = 0; i < 3 * LIMIT_ENTRIES; i++) {
		(void)snprintf(client, sizeof(client), "10.%d.%d.1", i >> 8 & 255, i & 255);
		(void)snprintf(user, sizeof(user), "u%d@x", i);
		(void)guess(l, client, user, "x", false, 1000);
	}
	assert_int_equal(check(l, "10.0.0.1", "u0@x", false, 1000), DONE);
	limits_free(&l);
}

static void
delays_double(void **state)
{
	struct limits *l = limits_new();
	static const uint32_t want[] = { 1000, 2000, 4000, 8000, 15000, 15000 };
	char password[16];

	for (size_t i = 0; i < COUNT_OF(want); i++) {
		(void)snprintf(password, sizeof(password), "p%zu", i);
		assert_int_equal(guess(l, "192.0.2.1", "ann@x", password, false, 1000), want[i]);
	}
	limits_free(&l);
}

static void
cookies(void **state)
{
	struct cookies *c = cookies_new();
	struct arena *a = arena_new(64 * 1024);
	const struct auth_home who = { .user = STR("ann@x"), .home = STR("x/ann"), .quota = 7 };
	unsigned char cookie[AUTH_COOKIE_OCTETS], other[AUTH_COOKIE_OCTETS];
	uint64_t number, other_number;
	struct auth_home got;

	assert_int_equal(cookie_make(c, &who, 0, &number, cookie), DONE);
	assert_int_equal(cookie_make(c, &who, 0, &other_number, other), DONE);
	assert_memory_not_equal(cookie, other, sizeof(cookie));
	assert_int_equal(
	    cookie_redeem(c, number + 1, str_n(cookie, sizeof(cookie)), 0, a, &got), PERMFAIL);
	assert_int_equal(
	    cookie_redeem(c, number, str_n(cookie, sizeof(cookie)), 100, a, &got), DONE);
	assert_true(str_eq(got.user, STR("ann@x")) && str_eq(got.home, STR("x/ann")));
	assert_int_equal(got.quota, 7);
	/* Once. */
	assert_int_equal(
	    cookie_redeem(c, number, str_n(cookie, sizeof(cookie)), 100, a, &got), PERMFAIL);
	/* A wrong one uses it up. */
	assert_int_equal(
	    cookie_redeem(c, other_number, str_n(cookie, sizeof(cookie)), 100, a, &got), PERMFAIL);
	assert_int_equal(
	    cookie_redeem(c, other_number, str_n(other, sizeof(other)), 100, a, &got), PERMFAIL);
	/* A short one, an old one. */
	assert_int_equal(cookie_make(c, &who, 0, &number, cookie), DONE);
	assert_int_equal(cookie_redeem(c, number, str_n(cookie, 15), 0, a, &got), PERMFAIL);
	assert_int_equal(cookie_make(c, &who, 0, &number, cookie), DONE);
	assert_int_equal(
	    cookie_redeem(c, number, str_n(cookie, sizeof(cookie)), AUTH_COOKIE_MS + 1, a, &got),
	    PERMFAIL);
	/* No more than so many wait; those that are over make room. */
	for (int i = 0; i < COOKIES_MAX; i++)
		assert_int_equal(cookie_make(c, &who, 100000, &number, cookie), DONE);
	assert_int_equal(cookie_make(c, &who, 100000, &number, cookie), TEMPFAIL);
	assert_int_equal(cookie_make(c, &who, 200000, &number, cookie), DONE);
	arena_free(&a);
	cookies_free(&c);
}

static void
outcomes_are_remembered(void **state)
{
	static const struct str stored =
	    STR("$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6V"
		"jyOmkx5i4");
	struct verifier *v = verifier_new("CRYPT", 2);
	struct secret right = secret("secret"), wrong = secret("wrong"), empty = { 0 };
	uint64_t computed, remembered;
	bool fresh;

	assert_int_equal(verify(v, STR("ann@x"), stored, &right, DEADLINE_NEVER, &fresh), DONE);
	assert_true(fresh);
	assert_int_equal(verify(v, STR("ann@x"), stored, &right, DEADLINE_NEVER, &fresh), DONE);
	assert_false(fresh);
	assert_int_equal(verify(v, STR("ann@x"), stored, &wrong, DEADLINE_NEVER, &fresh), PERMFAIL);
	assert_int_equal(verify(v, STR("ann@x"), stored, &wrong, DEADLINE_NEVER, &fresh), PERMFAIL);
	assert_int_equal(verify(v, STR("ann@x"), stored, &empty, DEADLINE_NEVER, &fresh), PERMFAIL);
	verifier_count(v, &computed, &remembered);
	assert_int_equal(computed, 2);
	assert_int_equal(remembered, 2);
	/* Nobody is verified too, and the model's password opens nothing. */
	assert_int_equal(
	    verify(v, STR("no@x"), STR_NONE, &right, DEADLINE_NEVER, &fresh), PERMFAIL);
	assert_int_equal(
	    verify(v, STR("no@x"), STR_NONE, &right, DEADLINE_NEVER, &fresh), PERMFAIL);
	verifier_count(v, &computed, &remembered);
	assert_int_equal(computed, 3);
	assert_int_equal(remembered, 3);
	/* Another stored text is another question. */
	assert_int_equal(
	    verify(v, STR("ann@x"), STR("{PLAIN}wrong"), &wrong, DEADLINE_NEVER, &fresh), DONE);
	assert_int_equal(
	    verify(v, STR("ann@x"), STR("nonsense"), &wrong, DEADLINE_NEVER, &fresh), PERMFAIL);
	secret_free(&right);
	secret_free(&wrong);
	verifier_free(&v);
}

static void
the_longest_unused_is_forgotten(void **state)
{
	struct verifier *v = verifier_new("CRYPT", 1);
	struct secret p = secret("secret");
	uint64_t before, after, remembered;
	char user[32];

	for (int i = 0; i < VERIFY_REMEMBERED + 10; i++) {
		(void)snprintf(user, sizeof(user), "u%d", i);
		assert_int_equal(
		    verify(v, str_of(user), STR("{PLAIN}secret"), &p, DEADLINE_NEVER, NULL), DONE);
		/* The first stays in use. */
		assert_int_equal(
		    verify(v, STR("u0"), STR("{PLAIN}secret"), &p, DEADLINE_NEVER, NULL), DONE);
	}
	verifier_count(v, &before, &remembered);
	assert_int_equal(
	    verify(v, STR("u0"), STR("{PLAIN}secret"), &p, DEADLINE_NEVER, NULL), DONE);
	verifier_count(v, &after, &remembered);
	assert_int_equal(before, after);
	assert_int_equal(
	    verify(v, STR("u1"), STR("{PLAIN}secret"), &p, DEADLINE_NEVER, NULL), DONE);
	verifier_count(v, &after, &remembered);
	assert_int_equal(before + 1, after);
	secret_free(&p);
	verifier_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(network_limit_ends_after_a_minute),
		cmocka_unit_test(account_limit_counts_distinct_passwords),
		cmocka_unit_test(good_networks_are_the_latest_eight),
		cmocka_unit_test(a_flood_is_bounded),
		cmocka_unit_test(delays_double),
		cmocka_unit_test(cookies),
		cmocka_unit_test(outcomes_are_remembered),
		cmocka_unit_test(the_longest_unused_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
