/* db.c - one connection over libmariadb: connect, prepare, run, fetch, and sort failures. */
#include "sql/db.h"

#include <errmsg.h>
#include <errno.h>
#include <limits.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define LIMIT_S      3    /* connect, read, write */
#define SLOW_MS      2500 /* a connection lost after this long was a time limit, not a restart */
#define PREPARED_MAX 64
#define CELL_FIRST   512 /* most cells fit; longer ones are fetched again at their length */

/* Errors newer than the header we may be built with. */
#define ER_WSREP_NOT_READY   1047
#define ER_NOT_CONVERTIBLE   1977
#define ER_STATEMENT_TIMEOUT 1969
#define ER_QUERY_TIMEOUT_8   3024
#define ER_IDLE_TIMEOUT_8    4031
#define ER_CHECK_FAILED_8    3819
#define ER_CHECK_FAILED      4025
#define ER_NOT_CONVERTIBLE_8 3854
#define ER_NOT_CONVERTIBLE_9 3988

struct prepared {
	unsigned number; /* of the statement; 0: free */
	MYSQL_STMT *stmt;
};

struct db {
	MYSQL mysql;
	char name[160]; /* of the server, for the log */
	char message[256];
	int64_t opened_ms;
	struct prepared prepared[PREPARED_MAX];
	unsigned next_prepared;
};

static pthread_key_t thread_key;

static void
thread_end(void *set)
{
	(void)set;
	mysql_thread_end();
}

/* Of <mysql/client_plugin.h>, which libmariadb ships without the headers it needs. */
#define AUTHENTICATION_PLUGIN 2
struct st_mysql_client_plugin *mysql_client_find_plugin(MYSQL *m, const char *name, int type);

/*
 * Ways to authenticate that come as plug-ins are loaded before the sandbox
 * closes, whichever of them the server will ask for.
 */
static void
load_plugins(void)
{
	static const char *const names[] = { "caching_sha2_password", "sha256_password",
		"client_ed25519" };
	MYSQL *m = mysql_init(NULL);

	for (size_t i = 0; m != NULL && i < COUNT_OF(names); i++)
		(void)mysql_client_find_plugin(m, names[i], AUTHENTICATION_PLUGIN);
	mysql_close(m);
}

void
db_library_begin(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	if (mysql_library_init(0, NULL, NULL) != 0 || pthread_key_create(&thread_key, thread_end))
		log_fatal("the MySQL client library does not start");
	load_plugins();
}

void
db_thread_begin(void)
{
	if (pthread_getspecific(thread_key) != NULL)
		return;
	if (mysql_thread_init() != 0)
		log_fatal("no memory for a database thread");
	(void)pthread_setspecific(thread_key, &thread_key);
}

static enum db_health
health_of(unsigned err, int64_t took_ms)
{
	switch (err) {
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_SERVER_LOST_EXTENDED:
	case CR_COMMANDS_OUT_OF_SYNC:
	case CR_MALFORMED_PACKET:
	case CR_ERR_NET_READ:
	case CR_ERR_NET_WRITE:
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_UNKNOWN_ERROR:
		return took_ms >= SLOW_MS ? DB_TIMED_OUT : DB_LOST;
	case ER_SERVER_SHUTDOWN:
	case ER_NORMAL_SHUTDOWN:
	case ER_CONNECTION_KILLED:
	case ER_IDLE_TIMEOUT_8:
		return DB_LOST;
	case ER_STATEMENT_TIMEOUT:
	case ER_QUERY_TIMEOUT_8:
	case ER_QUERY_INTERRUPTED:
	case ER_LOCK_WAIT_TIMEOUT:
		return DB_TIMED_OUT;
	case ER_LOCK_DEADLOCK:
		return DB_TRY_AGAIN;
	case ER_OPTION_PREVENTS_STATEMENT: /* --read-only */
	case ER_WSREP_NOT_READY:
#ifdef ER_READ_ONLY_MODE
	case ER_READ_ONLY_MODE:
#endif
		return DB_WRONG_NODE;
	case ER_ACCESS_DENIED_ERROR:
	case ER_DBACCESS_DENIED_ERROR:
	case ER_TABLEACCESS_DENIED_ERROR:
	case ER_COLUMNACCESS_DENIED_ERROR:
	case ER_HOST_IS_BLOCKED:
	case ER_HOST_NOT_PRIVILEGED:
	case ER_BAD_DB_ERROR:
		return DB_REFUSES_US;
	default:
		return DB_WELL;
	}
}

static enum db_refusal
refusal_of(unsigned err)
{
	switch (err) {
	case ER_DUP_ENTRY:
	case ER_DUP_ENTRY_WITH_KEY_NAME:
	case ER_DUP_UNIQUE:
		return DB_DUPLICATE;
	case ER_ROW_IS_REFERENCED:
	case ER_ROW_IS_REFERENCED_2:
		return DB_REFERENCED;
	case ER_NO_REFERENCED_ROW:
	case ER_NO_REFERENCED_ROW_2:
		return DB_NO_PARENT;
	case ER_DATA_TOO_LONG:
	case ER_WARN_DATA_OUT_OF_RANGE:
	case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
	case ER_BAD_NULL_ERROR:
	case ER_CHECK_FAILED:
	case ER_CHECK_FAILED_8:
		return DB_BAD_VALUE;
	case ER_SIGNAL_EXCEPTION:
		return DB_SIGNALLED;
	default:
		return DB_NOT_REFUSED;
	}
}

/* What was looked for cannot be written in the table's character set. */
static bool
cannot_be_held(unsigned err)
{
	switch (err) {
	case ER_CANT_AGGREGATE_2COLLATIONS:
	case ER_CANT_AGGREGATE_3COLLATIONS:
	case ER_CANT_AGGREGATE_NCOLLATIONS:
	case ER_INVALID_CHARACTER_STRING:
	case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
	case ER_NOT_CONVERTIBLE:
	case ER_NOT_CONVERTIBLE_8:
	case ER_NOT_CONVERTIBLE_9:
		return true;
	default:
		return false;
	}
}

const char *
db_message(const struct db *db)
{
	return db->message;
}

bool
db_alive(struct db *db)
{
	db_thread_begin();
	return mysql_ping(&db->mysql) == 0;
}

int64_t
db_opened_ms(const struct db *db)
{
	return db->opened_ms;
}

const char *
db_server_name(const struct db *db)
{
	return db->name;
}

static void
name_server(struct db *db, const struct db_server *server)
{
	if (server->socket != NULL)
		(void)snprintf(db->name, sizeof(db->name), "%s", server->socket);
	else
		(void)snprintf(db->name, sizeof(db->name), "%s:%u",
		    server->host != NULL ? server->host : "localhost", server->port);
}

static void
set_options(MYSQL *m, const struct db_login *login)
{
	unsigned limit = LIMIT_S, read_limit = login->limit_s > 0 ? login->limit_s : LIMIT_S;
	unsigned no = 0;
	my_bool off = 0, on = 1;

	(void)mysql_optionsv(m, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
	(void)mysql_optionsv(m, MYSQL_OPT_READ_TIMEOUT, &read_limit);
	(void)mysql_optionsv(m, MYSQL_OPT_WRITE_TIMEOUT, &limit);
	(void)mysql_optionsv(m, MYSQL_OPT_RECONNECT, &off);
	(void)mysql_optionsv(m, MYSQL_OPT_LOCAL_INFILE, &no);
	(void)mysql_optionsv(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	(void)mysql_optionsv(m, MYSQL_REPORT_DATA_TRUNCATION, &on);
	if (login->tls_ca != NULL) {
		(void)mysql_optionsv(m, MYSQL_OPT_SSL_CA, login->tls_ca);
		(void)mysql_optionsv(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
		(void)mysql_optionsv(m, MYSQL_OPT_SSL_ENFORCE, &on);
	}
}

/* Session settings; a server that does not know one of the limits is no trouble. */
static bool
set_session(struct db *db, bool patient)
{
	static const struct {
		const char *sql;
		bool needed;
		bool hurry;
	} settings[] = {
		{ "SET NAMES utf8mb4 COLLATE utf8mb4_bin", true },
		{ "SET SESSION time_zone = '+00:00', sql_mode = "
		  "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
		    true },
		{ "SET SESSION innodb_lock_wait_timeout = 2", false, true },
		{ "SET SESSION max_statement_time = 2.8", false, true },  /* MariaDB */
		{ "SET SESSION max_execution_time = 2800", false, true }, /* MySQL */
	};

	for (size_t i = 0; i < COUNT_OF(settings); i++)
		if ((!settings[i].hurry || !patient) &&
		    mysql_query(&db->mysql, settings[i].sql) != 0 &&
		    (settings[i].needed || mysql_errno(&db->mysql) >= CR_MIN_ERROR))
			return false;
	return true;
}

struct db *
db_open(const struct db_server *server, const struct db_login *login, enum db_health *health)
{
	struct db *db = xcalloc(1, sizeof(*db));
	unsigned tcp = MYSQL_PROTOCOL_TCP;
	int64_t began = clock_ms();
	bool up;

	db_thread_begin();
	name_server(db, server);
	if (mysql_init(&db->mysql) == NULL)
		log_fatal("no memory for a database connection");
	set_options(&db->mysql, login);
	if (server->socket == NULL) /* "localhost" means a socket to the library, a host to us */
		(void)mysql_optionsv(&db->mysql, MYSQL_OPT_PROTOCOL, &tcp);
	up = mysql_real_connect(&db->mysql, server->socket != NULL ? "localhost" : server->host,
		 login->user, login->password, login->database, server->port, server->socket,
		 0) != NULL;
	if (up && set_session(db, login->limit_s > LIMIT_S)) {
		db->opened_ms = clock_ms();
		*health = DB_WELL;
		return db;
	}
	*health = health_of(mysql_errno(&db->mysql), clock_ms() - began);
	if (*health == DB_WELL)
		*health = DB_LOST;
	log_event(LOG_WARN, "db.connect", kv_cstr("server", db->name),
	    kv_int("errno", mysql_errno(&db->mysql)), kv_cstr("error", mysql_error(&db->mysql)),
	    KV_END);
	db_close(&db);
	return NULL;
}

void
db_close(struct db **db)
{
	struct db *d = *db;

	if (d == NULL)
		return;
	db_thread_begin();
	for (size_t i = 0; i < PREPARED_MAX; i++)
		if (d->prepared[i].stmt != NULL)
			(void)mysql_stmt_close(d->prepared[i].stmt);
	mysql_close(&d->mysql);
	free(d);
	*db = NULL;
}

/* Sort a failure, log it once, and say it without its details. */
static enum outcome
failed(struct db *db, const char *what, unsigned err, const char *message, int64_t began,
    struct db_result *result, enum db_health *health, struct why *why)
{
	*health = health_of(err, clock_ms() - began);
	(void)snprintf(db->message, sizeof(db->message), "%s", message);
	if (result != NULL && *health == DB_WELL)
		result->refusal = refusal_of(err);
	if (result != NULL && result->refusal != DB_NOT_REFUSED)
		return fail(PERMFAIL, why, 550, "5.3.0", "The database refuses this change");
	log_event(LOG_WARN, "db.fail", kv_cstr("server", db->name), kv_cstr("statement", what),
	    kv_int("errno", err), kv_cstr("error", message), KV_END);
	return fail(TEMPFAIL, why, 451, "4.3.0", "Temporary database failure");
}

static MYSQL_STMT *
prepared(struct db *db, const struct statement *st)
{
	struct prepared *slot;

	for (size_t i = 0; i < PREPARED_MAX; i++)
		if (db->prepared[i].number == st->number)
			return db->prepared[i].stmt;
	slot = &db->prepared[db->next_prepared++ % PREPARED_MAX];
	if (slot->stmt != NULL)
		(void)mysql_stmt_close(slot->stmt);
	slot->number = 0;
	slot->stmt = mysql_stmt_init(&db->mysql);
	if (slot->stmt == NULL)
		return NULL;
	if (mysql_stmt_prepare(slot->stmt, st->sql, st->sql_n) != 0)
		return slot->stmt;
	slot->number = st->number;
	return slot->stmt;
}

static void
forget(struct db *db, const MYSQL_STMT *stmt)
{
	for (size_t i = 0; i < PREPARED_MAX; i++) {
		if (db->prepared[i].stmt != NULL && db->prepared[i].stmt == stmt) {
			(void)mysql_stmt_close(db->prepared[i].stmt);
			db->prepared[i] = (struct prepared){ 0 };
		}
	}
}

static const struct db_param *
param_named(const struct statement *st, const char *name, const struct db_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(params[i].name, name) == 0)
			return &params[i];
	log_fatal(
	    "statement %s wants a parameter :%s, which this command does not have", st->name, name);
}

static void
bind_params(const struct statement *st, const struct db_param *params, size_t n, MYSQL_BIND *bind,
    long long *numbers)
{
	for (unsigned i = 0; i < st->param_count; i++) {
		const struct db_param *p = param_named(st, st->params[i], params, n);

		switch (p->kind) {
		case DB_PARAM_NULL:
			bind[i].buffer_type = MYSQL_TYPE_NULL;
			break;
		case DB_PARAM_INT:
			numbers[i] = p->number;
			bind[i].buffer_type = MYSQL_TYPE_LONGLONG;
			bind[i].buffer = &numbers[i];
			break;
		case DB_PARAM_TEXT:
			bind[i].buffer_type = MYSQL_TYPE_STRING;
			bind[i].buffer = (void *)(uintptr_t)(p->text.n > 0 ? p->text.p : "");
			bind[i].buffer_length = p->text.n;
			break;
		}
	}
}

/* The columns of one result while its rows are fetched. */
struct fetch {
	MYSQL_BIND bind[DB_COLUMNS_MAX];
	char first[DB_COLUMNS_MAX][CELL_FIRST];
	unsigned long length[DB_COLUMNS_MAX];
	my_bool null[DB_COLUMNS_MAX];
	unsigned columns;
};

static struct str
take_cell(MYSQL_STMT *stmt, struct fetch *f, unsigned i, struct arena *arena)
{
	size_t n = MIN(f->length[i], (unsigned long)DB_TEXT_MAX);
	MYSQL_BIND again = { .buffer_type = MYSQL_TYPE_STRING };
	unsigned long length = 0;
	char *p;

	if (f->null[i])
		return STR_NONE;
	if (!arena_has_room(arena, n + 1))
		return STR_NONE;
	if (n <= CELL_FIRST)
		return arena_str(arena, str_n(f->first[i], n));
	p = arena_alloc(arena, n + 1);
	again.buffer = p;
	again.buffer_length = n;
	again.length = &length;
	if (mysql_stmt_fetch_column(stmt, &again, i, 0) != 0)
		return STR_NONE;
	return str_n(p, n);
}

/* Rows go into an array that doubles: the total is bounded by DB_ROWS_MAX and the arena. */
static bool
keep_row(MYSQL_STMT *stmt, struct fetch *f, struct arena *arena, struct db_result *r, size_t *room)
{
	if (r->row_count == *room) {
		size_t more = *room > 0 ? *room * 2 : 4;
		struct str *cells;

		if (!arena_has_room(arena, more * f->columns * sizeof(*cells)))
			return false;
		cells = arena_array(arena, more * f->columns, sizeof(*cells));
		if (r->row_count > 0)
			memcpy(cells, r->cells, r->row_count * f->columns * sizeof(*cells));
		r->cells = cells;
		*room = more;
	}
	for (unsigned i = 0; i < f->columns; i++)
		r->cells[r->row_count * f->columns + i] = take_cell(stmt, f, i, arena);
	r->row_count++;
	return true;
}

static void
bind_columns(struct fetch *f, MYSQL_RES *meta, struct arena *arena, struct db_result *r)
{
	MYSQL_FIELD *fields = mysql_fetch_fields(meta);

	f->columns = MIN(mysql_num_fields(meta), (unsigned)DB_COLUMNS_MAX);
	r->column_count = f->columns;
	r->columns = arena_array(arena, f->columns, sizeof(*r->columns));
	for (unsigned i = 0; i < f->columns; i++) {
		r->columns[i] = arena_str(arena, str_of(fields[i].name));
		f->bind[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_STRING,
			.buffer = f->first[i],
			.buffer_length = CELL_FIRST,
			.length = &f->length[i],
			.is_null = &f->null[i] };
	}
}

/* Zero, or the error of the statement. */
static unsigned
fetch_rows(MYSQL_STMT *stmt, struct arena *arena, struct db_result *r)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);
	struct fetch *f;
	size_t room = 0;
	unsigned err = 0;
	int got = 0;

	if (meta == NULL)
		return mysql_stmt_errno(stmt);
	f = xcalloc(1, sizeof(*f));
	assert(mysql_num_fields(meta) <= DB_COLUMNS_MAX);
	bind_columns(f, meta, arena, r);
	mysql_free_result(meta);
	if (mysql_stmt_bind_result(stmt, f->bind) != 0 || mysql_stmt_store_result(stmt) != 0) {
		err = mysql_stmt_errno(stmt);
		goto out;
	}
	while ((got = mysql_stmt_fetch(stmt)) == 0 || got == MYSQL_DATA_TRUNCATED) {
		if (r->row_count == DB_ROWS_MAX || !keep_row(stmt, f, arena, r, &room)) {
			r->truncated = true;
			break;
		}
	}
	if (got == 1)
		err = mysql_stmt_errno(stmt);
out:
	(void)mysql_stmt_free_result(stmt);
	wipe(f, sizeof(*f)); /* rows may hold password hashes */
	free(f);
	return err;
}

enum outcome
db_run(struct db *db, const struct statement *st, const struct db_param *params, size_t param_count,
    struct arena *arena, struct db_result *result, enum db_health *health, struct why *why)
{
	MYSQL_BIND bind[STATEMENT_PARAMS_MAX] = { 0 };
	long long numbers[STATEMENT_PARAMS_MAX] = { 0 };
	int64_t began = clock_ms();
	MYSQL_STMT *stmt;
	unsigned err = 0;

	db_thread_begin();
	*result = (struct db_result){ 0 };
	*health = DB_WELL;
	stmt = prepared(db, st);
	if (stmt == NULL)
		return failed(
		    db, st->name, CR_OUT_OF_MEMORY, "no statement", began, result, health, why);
	err = mysql_stmt_errno(stmt);
	if (err == 0) {
		bind_params(st, params, param_count, bind, numbers);
		if ((st->param_count > 0 && mysql_stmt_bind_param(stmt, bind) != 0) ||
		    mysql_stmt_execute(stmt) != 0)
			err = mysql_stmt_errno(stmt);
	}
	if (err == 0 && mysql_stmt_field_count(stmt) > 0)
		err = fetch_rows(stmt, arena, result);
	if (err == 0) {
		if (mysql_stmt_field_count(stmt) == 0)
			result->affected = mysql_stmt_affected_rows(stmt);
		result->insert_id = mysql_stmt_insert_id(stmt);
		return DONE;
	}
	if (st->reads && cannot_be_held(err)) {
		*result = (struct db_result){ 0 };
		forget(db, stmt);
		return DONE;
	}
	*result = (struct db_result){ 0 };
	{
		char message[sizeof(db->message)];

		(void)snprintf(message, sizeof(message), "%s", mysql_stmt_error(stmt));
		forget(db, stmt);
		return failed(db, st->name, err, message, began, result, health, why);
	}
}

enum outcome
db_script(struct db *db, struct str text, unsigned *errno_out, struct why *why)
{
	int64_t began = clock_ms();
	enum db_health health;
	unsigned err;

	db_thread_begin();
	if (errno_out != NULL)
		*errno_out = 0;
	if (mysql_real_query(&db->mysql, text.p, text.n) == 0) {
		MYSQL_RES *rows = mysql_store_result(&db->mysql);

		if (rows != NULL)
			mysql_free_result(rows);
		if (mysql_errno(&db->mysql) == 0)
			return DONE;
	}
	err = mysql_errno(&db->mysql);
	if (errno_out != NULL)
		*errno_out = err;
	if (errno_out != NULL && err < CR_MIN_ERROR) {
		(void)snprintf(db->message, sizeof(db->message), "%s", mysql_error(&db->mysql));
		return fail(TEMPFAIL, why, 451, "4.3.0", "Temporary database failure");
	}
	return failed(db, "script", err, mysql_error(&db->mysql), began, NULL, &health, why);
}
