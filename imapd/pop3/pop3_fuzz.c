/*
 * pop3_fuzz.c - a logged-in POP3 session fed any octets, in pieces: it must
 * answer or end, never hang or fall.  The first octet says how the input is cut.
 */
#include "base/fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "imapd/harness.h"
#include "imapd/pop3/pop3.h"
#include "rpc/imap_proto.h"

static struct harness *harness;

static int
log_in(void)
{
	const struct account account = { .user = STR("fuzz"), .home = STR("example.test/fuzz") };
	struct handover h = { .protocol = IMAPD_POP3, .client = STR("192.0.2.1") };
	struct why why = { 0 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		log_fatal("no socketpair");
	h.fd = ends[1];
	if (pop3_begin(&harness->d, &h, &account, &why) != DONE)
		log_fatal("login: %s", why.text);
	return ends[0];
}

static void
begin(void)
{
	static const char message[] = "Subject: x\r\n\r\n.one\ntwo\r\n\r\n..three";
	int fd;

	harness = xmalloc(sizeof(*harness));
	harness_start(harness);
	fd = harness_login(harness, "fuzz", (struct quota_limit){ 0 });
	free(client_read(fd, "login OK"));
	for (int i = 0; i < 3; i++)
		free(client_ask(fd, "a APPEND INBOX {%zu+}\r\n%s", sizeof(message) - 1, message));
	(void)close(fd);
}

FUZZ(data, n)
{
	size_t step;
	char *rest;
	int fd;

	if (harness == NULL)
		begin();
	if (n == 0 || n > 16 * 1024)
		return;
	fd = log_in();
	step = (size_t)1 << (data[0] / 16);
	for (size_t at = 1; at < n; at += step)
		client_send(fd, str_n(data + at, MIN(step, n - at)));
	(void)shutdown(fd, SHUT_WR);
	rest = client_rest(fd);
	assert(rest != NULL);
	free(rest);
	(void)close(fd);
}
