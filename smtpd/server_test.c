/*
 * server_test.c - the daemon's parts together in one process: a listener, the
 * lot and its threads, TLS, and wires to an authd and a deliver that are
 * played by rpc servers.
 */
#include "base/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "run/io.h"
#include "run/tls.h"
#include "smtpd/rpc_backend.h"
#include "smtpd/server.h"

/* Self-signed, for mail.example.test, of no use elsewhere. */
static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
			  "MIIBrjCCAVOgAwIBAgIUB4YmgjPZAKA/DTz7QklqRPX/a/0wCgYIKoZIzj0EAwIw\n"
			  "HDEaMBgGA1UEAwwRbWFpbC5leGFtcGxlLnRlc3QwIBcNMjYxMTIwMTE0MTE4WhgP\n"
			  "MjEyNjEwMjcxMTQxMThaMBwxGjAYBgNVBAMMEW1haWwuZXhhbXBsZS50ZXN0MFkw\n"
			  "EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXsB7J6gsKmfS6lwe7buifBNPMLv9eg1p\n"
			  "HEQLnutoRkx+/5JJ2ydWR11RwKtg+fCMAr8X3bJWxffh/Z59r5Yo6qNxMG8wHQYD\n"
			  "VR0OBBYEFL1DXWUlmbqxtsbproWDS9T2BRjZMB8GA1UdIwQYMBaAFL1DXWUlmbqx\n"
			  "tsbproWDS9T2BRjZMA8GA1UdEwEB/wQFMAMBAf8wHAYDVR0RBBUwE4IRbWFpbC5l\n"
			  "eGFtcGxlLnRlc3QwCgYIKoZIzj0EAwIDSQAwRgIhAMDMHtGQLddX7U6dulDPNIwv\n"
			  "4j6li+C4oQWYW0Oke+S2AiEAyv1IPuGYLRZQZ5JXGx+56MBXaI2q92FtWqfPieCB\n"
			  "w78=\n"
			  "-----END CERTIFICATE-----\n"
			  "-----BEGIN PRIVATE KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxECdTyxjFYO4L+kU\n"
			  "NdOVodHPqzLxnTxXnKlMVYl5FlOhRANCAARewHsnqCwqZ9LqXB7tu6J8E08wu/16\n"
			  "DWkcRAue62hGTH7/kknbJ1ZHXVHAq2D58IwCvxfdslbF9+H9nn2vlijq\n"
			  "-----END PRIVATE KEY-----\n";

/* --- authd and deliver --- */

struct world {
	struct rpc_server *authd, *deliver;
	atomic_uint commits, spools, discards, routes;
	pthread_mutex_t lock;
	int fds[1000]; /* our copies of spools, by id */
	struct buf last;
};

static enum outcome
on_route(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct world *w = arg;
	struct str address = arena_str(rq->arena, rpc_get_str(in));
	struct route_target t = { .kind = ROUTE_TO_MAILBOX, .address = address };
	struct route r = {
		.kind = ROUTE_LOCAL, .address = address, .targets = &t, .target_count = 1
	};
	struct why no;

	(void)rpc_get_u8(in);
	atomic_fetch_add(&w->routes, 1);
	if (str_starts(address, STR("nobody"))) {
		(void)fail(PERMFAIL, &no, 550, "5.1.1", "No such user here");
		r.target_count = 0;
		auth_verdict_put(out, PERMFAIL, &no);
	} else {
		auth_verdict_put(out, DONE, NULL);
	}
	if (!str_ends(address, STR("@example.test"))) {
		r.kind = ROUTE_FOREIGN;
		r.target_count = 0;
	}
	route_put(out, &r);
	return DONE;
}

static enum outcome
on_send_as(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str user = rpc_get_str(in), sender = rpc_get_str(in);

	return str_eq(user, sender) ? DONE : fail(PERMFAIL, why, 553, "5.7.1", "Not yours");
}

static enum outcome
on_mechanisms(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	rpc_put_str(out, STR("PLAIN SCRAM-SHA-256-PLUS"));
	return DONE;
}

static enum outcome
on_start(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct auth_begin b;
	struct auth_answer r = { .state = AUTH_DONE, .user = STR("ann@example.test") };
	struct why no;

	if (!auth_begin_get(in, rq->arena, &b))
		return fail(PERMFAIL, why, 501, "5.5.4", "malformed");
	/* RFC 9266: with TLS 1.3 there has to be something to bind to. */
	if (b.binding_count == 0 || !str_eq(b.bindings[0].type, STR("tls-exporter")) ||
	    b.bindings[0].data.n != 32 || !str_eq(b.initial, STR("\0ann@example.test\0secret"))) {
		r = (struct auth_answer){ .state = AUTH_REFUSED };
		(void)fail(PERMFAIL, &no, 535, "5.7.8", "Authentication failed");
		auth_verdict_put(out, PERMFAIL, &no);
	} else {
		auth_verdict_put(out, DONE, NULL);
	}
	auth_answer_put(out, &r);
	return DONE;
}

static enum outcome
on_spool(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct world *w = arg;
	uint32_t n = rpc_get_u32(in);

	rpc_put_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		unsigned id = atomic_fetch_add(&w->spools, 1) % COUNT_OF(w->fds);
		int fd = memfd_create("spool", MFD_CLOEXEC);

		assert(fd >= 0);
		(void)pthread_mutex_lock(&w->lock);
		fd_close(&w->fds[id]);
		w->fds[id] = dup(fd);
		(void)pthread_mutex_unlock(&w->lock);
		rpc_put_u64(out, id);
		rpc_put_fd(out, fd);
	}
	return DONE;
}

static enum outcome
on_commit(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct world *w = arg;
	uint64_t id = rpc_get_u64(in);
	struct deliver_envelope e;
	char piece[4096];
	ssize_t n;

	if (!deliver_envelope_get(in, rq->arena, &e) || id >= COUNT_OF(w->fds))
		return fail(PERMFAIL, why, 554, "5.3.0", "malformed");
	(void)pthread_mutex_lock(&w->lock);
	buf_clear(&w->last);
	(void)lseek(w->fds[id], 0, SEEK_SET);
	while ((n = read(w->fds[id], piece, sizeof(piece))) > 0)
		(void)buf_put(&w->last, str_n(piece, (size_t)n));
	fd_close(&w->fds[id]);
	if (w->last.n != e.size)
		(void)fail(PERMFAIL, why, 554, "5.3.0", "wrong size");
	n = w->last.n == e.size;
	(void)pthread_mutex_unlock(&w->lock);
	if (n != 1)
		return PERMFAIL;
	atomic_fetch_add(&w->commits, 1);
	rpc_put_u8(out, DELIVER_HOW_DELIVERED);
	return DONE;
}

static enum outcome
on_discard(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct world *w = arg;

	atomic_fetch_add(&w->discards, 1);
	return DONE;
}

static const struct rpc_handler authd_table[] = {
	{ AUTH_ROUTE, 1, on_route },
	{ AUTH_SEND_AS, 1, on_send_as },
	{ AUTH_MECHANISMS, 1, on_mechanisms },
	{ AUTH_START, 1, on_start },
	{ 0 },
};

static const struct rpc_handler deliver_table[] = {
	{ DELIVER_SPOOL, 1, on_spool },
	{ DELIVER_COMMIT, 1, on_commit },
	{ DELIVER_DISCARD, 1, on_discard },
	{ 0 },
};

/* --- the daemon --- */

struct rig {
	struct world world;
	struct pool *pool;
	struct lot *lot;
	struct rpc_backend *backend;
	struct smtp_server *server;
	struct tls_context *client_tls;
	pthread_t thread;
	bool stopped;
	uint16_t ports[COUNT_OF(smtp_services)];
};

static struct rig rig;

static void
accepted(int fd, void *arg)
{
	smtp_server_accept(rig.server, arg, rig.lot, fd);
}

static void *
run_lot(void *arg)
{
	lot_run(rig.lot);
	return NULL;
}

static void
wire(const char *peer, struct rpc_server *s)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	(void)rpc_server_attach(s, fd[0], 1);
	rpc_backend_wire(rig.backend, peer, fd[1]);
}

/* Loopback is a stranger here. */
#define USUAL "hostname = mail.example.test\ntrusted_networks = 192.0.2.0/24\n"

static struct smtp_settings *
settings(const char *text)
{
	struct tls_context *tls;
	struct buf errors;
	struct conf *conf;
	struct why why;

	buf_init(&errors, 4096);
	assert_int_equal(conf_parse(str_of(text), "test", &conf, &errors), DONE);
	buf_free(&errors);
	assert_int_equal(tls_context_server(str_of(pem), str_of(pem), NULL, &tls, &why), DONE);
	return smtp_settings_new(conf, tls);
}

static int
set_up(void **state)
{
	static const struct pool_limits limits = { .threads = 16, .keep = 2, .queue = 1000 };
	struct why why;

	rig = (struct rig){ 0 };
	for (size_t i = 0; i < COUNT_OF(rig.world.fds); i++)
		rig.world.fds[i] = -1;
	(void)pthread_mutex_init(&rig.world.lock, NULL);
	buf_init(&rig.world.last, 1 << 20);
	rig.world.authd = rpc_server_new("authd", authd_table, 2, &rig.world);
	rig.world.deliver = rpc_server_new("deliver", deliver_table, 2, &rig.world);
	rig.pool = pool_new(&limits);
	rig.lot = lot_new(rig.pool);
	rig.backend = rpc_backend_new(rig.pool);
	rig.server = smtp_server_new(rpc_backend_table(rig.backend), settings(USUAL));
	wire("authd", rig.world.authd);
	wire("deliver", rig.world.deliver);
	assert_int_equal(
	    tls_context_client(TLS_OPPORTUNISTIC, STR_NONE, &rig.client_tls, &why), DONE);
	for (size_t i = 0; i < COUNT_OF(smtp_services); i++) {
		struct sockaddr_in in = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t n = sizeof(in);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
		assert_int_equal(listen(fd, 100), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
		rig.ports[i] = ntohs(in.sin_port);
		lot_listen(rig.lot, fd, accepted, (void *)(uintptr_t)&smtp_services[i]);
	}
	assert_int_equal(pthread_create(&rig.thread, NULL, run_lot, NULL), 0);
	return 0;
}

static int
tear_down(void **state)
{
	if (!rig.stopped)
		lot_stop(rig.lot, deadline_in(1000));
	(void)pthread_join(rig.thread, NULL);
	lot_free(&rig.lot);
	pool_free(&rig.pool);
	smtp_server_free(&rig.server);
	rpc_backend_free(&rig.backend);
	rpc_server_free(&rig.world.authd);
	rpc_server_free(&rig.world.deliver);
	tls_context_unref(&rig.client_tls);
	for (size_t i = 0; i < COUNT_OF(rig.world.fds); i++)
		fd_close(&rig.world.fds[i]);
	buf_free(&rig.world.last);
	return 0;
}

/* --- a client --- */

static struct io *
dial(unsigned service)
{
	static const struct io_limits limits = {
		.in_max = 4096, .out_max = 4096, .write_ms = 5000
	};
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(rig.ports[service]) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return io_new(fd, &limits);
}

/* The next whole reply has this code; its text goes to out, if wanted. */
static void
hear(struct io *io, const char *code, struct buf *out)
{
	struct str in, line, rest;

	for (;;) {
		in = io_input(io);
		while (str_chr(in, '\n') >= 0) {
			(void)str_cut(in, '\n', &line, &rest);
			if (out != NULL)
				(void)buf_put(out, line);
			if (line.n < 4 || strncmp(line.p, code, 3) != 0)
				fail_msg("wanted %s, got " STR_FMT, code, STR_ARG(line));
			in = rest;
			if (line.p[3] == ' ') {
				io_consume(io, (size_t)(in.p - io_input(io).p));
				return;
			}
		}
		if (io_fill(io, deadline_in(5000)) != DONE)
			fail_msg("wanted %s, the connection ended", code);
	}
}

static void
say(struct io *io, const char *text, const char *code)
{
	io_puts(io, text);
	assert_int_equal(io_flush(io, deadline_in(5000)), DONE);
	hear(io, code, NULL);
}

/* --- tests --- */

static void
message_in(void **state)
{
	struct io *io = dial(0);
	unsigned before = atomic_load(&rig.world.commits);

	hear(io, "220", NULL);
	say(io, "EHLO a\r\n", "250");
	for (int i = 0; i < 10; i++) {
		say(io, "MAIL FROM:<x@y.test>\r\n", "250");
		say(io, "RCPT TO:<nobody@example.test>\r\n", "550");
		say(io, "RCPT TO:<ann@far.test>\r\n", "550");
		say(io, "RCPT TO:<ann@example.test>\r\n", "250");
		say(io, "DATA\r\n", "354");
		say(io, "a: b\r\n\r\ntext\r\n.\r\n", "250");
	}
	say(io, "QUIT\r\n", "221");
	io_free(&io);
	assert_int_equal(atomic_load(&rig.world.commits) - before, 10);
	/* One second's answers are remembered. */
	assert_in_range(atomic_load(&rig.world.routes), 3, 9);
}

static void
starttls_and_login(void **state)
{
	struct io *io = dial(1);
	struct buf text;

	buf_init(&text, 4096);
	hear(io, "220", NULL);
	say(io, "EHLO a\r\n", "250");
	say(io, "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "538");
	/* Behind STARTTLS, in clear: never obeyed (RFC 3207 4.2). */
	say(io, "STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n", "220");
	io_start_tls_client(io, rig.client_tls, "mail.example.test");
	assert_int_equal(io_handshake_wait(io, deadline_in(5000)), DONE);
	say(io, "AUTH PLAIN\r\n", "503"); /* EHLO is forgotten */
	io_puts(io, "EHLO a\r\n");
	assert_int_equal(io_flush(io, deadline_in(5000)), DONE);
	hear(io, "250", &text);
	assert_true(str_find(buf_str(&text), STR("AUTH PLAIN SCRAM-SHA-256-PLUS\r")) > 0);
	assert_true(str_find(buf_str(&text), STR("STARTTLS")) < 0);
	say(io, "MAIL FROM:<ann@example.test>\r\n", "530");
	say(io, "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAd3Jvbmc=\r\n", "535");
	say(io, "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "235");
	say(io, "STARTTLS\r\n", "503");
	say(io, "MAIL FROM:<bob@example.test>\r\n", "553");
	say(io, "MAIL FROM:<ann@example.test>\r\n", "250");
	say(io, "RCPT TO:<ann@far.test>\r\n", "250");
	say(io, "DATA\r\n", "354");
	say(io, "From: ann@example.test\r\n\r\ntext\r\n.\r\n", "250");
	say(io, "QUIT\r\n", "221");
	io_free(&io);
	(void)pthread_mutex_lock(&rig.world.lock);
	assert_true(str_find(buf_str(&rig.world.last), STR("with ESMTPSA")) > 0);
	assert_true(str_find(buf_str(&rig.world.last), STR("127.0.0.1")) < 0);
	(void)pthread_mutex_unlock(&rig.world.lock);
	buf_free(&text);
}

static void
implicit_tls(void **state)
{
	struct io *io = dial(2);

	io_start_tls_client(io, rig.client_tls, "mail.example.test");
	assert_int_equal(io_handshake_wait(io, deadline_in(5000)), DONE);
	hear(io, "220", NULL);
	say(io, "EHLO a\r\n", "250");
	say(io, "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "235");
	io_free(&io);
	io = dial(2); /* faults.md 8: no handshake at all */
	io_puts(io, "EHLO a\r\n\r\n\r\n\r\n\r\n\r\n");
	assert_int_equal(io_flush(io, deadline_in(5000)), DONE);
	while (io_fill(io, deadline_in(5000)) == DONE)
		io_consume(io, io_input(io).n);
	io_free(&io);
}

/* faults.md 42: twenty from one address, who log in do not count. */
static void
crowd(void **state)
{
	struct io *held[20], *io;

	for (size_t i = 0; i < COUNT_OF(held); i++) {
		held[i] = dial(0);
		hear(held[i], "220", NULL);
	}
	io = dial(0);
	hear(io, "421", NULL);
	io_free(&io);
	say(held[0], "QUIT\r\n", "221");
	io_free(&held[0]);
	for (int tries = 0; tries < 100; tries++) { /* until the session is gone */
		struct sockaddr_in in = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		if (peers_count(rig.server->peers, peer_key_of((struct sockaddr *)&in)) < 20)
			break;
		(void)usleep(10000);
	}
	io = dial(0);
	hear(io, "220", NULL);
	io_free(&io);
	for (size_t i = 1; i < COUNT_OF(held); i++)
		io_free(&held[i]);
	while (lot_count(rig.lot) > 0)
		(void)usleep(1000);
}

/* The address of the clients does not count here: what counts is that there are too many. */
#define SMALL "hostname = small.example.test\nsmtp_connections = 10\n"

/* faults.md 42: at the limit the one who is here longest goes, over it newcomers do. */
static void
shedding(void **state)
{
	struct io *held[11];

	smtp_server_set(rig.server, settings(SMALL));
	for (size_t i = 0; i < COUNT_OF(held); i++) {
		held[i] = dial(0);
		hear(held[i], "220", NULL);
	}
	hear(held[0], "421", NULL);
	say(held[1], "NOOP\r\n", "250");
	for (size_t i = 0; i < COUNT_OF(held); i++)
		io_free(&held[i]);
	while (lot_count(rig.lot) > 0)
		(void)usleep(1000);
	smtp_server_set(rig.server, settings(USUAL));
}

/* deliver is started anew: spools of the old one are void, mail flows on. */
static void
new_wire(void **state)
{
	struct io *io = dial(0);

	hear(io, "220", NULL);
	say(io, "EHLO a\r\n", "250");
	wire("deliver", rig.world.deliver);
	wire("authd", rig.world.authd);
	say(io, "MAIL FROM:<x@y.test>\r\n", "250");
	say(io, "RCPT TO:<new@example.test>\r\n", "250");
	say(io, "DATA\r\n", "354");
	say(io, "a: b\r\n\r\ntext\r\n.\r\n", "250");
	io_free(&io);
}

/* A reload is for new sessions; those that are open go on as they were. */
static void
reload(void **state)
{
	struct io *old = dial(0), *io;

	hear(old, "220", NULL);
	smtp_server_set(rig.server, settings("hostname = new.example.test\nmessage_size = 64K\n"));
	say(old, "EHLO a\r\n", "250");
	say(old, "MAIL FROM:<x@y.test> SIZE=100000\r\n", "250");
	io = dial(0);
	hear(io, "220", NULL);
	say(io, "EHLO a\r\n", "250");
	say(io, "MAIL FROM:<x@y.test> SIZE=100000\r\n", "552");
	io_free(&io);
	io_free(&old);
}

static void
drain(void **state)
{
	struct io *idle = dial(0), *busy = dial(0);

	hear(idle, "220", NULL);
	hear(busy, "220", NULL);
	say(busy, "EHLO a\r\n", "250");
	say(busy, "MAIL FROM:<x@y.test>\r\n", "250");
	say(busy, "RCPT TO:<ann@example.test>\r\n", "250");
	say(busy, "DATA\r\n", "354");
	lot_stop(rig.lot, deadline_in(5000));
	rig.stopped = true;
	hear(idle, "421", NULL);
	say(busy, "a: b\r\n\r\ntext\r\n.\r\n", "250");
	hear(busy, "421", NULL);
	io_free(&idle);
	io_free(&busy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_in),
		cmocka_unit_test(starttls_and_login),
		cmocka_unit_test(implicit_tls),
		cmocka_unit_test(crowd),
		cmocka_unit_test(shedding),
		cmocka_unit_test(new_wire),
		cmocka_unit_test(reload),
		cmocka_unit_test(drain),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* as every daemon does */
	log_init("smtpd-test", LOG_FATAL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
