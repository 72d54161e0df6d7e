/* park_test.c - pool and parking lot: one owner at a time, no wake-up lost, deadlines, drains. */
#include "base/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/io.h"
#include "run/park.h"

static const struct pool_limits limits = { .threads = 16, .keep = 2, .queue = 10000 };

/* --- a pool --- */

static atomic_uint ran;

static void
count_work(void *arg)
{
	atomic_fetch_add(&ran, 1);
}

static void
pool_runs_everything(void **state)
{
	struct pool *p = pool_new(&limits);

	atomic_store(&ran, 0);
	for (unsigned i = 0; i < 5000; i++)
		assert_true(pool_run(p, (enum work_class)(i % WORK_CLASSES), count_work, NULL));
	pool_free(&p);
	assert_int_equal(atomic_load(&ran), 5000);
	assert_null(p);
}

static atomic_bool gate;

static void
block(void *arg)
{
	while (!atomic_load(&gate))
		usleep(1000);
	atomic_fetch_add(&ran, 1);
}

/* A flood of strangers leaves the reserve to those above. */
static void
classes_keep_reserves(void **state)
{
	struct pool *p = pool_new(&limits);
	struct pool_counts c;

	atomic_store(&ran, 0);
	atomic_store(&gate, false);
	for (int i = 0; i < 40; i++)
		assert_true(pool_run(p, WORK_BODY, block, NULL));
	pool_count(p, &c);
	assert_true(c.threads <= limits.threads - limits.threads / 4);
	assert_true(pool_run(p, WORK_WAKE, count_work, NULL));
	for (int i = 0; i < 1000 && atomic_load(&ran) == 0; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&ran), 1);
	atomic_store(&gate, true);
	pool_free(&p);
	assert_int_equal(atomic_load(&ran), 41);
}

static void
full_queue_refuses(void **state)
{
	struct pool_limits small = { .threads = 1, .keep = 1, .queue = 2 };
	struct pool *p = pool_new(&small);

	atomic_store(&ran, 0);
	atomic_store(&gate, false);
	assert_true(pool_run(p, WORK_WAKE, block, NULL));
	assert_true(pool_run(p, WORK_WAKE, block, NULL));
	assert_true(pool_run(p, WORK_WAKE, block, NULL));
	assert_false(pool_run(p, WORK_WAKE, block, NULL));
	pool_run_always(p, WORK_WAKE, block, NULL);
	atomic_store(&gate, true);
	pool_free(&p);
	assert_int_equal(atomic_load(&ran), 4);
}

/* --- a lot of echo sessions --- */

struct echo {
	struct conn conn;
	struct io *io;
	atomic_uint inside; /* must never be two */
	atomic_uint wakes;
	bool expired;
};

static atomic_uint closed_count;

static enum turn
echo_turn(struct conn *c, struct wake why)
{
	struct echo *e = (struct echo *)c;
	enum turn t = TURN_PARK;

	assert_int_equal(atomic_fetch_add(&e->inside, 1), 0);
	if (why.woken)
		atomic_fetch_add(&e->wakes, 1);
	if (why.expired) {
		e->expired = true;
		io_puts(e->io, "expired\n");
		conn_deadline(c, DEADLINE_NEVER);
	}
	for (;;) {
		enum io_got got = io_drain(e->io);
		struct str in = io_input(e->io);

		io_put(e->io, in);
		io_consume(e->io, in.n);
		if (got == IO_EOF || got == IO_BROKEN)
			t = TURN_CLOSE;
		if (got != IO_GOT)
			break;
	}
	if (io_flush(e->io, deadline_in(1000)) != DONE || why.draining)
		t = TURN_CLOSE;
	if (t == TURN_PARK)
		assert_true(io_park(e->io));
	atomic_fetch_sub(&e->inside, 1);
	return t;
}

static void
echo_closed(struct conn *c)
{
	struct echo *e = (struct echo *)c;

	io_free(&e->io);
	atomic_fetch_add(&closed_count, 1);
}

static const struct conn_ops echo_ops = { "echo", echo_turn, echo_closed };
static const struct io_limits io_limits = { .in_max = 4096, .out_max = 4096, .write_ms = 1000 };

static struct lot *lot;
static struct pool *pool;
static pthread_t loop;

static void *
loop_main(void *arg)
{
	lot_run(lot);
	return NULL;
}

static void
start(void)
{
	atomic_store(&closed_count, 0);
	pool = pool_new(&limits);
	lot = lot_new(pool);
	assert_int_equal(pthread_create(&loop, NULL, loop_main, NULL), 0);
}

static void
stop(void)
{
	lot_stop(lot, deadline_in(5000));
	(void)pthread_join(loop, NULL);
	pool_free(&pool);
	lot_free(&lot);
}

/* A session in the lot; the other end of its socket. */
static int
add_echo(struct echo *e, bool linger)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(e, 0, sizeof(*e));
	e->io = io_new(pair[0], &io_limits);
	e->conn.linger = linger;
	assert_true(lot_add(lot, &e->conn, pair[0], &echo_ops, WORK_USER));
	return pair[1];
}

static void
expect(int fd, const char *text)
{
	char got[64] = "";
	size_t n = strlen(text), have = 0;

	while (have < n) {
		ssize_t m = read(fd, got + have, n - have);
		assert_true(m > 0);
		have += (size_t)m;
	}
	assert_memory_equal(got, text, n);
}

static void
many_sessions_echo(void **state)
{
	enum {
		SESSIONS = 200,
		ROUNDS = 30
	};
	struct echo *e = calloc(SESSIONS, sizeof(*e));
	int fd[SESSIONS];

	start();
	for (int i = 0; i < SESSIONS; i++)
		fd[i] = add_echo(&e[i], i % 2 == 0);
	for (int r = 0; r < ROUNDS; r++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "round %d\n", r);
		for (int i = 0; i < SESSIONS; i++)
			assert_int_equal(write(fd[i], text, strlen(text)), (ssize_t)strlen(text));
		for (int i = 0; i < SESSIONS; i++)
			expect(fd[i], text);
	}
	for (int i = 0; i < SESSIONS / 2; i++)
		(void)close(fd[i]);
	for (int i = 0; i < 2000 && atomic_load(&closed_count) < SESSIONS / 2; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&closed_count), SESSIONS / 2);
	assert_int_equal(lot_count(lot), SESSIONS / 2);
	stop();
	assert_int_equal(atomic_load(&closed_count), SESSIONS);
	for (int i = SESSIONS / 2; i < SESSIONS; i++)
		(void)close(fd[i]);
	free(e);
}

/* A wake-up during a turn, before it, or after it: one more turn sees it. */
static void
wakes_are_never_lost(void **state)
{
	struct echo e;
	int fd;

	start();
	fd = add_echo(&e, false);
	for (unsigned i = 1; i <= 2000; i++) {
		unsigned before = atomic_load(&e.wakes);
		conn_wake(&e.conn);
		for (int k = 0; k < 5000 && atomic_load(&e.wakes) == before; k++)
			usleep(i % 3 == 0 ? 0 : 10);
		assert_true(atomic_load(&e.wakes) > before);
	}
	stop();
	(void)close(fd);
}

static void
deadline_expires(void **state)
{
	struct echo e;
	int fd;

	start();
	fd = add_echo(&e, false);
	/* Before any turn can run again this thread is the only one to know it. */
	usleep(20000);
	e.conn.expires = deadline_in(200);
	assert_int_equal(write(fd, "x", 1), 1);
	expect(fd, "x");
	expect(fd, "expired\n");
	stop();
	(void)close(fd);
}

static void
timers_run(void **state)
{
	start();
	atomic_store(&ran, 0);
	lot_every(lot, 20, count_work, NULL);
	usleep(300000);
	assert_in_range(atomic_load(&ran), 3, 20);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_runs_everything),
		cmocka_unit_test(classes_keep_reserves),
		cmocka_unit_test(full_queue_refuses),
		cmocka_unit_test(many_sessions_echo),
		cmocka_unit_test(wakes_are_never_lost),
		cmocka_unit_test(deadline_expires),
		cmocka_unit_test(timers_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
