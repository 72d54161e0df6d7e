/* rpc_test.c - calls by many threads, descriptors, large bodies, broken wires, forbidden requests.
 */
#include "base/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/rpc.h"

enum {
	ECHO = 1,
	FAIL,
	FD,
	SLOW,
	NOTE,
	SECRET
};
enum {
	PEER_A = 1,
	PEER_B = 2
};

static atomic_uint notes;
static atomic_uint lost_wires;

static enum outcome
echo(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct str s = rpc_get_str(in);

	if (!rpc_in_done(in))
		return PERMFAIL;
	rpc_put_str(out, s);
	return DONE;
}

static enum outcome
refuse(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return fail(PERMFAIL, why, 550, "5.1.1", "No such user");
}

static enum outcome
give_fd(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	int fd[2];

	if (pipe(fd) != 0)
		return TEMPFAIL;
	(void)!write(fd[1], "pipe", 4);
	(void)close(fd[1]);
	rpc_put_fd(out, fd[0]);
	return DONE;
}

static enum outcome
slow(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	usleep(300000);
	return DONE;
}

static enum outcome
note(void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	notes += rq->notice;
	return DONE;
}

static const struct rpc_handler table[] = {
	{ ECHO, PEER_A | PEER_B, echo },
	{ FAIL, PEER_A, refuse },
	{ FD, PEER_A, give_fd },
	{ SLOW, PEER_A, slow },
	{ NOTE, PEER_A, note },
	{ SECRET, PEER_B, echo },
	{ 0 },
};

static struct rpc_server *server;
static struct rpc_client *client;

static void
wire(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	(void)rpc_server_attach(server, fd[0], PEER_A);
	rpc_client_attach(client, fd[1]);
}

static void
lost(uint32_t peer, uint64_t number, void *arg)
{
	lost_wires++;
}

static int
setup(void **state)
{
	server = rpc_server_new("test", table, 4, NULL);
	rpc_server_on_lost(server, lost, NULL);
	client = rpc_client_new("test");
	wire();
	return 0;
}

static int
teardown(void **state)
{
	rpc_client_free(&client);
	rpc_server_free(&server);
	return 0;
}

static void
echo_text(struct str text)
{
	struct rpc_out out;
	struct rpc_in in;
	struct why why;

	rpc_out_init(&out);
	rpc_put_str(&out, text);
	assert_int_equal(rpc_call(client, ECHO, &out, deadline_in(5000), &in, &why), DONE);
	assert_true(str_eq(rpc_get_str(&in), text));
	assert_true(rpc_in_done(&in));
	rpc_in_free(&in);
	rpc_out_free(&out);
}

static void
large_bodies_travel(void **state)
{
	char *big = malloc(5 << 20);

	memset(big, 'x', 5 << 20);
	echo_text(STR(""));
	echo_text(STR("short"));
	echo_text(str_n(big, RPC_INLINE_MAX - 4));
	echo_text(str_n(big, RPC_INLINE_MAX));
	echo_text(str_n(big, 5 << 20));
	free(big);
}

static void *
caller(void *arg)
{
	char text[32];

	for (unsigned i = 0; i < 2000; i++) {
		(void)snprintf(text, sizeof(text), "%p %u", (void *)&text, i);
		echo_text(str_of(text));
	}
	return NULL;
}

static void
many_threads_call(void **state)
{
	pthread_t id[8];

	for (size_t i = 0; i < COUNT_OF(id); i++)
		assert_int_equal(pthread_create(&id[i], NULL, caller, NULL), 0);
	for (size_t i = 0; i < COUNT_OF(id); i++)
		(void)pthread_join(id[i], NULL);
}

static void
refusals_carry_their_reason(void **state)
{
	struct rpc_in in;
	struct why why;

	assert_int_equal(rpc_call(client, FAIL, NULL, deadline_in(1000), &in, &why), PERMFAIL);
	assert_int_equal(why.code, 550);
	assert_string_equal(why.enhanced, "5.1.1");
	assert_string_equal(why.text, "No such user");
}

static void
descriptors_travel(void **state)
{
	struct rpc_in in;
	struct why why;
	char got[5] = "";
	int fd;

	assert_int_equal(rpc_call(client, FD, NULL, deadline_in(1000), &in, &why), DONE);
	fd = rpc_get_fd(&in);
	assert_true(fd >= 0 && rpc_in_done(&in));
	assert_int_equal(read(fd, got, 4), 4);
	assert_string_equal(got, "pipe");
	(void)close(fd);
	rpc_in_free(&in);
}

static void
a_late_answer_is_nobodys(void **state)
{
	struct rpc_in in;
	struct why why;

	assert_int_equal(rpc_call(client, SLOW, NULL, deadline_in(50), &in, &why), TEMPFAIL);
	assert_int_equal(why.code, 451);
	usleep(400000);
	echo_text(STR("after"));
}

static void
notices_arrive(void **state)
{
	unsigned before = notes;

	assert_int_equal(rpc_notify(client, NOTE, NULL), DONE);
	for (int i = 0; i < 1000 && notes == before; i++)
		usleep(1000);
	assert_int_equal(notes, before + 1);
}

/* Design section 5: each peer with its list of allowed requests. */
static void
a_forbidden_request_ends_the_wire(void **state)
{
	struct rpc_in in;
	struct why why;
	unsigned before = lost_wires;

	assert_int_equal(rpc_call(client, SECRET, NULL, deadline_in(1000), &in, &why), TEMPFAIL);
	for (int i = 0; i < 1000 && lost_wires == before; i++)
		usleep(1000);
	assert_int_equal(lost_wires, before + 1);
	/* The supervisor makes a new one and all is well again. */
	wire();
	echo_text(STR("again"));
}

static void *
rewire(void *arg)
{
	usleep(100000);
	wire();
	return NULL;
}

/* A call made while the peer restarts waits for the new wire. */
static void
calls_wait_for_a_replacement(void **state)
{
	struct rpc_in in;
	struct why why;
	pthread_t id;

	assert_int_equal(rpc_call(client, SECRET, NULL, deadline_in(1000), &in, &why), TEMPFAIL);
	assert_int_equal(pthread_create(&id, NULL, rewire, NULL), 0);
	echo_text(STR("waited"));
	(void)pthread_join(id, NULL);
}

/* faults.md 47: a malformed frame closes that wire only. */
static void
garbage_ends_its_wire_only(void **state)
{
	unsigned before = lost_wires;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	(void)rpc_server_attach(server, fd[0], PEER_B);
	assert_int_equal(write(fd[1], "garbage that is no frame at all, certainly", 42), 42);
	for (int i = 0; i < 1000 && lost_wires == before; i++)
		usleep(1000);
	assert_int_equal(lost_wires, before + 1);
	(void)close(fd[1]);
	echo_text(STR("others go on"));
}

static void
short_bodies_are_bad(void **state)
{
	struct rpc_in in = { .p = "\x05\0\0\0abc", .end = NULL };

	in.end = in.p + 7;
	assert_int_equal(rpc_get_str(&in).n, 0);
	assert_false(rpc_in_done(&in));
	assert_int_equal(rpc_get_u64(&in), 0);
	assert_int_equal(rpc_get_fd(&in), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_bodies_travel),
		cmocka_unit_test(many_threads_call),
		cmocka_unit_test(refusals_carry_their_reason),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(a_late_answer_is_nobodys),
		cmocka_unit_test(notices_arrive),
		cmocka_unit_test(a_forbidden_request_ends_the_wire),
		cmocka_unit_test(calls_wait_for_a_replacement),
		cmocka_unit_test(garbage_ends_its_wire_only),
		cmocka_unit_test(short_bodies_are_bad),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
