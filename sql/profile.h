/*
 * profile.h - named SQL statements in a file, one file per schema that
 * people have.
 *
 *	-- name: mailbox_by_address
 *	-- What it is for.
 *	SELECT email, password FROM virtual_users WHERE email = :address;
 *
 * A statement reaches to its semicolon.  Parameters are written :name and
 * are always bound, never pasted into the text.  A later file overrides
 * statements of an earlier one by name: that is how an administrator fits a
 * profile to a table of his own.
 *
 * Immutable after loading; any thread may read it.
 */
#ifndef SQL_PROFILE_H
#define SQL_PROFILE_H

#include "base/outcome.h"
#include "base/str.h"

#define STATEMENT_PARAMS_MAX   24
#define PROFILE_STATEMENTS_MAX 256
#define PROFILE_FILE_MAX       (256 * 1024)

struct statement {
	const char *name;
	const char *sql; /* with ? where parameters were */
	size_t sql_n;
	unsigned param_count;
	const char *params[STATEMENT_PARAMS_MAX]; /* names in the order of the ? */
	bool reads;                               /* a SELECT: may be asked twice */
	unsigned number;                          /* unique in the process, never used twice */
};

struct profile;

struct profile *profile_new(void);
void profile_free(struct profile **p);

/*
 * Read text (the contents of the file called `from`), overriding by name.
 * PERMFAIL: why->text says line and what was expected; nothing was taken over.
 */
must_use enum outcome profile_parse(
    struct profile *p, struct str text, const char *from, struct why *why);
/* The same from a file; TEMPFAIL when it cannot be read. */
must_use enum outcome profile_load(struct profile *p, const char *path, struct why *why);

/* One of those that were built in (sql/profiles/): "postroom". */
must_use enum outcome profile_builtin(struct profile *p, const char *name, struct why *why);

/* NULL when the profile has no such statement. */
const struct statement *profile_find(const struct profile *p, const char *name);

/*
 * The same, for the command that needs it: PERMFAIL with
 * "this profile has no statement NAME".
 */
must_use enum outcome profile_need(
    const struct profile *p, const char *name, const struct statement **out, struct why *why);

#endif
