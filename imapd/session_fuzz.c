/*
 * session_fuzz.c - a logged-in session fed any octets, in pieces, with a
 * folder selected or not: it must answer or end, never hang or fall.
 *
 * The first octet says in which state it begins and how the input is cut.
 */
#include "base/fuzz.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/harness.h"

static struct harness *harness;
static char message[] = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
			"--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
			"Subject: y\r\n\r\ntwo\n--b--\r\n";

static void
begin(void)
{
	int fd;

	harness = xmalloc(sizeof(*harness));
	harness_start(harness);
	fd = harness_login(harness, "fuzz", (struct quota_limit){ .octets = 1024 * 1024 });
	free(client_read(fd, "login OK"));
	for (int i = 0; i < 3; i++)
		free(client_ask(fd, "a APPEND INBOX {%zu+}\r\n%s", strlen(message), message));
	free(client_ask(fd, "a CREATE x.y"));
	(void)close(fd);
}

FUZZ(data, n)
{
	static const char *const states[] = { "", "s SELECT INBOX\r\n", "s EXAMINE INBOX\r\n",
		"s SELECT INBOX (CONDSTORE)\r\ni IDLE\r\n" };
	size_t step;
	char *rest;
	int fd;

	if (harness == NULL)
		begin();
	if (n == 0 || n > 64 * 1024)
		return;
	fd = harness_login(harness, "fuzz", (struct quota_limit){ .octets = 1024 * 1024 });
	client_send(fd, str_of(states[data[0] % COUNT_OF(states)]));
	step = (size_t)1 << (data[0] / 16);
	for (size_t at = 1; at < n; at += step)
		client_send(fd, str_n(data + at, MIN(step, n - at)));
	(void)shutdown(fd, SHUT_WR);
	rest = client_rest(fd);
	assert(rest != NULL);
	free(rest);
	(void)close(fd);
}
