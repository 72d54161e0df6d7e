/*
 * schema.c - postroom db: make the database, bring it up to date, say how it
 * is.
 *
 * init may be run again at any time: what is there stays.
 */
#include <stdio.h>
#include <unistd.h>

#include "admin-cli/report.h"
#include "conf/conf.h"
#include "sql/migrate.h"

#define DEFAULT_ADMINISTRATOR "root"
#define DATABASE_NAME_MAX     64

/* The one text that has to be pasted into SQL: letters, digits and '_' only. */
static bool
is_plain_name(struct str name)
{
	if (name.n == 0 || name.n > DATABASE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_alnum(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

static enum status
failed(struct cli *c, const struct why *why, const char *doing)
{
	const char *said = c->db != NULL ? db_message(c->db) : "";

	return cli_fail(c, STATUS_FAILED, "nothing is half done: correct it and run this again",
	    "%s: %s", doing, said[0] != '\0' ? said : why->text);
}

static void
told(const struct migration *m, void *arg)
{
	const struct cli *c = arg;

	if (!c->json)
		printf("applying %s\n", m->name);
}

static enum status
migrate(struct cli *c, unsigned *applied)
{
	struct why why = { 0 };

	if (migrate_run(c->db, cli_share(c, "sql/schema"), told, c, applied, &why) != DONE)
		return failed(c, &why, "the schema could not be brought up to date");
	return STATUS_DONE;
}

static enum status
create_database(struct cli *c, const char *user, const char *password)
{
	const char *name = c->conf->database_name;
	struct why why = { 0 };
	enum status s;

	if (!is_plain_name(str_of(name)))
		return cli_fail(c, STATUS_REFUSED, "set database_name to letters, digits and '_'",
		    "'%s' is no name for a database", name);
	s = cli_db_open(c, user, password, NULL);
	if (s != STATUS_DONE)
		return s;
	const char *text = arena_printf(c->arena,
	    "CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", name);

	if (db_script(c->db, str_of(text), NULL, &why) != DONE)
		return failed(c, &why, "the database could not be made");
	return cli_db_open(c, user, password, name);
}

static enum status
read_password(struct cli *c, const char **password)
{
	char line[SECRET_MAX + 2];

	*password = NULL;
	if (cli_option(c, "password-stdin") == NULL)
		return STATUS_DONE;
	if (fgets(line, sizeof(line), stdin) == NULL)
		return cli_fail(c, STATUS_USAGE, NULL, "no password on standard input");
	*password = arena_cstr(c->arena, str_trim(str_of(line)));
	wipe(line, sizeof(line));
	return STATUS_DONE;
}

enum status
db_init(struct cli *c)
{
	const char *user = cli_option(c, "as"), *password;
	struct why why = { 0 };
	unsigned applied = 0;
	enum status s = cli_conf(c);

	if (s == STATUS_DONE)
		s = read_password(c, &password);
	if (s != STATUS_DONE)
		return s;
	db_library_begin();
	s = create_database(c, user != NULL ? user : DEFAULT_ADMINISTRATOR, password);
	if (s == STATUS_DONE)
		s = migrate(c, &applied);
	if (s != STATUS_DONE)
		return s;
	if (cli_option(c, "no-grants") == NULL &&
	    sql_file_run(c->db, cli_share(c, "sql/grants.sql"), NULL, &why) != DONE)
		return failed(
		    c, &why, "the accounts could not be made (--no-grants leaves that to you)");
	return report_done(c, "database", str_of(c->conf->database_name),
	    "the database %s is ready", c->conf->database_name);
}

enum status
db_migrate(struct cli *c)
{
	unsigned applied = 0;
	enum status s = cli_db(c);

	if (s == STATUS_DONE)
		s = migrate(c, &applied);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "applied", str_of(arena_printf(c->arena, "%u", applied)),
	    applied > 0 ? "%u migrations were applied" : "the schema was up to date (%u applied)",
	    applied);
}

enum status
db_status(struct cli *c)
{
	static const struct column columns[] = {
		{ "migration", "Migration", COLUMN_TEXT },
		{ "applied", "Applied", COLUMN_BOOL },
		{ "when", "When (UTC)", COLUMN_TEXT },
	};
	struct migration_list list;
	struct why why = { 0 };
	struct report r;
	enum status s = cli_db(c);

	if (s != STATUS_DONE)
		return s;
	if (migrate_status(c->db, cli_share(c, "sql/schema"), c->arena, &list, &why) != DONE)
		return failed(c, &why, "the migrations could not be read");
	report_begin(&r, c, columns, COUNT_OF(columns));
	for (size_t i = 0; i < list.count; i++) {
		report_cell(&r, str_of(list.list[i].name));
		report_bool(&r, list.list[i].applied);
		report_cell(&r, list.list[i].applied ? str_of(list.list[i].when) : STR_NONE);
	}
	s = report_list(&r);
	if (s == STATUS_DONE && list.pending > 0 && !c->json)
		return cli_fail(c, STATUS_FAILED, "postroom db migrate applies them",
		    "%u migrations are pending", list.pending);
	return s == STATUS_DONE && list.pending > 0 ? STATUS_FAILED : s;
}
