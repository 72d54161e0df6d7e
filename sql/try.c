/*
 * try.c - the pool and the migrations from a shell, for tests: not installed.
 *
 *	sql-try SOCKET[,SOCKET...] DATABASE USER PROFILE FOLDER
 *
 * Reads commands, one a line, and answers each with one line:
 *
 *	migrate			done APPLIED
 *	status			done PENDING
 *	run NAME k=v k=v ...	OUTCOME ROWS AFFECTED REFUSAL MS cell|cell;cell|cell
 *	many N NAME k=v ...	N threads, five times each: done=N temp=N perm=N MS
 *	count			open lent broken queries failures retries connects
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "sql/migrate.h"
#include "sql/pool.h"

static struct db_pool *pool;
static struct profile *profile;
static const char *folder;

struct question {
	const struct statement *st;
	struct db_param params[16];
	size_t n;
	unsigned outcomes[4];
};

static bool
parse(struct str line, struct question *q)
{
	struct str word, rest = line;
	static char names[16][64];
	char name[64];

	(void)str_cut(rest, ' ', &word, &rest);
	(void)snprintf(name, sizeof(name), STR_FMT, STR_ARG(word));
	q->st = profile_find(profile, name);
	q->n = 0;
	while (rest.n > 0 && q->n < 16) {
		struct str key, value;

		(void)str_cut(rest, ' ', &word, &rest);
		if (!str_cut(word, '=', &key, &value))
			value = STR_NONE;
		(void)snprintf(names[q->n], 64, STR_FMT, STR_ARG(key));
		q->params[q->n] = db_opt_param(names[q->n], value);
		q->n++;
	}
	return q->st != NULL;
}

static void
run(struct str line)
{
	struct arena *arena = arena_new(4 * 1024 * 1024);
	struct question q = { 0 };
	struct why why = { 0 };
	int64_t began = clock_ms();
	struct db_result r;
	enum outcome o;

	if (!parse(line, &q)) {
		printf("no such statement\n");
		arena_free(&arena);
		return;
	}
	o = db_query(pool, q.st, q.params, q.n, arena, &r, deadline_in(10000), &why);
	printf("%s %zu %llu %d %lld ", outcome_name(o), r.row_count, (unsigned long long)r.affected,
	    r.refusal, (long long)(clock_ms() - began));
	for (size_t i = 0; i < r.row_count * r.column_count; i++)
		printf("%s" STR_FMT,
		    i == 0                    ? ""
		    : i % r.column_count == 0 ? ";"
					      : "|",
		    STR_ARG(r.cells[i]));
	printf("\n");
	arena_free(&arena);
}

static void *
ask_five(void *arg)
{
	struct question *q = arg;

	for (int i = 0; i < 5; i++) {
		struct arena *arena = arena_new(1024 * 1024);
		struct db_result r;
		enum outcome o =
		    db_query(pool, q->st, q->params, q->n, arena, &r, deadline_in(10000), NULL);

		__atomic_add_fetch(&q->outcomes[o], 1, __ATOMIC_RELAXED);
		arena_free(&arena);
	}
	return NULL;
}

static void
many(struct str line)
{
	int64_t began = clock_ms();
	struct question q = { 0 };
	pthread_t threads[64];
	struct str word, rest;
	uint32_t n = 0;

	(void)str_cut(line, ' ', &word, &rest);
	if (!str_u32(word, &n) || n > 64 || !parse(rest, &q))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, ask_five, &q) != 0)
			log_fatal("no thread");
	for (uint32_t i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	printf("done=%u temp=%u perm=%u %lld\n", q.outcomes[DONE], q.outcomes[TEMPFAIL],
	    q.outcomes[PERMFAIL], (long long)(clock_ms() - began));
}

static void
migrations(bool apply)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct migration_list l = { 0 };
	struct why why = { 0 };
	unsigned applied = 0;
	struct db *db = NULL;
	enum outcome o;

	o = db_take(pool, &db, deadline_in(5000), &why);
	if (o == DONE && apply)
		o = migrate_run(db, folder, NULL, NULL, &applied, &why);
	else if (o == DONE)
		o = migrate_status(db, folder, arena, &l, &why);
	if (db != NULL)
		db_give(pool, &db, DB_WELL);
	printf(
	    "%s %u %s\n", outcome_name(o), apply ? applied : l.pending, o != DONE ? why.text : "");
	arena_free(&arena);
}

static void
count(void)
{
	struct db_pool_counts c;

	db_pool_count(pool, &c);
	printf("%u %u %d %llu %llu %llu %llu\n", c.open, c.lent, c.broken,
	    (unsigned long long)c.queries, (unsigned long long)c.failures,
	    (unsigned long long)c.retries, (unsigned long long)c.connects);
}

int
main(int argc, char **argv)
{
	struct db_settings settings = { .login.limit_s = 0 };
	struct str sockets, one;
	struct why why = { 0 };
	char line[4096];

	if (argc != 6)
		return 2;
	log_init("sql-try", LOG_INFO);
	for (sockets = str_of(argv[1]); sockets.n > 0;) {
		(void)str_cut(sockets, ',', &one, &sockets);
		settings.servers[settings.server_count++].socket = str_dup(one);
	}
	settings.login.database = argv[2];
	settings.login.user = argv[3];
	pool = db_pool_new(&settings);
	profile = profile_new();
	folder = argv[5];
	if (profile_load(profile, argv[4], &why) != DONE)
		log_fatal("%s", why.text);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct str text = str_trim(str_of(line)), word, rest;

		(void)str_cut(text, ' ', &word, &rest);
		if (str_eq(word, STR("migrate")) || str_eq(word, STR("status")))
			migrations(word.p[0] == 'm');
		else if (str_eq(word, STR("run")))
			run(rest);
		else if (str_eq(word, STR("many")))
			many(rest);
		else
			count();
		(void)fflush(stdout);
	}
	profile_free(&profile);
	db_pool_free(&pool);
	return 0;
}
