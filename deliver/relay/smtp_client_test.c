/*
 * The client against a server that follows a script: what it says, what has
 * to come before it says it.
 */
#include "base/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deliver/relay/smtp_client.h"

#define STEPS 16

struct step {
	const char *until; /* wait until the client has sent this; NULL: say at once */
	const char *say;   /* NULL: close */
};

struct server {
	int listener;
	uint16_t port;
	const struct step *steps;
	pthread_t thread;
	char got[256 * 1024]; /* everything the client sent */
	size_t got_n;
};

static void *
serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);
	size_t from = 0;

	for (size_t i = 0; i < STEPS; i++) {
		const struct step *step = &s->steps[i];

		while (step->until != NULL) {
			ptrdiff_t at =
			    str_find(str_n(s->got + from, s->got_n - from), str_of(step->until));
			ssize_t n;

			if (at >= 0) {
				from += (size_t)at + strlen(step->until);
				break;
			}
			n = recv(fd, s->got + s->got_n, sizeof(s->got) - s->got_n, 0);
			if (n <= 0)
				goto out;
			s->got_n += (size_t)n;
		}
		if (step->say == NULL)
			break;
		if (send(fd, step->say, strlen(step->say), MSG_NOSIGNAL) < 0)
			break;
	}
out:
	(void)close(fd);
	return NULL;
}

static void
server_begin(struct server *s, const struct step *steps)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	s->steps = steps;
	s->got_n = 0;
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 1), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
server_end(struct server *s)
{
	(void)pthread_join(s->thread, NULL);
	(void)close(s->listener);
	s->got[s->got_n] = '\0';
}

static int
message_fd(const char *text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

#define GREET                                    \
	{                                        \
		NULL, "220 mx.example ESMTP\r\n" \
	}
#define EHLO(x)                                                              \
	{                                                                    \
		"EHLO us.example\r\n", "250-mx.example\r\n" x "250 HELP\r\n" \
	}
#define QUITTING                          \
	{                                 \
		"QUIT\r\n", "221 Bye\r\n" \
	}
#define MESSAGE "Return-Path: <a@us.example>\r\nSubject: x\r\n\r\n.dot\r\nend\r\n"
#define SKIP    (sizeof("Return-Path: <a@us.example>\r\n") - 1)

struct scene {
	const char *name;
	struct step steps[STEPS];
	const char *message; /* NULL: MESSAGE */
	uint32_t flags;
	enum outcome opened, sent;
	enum outcome want[2];
	const char *status[2];
	const char *seen;     /* the server got this */
	const char *not_seen; /* and not this */
	enum smtp_tls tls;
};

static const struct relay_recipient two[] = {
	{ STR("x@far.example"), STR("rfc822;x@old.example"), DELIVER_NOTIFY_FAILURE },
	{ STR("y@far.example"), STR(""), 0 },
};

static const struct scene scenes[] = {
	{ "pipelined",
	    { GREET, EHLO("250-PIPELINING\r\n250-DSN\r\n250-SIZE 1000\r\n"),
		{ "DATA\r\n", "250 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no\r\n354 go\r\n" },
		{ "\r\n.\r\n", "250 2.0.0 taken\r\n" }, QUITTING },
	    .want = { DONE, PERMFAIL }, .status = { "2.0.0", "5.1.1" },
	    .seen = "MAIL FROM:<a@us.example> SIZE=25 RET=HDRS ENVID=e1\r\n"
		    "RCPT TO:<x@far.example> NOTIFY=FAILURE ORCPT=rfc822;x@old.example\r\n"
		    "RCPT TO:<y@far.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\n",
	    .not_seen = "Return-Path" },
	{ "one by one",
	    { GREET, EHLO(""), { "MAIL FROM:<a@us.example>\r\n", "250 ok\r\n" },
		{ "RCPT TO:<x@far.example>\r\n", "450 later\r\n" },
		{ "RCPT TO:<y@far.example>\r\n", "250 ok\r\n" }, { "DATA\r\n", "354 go\r\n" },
		{ "\r\n.\r\n", "250 taken\r\n" }, QUITTING },
	    .want = { TEMPFAIL, DONE }, .status = { "4.0.0", "2.0.0" } },
	{ "HELO",
	    { GREET, { "EHLO us.example\r\n", "502 what\r\n" },
		{ "HELO us.example\r\n", "250 hello\r\n" },
		{ "MAIL FROM:<a@us.example>\r\n", "250 ok\r\n" }, { "RCPT", "250 ok\r\n" },
		{ "RCPT", "250 ok\r\n" }, { "DATA\r\n", "354 go\r\n" },
		{ "\r\n.\r\n", "250 taken\r\n" }, QUITTING },
	    .want = { DONE, DONE }, .status = { "2.0.0", "2.0.0" } },
	{ "nobody accepted, pipelined",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 ok\r\n550 no\r\n551 no\r\n354 go\r\n" },
		{ ".\r\n", "554 nobody\r\n" }, QUITTING },
	    .want = { PERMFAIL, PERMFAIL }, .status = { "5.0.0", "5.0.0" }, .not_seen = "Subject" },
	{ "sender refused, pipelined",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "550 5.7.1 go away\r\n503 no\r\n503 no\r\n503 no\r\n" },
		{ "RSET\r\n", "250 ok\r\n" }, QUITTING },
	    .want = { PERMFAIL, PERMFAIL }, .status = { "5.7.1", "5.7.1" } },
	{ "message refused",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n" },
		{ "\r\n.\r\n", "554 5.7.1 spam\r\n" }, QUITTING },
	    .want = { PERMFAIL, PERMFAIL }, .status = { "5.7.1", "5.7.1" } },
	{ "too many recipients is for later",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n552 c\r\n354 d\r\n" },
		{ "\r\n.\r\n", "250 ok\r\n" }, QUITTING },
	    .want = { DONE, TEMPFAIL }, .status = { "2.0.0", "4.5.3" } },
	{ "breaks off after the message",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n" }, { "\r\n.\r\n", NULL } },
	    .sent = GONE, .want = { TEMPFAIL, TEMPFAIL }, .status = { "", "" } },
	{ "bare CR and LF never leave",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n" },
		{ "end\r\n.\r\n", "250 ok\r\n" }, QUITTING },
	    .message = "Return-Path: <a@us.example>\r\na\rb\n.\nc\r.\r\nend",
	    .want = { DONE, DONE }, .status = { "2.0.0", "2.0.0" },
	    .seen = "a b\r\n..\r\nc .\r\nend\r\n.\r\n" },
	{ "too large", { GREET, EHLO("250-SIZE 5\r\n"), QUITTING }, .want = { PERMFAIL, PERMFAIL },
	    .status = { "5.3.4", "5.3.4" }, .not_seen = "MAIL" },
	{ "UTF-8 header, host without it", { GREET, EHLO(""), QUITTING },
	    .message = "Return-Path: <a@us.example>\r\nSubject: \xc3\xa4\r\n\r\nx\r\n",
	    .flags = DELIVER_SMTPUTF8, .want = { PERMFAIL, PERMFAIL },
	    .status = { "5.6.7", "5.6.7" }, .not_seen = "MAIL" },
	{ "UTF-8 asked for but not needed",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n" },
		{ "\r\n.\r\n", "250 ok\r\n" }, QUITTING },
	    .flags = DELIVER_SMTPUTF8, .want = { DONE, DONE }, .status = { "2.0.0", "2.0.0" },
	    .not_seen = "SMTPUTF8" },
	{ "8-bit goes as it is",
	    { GREET, EHLO("250-PIPELINING\r\n"),
		{ "DATA\r\n", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n" },
		{ "\r\n.\r\n", "250 ok\r\n" }, QUITTING },
	    .message = "Return-Path: <a@us.example>\r\n\r\n\xff\r\n", .flags = DELIVER_EIGHTBIT,
	    .want = { DONE, DONE }, .status = { "2.0.0", "2.0.0" }, .seen = "\xff",
	    .not_seen = "8BITMIME" },
	{ "binary in one chunk",
	    { GREET, EHLO("250-CHUNKING\r\n250-BINARYMIME\r\n250-PIPELINING\r\n"),
		{ "y@far.example>\r\n", "250 a\r\n250 b\r\n250 c\r\n" },
		{ "LAST\r\nx\ny\r\n.\r\n", "250 ok\r\n" }, QUITTING },
	    .message = "Return-Path: <a@us.example>\r\nx\ny\r\n.\r\n", .flags = DELIVER_BINARY,
	    .want = { DONE, DONE }, .status = { "2.0.0", "2.0.0" },
	    .seen = "BDAT 8 LAST\r\nx\ny\r\n.\r\n" },
	{ "binary, host without it", { GREET, EHLO("250-CHUNKING\r\n"), QUITTING },
	    .flags = DELIVER_BINARY, .want = { PERMFAIL, PERMFAIL },
	    .status = { "5.6.1", "5.6.1" } },
	{ "refused at the door", { { NULL, "554 no\r\n" }, QUITTING }, .opened = TEMPFAIL },
	{ "another protocol", { { NULL, "SSH-2.0-OpenSSH\r\n" } }, .opened = TEMPFAIL },
	{ "text injected behind STARTTLS", /* faults.md 5 */
	    { GREET, EHLO("250-STARTTLS\r\n"),
		{ "STARTTLS\r\n", "220 go\r\n250-mx.example\r\n250 AUTH PLAIN\r\n" } },
	    .opened = TEMPFAIL, .tls = SMTP_TLS_MAY, .not_seen = "AUTH" },
	{ "TLS required and not offered", { GREET, EHLO(""), QUITTING }, .opened = TEMPFAIL,
	    .tls = SMTP_TLS_REQUIRE, .not_seen = "MAIL" },
	{ "a reply nobody asked for",
	    { GREET, EHLO(""), { "MAIL FROM:<a@us.example>\r\n", "250 ok\r\n250 and another\r\n" },
		{ "RCPT", "250 ok\r\n" }, { "RCPT", "250 ok\r\n" } },
	    .sent = GONE, .want = { TEMPFAIL, TEMPFAIL }, .status = { "", "" },
	    .not_seen = "Subject" },
};

static void
play(const struct scene *c, struct tls_context *tls)
{
	static struct server server;
	struct smtp_settings set = { .hostname = "us.example", .tls = c->tls, .context = tls };
	struct smtp_peer peer = { .name = STR("mx.example"),
		.address = { .family = AF_INET, .octets = { 127, 0, 0, 1 } } };
	const char *text = c->message != NULL ? c->message : MESSAGE;
	struct relay_result results[2] = { { .outcome = TEMPFAIL }, { .outcome = TEMPFAIL } };
	struct arena *arena = arena_new(1024 * 1024);
	struct relay_job job = {
		.id = 1,
		.fd = message_fd(text),
		.skip = SKIP,
		.size = strlen(text) - SKIP,
		.domain = STR("far.example"),
		.from = STR("a@us.example"),
		.envid = STR("e1"),
		.ret = DELIVER_RET_HDRS,
		.flags = c->flags,
		.recipients = two,
		.recipient_count = 2,
	};
	struct why why = { 0 };
	struct smtp *s = NULL;
	bool reached = false;
	enum outcome o;

	server_begin(&server, c->steps);
	peer.port = server.port;
	o = smtp_open(&peer, &set, &s, &reached, &why);
	if (o != c->opened)
		fail_msg("%s: opened: %s: %s", c->name, outcome_name(o), why.text);
	if (o == DONE) {
		o = smtp_send(s, &job, arena, results);
		if (o != c->sent)
			fail_msg("%s: sent: %s", c->name, outcome_name(o));
		for (size_t i = 0; i < 2; i++)
			if (results[i].outcome != c->want[i] ||
			    !str_eq(results[i].status, str_of(c->status[i])))
				fail_msg("%s: recipient %zu: %s, status " STR_FMT ", " STR_FMT,
				    c->name, i, outcome_name(results[i].outcome),
				    STR_ARG(results[i].status), STR_ARG(results[i].reply));
	}
	smtp_close(&s);
	server_end(&server);
	if (c->seen != NULL && strstr(server.got, c->seen) == NULL)
		fail_msg("%s: the server got\n%s", c->name, server.got);
	if (c->not_seen != NULL && strstr(server.got, c->not_seen) != NULL)
		fail_msg("%s: the server got\n%s", c->name, server.got);
	(void)close(job.fd);
	arena_free(&arena);
}

static void
test_scenes(void **state)
{
	struct tls_context *tls = NULL;
	struct why why;

	assert_int_equal(tls_context_client(TLS_OPPORTUNISTIC, STR_NONE, &tls, &why), DONE);
	for (size_t i = 0; i < COUNT_OF(scenes); i++)
		play(&scenes[i], tls);
	tls_context_unref(&tls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
