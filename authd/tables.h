/*
 * tables.h - what authd asks of the database, typed: the statements of a
 * profile behind functions.
 *
 * What the tables say about an address is remembered for one second, so the
 * recipients of one message, and deliver's question after smtpd's, cost one
 * statement.  Passwords are read anew for every login.  Any thread may call.
 */
#ifndef AUTHD_TABLES_H
#define AUTHD_TABLES_H

#include "authd/resolver.h"
#include "sql/passwd.h"
#include "sql/pool.h"

#define FACTS_MS      1000
#define FACTS_ENTRIES 4096 /* remembered at most; 16 KiB each at most */

struct tables;

/* Takes over profile.  PERMFAIL with why when it lacks what authd cannot do without. */
must_use enum outcome tables_new(
    struct db_pool *pool, struct profile *profile, struct tables **out, struct why *why);
void tables_free(struct tables **t);

/* For struct directory; arg is the tables. */
enum outcome tables_look_up(void *arg, const struct name *n, struct arena *a, struct facts *out,
    struct deadline d, struct why *why);
enum outcome tables_permitted(void *arg, struct str user, const struct name *sender,
    struct arena *a, bool *yes, struct deadline d, struct why *why);

/* The row of somebody who logs in. */
struct account {
	struct str address; /* canonical */
	struct str password;
	struct str home; /* as in the table; "": by the template */
	struct str host;
	struct str name;
	uint64_t quota;
	uint64_t quota_messages;
	bool enabled; /* the mailbox and its domain */
};

/* *found is false when there is no such mailbox. */
must_use enum outcome tables_account(struct tables *t, struct str address, struct arena *a,
    bool *found, struct account *out, struct deadline d, struct why *why);

/* Some stored password, STR_NONE if there is none: to know what hashing costs here. */
struct str tables_any_password(struct tables *t, struct arena *a, struct deadline d);

/*
 * The verifier of pr_scram for this address that was made for this password
 * column; empty when there is none.  Without the statement: none.
 */
must_use enum outcome tables_scram(struct tables *t, struct str address, enum scram_kind kind,
    struct str stored, struct arena *a, struct str *verifier, struct deadline d, struct why *why);
/* Keep one.  A failure is only logged: the next login tries again. */
void tables_keep_scram(struct tables *t, struct str address, enum scram_kind kind,
    struct str stored, struct str verifier, struct deadline d);
/* Could somebody log in with a password, but not with SCRAM?  True when it cannot be told. */
bool tables_scram_missing(struct tables *t, enum scram_kind kind, struct deadline d);

/* The last login of an address by a service. */
struct login_note {
	char *address; /* NULL: none */
	char service[21], remote[46];
};

/* Write several in one transaction; a failure is only logged. */
void tables_count_logins(
    struct tables *t, const struct login_note *notes, size_t n, struct deadline d);

struct db_pool *tables_pool(struct tables *t);

#endif
