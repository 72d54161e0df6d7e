/* profile.c - reads files of named statements; see profile.h for the form. */
#include "sql/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/scan.h"
#include "sql/profile_int.h"

struct profile {
	struct statement *list[PROFILE_STATEMENTS_MAX]; /* ours */
	size_t count;
};

static atomic_uint next_number;

struct profile *
profile_new(void)
{
	return xcalloc(1, sizeof(struct profile));
}

static void
statement_free(struct statement *st)
{
	if (st == NULL)
		return;
	for (unsigned i = 0; i < st->param_count; i++)
		free((char *)st->params[i]);
	free((char *)st->sql);
	free((char *)st->name);
	free(st);
}

void
profile_free(struct profile **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; i < (*p)->count; i++)
		statement_free((*p)->list[i]);
	free(*p);
	*p = NULL;
}

/* Where the reader is, and its statement under construction. */
struct reader {
	struct scan in;
	unsigned line;
	const char *from;
	struct buf sql;
	struct statement *st;
};

static bool
name_char(unsigned char c)
{
	return ascii_alnum((char)c) || c == '_';
}

static bool
take(struct reader *r, bool keep)
{
	if (scan_end(&r->in))
		return false;
	if (*r->in.p == '\n')
		r->line++;
	if (keep)
		(void)buf_putc(&r->sql, *r->in.p);
	r->in.p++;
	return true;
}

/* A quoted piece goes over as it stands: no parameter and no end in it. */
static bool
take_quoted(struct reader *r, char quote)
{
	(void)take(r, true);
	while (!scan_end(&r->in)) {
		char c = *r->in.p;

		(void)take(r, true);
		if (c == '\\' && quote != '`')
			(void)take(r, true);
		else if (c == quote)
			return true;
	}
	return false;
}

static void
skip_line(struct reader *r)
{
	while (!scan_end(&r->in) && *r->in.p != '\n')
		(void)take(r, false);
}

static bool
take_param(struct reader *r, struct why *why)
{
	struct str name;

	(void)take(r, false);
	if (!scan_while(&r->in, name_char, &name)) {
		(void)fail(PERMFAIL, why, 0, "", "%s:%u: a parameter's name is missing after ':'",
		    r->from, r->line);
		return false;
	}
	if (r->st->param_count == STATEMENT_PARAMS_MAX) {
		(void)fail(PERMFAIL, why, 0, "", "%s:%u: more than %d parameters", r->from, r->line,
		    STATEMENT_PARAMS_MAX);
		return false;
	}
	r->st->params[r->st->param_count++] = str_dup(name);
	(void)buf_putc(&r->sql, '?');
	return true;
}

/* The text of one statement up to its semicolon. */
static bool
take_body(struct reader *r, struct why *why)
{
	while (!scan_end(&r->in)) {
		struct str rest = scan_rest(&r->in);
		char c = *r->in.p;

		if (c == ';') {
			(void)take(r, false);
			return true;
		}
		if (str_starts(rest, STR("-- name:")))
			break;
		if (str_starts(rest, STR("--")) || c == '#') {
			skip_line(r);
		} else if (c == '\'' || c == '"' || c == '`') {
			if (!take_quoted(r, c))
				break;
		} else if (c == ':' && !str_starts(rest, STR(":="))) {
			if (!take_param(r, why))
				return false;
		} else {
			(void)take(r, true);
		}
	}
	(void)fail(PERMFAIL, why, 0, "", "%s:%u: statement %s does not end in ';'", r->from,
	    r->line, r->st->name);
	return false;
}

/* Only white space and comments up to the next "-- name:"; false with why on anything else. */
static bool
find_name(struct reader *r, bool *found, struct why *why)
{
	struct str name;

	*found = false;
	while (!scan_end(&r->in)) {
		if (scan_word(&r->in, "-- name:")) {
			(void)scan_blanks(&r->in);
			if (!scan_while(&r->in, name_char, &name))
				break;
			*found = true;
			r->st = xcalloc(1, sizeof(*r->st));
			r->st->name = str_dup(name);
			skip_line(r);
			return true;
		}
		if (str_starts(scan_rest(&r->in), STR("--")))
			skip_line(r);
		else if (strchr(" \t\r\n", *r->in.p) != NULL)
			(void)take(r, false);
		else
			break;
	}
	if (scan_end(&r->in))
		return true;
	(void)fail(PERMFAIL, why, 0, "", "%s:%u: expected \"-- name: NAME\" before a statement",
	    r->from, r->line);
	return false;
}

static void
add(struct profile *p, struct statement *st)
{
	for (size_t i = 0; i < p->count; i++) {
		if (strcmp(p->list[i]->name, st->name) == 0) {
			statement_free(p->list[i]);
			p->list[i] = st;
			return;
		}
	}
	p->list[p->count++] = st;
}

static bool
read_one(struct reader *r, bool *found, struct why *why)
{
	struct str text;

	r->st = NULL;
	buf_clear(&r->sql);
	if (!find_name(r, found, why))
		return false;
	if (!*found)
		return true;
	if (!take_body(r, why)) {
		statement_free(r->st);
		return false;
	}
	text = str_trim(buf_str(&r->sql));
	if (text.n == 0) {
		(void)fail(PERMFAIL, why, 0, "", "%s:%u: statement %s is empty", r->from, r->line,
		    r->st->name);
		statement_free(r->st);
		return false;
	}
	r->st->sql = str_dup(text);
	r->st->sql_n = text.n;
	r->st->reads = str_starts_nocase(text, STR("SELECT"));
	r->st->number = atomic_fetch_add(&next_number, 1) + 1;
	return true;
}

enum outcome
profile_parse(struct profile *p, struct str text, const char *from, struct why *why)
{
	struct reader r = { .in = scan_of(text), .line = 1, .from = from };
	struct statement *got[PROFILE_STATEMENTS_MAX];
	enum outcome o = PERMFAIL;
	size_t count = 0;
	bool found;

	buf_init(&r.sql, PROFILE_FILE_MAX);
	for (;;) {
		if (!read_one(&r, &found, why))
			goto out;
		if (!found)
			break;
		if (count + p->count == PROFILE_STATEMENTS_MAX) {
			statement_free(r.st);
			(void)fail(PERMFAIL, why, 0, "", "%s: more than %d statements", from,
			    PROFILE_STATEMENTS_MAX);
			goto out;
		}
		got[count++] = r.st;
	}
	for (size_t i = 0; i < count; i++)
		add(p, got[i]);
	count = 0;
	o = DONE;
out:
	for (size_t i = 0; i < count; i++)
		statement_free(got[i]);
	buf_free(&r.sql);
	return o;
}

enum outcome
profile_load(struct profile *p, const char *path, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum outcome o = TEMPFAIL;
	struct buf text;
	ssize_t got = 0;
	char *room;

	buf_init(&text, PROFILE_FILE_MAX);
	if (fd < 0) {
		o = fail(TEMPFAIL, why, 0, "", "cannot open %s (%s)", path, strerrorname_np(errno));
		goto out;
	}
	while ((room = buf_room(&text, 8192)) != NULL && (got = read(fd, room, 8192)) > 0)
		buf_claim(&text, (size_t)got);
	if (room == NULL)
		o = fail(PERMFAIL, why, 0, "", "%s is too large for a profile", path);
	else if (got < 0)
		o = fail(TEMPFAIL, why, 0, "", "cannot read %s", path);
	else
		o = profile_parse(p, buf_str(&text), path, why);
out:
	buf_free(&text);
	fd_close(&fd);
	return o;
}

enum outcome
profile_builtin(struct profile *p, const char *name, struct why *why)
{
	for (const struct builtin_profile *b = builtin_profiles; b->name != NULL; b++)
		if (strcmp(b->name, name) == 0)
			return profile_parse(p, str_n(b->text, b->n), name, why);
	return fail(PERMFAIL, why, 0, "", "there is no profile \"%s\"", name);
}

const struct statement *
profile_find(const struct profile *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->list[i]->name, name) == 0)
			return p->list[i];
	return NULL;
}

enum outcome
profile_need(
    const struct profile *p, const char *name, const struct statement **out, struct why *why)
{
	*out = profile_find(p, name);
	if (*out == NULL)
		return fail(
		    PERMFAIL, why, 0, "", "this database profile has no statement \"%s\"", name);
	return DONE;
}
