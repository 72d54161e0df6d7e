/*
 * database.c - the command's own connection to the database, as the
 * administrator's account, one at a time.
 *
 * Parameters are bound by sql/; the only text that is ever pasted is the
 * database's name in CREATE DATABASE (schema.c), after a check.
 */
#include <stdio.h>

#include "admin-cli/cli.h"
#include "conf/conf.h"
#include "sql/profile.h"

#define DATABASE_HINT "is the database running?  postroom config show names it; -v tells more"

static enum status
read_password(struct cli *c, const char *path, const char **password)
{
	char line[SECRET_MAX + 2];
	FILE *f;

	*password = NULL;
	if (path[0] == '\0')
		return STATUS_DONE;
	f = fopen(path, "re");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
		if (f != NULL)
			fclose(f);
		return cli_fail(c, STATUS_FAILED, "its first line is the password of the account",
		    "cannot read %s: %m", path);
	}
	fclose(f);
	*password = arena_cstr(c->arena, str_trim(str_of(line)));
	wipe(line, sizeof(line));
	return STATUS_DONE;
}

enum status
cli_db_open(struct cli *c, const char *user, const char *password, const char *database)
{
	const struct conf *conf = c->conf;
	struct db_login login = { .user = user, .password = password, .database = database };
	struct db_server server = { 0 };
	enum db_health health = DB_WELL;

	if (user == NULL) {
		enum status s =
		    read_password(c, conf->database_admin_password_file, &login.password);

		if (s != STATUS_DONE)
			return s;
		login.user = conf->database_admin_user;
	}
	cli_db_close(c);
	if (conf->database_socket[0] != '\0') {
		server.socket = conf->database_socket;
		c->db = db_open(&server, &login, &health);
	}
	for (size_t i = 0; c->db == NULL && server.socket == NULL && i < conf->database_hosts.n;
	     i++) {
		server.host = conf->database_hosts.items[i].name;
		server.port = conf->database_hosts.items[i].port;
		c->db = db_open(&server, &login, &health);
	}
	if (c->db != NULL)
		return STATUS_DONE;
	return cli_fail(c, STATUS_UNREACHABLE, DATABASE_HINT,
	    "cannot connect to the database at %s as %s",
	    server.socket != NULL ? server.socket
	    : server.host != NULL ? server.host
				  : "(no server is configured)",
	    login.user);
}

void
cli_db_close(struct cli *c)
{
	db_close(&c->db);
	profile_free(&c->profile);
}

enum status
cli_db(struct cli *c)
{
	struct why why = { 0 };
	enum status s;

	if (c->db != NULL && c->profile != NULL)
		return STATUS_DONE;
	s = cli_conf(c);
	if (s != STATUS_DONE)
		return s;
	db_library_begin();
	s = cli_db_open(c, NULL, NULL, c->conf->database_name);
	if (s != STATUS_DONE)
		return s;
	c->profile = profile_new();
	if (profile_builtin(c->profile, "postroom", &why) != DONE ||
	    (c->conf->database_statements[0] != '\0' &&
		profile_load(c->profile, c->conf->database_statements, &why) != DONE))
		return cli_fail(c, STATUS_FAILED,
		    "the setting database_statements names a file of yours",
		    "the SQL statements cannot be used: %s", why.text);
	return STATUS_DONE;
}

static enum status
refused(struct cli *c, const char *statement, enum outcome o, const struct db_result *r,
    const struct why *why)
{
	if (o == TEMPFAIL)
		return cli_fail(c, STATUS_UNREACHABLE,
		    "nothing was changed; try again, and postroom db status shows whether the "
		    "schema is there",
		    "the database could not answer (%s): %s", statement, db_message(c->db));
	switch (r->refusal) {
	case DB_DUPLICATE:
		return STATUS_EXISTS;
	case DB_NO_PARENT:
		return STATUS_NOT_FOUND;
	case DB_REFERENCED:
	case DB_SIGNALLED:
	case DB_BAD_VALUE:
	case DB_NOT_REFUSED:
		break;
	}
	return cli_fail(c, STATUS_REFUSED, NULL, "the database refused this: %s",
	    db_message(c->db)[0] != '\0' ? db_message(c->db) : why->text);
}

enum status
cli_query(struct cli *c, const char *statement, const struct db_param *params, size_t count,
    struct db_result *out)
{
	const struct statement *st = NULL;
	struct db_result result = { 0 };
	enum db_health health;
	struct why why = { 0 };
	enum status s = cli_db(c);
	enum outcome o;

	if (s != STATUS_DONE)
		return s;
	if (profile_need(c->profile, statement, &st, &why) != DONE)
		return cli_fail(c, STATUS_REFUSED,
		    "this schema cannot do what was asked; add the statement to the profile", "%s",
		    why.text);
	o = db_run(c->db, st, params, count, c->arena, &result, &health, &why);
	if (out != NULL)
		*out = result;
	return o == DONE ? STATUS_DONE : refused(c, statement, o, &result, &why);
}

static enum status
transaction(struct cli *c, struct str text)
{
	struct why why = { 0 };
	enum status s = cli_db(c);

	if (s != STATUS_DONE)
		return s;
	if (db_script(c->db, text, NULL, &why) != DONE)
		return cli_fail(c, STATUS_UNREACHABLE,
		    "postroom db status shows whether it is there",
		    "the database could not answer: %s", db_message(c->db));
	return STATUS_DONE;
}

enum status
cli_begin(struct cli *c)
{
	enum status s = transaction(c, STR("START TRANSACTION"));

	c->in_transaction = s == STATUS_DONE;
	return s;
}

enum status
cli_commit(struct cli *c)
{
	enum status s = transaction(c, STR("COMMIT"));

	c->in_transaction = false;
	return s;
}

void
cli_rollback(struct cli *c)
{
	struct why why;

	if (c->in_transaction && db_script(c->db, STR("ROLLBACK"), NULL, &why) != DONE)
		db_close(&c->db); /* its end rolls back as well */
	c->in_transaction = false;
}
