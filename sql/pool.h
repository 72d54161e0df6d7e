/*
 * pool.h - connections to the database, lent to threads for one statement
 * or one transaction.
 *
 * Several servers may be named; the first that takes a connection is used
 * until it fails.  When none does, a circuit breaker opens: every call is
 * TEMPFAIL at once, and one caller at a time tries to connect again, after
 * 50 ms, then twice that and so on up to one second, so a dead database sees
 * at most one attempt a second from here, and is used again within a second
 * of its return.  The same happens after three time limits in a row: a
 * server that hangs does not hang the mail.
 *
 * A statement that fails because its connection was lost, the server said
 * deadlock, or a fail-over made the server read-only is tried once more, on
 * another connection - reads always, writes only when the server surely
 * did not do them.
 *
 * Any thread may call.
 */
#ifndef SQL_POOL_H
#define SQL_POOL_H

#include "sql/db.h"

#define DB_SERVERS_MAX 8

struct db_pool;

struct db_settings {
	struct db_server servers[DB_SERVERS_MAX];
	size_t server_count;
	struct db_login login;
	unsigned connections; /* at most; 0: 8 */
};

/* Copies the settings.  Does not connect yet. */
struct db_pool *db_pool_new(const struct db_settings *settings);
/* Every connection must have been given back. */
void db_pool_free(struct db_pool **p);

/*
 * One statement.  Waits for a free connection until the deadline, and for
 * the server at most about 6 seconds (connect and run, or run twice).
 */
must_use enum outcome db_query(struct db_pool *p, const struct statement *st,
    const struct db_param *params, size_t param_count, struct arena *arena,
    struct db_result *result, struct deadline d, struct why *why);

/* For transactions and scripts.  Give it back with the health of the last call. */
must_use enum outcome db_take(
    struct db_pool *p, struct db **db, struct deadline d, struct why *why);
void db_give(struct db_pool *p, struct db **db, enum db_health health);

struct db_pool_counts {
	unsigned open; /* connections */
	unsigned lent; /* of these */
	bool broken;   /* the circuit is open */
	uint64_t queries;
	uint64_t failures; /* TEMPFAIL answers */
	uint64_t retries;
	uint64_t connects;  /* attempts */
	const char *server; /* the one in use; "" before the first */
};
void db_pool_count(struct db_pool *p, struct db_pool_counts *out);

#endif
