/*
 * migrate.h - brings a database to the newest schema, and SQL files as
 * people write them for the mysql client (DELIMITER included).
 *
 * Migrations are files NNNN-name.sql in one folder, applied in order of
 * their numbers and noted in pr_migrations.  Each may be repeated safely: a
 * run that was cut is simply run again, since the server commits every step
 * of a schema change by itself.  Two runs at once are kept apart by a named
 * lock in the server.
 */
#ifndef SQL_MIGRATE_H
#define SQL_MIGRATE_H

#include "sql/db.h"

#define MIGRATIONS_MAX 512

struct migration {
	unsigned number;
	char name[80]; /* of the file */
	bool applied;
	char when[24]; /* "2026-01-31 12:00:00", UTC; "" when not applied */
};

struct migration_list {
	struct migration *list; /* in the arena given */
	size_t count;
	unsigned pending;
};

/* What is there and what has been applied.  A database without pr_migrations has none. */
must_use enum outcome migrate_status(struct db *db, const char *folder, struct arena *arena,
    struct migration_list *out, struct why *why);

/* Apply what is missing; told, which may be NULL, hears of each before it is run. */
must_use enum outcome migrate_run(struct db *db, const char *folder,
    void (*told)(const struct migration *m, void *arg), void *arg, unsigned *applied,
    struct why *why);

/*
 * Run a file of statements (grants.sql).  `harmless` error numbers, ending
 * in 0, are passed over; may be NULL.
 */
must_use enum outcome sql_file_run(
    struct db *db, const char *path, const unsigned *harmless, struct why *why);

/*
 * Cut the next statement from *text, which advances; false at the end.
 * Comments stay in the statement.  *delimiter (start with ";") follows
 * DELIMITER lines and points into the text.
 */
bool sql_next_statement(struct str *text, struct str *delimiter, struct str *statement);

#endif
