#include "base/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "conf/conf.h"

static struct conf *
good(const char *text)
{
	struct conf *c;
	struct buf errors;

	buf_init(&errors, 4096);
	if (conf_parse(str_of(text), "test.conf", &c, &errors) != DONE)
		fail_msg("%s", buf_cstr(&errors));
	buf_free(&errors);
	return c;
}

static void
test_defaults(void **state)
{
	struct conf *c = good("");

	assert_int_equal(c->message_size, 50 * 1024 * 1024);
	assert_int_equal(c->drain_time, 10 * 1000);
	assert_int_equal(c->listen_smtp.n, 1);
	assert_string_equal(c->listen_smtp.items[0].name, "*");
	assert_int_equal(c->listen_smtp.items[0].port, 25);
	assert_int_equal(c->smarthost.n, 0);
	assert_false(c->allow_plaintext_login);
	assert_int_equal(c->log_level, 1);
	assert_true(c->hostname[0] != '\0');
	conf_unref(&c);
	assert_null(c);
}

static void
test_values(void **state)
{
	struct conf *c = good("# a comment\r\n"
			      "hostname = mail.example.test  # ours\r\n"
			      "mail_dir=/srv/mail/\n"
			      "\n"
			      "  message_size\t=  128k\n"
			      "drain_time = 2m\n"
			      "allow_plaintext_login = YES\n"
			      "log_level = Warn\n"
			      "listen_imap = 127.0.0.1:1143, [::1]:1143 localhost ::1\n"
			      "listen_pop3 = off\n"
			      "database_password_file = /etc/a#b\n");

	assert_string_equal(c->hostname, "mail.example.test");
	assert_string_equal(c->mail_dir, "/srv/mail");
	assert_int_equal(c->message_size, 128 * 1024);
	assert_int_equal(c->drain_time, 120 * 1000);
	assert_true(c->allow_plaintext_login);
	assert_int_equal(c->log_level, 2);
	assert_int_equal(c->listen_imap.n, 4);
	assert_string_equal(c->listen_imap.items[1].name, "::1");
	assert_int_equal(c->listen_imap.items[1].port, 1143);
	assert_string_equal(c->listen_imap.items[2].name, "localhost");
	assert_int_equal(c->listen_imap.items[2].port, 143);
	assert_string_equal(c->listen_imap.items[3].name, "::1");
	assert_int_equal(c->listen_imap.items[3].port, 143);
	assert_int_equal(c->listen_pop3.n, 0);
	assert_string_equal(c->database_password_file, "/etc/a#b");
	assert_int_equal(conf_line(c, CONF_INDEX_mail_dir), 3);
	assert_int_equal(conf_line(c, CONF_INDEX_queue_dir), 0);
	assert_string_equal(conf_written(c, CONF_INDEX_message_size), "128k");
	conf_unref(&c);
}

/* What is printed for the daemons reads back as the same settings. */
static void
test_print(void **state)
{
	struct conf *c =
	    good("hostname = a.test\nmessage_size = 1M\ntrusted_networks = 10.0.0.0/8\n");
	struct conf *again;
	struct buf first, second;

	buf_init(&first, CONF_TEXT_MAX);
	buf_init(&second, CONF_TEXT_MAX);
	conf_print(c, &first);
	again = good(buf_cstr(&first));
	conf_print(again, &second);
	assert_string_equal(buf_cstr(&first), buf_cstr(&second));
	assert_int_equal(again->message_size, 1024 * 1024);
	buf_free(&first);
	buf_free(&second);
	conf_unref(&c);
	conf_unref(&again);
}

static const struct {
	const char *name, *text, *error;
} refused[] = {
	{ "no equals sign", "hostname mail.test\n", "test.conf:1: expected \"name = value\"" },
	{ "misspelt", "\nmesage_size = 1M\n",
	    "test.conf:2: there is no option \"mesage_size\"; "
	    "did you mean message_size?" },
	{ "part of a name", "shards = 2\n", "did you mean imap_shards?" },
	{ "unlike any", "frobnicate = 1\n", "there is no option \"frobnicate\"; `postroom" },
	{ "no key", "= 3\n", "there is no option \"\"" },
	{ "twice", "port_base = 1\nport_base = 2\n",
	    "test.conf:2: port_base was already set in line 1" },
	{ "size too small", "message_size = 1\n", "expected a size from 64K to 2G" },
	{ "size overflow", "message_size = 99999999999999999999G\n", "expected a size" },
	{ "size wraps", "message_size = 17179869184G\n", "expected a size" },
	{ "size of nothing", "message_size =\n", "expected a size" },
	{ "negative", "port_base = -1\n", "expected a number from 0 to 60000" },
	{ "unit on a number", "port_base = 1K\n", "expected a number" },
	{ "time without unit", "drain_time = 10\n", "as in 500ms, 10s" },
	{ "relative path", "mail_dir = mail\n", "expected a path that begins with /" },
	{ "bool", "allow_plaintext_login = maybe\n", "expected yes or no, not \"maybe\"" },
	{ "choice", "log_level = loud\n", "expected one of debug, info, warn" },
	{ "network", "trusted_networks = 10.0.0.0/33\n", "expected addresses or networks" },
	{ "network name", "trusted_networks = example.test\n", "expected addresses or networks" },
	{ "port", "listen_smtp = *:70000\n", "expected off, or hosts with ports, as in *:25" },
	{ "port zero", "listen_smtp = *:0\n", "expected off" },
	{ "host with a slash", "listen_smtp = a/b:25\n", "expected off" },
	{ "bracket", "listen_smtp = [::1:25\n", "expected off" },
	{ "control character", "hostname = a\033b\n",
	    "expected text without control characters, not \"a?b\"" },
	{ "key without certificate", "tls_key = /k.pem\n",
	    "expected both tls_certificate and tls_key" },
	{ "two mistakes", "a = 1\nport_base = x\n", "test.conf:2: port_base" },
};

static void
test_refused(void **state)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct conf *c;
		struct buf errors;

		buf_init(&errors, 4096);
		if (conf_parse(str_of(refused[i].text), "test.conf", &c, &errors) != PERMFAIL)
			fail_msg("%s: was taken", refused[i].name);
		assert_null(c);
		if (str_find(buf_str(&errors), str_of(refused[i].error)) < 0)
			fail_msg("%s: got %s want %s", refused[i].name, buf_cstr(&errors),
			    refused[i].error);
		buf_free(&errors);
	}
}

static void
test_nul(void **state)
{
	struct conf *c;
	struct buf errors;

	buf_init(&errors, 4096);
	assert_int_equal(conf_parse(STR("hostname = a\0b\n"), "test.conf", &c, &errors), PERMFAIL);
	buf_free(&errors);
}

static const struct {
	const char *nets, *address;
	bool in;
} members[] = {
	{ "127.0.0.0/8 ::1", "127.9.9.9", true },
	{ "127.0.0.0/8 ::1", "128.0.0.1", false },
	{ "127.0.0.0/8 ::1", "::1", true },
	{ "127.0.0.0/8 ::1", "::2", false },
	{ "127.0.0.0/8", "::ffff:127.0.0.1", true },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.129", true },
	{ "0.0.0.0/0", "8.8.8.8", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "", "127.0.0.1", false },
};

static void
test_nets(void **state)
{
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		char text[128];
		struct conf *c;
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		bool is4 = inet_pton(AF_INET, members[i].address, &v4.sin_addr) == 1;

		snprintf(text, sizeof(text), "trusted_networks = %s\n", members[i].nets);
		c = good(text);
		if (!is4)
			assert_int_equal(inet_pton(AF_INET6, members[i].address, &v6.sin6_addr), 1);
		if (conf_nets_have(&c->trusted_networks,
			is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6) != members[i].in)
			fail_msg("%s in %s", members[i].address, members[i].nets);
		conf_unref(&c);
	}
}

static void
test_socket(void **state)
{
	struct conf *near = good("run_dir = /run/postroom\n");
	struct conf *far =
	    good("run_dir = /home/somebody/with/a/long/name/projects/2026/"
		 "mail-platforms/postroom-checkout/var/instances/the-first-of-them/run\n");

	assert_string_equal(conf_socket(near, "lmtp").path, "/run/postroom/lmtp");
	assert_true(strncmp(conf_socket(far, "lmtp").path, "/run/postroom-", 14) == 0);
	conf_unref(&near);
	conf_unref(&far);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_nets),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
