/* tls_test.c - handshake, injection, wrong names, foreign ALPN, channel binding. */
#include "base/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/io.h"
#include "run/tls.h"

/* Self-signed, for mail.example.test, of no use elsewhere. */
static const char cert[] = "-----BEGIN CERTIFICATE-----\n"
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
			   "-----END CERTIFICATE-----\n";
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxECdTyxjFYO4L+kU\n"
			  "NdOVodHPqzLxnTxXnKlMVYl5FlOhRANCAARewHsnqCwqZ9LqXB7tu6J8E08wu/16\n"
			  "DWkcRAue62hGTH7/kknbJ1ZHXVHAq2D58IwCvxfdslbF9+H9nn2vlijq\n"
			  "-----END PRIVATE KEY-----\n";

static const struct io_limits limits = { .in_max = 1000, .out_max = 4096, .write_ms = 1000 };

struct client {
	struct io *io;
	struct tls_context *context;
	const char *name;
	enum outcome result;
};

static void *
client_main(void *arg)
{
	struct client *c = arg;

	io_start_tls_client(c->io, c->context, c->name);
	c->result = io_handshake_wait(c->io, deadline_in(2000));
	return NULL;
}

/* Both ends after (or instead of) a handshake. */
static enum outcome
handshake(enum tls_verify verify, const char *name, struct io **server, struct client *c)
{
	static const char *const alpn[] = { "imap", NULL };
	struct tls_context *context;
	struct why why;
	pthread_t thread;
	enum outcome o;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	*server = io_new(fd[0], &limits);
	*c = (struct client){ .io = io_new(fd[1], &limits), .name = name };
	assert_int_equal(tls_context_server(str_of(cert), str_of(key), alpn, &context, &why), DONE);
	assert_int_equal(tls_context_client(verify, str_of(cert), &c->context, &why), DONE);
	assert_int_equal(pthread_create(&thread, NULL, client_main, c), 0);
	io_start_tls_server(*server, context);
	o = io_handshake_wait(*server, deadline_in(2000));
	(void)pthread_join(thread, NULL);
	tls_context_unref(&context);
	return o;
}

static void
done(struct io **server, struct client *c)
{
	io_free(server);
	io_free(&c->io);
	tls_context_unref(&c->context);
}

static void
talks(void **state)
{
	struct client c;
	struct io *s;
	struct buf a, b;

	assert_int_equal(handshake(TLS_NAME, "mail.example.test", &s, &c), DONE);
	assert_int_equal(c.result, DONE);
	io_puts(c.io, "hello");
	assert_int_equal(io_flush(c.io, deadline_in(1000)), DONE);
	assert_int_equal(io_fill(s, deadline_in(1000)), DONE);
	assert_true(str_eq(io_input(s), STR("hello")));
	assert_string_equal(tls_version(io_tls(s)), "TLSv1.3");
	buf_init(&a, 100);
	buf_init(&b, 100);
	/* RFC 9266: both ends export the same 32 octets. */
	assert_true(tls_channel_binding(io_tls(s), "tls-exporter", &a));
	assert_true(tls_channel_binding(io_tls(c.io), "tls-exporter", &b));
	assert_int_equal(a.n, 32);
	assert_true(str_eq(buf_str(&a), buf_str(&b)));
	assert_false(tls_channel_binding(io_tls(s), "tls-unique", &a));
	buf_clear(&a);
	buf_clear(&b);
	/* RFC 5929 4: both sides hash the same certificate. */
	assert_true(tls_channel_binding(io_tls(s), "tls-server-end-point", &a));
	assert_true(tls_channel_binding(io_tls(c.io), "tls-server-end-point", &b));
	assert_true(a.n == 32 && str_eq(buf_str(&a), buf_str(&b)));
	buf_free(&a);
	buf_free(&b);
	done(&s, &c);
}

/* RFC 6125: a certificate for another name is no proof. */
static void
wrong_name_is_refused(void **state)
{
	struct client c;
	struct io *s;

	(void)!handshake(TLS_NAME, "other.example.test", &s, &c);
	assert_int_equal(c.result, GONE);
	assert_true(strlen(tls_error(io_tls(c.io))) > 0);
	done(&s, &c);
}

static void
opportunistic_believes_anybody(void **state)
{
	struct client c;
	struct io *s;

	assert_int_equal(handshake(TLS_OPPORTUNISTIC, "other.example.test", &s, &c), DONE);
	assert_int_equal(c.result, DONE);
	done(&s, &c);
}

/* RFC 3207 4.2: what was sent in clear behind STARTTLS is forgotten. */
static void
clear_text_before_tls_is_dropped(void **state)
{
	struct tls_context *context;
	struct why why;
	struct io *io;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	io = io_new(fd[0], &limits);
	assert_int_equal(write(fd[1], "STARTTLS\r\nRSET\r\n", 16), 16);
	assert_int_equal(io_fill(io, deadline_in(100)), DONE);
	io_consume(io, 10);
	assert_int_equal(tls_context_server(str_of(cert), str_of(key), NULL, &context, &why), DONE);
	io_start_tls_server(io, context);
	assert_int_equal(io_input(io).n, 0);
	/* faults.md 8: garbage instead of a handshake ends this connection only. */
	assert_int_equal(write(fd[1], "GET / HTTP/1.0\r\n\r\n", 18), 18);
	assert_int_equal(io_handshake_wait(io, deadline_in(500)), GONE);
	io_free(&io);
	(void)close(fd[1]);
	tls_context_unref(&context);
}

static void
bad_certificates_are_refused(void **state)
{
	struct tls_context *context = NULL;
	struct why why;

	assert_int_equal(
	    tls_context_server(STR("nonsense"), str_of(key), NULL, &context, &why), PERMFAIL);
	assert_non_null(strstr(why.text, "certificate"));
	assert_int_equal(
	    tls_context_server(str_of(cert), STR("nonsense"), NULL, &context, &why), PERMFAIL);
	assert_non_null(strstr(why.text, "private key"));
	assert_null(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks),
		cmocka_unit_test(wrong_name_is_refused),
		cmocka_unit_test(opportunistic_believes_anybody),
		cmocka_unit_test(clear_text_before_tls_is_dropped),
		cmocka_unit_test(bad_certificates_are_refused),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* as every daemon does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
