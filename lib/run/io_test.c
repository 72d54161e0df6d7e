/* io_test.c - deadlines, limits, flush before wait, minimum rate, files. */
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/io.h"

static const struct io_limits limits = { .in_max = 100, .out_max = 4096, .write_ms = 500 };

static struct io *
pair(int *other, const struct io_limits *l)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	*other = fd[1];
	return io_new(fd[0], l);
}

static void
fill_waits_no_longer_than_its_deadline(void **state)
{
	int other;
	struct io *io = pair(&other, &limits);
	int64_t began = clock_ms();

	assert_int_equal(io_fill(io, deadline_in(100)), GONE);
	assert_in_range(clock_ms() - began, 90, 2000);
	io_free(&io);
	(void)close(other);
}

/* qmail's rule: what we have said goes out before we wait for an answer to it. */
static void
flushes_before_it_waits(void **state)
{
	int other;
	struct io *io = pair(&other, &limits);
	char got[3];

	io_puts(io, "abc");
	assert_int_equal(io_fill(io, deadline_in(50)), GONE);
	assert_int_equal(read(other, got, 3), 3);
	assert_memory_equal(got, "abc", 3);
	io_free(&io);
	(void)close(other);
}

static void
input_is_bounded(void **state)
{
	int other;
	struct io *io = pair(&other, &limits);
	char big[300];

	memset(big, 'x', sizeof(big));
	assert_int_equal(write(other, big, sizeof(big)), sizeof(big));
	assert_int_equal(io_fill(io, deadline_in(100)), DONE);
	assert_int_equal(io_fill(io, deadline_in(100)), TEMPFAIL);
	assert_true(io_input(io).n >= 100);
	io_consume(io, io_input(io).n);
	(void)close(other);
	assert_int_equal(io_drain(io), IO_EOF);
	assert_true(io_at_eof(io));
	io_free(&io);
}

static void
a_stuck_reader_is_given_up(void **state)
{
	int other;
	struct io *io = pair(&other, &limits);
	char *big = calloc(1, 8 << 20);

	io_put(io, str_n(big, 8 << 20));
	assert_int_equal(io_flush(io, deadline_in(100)), GONE);
	io_puts(io, "swallowed");
	assert_int_equal(io_flush(io, deadline_in(100)), GONE);
	free(big);
	io_free(&io);
	(void)close(other);
}

static void
reads_exactly(void **state)
{
	int other;
	struct io *io = pair(&other, &limits);
	char got[8] = "";

	assert_int_equal(write(other, "0123456789", 10), 10);
	assert_int_equal(io_fill(io, deadline_in(100)), DONE);
	assert_int_equal(io_read(io, got, 7, deadline_in(100)), DONE);
	assert_string_equal(got, "0123456");
	assert_int_equal(io_read(io, got, 7, deadline_in(50)), GONE);
	io_free(&io);
	(void)close(other);
}

static void *
slurp(void *arg)
{
	int fd = *(int *)arg;
	static char sink[1 << 16];
	size_t all = 0;
	ssize_t n;

	while ((n = read(fd, sink, sizeof(sink))) > 0)
		all += (size_t)n;
	return (void *)all;
}

static void
sends_files(void **state)
{
	int other, fd = memfd_create("file", 0);
	struct io *io = pair(&other, &limits);
	pthread_t reader;
	void *all;

	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	assert_int_equal(pthread_create(&reader, NULL, slurp, &other), 0);
	io_puts(io, "12345");
	assert_int_equal(io_send_file(io, fd, 10, 100), DONE);
	assert_int_equal(io_send_file(io, fd, 100, 2 << 20), DONE);
	assert_int_equal(io_send_file(io, fd, 3 << 20, 5), GONE);
	io_free(&io);
	(void)pthread_join(reader, &all);
	assert_int_equal((size_t)all, 5 + 100 + (2 << 20));
	(void)close(other);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fill_waits_no_longer_than_its_deadline),
		cmocka_unit_test(flushes_before_it_waits),
		cmocka_unit_test(input_is_bounded),
		cmocka_unit_test(a_stuck_reader_is_given_up),
		cmocka_unit_test(reads_exactly),
		cmocka_unit_test(sends_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
