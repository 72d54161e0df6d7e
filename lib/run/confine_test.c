/*
 * confine_test.c - what each kind of row forbids is tried, and refused.
 *
 * Each attempt runs in a child of its own that confines itself first; it
 * tells by its exit status, or by the signal that ended it.
 */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/confine.h"

static char inside[] = "/tmp/confine-test-XXXXXX"; /* a directory the row may name */
static int inside_fd, loopback;                    /* a listening port on 127.0.0.1 */
static struct sockaddr_in port;

static bool
open_foreign(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool
open_inside(void)
{
	return openat(inside_fd, "file", O_RDONLY) >= 0;
}

static bool
make_inside(void)
{
	int fd = openat(inside_fd, ".", O_TMPFILE | O_RDWR, 0600);

	return fd >= 0 || openat(inside_fd, "made", O_CREAT | O_WRONLY | O_TRUNC, 0600) >= 0;
}

static bool
climb_out(void)
{
	return openat(inside_fd, "../../etc/passwd", O_RDONLY) >= 0;
}

static bool
connect_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&port, sizeof(port)) == 0;
}

static bool
unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool
accept_one(void)
{
	/* Nobody connects: EAGAIN says that it may. */
	return accept4(loopback, NULL, NULL, SOCK_NONBLOCK) >= 0 || errno == EAGAIN;
}

static bool
exec_program(void)
{
	return execl("/bin/true", "true", (char *)NULL) == 0;
}

static bool
fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool
kill_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool
trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool
read_parent(void)
{
	char octet;
	struct iovec local = { &octet, 1 }, remote = { inside, 1 };

	return process_vm_readv(getppid(), &local, 1, &remote, 1, 0) == 1;
}

static bool
executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) != MAP_FAILED;
}

static bool
become_root(void)
{
	return setresuid(0, 0, 0) == 0;
}

static void *
nothing(void *arg)
{
	return arg;
}

/* What must go on working: threads, memory, time, a memfd. */
static bool
ordinary_work(void)
{
	pthread_t id;
	int fd = memfd_create("x", 0);
	void *p = malloc(1 << 22);
	bool ok = p != NULL && fd >= 0 && write(fd, "x", 1) == 1 &&
		  pthread_create(&id, NULL, nothing, NULL) == 0 && pthread_join(id, NULL) == 0;

	free(p);
	return ok;
}

enum {
	NO_FILES,
	FILES,
	FILES_READ,
	NETWORK,
	DATABASE,
	ROWS
};

/* Does the attempt succeed under each row? */
static const struct {
	const char *name;
	bool (*try)(void);
	bool may[ROWS];
} attempts[] = {
	{ "ordinary work", ordinary_work, { true, true, true, true, true } },
	{ "open a foreign file", open_foreign, { false } },
	{ "open a file of its own", open_inside, { [FILES] = true, [FILES_READ] = true } },
	{ "make a file of its own", make_inside, { [FILES] = true } },
	{ "climb out with ..", climb_out, { false } },
	{ "connect over TCP", connect_tcp, { [NETWORK] = true } },
	{ "make a unix socket", unix_socket, { [DATABASE] = true } },
	{ "accept", accept_one, { [NO_FILES] = true } },
	{ "exec", exec_program, { false } },
	{ "fork", fork_child, { false } },
	{ "signal another process", kill_parent, { false } },
	{ "trace another process", trace_parent, { false } },
	{ "read another's memory", read_parent, { false } },
	{ "map executable memory", executable_memory, { false } },
	{ "change user", become_root, { false } },
};

static void
confine_as(int row)
{
	struct confine_dir dirs[] = { { .fd = inside_fd, .write = row == FILES } };
	static const unsigned allow[ROWS] = {
		[NO_FILES] = ALLOW_ACCEPT,
		[FILES] = ALLOW_FILES,
		[FILES_READ] = ALLOW_FILES,
		[NETWORK] = ALLOW_CONNECT_TCP | ALLOW_DNS,
		[DATABASE] = ALLOW_CONNECT_UNIX,
	};
	struct confinement c = {
		.daemon = "test",
		.allow = allow[row],
		.dirs = dirs,
		.dir_count = row == FILES || row == FILES_READ ? 1 : 0,
	};

	confine(&c);
}

static bool
succeeds(bool (*try)(void), int row)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		confine_as(row);
		_exit(try() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
rows_forbid(void **state)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT_OF(attempts); i++)
		for (int row = 0; row < ROWS; row++) {
			bool got = succeeds(attempts[i].try, row);
			if (got == attempts[i].may[row])
				continue;
			print_error("row %d, %s: %s\n", row, attempts[i].name,
			    got ? "succeeded" : "was refused");
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

/* The attempts themselves work where nothing is confined; else the test would prove nothing. */
static void
attempts_work_unconfined(void **state)
{
	for (size_t i = 0; i < COUNT_OF(attempts); i++) {
		pid_t pid;
		int status;

		if (attempts[i].try == become_root && geteuid() != 0)
			continue;
		if (attempts[i].try == trace_parent)
			continue; /* would stop this process */
		pid = fork();
		if (pid == 0)
			_exit(attempts[i].try() ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s fails without any row", attempts[i].name);
	}
}

static int
setup(void **state)
{
	socklen_t n = sizeof(port);
	int fd;

	assert_non_null(mkdtemp(inside));
	inside_fd = open(inside, O_RDONLY | O_DIRECTORY);
	fd = openat(inside_fd, "file", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	loopback = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	port.sin_family = AF_INET;
	port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(loopback, (struct sockaddr *)&port, sizeof(port)), 0);
	assert_int_equal(listen(loopback, 5), 0);
	assert_int_equal(getsockname(loopback, (struct sockaddr *)&port, &n), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)unlinkat(inside_fd, "file", 0);
	(void)unlinkat(inside_fd, "made", 0);
	(void)rmdir(inside);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attempts_work_unconfined),
		cmocka_unit_test(rows_forbid),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
