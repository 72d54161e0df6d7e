/*
 * store_bench - what the mail store costs, without daemons around it.
 *
 *	store_bench DIR [MESSAGES [THREADS]]
 *
 * DIR is on the file system to be measured; a root is made in it and left
 * there.  Prints one line per figure.  Delivery includes writing and syncing
 * the file.  "cold" drops the process's memory, not the page cache.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "store/core.h"

#define BODY 10240

static struct store *store;
static struct home *home;
static char body[BODY];

static double
seconds_since(int64_t us)
{
	return (double)(clock_us() - us) / 1e6;
}

/* This process's CPU time: what counts when the machine is not ours alone. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct mark {
	int64_t wall, cpu;
};

static struct mark
mark(void)
{
	return (struct mark){ clock_us(), cpu_us() };
}

/* One line: what it took for each of n things. */
static void
report(const char *label, struct mark from, double n, const char *what)
{
	double wall = (double)(clock_us() - from.wall) / n, cpu = (double)(cpu_us() - from.cpu) / n;

	printf("%-28s %10.2f us wall %10.2f us CPU %s\n", label, wall, cpu, what);
}

static void
need(enum outcome o, const char *what, const struct why *why)
{
	if (o != DONE)
		log_fatal("%s: %s", what, why->text);
}

static struct folder *
folder(const char *name)
{
	struct folder *f;
	struct why why = { 0 };

	need(folder_open(home, str_of(name), true, DEADLINE_NEVER, &f, &why), "open", &why);
	return f;
}

static void
deliver(struct folder *f)
{
	static const char structure[400] = "S";
	struct spool_file spool;
	struct delivered out;
	struct why why = { 0 };
	struct delivery m = {
		.arrived = wall_s(),
		.internaldate = wall_s(),
		.size = BODY,
		.vsize = BODY + 200,
		.packed = str_n(structure, sizeof(structure)),
	};

	need(store_spool(store, &spool, &why), "spool", &why);
	m.fd = spool.fd;
	if (write(spool.fd, body, BODY) != BODY || fdatasync(spool.fd) != 0)
		log_fatal("write");
	need(folder_deliver(f, &m, DEADLINE_NEVER, &out, &why), "deliver", &why);
	spool_discard(store, &spool);
}

struct job {
	const char *name;
	int n;
};

static void *
run(void *arg)
{
	struct job *j = arg;
	struct folder *f = folder(j->name);

	for (int i = 0; i < j->n; i++)
		deliver(f);
	folder_release(&f);
	return NULL;
}

static void
deliveries(const char *label, const char *name, int n, int threads)
{
	pthread_t t[64];
	struct job j = { name, n / threads };
	struct store_counters before, after;
	int64_t begun = clock_us(), cpu = cpu_us();
	double s;

	store_counters(store, &before);
	for (int i = 0; i < threads; i++)
		(void)pthread_create(&t[i], NULL, run, &j);
	for (int i = 0; i < threads; i++)
		(void)pthread_join(t[i], NULL);
	s = seconds_since(begun);
	store_counters(store, &after);
	printf("%-28s %10.0f a second, %.1f us CPU, %d threads, %.2f syncs each\n", label,
	    (double)(j.n * threads) / s, (double)(cpu_us() - cpu) / (double)(j.n * threads),
	    threads, (double)(after.syncs - before.syncs) / (double)(j.n * threads));
}

/* Copies with links fill a folder quickly. */
static void
grow(struct folder *f, int messages)
{
	struct folder_summary s;
	struct why why = { 0 };
	struct copy_result out;
	struct mark begun = mark();

	need(folder_status(f, DEADLINE_NEVER, &s, &why), "status", &why);
	while ((int)s.messages < messages) {
		struct seqset set = SEQSET_EMPTY;

		seqset_add(&set, 1,
		    (uint32_t)messages - s.messages < 20000 ? (uint32_t)messages - s.messages
							    : 20000);
		need(folder_copy(f, &set, f, false, DEADLINE_NEVER, &out, &why), "copy", &why);
		copy_result_free(&out);
		seqset_free(&set);
		need(folder_status(f, DEADLINE_NEVER, &s, &why), "status", &why);
	}
	report("grow by COPY", begun, s.messages, "a message");
}

static void
restart(const struct store_config *c)
{
	struct why why = { 0 };

	home_release(&home);
	store_close(&store);
	need(store_open(c, &store, &why), "store", &why);
	need(store_home(store, STR("example.test/ann"), true, &home, &why), "home", &why);
}

static void
select_and_fetch(const char *label)
{
	struct folder *f = folder("INBOX");
	struct view_cursor c = view_from_seq(1);
	struct msg_row rows[VIEW_CHUNK];
	struct why why = { 0 };
	struct view v;
	struct mark begun = mark();
	uint64_t sum = 0, count = 0;
	uint32_t seq;
	size_t n;

	need(view_open(f, DEADLINE_NEVER, &v, &why), "select", &why);
	report(label, begun, 1, "");
	begun = mark();
	while ((n = view_rows(&v, &c, rows, VIEW_CHUNK, &seq)) > 0)
		for (size_t i = 0; i < n; i++, count++)
			sum += rows[i].flags + rows[i].keywords + seq + i;
	report("  all rows", begun, (double)count, sum == 1 ? "a row!" : "a row");
	view_close(&v);
	folder_release(&f);
}

static void
flags(struct folder *f, int messages)
{
	struct seqset all = SEQSET_EMPTY;
	struct flag_change c = { .op = FLAGS_ADD, .flags = MSG_SEEN };
	struct flag_result out;
	struct why why = { 0 };
	struct mark begun = mark();

	seqset_add(&all, 1, UINT32_MAX);
	need(folder_store(f, &all, &c, DEADLINE_NEVER, &out, &why), "store", &why);
	report("STORE 1:* +FLAGS", begun, 1, "");
	flag_result_free(&out);
	seqset_free(&all);
	begun = mark();
	need(folder_flush_names(f, DEADLINE_NEVER, &why), "flush", &why);
	report("flags into names", begun, messages, "a message");
	begun = mark();
	need(folder_compact(f, DEADLINE_NEVER, &why), "compact", &why);
	report("compaction", begun, 1, "");
}

static void
reads(struct folder *f, int n)
{
	struct why why = { 0 };
	struct mark begun = mark();

	for (int i = 1; i <= n; i++) {
		struct msg_file m;

		need(folder_open_message(f, (uint32_t)i, MSG_DATA, DEADLINE_NEVER, &m, &why),
		    "read", &why);
		msg_close(&m);
	}
	report("open and read 10 KB", begun, n, "a message");
}

/* Another program touched the directory: all of it is read. */
static void
rescan(struct folder *f, const char *dir)
{
	char path[512];
	struct why why = { 0 };
	struct mark begun;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/example.test/ann/Maildir/cur/1.foreign:2,", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	begun = mark();
	need(folder_sync(f, DEADLINE_NEVER, &why), "sync", &why);
	report("sync, foreign change", begun, 1, "");
	begun = mark();
	for (int i = 0; i < 1000; i++)
		need(folder_sync(f, DEADLINE_NEVER, &why), "sync", &why);
	report("sync, nothing new", begun, 1000, "");
}

int
main(int argc, char **argv)
{
	int messages = argc > 2 ? atoi(argv[2]) : 100000, threads = argc > 3 ? atoi(argv[3]) : 10;
	struct store_config c;
	struct why why = { 0 };
	struct folder *f;

	log_init("bench", LOG_WARN);
	if (argc < 2 || messages < 1 || threads < 1 || threads > 64)
		log_fatal("usage: store_bench DIR [MESSAGES [THREADS]]");
	memset(body, 'x', sizeof(body));
	store_config_init(&c);
	(void)mkdir(argv[1], 0700);
	c.root = open(argv[1], O_RDONLY | O_DIRECTORY);
	need(store_open(&c, &store, &why), "store", &why);
	need(store_home(store, STR("example.test/ann"), true, &home, &why), "home", &why);
	deliveries("deliver, empty folder", "Empty", 2000, 1);
	deliveries("deliver, empty folder", "Empty2", 4000, threads);
	deliveries("deliver, first of INBOX", "INBOX", 1000, threads);
	f = folder("INBOX");
	grow(f, messages);
	folder_release(&f);
	restart(&c);
	select_and_fetch("SELECT, after growing");
	f = folder("INBOX");
	need(folder_compact(f, DEADLINE_NEVER, &why), "compact", &why);
	folder_release(&f);
	restart(&c);
	select_and_fetch("SELECT, cold process");
	select_and_fetch("SELECT, warm");
	restart(&c);
	deliveries("deliver, large folder", "INBOX", 2000, 1);
	deliveries("deliver, large folder", "INBOX", 4000, threads);
	select_and_fetch("SELECT, after deliveries");
	f = folder("INBOX");
	reads(f, 1000);
	rescan(f, argv[1]);
	flags(f, messages);
	folder_release(&f);
	home_release(&home);
	store_close(&store);
	return 0;
}
