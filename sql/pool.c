/* pool.c - lends connections, fails over, and keeps a dead database from being stormed. */
#include "sql/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define CONNECTIONS_DEFAULT 8
#define CONNECTIONS_MAX     64
#define BACKOFF_FIRST_MS    50
#define BACKOFF_MAX_MS      1000
#define TIMEOUTS_TO_BREAK   3
#define CONNECTION_AGE_MS   (5 * 60 * 1000) /* so that connections come back to the first server */

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct db_server servers[DB_SERVERS_MAX];
	size_t server_count;
	size_t current;   /* the server to try first */
	int64_t moved_ms; /* when it became another than the first */
	struct db_login login;
	unsigned limit;

	struct db *idle[CONNECTIONS_MAX]; /* last in, first out */
	unsigned idle_count;
	unsigned open; /* idle, lent and being opened */
	unsigned lent;

	/* The breaker. */
	bool broken;
	bool probing;
	int64_t retry_at_ms;
	int64_t backoff_ms;
	unsigned timeouts;

	uint64_t queries, failures, retries, connects;
	char server_name[160];
};

static char *
dup_or_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

struct db_pool *
db_pool_new(const struct db_settings *settings)
{
	struct db_pool *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t attr;

	assert(settings->server_count > 0 && settings->server_count <= DB_SERVERS_MAX);
	db_library_begin();
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->given, &attr);
	(void)pthread_condattr_destroy(&attr);
	p->server_count = settings->server_count;
	for (size_t i = 0; i < p->server_count; i++) {
		p->servers[i].socket = dup_or_null(settings->servers[i].socket);
		p->servers[i].host = dup_or_null(settings->servers[i].host);
		p->servers[i].port = settings->servers[i].port;
	}
	p->login.user = dup_or_null(settings->login.user);
	p->login.password = dup_or_null(settings->login.password);
	p->login.database = dup_or_null(settings->login.database);
	p->login.tls_ca = dup_or_null(settings->login.tls_ca);
	p->limit = settings->connections > 0 ? settings->connections : CONNECTIONS_DEFAULT;
	p->limit = MIN(p->limit, (unsigned)CONNECTIONS_MAX);
	return p;
}

void
db_pool_free(struct db_pool **pool)
{
	struct db_pool *p = *pool;

	if (p == NULL)
		return;
	assert(p->lent == 0);
	while (p->idle_count > 0)
		db_close(&p->idle[--p->idle_count]);
	for (size_t i = 0; i < p->server_count; i++) {
		free((char *)p->servers[i].socket);
		free((char *)p->servers[i].host);
	}
	if (p->login.password != NULL)
		wipe((char *)p->login.password, strlen(p->login.password));
	free((char *)p->login.password);
	free((char *)p->login.user);
	free((char *)p->login.database);
	free((char *)p->login.tls_ca);
	(void)pthread_cond_destroy(&p->given);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
	*pool = NULL;
}

static enum outcome
down(struct db_pool *p, struct why *why)
{
	p->failures++;
	return fail(TEMPFAIL, why, 451, "4.3.0", "The database is not reachable, try again later");
}

/* With the lock.  The breaker opens, or stays open for longer. */
static void
breaker_open(struct db_pool *p, const char *reason)
{
	if (!p->broken)
		log_event(LOG_WARN, "db.down", kv_cstr("reason", reason), KV_END);
	p->backoff_ms =
	    p->broken ? MIN(p->backoff_ms * 2, (int64_t)BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
	p->broken = true;
	p->retry_at_ms = clock_ms() + p->backoff_ms;
	(void)pthread_cond_broadcast(&p->given);
}

static void
breaker_close(struct db_pool *p)
{
	if (p->broken)
		log_event(LOG_INFO, "db.up", kv_cstr("server", p->server_name), KV_END);
	p->broken = false;
	p->timeouts = 0;
}

/* Without the lock: connect to the first server that takes us, beginning with `from`. */
static struct db *
connect_any(struct db_pool *p, size_t from, size_t *which)
{
	enum db_health health;
	struct db *db = NULL;

	for (size_t i = 0; i < p->server_count && db == NULL; i++) {
		*which = (from + i) % p->server_count;
		db = db_open(&p->servers[*which], &p->login, &health);
	}
	return db;
}

/* With the lock, which is let go while connecting. */
static struct db *
open_one(struct db_pool *p)
{
	size_t from = p->current, which = 0;
	struct db *db;

	if (from != 0 && clock_ms() - p->moved_ms > CONNECTION_AGE_MS)
		from = 0;
	p->open++;
	p->connects++;
	(void)pthread_mutex_unlock(&p->lock);
	db = connect_any(p, from, &which);
	(void)pthread_mutex_lock(&p->lock);
	if (db == NULL) {
		p->open--;
		breaker_open(p, "no server takes a connection");
		return NULL;
	}
	if (which != p->current) {
		p->current = which;
		p->moved_ms = clock_ms();
	}
	(void)snprintf(p->server_name, sizeof(p->server_name), "%s", db_server_name(db));
	breaker_close(p);
	return db;
}

/* With the lock: may this caller go on, as the one probe of an open circuit or because it is
 * closed? */
static bool
may_try(struct db_pool *p, bool *probe)
{
	*probe = false;
	if (!p->broken)
		return true;
	if (p->probing || clock_ms() < p->retry_at_ms)
		return false;
	p->probing = *probe = true;
	return true;
}

static bool
wait_for_one(struct db_pool *p, struct deadline d)
{
	struct timespec at = { .tv_sec = (time_t)(d.at_ms / 1000),
		.tv_nsec = (long)(d.at_ms % 1000) * 1000000 };

	if (d.at_ms == INT64_MAX)
		return pthread_cond_wait(&p->given, &p->lock) == 0;
	return pthread_cond_timedwait(&p->given, &p->lock, &at) != ETIMEDOUT;
}

static struct db *
idle_one(struct db_pool *p)
{
	while (p->idle_count > 0) {
		struct db *db = p->idle[--p->idle_count];

		if (clock_ms() - db_opened_ms(db) < CONNECTION_AGE_MS)
			return db;
		p->open--;
		db_close(&db);
	}
	return NULL;
}

/* fresh: do not hand out idle connections, they may be as dead as the last one. */
static enum outcome
take(struct db_pool *p, struct db **db, bool fresh, struct deadline d, struct why *why)
{
	enum outcome o = DONE;
	bool probe;

	(void)pthread_mutex_lock(&p->lock);
	if (fresh) {
		while (p->idle_count > 0) {
			db_close(&p->idle[--p->idle_count]);
			p->open--;
		}
	}
	for (;;) {
		*db = NULL;
		if (!may_try(p, &probe)) {
			o = down(p, why);
			break;
		}
		if (!probe)
			*db = idle_one(p);
		if (*db == NULL && (p->open < p->limit || probe))
			*db = open_one(p);
		else if (*db == NULL && !wait_for_one(p, d)) {
			p->failures++;
			o = fail(
			    TEMPFAIL, why, 451, "4.3.0", "The database is busy, try again later");
			break;
		} else if (*db == NULL) {
			continue;
		}
		if (probe)
			p->probing = false;
		if (*db == NULL)
			o = down(p, why);
		break;
	}
	if (*db != NULL)
		p->lent++;
	(void)pthread_mutex_unlock(&p->lock);
	return o;
}

enum outcome
db_take(struct db_pool *p, struct db **db, struct deadline d, struct why *why)
{
	return take(p, db, false, d, why);
}

void
db_give(struct db_pool *p, struct db **db, enum db_health health)
{
	bool keep = health == DB_WELL || health == DB_TRY_AGAIN || health == DB_REFUSES_US;

	if (!keep)
		db_close(db);
	(void)pthread_mutex_lock(&p->lock);
	p->lent--;
	if (keep) {
		p->timeouts = 0;
		if (p->idle_count < CONNECTIONS_MAX) {
			p->idle[p->idle_count++] = *db;
			*db = NULL;
		}
	} else {
		p->open--;
	}
	if (health == DB_TIMED_OUT && ++p->timeouts >= TIMEOUTS_TO_BREAK)
		breaker_open(p, "the server does not answer in time");
	if (health == DB_WRONG_NODE && p->server_count > 1) {
		p->current = (p->current + 1) % p->server_count;
		p->moved_ms = clock_ms();
	}
	(void)pthread_cond_signal(&p->given);
	(void)pthread_mutex_unlock(&p->lock);
	if (keep && *db != NULL)
		db_close(db);
}

/* May the same statement be asked again after this failure? */
static bool
again(const struct statement *st, enum db_health health)
{
	switch (health) {
	case DB_TRY_AGAIN:
	case DB_WRONG_NODE:
		return true; /* the server says that it did nothing */
	case DB_LOST:
		return st->reads;
	default:
		return false;
	}
}

enum outcome
db_query(struct db_pool *p, const struct statement *st, const struct db_param *params,
    size_t param_count, struct arena *arena, struct db_result *result, struct deadline d,
    struct why *why)
{
	enum db_health health = DB_WELL;
	enum outcome o = TEMPFAIL;
	struct db *db;

	*result = (struct db_result){ 0 };
	for (int attempt = 0; attempt < 2; attempt++) {
		if (deadline_passed(d))
			return fail(TEMPFAIL, why, 451, "4.3.0", "Out of time");
		o = take(p, &db, attempt > 0 && health == DB_LOST, d, why);
		if (o != DONE)
			return o;
		/* A write cannot be asked twice, so it does not go to a connection that may be
		 * dead. */
		if (!st->reads && attempt == 0 && !db_alive(db)) {
			db_give(p, &db, DB_LOST);
			o = take(p, &db, true, d, why);
			if (o != DONE)
				return o;
		}
		o = db_run(db, st, params, param_count, arena, result, &health, why);
		db_give(p, &db, health);
		(void)pthread_mutex_lock(&p->lock);
		p->queries += attempt == 0;
		p->retries += attempt;
		(void)pthread_mutex_unlock(&p->lock);
		if (o != TEMPFAIL || !again(st, health))
			break;
	}
	if (o == TEMPFAIL) {
		(void)pthread_mutex_lock(&p->lock);
		p->failures++;
		(void)pthread_mutex_unlock(&p->lock);
	}
	return o;
}

void
db_pool_count(struct db_pool *p, struct db_pool_counts *out)
{
	(void)pthread_mutex_lock(&p->lock);
	*out = (struct db_pool_counts){
		.open = p->open,
		.lent = p->lent,
		.broken = p->broken,
		.queries = p->queries,
		.failures = p->failures,
		.retries = p->retries,
		.connects = p->connects,
		.server = p->server_name,
	};
	(void)pthread_mutex_unlock(&p->lock);
}
