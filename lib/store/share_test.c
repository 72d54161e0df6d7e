/*
 * Several processes and threads on one folder at the same time: everything
 * acknowledged is there once, numbers are unique, all agree in the end.  Some
 * of the processes are killed while they write.
 */
#include "store/testing.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/core.h"

#define WORKERS 4
#define EACH    150

/* What each worker was told is delivered: its UID by number; shared memory. */
struct board {
	uint32_t uid[WORKERS * 2][EACH];
	uint32_t uidvalidity[WORKERS * 2][EACH];
	int done[WORKERS * 2];
};

static struct board *board;

static void
deliver_all(struct rig *r, int worker)
{
	for (int i = 0; i < EACH; i++) {
		struct delivered out;
		char id[32], text[48];
		enum outcome o;

		(void)snprintf(id, sizeof(id), "w%d-%d", worker, i);
		(void)snprintf(text, sizeof(text), "from %d number %d\n", worker, i);
		o = rig_try_deliver(r, "INBOX", text, id, &out);
		if (o != DONE)
			_exit(2);
		board->uidvalidity[worker][i] = out.uidvalidity;
		board->uid[worker][i] = out.uid;
		__atomic_store_n(&board->done[worker], i + 1, __ATOMIC_RELEASE);
	}
}

static void
flag_and_compact(struct rig *r)
{
	for (int i = 0; i < 60; i++) {
		struct folder *f = rig_folder(r, "INBOX");
		struct seqset set = set_of("1:200");
		struct flag_change c = { .op = (enum flag_op)(i % 2), .flags = 1u << i % 5 };
		struct flag_result out;

		if (folder_store(f, &set, &c, SOON, &out, NULL) != DONE)
			_exit(3);
		flag_result_free(&out);
		seqset_free(&set);
		if (i % 7 == 0 && folder_compact(f, SOON, NULL) != DONE)
			_exit(4);
		if (i % 5 == 0)
			store_flush(r->s, SOON);
		(void)rig_status(r, "INBOX");
		folder_release(&f);
	}
}

static pid_t
spawn(struct rig *r, int worker, void (*run)(struct rig *, int))
{
	pid_t pid = fork();

	if (pid == 0) {
		/* A process of its own has descriptors of its own. */
		rig_reopen_root(r);
		run(r, worker);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void
run_deliver(struct rig *r, int worker)
{
	deliver_all(r, worker);
}

static void
run_flags(struct rig *r, int worker)
{
	(void)worker;
	flag_and_compact(r);
}

/* Every acknowledged message exists once, with the UID that was told. */
static void
check(struct rig *r, int workers)
{
	struct folder *f = rig_folder(r, "INBOX");
	static bool seen[WORKERS * 2][EACH];
	struct view v;
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[VIEW_CHUNK];
	uint32_t seq, last = 0;
	size_t n;

	memset(seen, 0, sizeof(seen));
	assert_int_equal(view_open(f, SOON, &v, NULL), DONE);
	while ((n = view_rows(&v, &c, rows, VIEW_CHUNK, &seq)) > 0)
		for (size_t i = 0; i < n; i++) {
			struct msg_file m;
			char text[64];
			int w, k;

			assert_true(rows[i].uid > last);
			last = rows[i].uid;
			assert_int_equal(
			    folder_open_message(f, last, MSG_DATA, SOON, &m, NULL), DONE);
			(void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(m.data));
			msg_close(&m);
			assert_int_equal(sscanf(text, "from %d number %d", &w, &k), 2);
			if (seen[w][k])
				fail_msg("%d of %d is there twice", k, w);
			seen[w][k] = true;
			if (k < board->done[w] && board->uid[w][k] != 0 && board->uid[w][k] != last)
				fail_msg("%d of %d has UID %u and was told %u", k, w, last,
				    board->uid[w][k]);
		}
	for (int w = 0; w < workers; w++)
		for (int k = 0; k < board->done[w]; k++)
			if (!seen[w][k])
				fail_msg("%d of %d is lost", k, w);
	view_close(&v);
	folder_release(&f);
}

static void
processes(void **state)
{
	struct rig r;
	pid_t pids[WORKERS + 2];

	(void)state;
	memset(board, 0, sizeof(*board));
	rig_up(&r);
	for (int w = 0; w < WORKERS; w++)
		pids[w] = spawn(&r, w, run_deliver);
	pids[WORKERS] = spawn(&r, 0, run_flags);
	pids[WORKERS + 1] = spawn(&r, 0, run_flags);
	for (int i = 0; i < WORKERS + 2; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	check(&r, WORKERS);
	assert_int_equal(rig_status(&r, "INBOX").messages, WORKERS * EACH);
	rig_down(&r);
}

static void
killed_processes(void **state)
{
	(void)state;
	for (int round = 0; round < 12; round++) {
		struct rig r;
		pid_t pids[WORKERS + 1];
		struct timespec t = { .tv_nsec = 3000000L + round * 4000000L };
		int status;

		memset(board, 0, sizeof(*board));
		rig_up(&r);
		for (int w = 0; w < WORKERS; w++)
			pids[w] = spawn(&r, w, run_deliver);
		pids[WORKERS] = spawn(&r, 0, run_flags);
		for (int i = 0; i < WORKERS + 1; i++) {
			(void)nanosleep(&t, NULL);
			(void)kill(pids[i], SIGKILL);
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		}
		/* Another goes on where they were. */
		pids[0] = spawn(&r, WORKERS, run_deliver);
		assert_int_equal(waitpid(pids[0], &status, 0), pids[0]);
		assert_int_equal(status, 0);
		check(&r, WORKERS + 1);
		rig_down(&r);
	}
}

struct job {
	struct rig *r;
	int worker;
};

static void *
thread_deliver(void *arg)
{
	struct job *j = arg;

	deliver_all(j->r, j->worker);
	return NULL;
}

static void *
thread_flags(void *arg)
{
	flag_and_compact(((struct job *)arg)->r);
	return NULL;
}

static void *
thread_reads(void *arg)
{
	struct rig *r = ((struct job *)arg)->r;

	for (int i = 0; i < 200; i++) {
		struct folder *f = rig_folder(r, "INBOX");
		struct view_cursor c = view_from_seq(1);
		struct msg_row rows[VIEW_CHUNK];
		struct view v;
		uint32_t seq, count = 0;
		size_t n;

		if (view_open(f, SOON, &v, NULL) != DONE)
			_exit(5);
		while ((n = view_rows(&v, &c, rows, VIEW_CHUNK, &seq)) > 0)
			count += (uint32_t)n;
		if (count != view_count(&v))
			_exit(6);
		view_close(&v);
		folder_release(&f);
	}
	return NULL;
}

static void
threads(void **state)
{
	struct rig r;
	pthread_t t[WORKERS + 2];
	struct job jobs[WORKERS + 2];
	struct store_counters counters;

	(void)state;
	memset(board, 0, sizeof(*board));
	rig_up(&r);
	for (int i = 0; i < WORKERS + 2; i++) {
		jobs[i] = (struct job){ &r, i };
		assert_int_equal(pthread_create(&t[i], NULL,
				     i < WORKERS    ? thread_deliver
				     : i == WORKERS ? thread_flags
						    : thread_reads,
				     &jobs[i]),
		    0);
	}
	for (int i = 0; i < WORKERS + 2; i++)
		(void)pthread_join(t[i], NULL);
	check(&r, WORKERS);
	assert_int_equal(rig_status(&r, "INBOX").messages, WORKERS * EACH);
	store_counters(r.s, &counters);
	assert_int_equal(counters.delivered, WORKERS * EACH);
	assert_int_equal(counters.syncs + counters.shared_syncs, WORKERS * EACH);
	rig_down(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes),
		cmocka_unit_test(killed_processes),
		cmocka_unit_test(threads),
	};

	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return board != MAP_FAILED ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
