/*
 * db.h - one connection to MySQL or MariaDB, and what a statement answers.
 *
 * Everything that waits has a limit: 3 seconds to connect, 3 to write, 3 to
 * read (the client library counts whole seconds).  A connection belongs to
 * one thread at a time; pool.h lends them.
 *
 * Failures are sorted as faults.md section 2 wants: the server's troubles
 * (down, gone away, slow, read-only, deadlock, a table that is missing) are
 * TEMPFAIL, and never anything else; PERMFAIL means that the data asked to
 * be written breaks a rule of the schema, and db_result.refusal says which.
 * A name that the character set of a table cannot hold is in no row of it:
 * such a SELECT answers DONE with no rows.
 */
#ifndef SQL_DB_H
#define SQL_DB_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/outcome.h"
#include "base/secret.h"
#include "sql/profile.h"

#define DB_ROWS_MAX    10000         /* more are cut off, and `truncated` says so */
#define DB_TEXT_MAX    (1024 * 1024) /* octets in one column; longer ones are cut */
#define DB_PARAMS_MAX  STATEMENT_PARAMS_MAX
#define DB_COLUMNS_MAX 32

struct db;

/* Where a server is; a unix socket when socket is not NULL. */
struct db_server {
	const char *socket;
	const char *host;
	unsigned port;
};

struct db_login {
	const char *user;
	const char *password; /* NULL: none (unix_socket authentication) */
	const char *database; /* NULL: none yet */
	const char *tls_ca;   /* file with the CA; NULL: no TLS asked for */
	unsigned limit_s;     /* for reading an answer; 0: 3 s.  Schema changes want more */
};

/* A value for a parameter of a statement, by its name there. */
struct db_param {
	const char *name;
	enum {
		DB_PARAM_NULL,
		DB_PARAM_TEXT,
		DB_PARAM_INT
	} kind;
	struct str text;
	int64_t number;
};

#define db_text_param(n, v) ((struct db_param){ .name = (n), .kind = DB_PARAM_TEXT, .text = (v) })
#define db_int_param(n, v) \
	((struct db_param){ .name = (n), .kind = DB_PARAM_INT, .number = (int64_t)(v) })
#define db_null_param(n)   ((struct db_param){ .name = (n), .kind = DB_PARAM_NULL })
/* NULL where the text is STR_NONE. */
#define db_opt_param(n, v) ((v).p != NULL ? db_text_param((n), (v)) : db_null_param(n))

enum db_refusal {
	DB_NOT_REFUSED = 0,
	DB_DUPLICATE,  /* a unique key has this value already */
	DB_REFERENCED, /* other rows hang on it */
	DB_NO_PARENT,  /* the row it refers to does not exist */
	DB_BAD_VALUE,  /* too long, out of range, not of the column's character set */
	DB_SIGNALLED,  /* a trigger or function of ours said no */
};

struct db_result {
	size_t row_count;
	size_t column_count;
	struct str *columns; /* names */
	struct str *cells;   /* row by row; p is NULL for SQL's NULL */
	bool truncated;
	uint64_t affected;
	uint64_t insert_id;
	enum db_refusal refusal; /* with PERMFAIL */
};

/* A cell by its column's name; STR_NONE for NULL and where there is no such column. */
struct str db_cell(const struct db_result *r, size_t row, const char *column);
/* The same as a number; `otherwise` for NULL, no column or no number. */
int64_t db_cell_int(const struct db_result *r, size_t row, const char *column, int64_t otherwise);

/* How the connection is after a failure: what the pool wants to know. */
enum db_health {
	DB_WELL,       /* the connection can be used again */
	DB_LOST,       /* it is gone; a new one may work at once */
	DB_TIMED_OUT,  /* the server did not answer in time */
	DB_WRONG_NODE, /* this server does not take what was asked (read-only, not in sync) */
	DB_TRY_AGAIN,  /* deadlock: rolled back, the same statement may work at once */
	DB_REFUSES_US, /* wrong password or rights: no use in asking again soon */
};

/*
 * Connect.  NULL with the log line written and *health set.  The character
 * set is utf8mb4, compared by octets; times are UTC; no auto-reconnect.
 */
struct db *db_open(
    const struct db_server *server, const struct db_login *login, enum db_health *health);
void db_close(struct db **db);

/*
 * Run a named statement, prepared on this connection when first used.
 * Every parameter that the statement names must be in params (a bug else);
 * params it does not name are left out, so an overriding statement may use
 * fewer.  Results go into the arena and live as long as that.
 */
must_use enum outcome db_run(struct db *db, const struct statement *st,
    const struct db_param *params, size_t param_count, struct arena *arena,
    struct db_result *result, enum db_health *health, struct why *why);

/*
 * Text as it stands, without parameters: migrations, grants, START
 * TRANSACTION.  errno_out, which may be NULL, gets the server's error number.
 */
must_use enum outcome db_script(
    struct db *db, struct str text, unsigned *errno_out, struct why *why);

/* The server's last message, for the operator; never for a peer. */
const char *db_message(const struct db *db);

/* Does the server still answer on it? */
bool db_alive(struct db *db);
int64_t db_opened_ms(const struct db *db);
const char *db_server_name(const struct db *db);

/* Once per process, before threads; and before a thread that used a db ends (pool.h does it). */
void db_library_begin(void);
void db_thread_begin(void);

#endif
