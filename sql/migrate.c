/* migrate.c - applies numbered SQL files once each, and cuts SQL files into statements. */
#include "sql/migrate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

#define SQL_FILE_MAX (1024 * 1024)

static const struct statement read_applied = {
	.name = "migrations_read",
	.sql = "SELECT number, DATE_FORMAT(applied, '%Y-%m-%d %H:%i:%s') AS applied "
	       "FROM pr_migrations ORDER BY number",
	.sql_n = sizeof("SELECT number, DATE_FORMAT(applied, '%Y-%m-%d %H:%i:%s') AS applied "
			"FROM pr_migrations ORDER BY number") -
		 1,
	.reads = true,
	.number = UINT32_MAX,
};

static const char make_table[] =
    "CREATE TABLE IF NOT EXISTS pr_migrations (number INT NOT NULL, name VARCHAR(80) NOT NULL, "
    "applied TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (number)) "
    "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

/* Table, column, key or constraint exists already; the column to drop does not. */
static const unsigned repeated[] = { 1050, 1060, 1061, 1826, 1091, 0 };

/* End of a quoted piece or comment that begins at text[i]; i itself when none does. */
static size_t
skip_opaque(struct str text, size_t i)
{
	char c = text.p[i];
	size_t j;

	if (c == '#' || str_starts(str_from(text, i), STR("--"))) {
		for (j = i; j < text.n && text.p[j] != '\n'; j++)
			;
		return j;
	}
	if (str_starts(str_from(text, i), STR("/*"))) {
		ptrdiff_t end = str_find(str_from(text, i + 2), STR("*/"));

		return end < 0 ? text.n : i + 2 + (size_t)end + 2;
	}
	if (c != '\'' && c != '"' && c != '`')
		return i;
	for (j = i + 1; j < text.n && text.p[j] != c; j++)
		if (text.p[j] == '\\' && c != '`')
			j++;
	return MIN(j + 1, text.n);
}

/* A DELIMITER line at the head of text is taken; it is the client's, not the server's. */
static bool
take_delimiter(struct str *text, struct str *delimiter)
{
	struct str line, rest;

	if (!str_starts_nocase(*text, STR("DELIMITER ")))
		return false;
	(void)str_cut(*text, '\n', &line, &rest);
	*delimiter = str_trim(str_from(line, sizeof("DELIMITER ") - 1));
	*text = rest;
	return true;
}

static bool
only_comments(struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t end;

		if (strchr(" \t\r\n", s.p[i]) != NULL) {
			i++;
			continue;
		}
		if (s.p[i] == '\'' || s.p[i] == '"' || s.p[i] == '`')
			return false;
		end = skip_opaque(s, i);
		if (end == i)
			return false;
		i = end;
	}
	return true;
}

static struct str
skip_blank(struct str s)
{
	while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL)
		s = str_from(s, 1);
	return s;
}

bool
sql_next_statement(struct str *text, struct str *delimiter, struct str *statement)
{
	size_t i = 0;

	*text = skip_blank(*text);
	while (take_delimiter(text, delimiter))
		*text = skip_blank(*text);
	while (i < text->n) {
		size_t end = skip_opaque(*text, i);

		if (end != i) {
			i = end;
			continue;
		}
		if (delimiter->n > 0 && str_starts(str_from(*text, i), *delimiter)) {
			*statement = str_trim(str_first(*text, i));
			*text = str_from(*text, i + delimiter->n);
			return true;
		}
		i++;
	}
	*statement = str_trim(*text);
	*text = STR_NONE;
	return !only_comments(*statement);
}

static enum outcome
read_file(const char *path, struct buf *text, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got = -1;
	char *room;

	if (fd < 0)
		return fail(
		    TEMPFAIL, why, 0, "", "cannot open %s (%s)", path, strerrorname_np(errno));
	while ((room = buf_room(text, 8192)) != NULL && (got = read(fd, room, 8192)) > 0)
		buf_claim(text, (size_t)got);
	fd_close(&fd);
	if (got != 0 || room == NULL)
		return fail(TEMPFAIL, why, 0, "", "cannot read %s", path);
	return DONE;
}

static bool
is_harmless(unsigned err, const unsigned *harmless)
{
	for (size_t i = 0; harmless != NULL && harmless[i] != 0; i++)
		if (harmless[i] == err)
			return true;
	return false;
}

enum outcome
sql_file_run(struct db *db, const char *path, const unsigned *harmless, struct why *why)
{
	struct str left, delimiter = STR(";"), statement;
	enum outcome o;
	struct buf text;
	unsigned err;

	buf_init(&text, SQL_FILE_MAX);
	o = read_file(path, &text, why);
	left = buf_str(&text);
	while (o == DONE && sql_next_statement(&left, &delimiter, &statement)) {
		if (statement.n == 0 || only_comments(statement))
			continue;
		o = db_script(db, statement, &err, why);
		if (o != DONE && is_harmless(err, harmless))
			o = DONE;
		if (o != DONE) {
			log_event(LOG_WARN, "db.script", kv_cstr("file", path),
			    kv_int("errno", err), kv_cstr("error", db_message(db)),
			    kv_str("statement", statement), KV_END);
			(void)fail(o, why, 0, "", "%s: error %u: %.60s", path, err, db_message(db));
		}
	}
	buf_free(&text);
	return o;
}

static int
by_number(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static bool
migration_of_file(const char *file, struct migration *m)
{
	struct str name = str_of(file), digits;

	if (name.n < 10 || name.n >= sizeof(m->name) || !str_ends(name, STR(".sql")))
		return false;
	digits = str_first(name, 4);
	*m = (struct migration){ 0 };
	if (!str_u32(digits, &m->number) || name.p[4] != '-' || m->number == 0)
		return false;
	memcpy(m->name, name.p, name.n + 1);
	return true;
}

static enum outcome
list_folder(const char *folder, struct arena *arena, struct migration_list *out, struct why *why)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	if (d == NULL)
		return fail(
		    TEMPFAIL, why, 0, "", "cannot open %s (%s)", folder, strerrorname_np(errno));
	out->list = arena_array(arena, MIGRATIONS_MAX, sizeof(*out->list));
	out->count = 0;
	while ((e = readdir(d)) != NULL && out->count < MIGRATIONS_MAX)
		if (migration_of_file(e->d_name, &out->list[out->count]))
			out->count++;
	(void)closedir(d);
	if (out->count == 0)
		return fail(TEMPFAIL, why, 0, "", "no migrations in %s", folder);
	qsort(out->list, out->count, sizeof(*out->list), by_number);
	for (size_t i = 1; i < out->count; i++)
		if (out->list[i].number == out->list[i - 1].number)
			return fail(PERMFAIL, why, 0, "", "two migrations have the number %u",
			    out->list[i].number);
	return DONE;
}

static void
mark_applied(struct migration_list *l, const struct db_result *r)
{
	l->pending = 0;
	for (size_t i = 0; i < l->count; i++) {
		struct migration *m = &l->list[i];

		for (size_t row = 0; row < r->row_count; row++) {
			if (db_cell_int(r, row, "number", 0) != m->number)
				continue;
			m->applied = true;
			(void)snprintf(
			    m->when, sizeof(m->when), STR_FMT, STR_ARG(db_cell(r, row, "applied")));
		}
		l->pending += !m->applied;
	}
}

enum outcome
migrate_status(struct db *db, const char *folder, struct arena *arena, struct migration_list *out,
    struct why *why)
{
	enum outcome o = list_folder(folder, arena, out, why);
	enum db_health health;
	struct db_result r;
	unsigned err;

	if (o != DONE)
		return o;
	o = db_script(db, STR("SELECT 1 FROM pr_migrations LIMIT 1"), &err, why);
	if (o != DONE && err != 1146) /* no such table: nothing was applied */
		return o;
	r = (struct db_result){ 0 };
	if (o == DONE)
		o = db_run(db, &read_applied, NULL, 0, arena, &r, &health, why);
	else
		o = DONE;
	if (o == DONE)
		mark_applied(out, &r);
	return o;
}

static enum outcome
apply(struct db *db, const char *folder, const struct migration *m, struct why *why)
{
	char text[256], path[4096];
	enum outcome o;

	if (snprintf(path, sizeof(path), "%s/%s", folder, m->name) >= (int)sizeof(path))
		return fail(PERMFAIL, why, 0, "", "path too long");
	o = sql_file_run(db, path, repeated, why);
	if (o != DONE)
		return o;
	/* The name is that of a file of ours: digits, letters, '-' and '.' only. */
	for (const char *p = m->name; *p != '\0'; p++)
		if (!ascii_alnum(*p) && *p != '-' && *p != '.' && *p != '_')
			return fail(PERMFAIL, why, 0, "", "%s is no name for a migration", m->name);
	(void)snprintf(text, sizeof(text),
	    "INSERT IGNORE INTO pr_migrations (number, name) VALUES (%u, '%s')", m->number,
	    m->name);
	return db_script(db, str_of(text), NULL, why);
}

enum outcome
migrate_run(struct db *db, const char *folder, void (*told)(const struct migration *m, void *arg),
    void *arg, unsigned *applied, struct why *why)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct migration_list l = { 0 };
	enum outcome o;

	*applied = 0;
	o = db_script(
	    db, STR("DO GET_LOCK(CONCAT('postroom.migrate.', DATABASE()), 2)"), NULL, why);
	if (o == DONE)
		o = db_script(db, str_of(make_table), NULL, why);
	if (o == DONE)
		o = migrate_status(db, folder, arena, &l, why);
	for (size_t i = 0; o == DONE && i < l.count; i++) {
		if (l.list[i].applied)
			continue;
		if (told != NULL)
			told(&l.list[i], arg);
		o = apply(db, folder, &l.list[i], why);
		*applied += o == DONE;
	}
	if (db_script(db, STR("DO RELEASE_LOCK(CONCAT('postroom.migrate.', DATABASE()))"), NULL,
		NULL) != DONE &&
	    o == DONE)
		o = fail(TEMPFAIL, why, 451, "4.3.0", "The database went away");
	arena_free(&arena);
	return o;
}
