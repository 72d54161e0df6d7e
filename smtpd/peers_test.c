/* peers_test.c - counts per address: who counts with whom, and that they go back to nothing. */
#include "base/test.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "smtpd/peers.h"

static struct peer_key
key(const char *ip)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1)
		return peer_key_of((struct sockaddr *)&in);
	assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
	return peer_key_of((struct sockaddr *)&in6);
}

static void
who_counts_together(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "2001:db8::1", "2001:db8::ffff:2", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct peer_key a = key(rows[i].a), b = key(rows[i].b);
		if ((memcmp(&a, &b, sizeof(a)) == 0) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

static void
limits(void **state)
{
	struct peers *p = peers_new();
	struct peer_key a = key("192.0.2.1");
	char ip[32];

	for (int i = 0; i < 20; i++)
		assert_true(peers_enter(p, a, 20));
	assert_false(peers_enter(p, a, 20));
	assert_true(peers_enter(p, key("192.0.2.2"), 20));
	peers_leave(p, a);
	assert_true(peers_enter(p, a, 20));
	assert_false(peers_enter(p, key("192.0.2.3"), 0));
	for (int i = 0; i < 20; i++)
		peers_leave(p, a);
	assert_int_equal(peers_count(p, a), 0);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(ip, sizeof(ip), "10.1.%d.%d", i / 250, i % 250);
		assert_true(peers_enter(p, key(ip), 1));
	}
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(ip, sizeof(ip), "10.1.%d.%d", i / 250, i % 250);
		assert_int_equal(peers_count(p, key(ip)), 1);
		peers_leave(p, key(ip));
	}
	peers_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_counts_together),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
