#include "base/test.h"

#include "deliver/relay/hosts.h"
#include "mail/address.h"

static void
test_loopback(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} rows[] = {
		{ "127.0.0.1", true },
		{ "127.255.255.254", true },
		{ "0.0.0.0", true },
		{ "224.0.0.1", true },
		{ "255.255.255.255", true },
		{ "126.255.255.255", false },
		{ "192.0.2.1", false },
		{ "10.0.0.1", false },
		{ "::1", true },
		{ "::", true },
		{ "::2", false },
		{ "ff02::1", true },
		{ "::ffff:127.0.0.1", true },
		{ "::ffff:192.0.2.1", false },
		{ "2001:db8::1", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dns_address a = { 0 };
		size_t n = ip_parse(str_of(rows[i].address), a.octets);

		assert_true(n == 4 || n == 16);
		a.family = n == 4 ? AF_INET : AF_INET6;
		if (hosts_is_loopback(&a) != rows[i].want)
			fail_msg("%s", rows[i].address);
	}
}

/* Without the DNS: literals, what is no domain, and a smarthost. */
static void
test_literals(void **state)
{
	static const struct {
		const char *domain, *settings;
		enum outcome want;
		const char *status;
		uint16_t port;
	} rows[] = {
		{ "[192.0.2.1]", "", DONE, "", 25 },
		{ "[IPv6:2001:db8::1]", "relay_port = 2525\n", DONE, "", 2525 },
		{ "[127.0.0.1]", "", TEMPFAIL, "4.4.4", 0 },
		{ "[127.0.0.1]", "relay_to_loopback = yes\n", DONE, "", 25 },
		{ "far..example", "", PERMFAIL, "5.1.2", 0 },
		{ "far.example", "smarthost = 127.0.0.1:2526\n", DONE, "", 2526 },
	};
	struct dns *dns = dns_new("127.0.0.1@9");
	struct arena *arena = arena_new(1024 * 1024);

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smtp_peer peers[HOSTS_MAX];
		struct conf *conf;
		struct buf errors;
		struct why why = { 0 };
		enum outcome o;
		size_t n;

		buf_init(&errors, 4096);
		assert_int_equal(conf_parse(str_of(rows[i].settings), "x", &conf, &errors), DONE);
		o = hosts_find(dns, conf, str_of(rows[i].domain), arena, peers, &n, &why);
		if (o != rows[i].want || (o != DONE && strcmp(why.enhanced, rows[i].status) != 0) ||
		    (o == DONE && (n != 1 || peers[0].port != rows[i].port)))
			fail_msg("%s: %s, %zu, %s", rows[i].domain, outcome_name(o), n, why.text);
		conf_unref(&conf);
		buf_free(&errors);
	}
	arena_free(&arena);
	dns_free(&dns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
