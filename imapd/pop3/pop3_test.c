/*
 * pop3_test.c - POP3 sessions over a socket pair, on a real store.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/harness.h"
#include "imapd/pop3/pop3.h"
#include "rpc/imap_proto.h"
#include "store/folder.h"
#include "store/store.h"

static struct harness box;

#define PATIENCE_MS 10000

static int
log_in(const char *name, const char *input)
{
	char home[128];
	struct account account = { .user = str_of(name) };
	struct handover h = { .protocol = IMAPD_POP3, .client = STR("192.0.2.1") };
	struct why why = { 0 };
	int ends[2];

	(void)snprintf(home, sizeof(home), "example.test/%s", name);
	account.home = str_of(home);
	h.input = str_of(input);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	h.fd = ends[1];
	assert_int_equal(pop3_begin(&box.d, &h, &account, &why), DONE);
	return ends[0];
}

/* Put a message into the folder as deliver does. */
static void
deliver(const char *name, struct str text, const char *id)
{
	char home_name[128];
	struct delivery m = { .id = str_of(id), .size = text.n, .vsize = text.n };
	struct deadline d = deadline_in(PATIENCE_MS);
	struct delivered got;
	struct spool_file spool;
	struct folder *f;
	struct home *home;
	struct why why = { 0 };

	(void)snprintf(home_name, sizeof(home_name), "example.test/%s", name);
	assert_int_equal(store_home(box.d.store, str_of(home_name), true, &home, &why), DONE);
	assert_int_equal(folder_open(home, STR("INBOX"), true, d, &f, &why), DONE);
	assert_int_equal(store_spool(box.d.store, &spool, &why), DONE);
	assert_int_equal(write(spool.fd, text.p, text.n), text.n);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
			m.vsize++;
	m.fd = spool.fd;
	m.arrived = m.internaldate = 1700000000;
	assert_int_equal(folder_deliver(f, &m, d, &got, &why), DONE);
	spool_discard(box.d.store, &spool);
	folder_release(&f);
	home_release(&home);
}

/* Send all lines, QUIT or not, and compare everything that is answered. */
static void
converse(const char *name, const char *send, const char *want)
{
	int fd = log_in(name, "");
	char *got;

	client_send(fd, str_of(send));
	(void)shutdown(fd, SHUT_WR);
	got = client_rest(fd);
	if (got == NULL || strcmp(got, want) != 0)
		fail_msg("after %s\ngot  %s\nwant %s", send, got, want);
	free(got);
	(void)close(fd);
}

#define ONE   "Subject: one\r\n\r\nfirst\r\n"
#define TWO   "Subject: two\n\n.dot\nlast"
#define THREE "Subject: three\r\n\r\n1\r\n2\r\n3\r\n"
#define IN    "+OK Logged in.\r\n"

static void
fill(const char *name)
{
	deliver(name, STR(ONE), "a");
	deliver(name, STR(TWO), "b");
	deliver(name, STR(THREE), "c");
}

static void
test_reading(void **state)
{
	fill("ann");
	converse("ann", "STAT\r\n", IN "+OK 3 76\r\n");
	converse("ann", "LIST\r\nLIST 2\r\nLIST 4\r\nLIST x\r\n",
	    IN "+OK 3 messages (76 octets)\r\n1 23\r\n2 26\r\n3 27\r\n.\r\n+OK 2 26\r\n"
	       "-ERR No such message\r\n-ERR Expected a message number\r\n");
	converse("ann", "RETR 1\r\n", IN "+OK Message follows.\r\n" ONE ".\r\n");
	converse("ann", "RETR 2\r\n",
	    IN "+OK Message follows.\r\nSubject: two\r\n\r\n..dot\r\nlast\r\n.\r\n");
	converse("ann", "TOP 3 0\r\nTOP 3 2\r\nTOP 3 99\r\nTOP 3\r\n",
	    IN "+OK Message follows.\r\nSubject: three\r\n\r\n.\r\n"
	       "+OK Message follows.\r\nSubject: three\r\n\r\n1\r\n2\r\n.\r\n"
	       "+OK Message follows.\r\n" THREE ".\r\n-ERR Syntax: TOP message lines\r\n");
	converse("ann", "NOOP\r\nstat\r\nSTAT 1\r\nRETR\r\nFROB\r\nNOOP\n",
	    IN "+OK Nothing done.\r\n+OK 3 76\r\n-ERR No arguments expected\r\n"
	       "-ERR Arguments expected\r\n-ERR Unknown command\r\n-ERR Lines end with CRLF\r\n");
}

static void
test_deleting(void **state)
{
	fill("bob");
	/* Not without QUIT. */
	converse("bob", "DELE 1\r\nSTAT\r\nRETR 1\r\nDELE 1\r\n",
	    IN "+OK Deleted.\r\n+OK 2 53\r\n-ERR No such message\r\n-ERR No such message\r\n");
	converse("bob", "STAT\r\nDELE 2\r\nRSET\r\nSTAT\r\nQUIT\r\n",
	    IN "+OK 3 76\r\n+OK Deleted.\r\n+OK Nothing is deleted.\r\n+OK 3 76\r\n+OK Bye.\r\n");
	converse("bob", "DELE 2\r\nLIST\r\nQUIT\r\nSTAT\r\n",
	    IN "+OK Deleted.\r\n+OK 2 messages (50 octets)\r\n1 23\r\n3 27\r\n.\r\n+OK Bye.\r\n");
	converse("bob", "LIST\r\n", IN "+OK 2 messages (50 octets)\r\n1 23\r\n2 27\r\n.\r\n");
}

/* The unique ids of a conversation's UIDL. */
static char *
uidl(const char *name)
{
	int fd = log_in(name, "UIDL\r\nQUIT\r\n");
	char *got = client_rest(fd);

	(void)close(fd);
	return got;
}

static void
test_unique_ids(void **state)
{
	char *before, *after, *one, *two;

	fill("cyd");
	before = uidl("cyd");
	after = uidl("cyd");
	assert_string_equal(before, after);
	assert_non_null(strstr(before, "\r\n1 00000001"));
	assert_non_null(strstr(before, "\r\n3 00000003"));
	converse("cyd", "DELE 1\r\nQUIT\r\n", IN "+OK Deleted.\r\n+OK Bye.\r\n");
	free(after);
	after = uidl("cyd");
	/* What was 2 is 1 and has kept its id. */
	one = strstr(after, "\r\n1 ") + 4;
	two = strstr(before, "\r\n2 ") + 4;
	assert_memory_equal(one, two, 16);
	free(before);
	free(after);
}

static void
test_lock(void **state)
{
	int first = log_in("dan", "STAT\r\n");
	char *got = client_read(first, "+OK 0 0");

	assert_non_null(got);
	free(got);
	converse("dan", "", "-ERR [IN-USE] Another session has this mailbox\r\n");
	converse("eve", "STAT\r\n", IN "+OK 0 0\r\n");
	(void)shutdown(first, SHUT_WR);
	free(client_rest(first));
	(void)close(first);
	converse("dan", "STAT\r\n", IN "+OK 0 0\r\n");
}

/* Numbers stay while others deliver; new mail is for the next session. */
static void
test_others(void **state)
{
	int fd;
	char *got;

	fill("fay");
	fd = log_in("fay", "STAT\r\n");
	got = client_read(fd, "+OK 3");
	assert_non_null(got);
	free(got);
	deliver("fay", STR(ONE), "d");
	client_send(fd, STR("NOOP\r\nSTAT\r\nQUIT\r\n"));
	got = client_rest(fd);
	assert_non_null(strstr(got, "+OK 3 76\r\n"));
	free(got);
	(void)close(fd);
	converse("fay", "STAT\r\n", IN "+OK 4 99\r\n");
}

static void
test_limits(void **state)
{
	static char line[4096];
	int fd;
	char *got;

	memset(line, 'a', sizeof(line) - 1);
	converse("gus", line, IN "-ERR Line too long\r\n");
	fd = log_in("gus", "");
	for (int i = 0; i < 100; i++)
		client_send(fd, STR("FROB\r\n"));
	got = client_rest(fd);
	assert_non_null(got);
	assert_true(strlen(got) < 100 * sizeof("-ERR Unknown command\r\n"));
	free(got);
	(void)close(fd);
}

static int
start(void **state)
{
	harness_start(&box);
	return 0;
}

static int
stop(void **state)
{
	harness_stop(&box);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_deleting),
		cmocka_unit_test(test_unique_ids),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
