/*
 * cli.h - the postroom command: what its files share.
 *
 * A command is a row of commands.c (name, operands, options, examples) and a
 * function that gets a struct cli and answers with an exit status.  One
 * process runs one command and ends, so everything may live in one arena.
 *
 * Output: with --json one JSON value on standard output, also for failures
 * ({"error": ...}); else text for people, failures on standard error.  What
 * came from the database or from mail is escaped before it reaches a
 * terminal.
 */
#ifndef ADMIN_CLI_CLI_H
#define ADMIN_CLI_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/outcome.h"
#include "sql/db.h"

struct conf;
struct profile;
struct rpc_client;

/* Exit statuses; part of the interface, documented in postroom(8). */
enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_FOUND = 3,
	STATUS_EXISTS = 4,
	STATUS_REFUSED = 5,     /* by a rule */
	STATUS_UNREACHABLE = 6, /* the database or a daemon */
};

#define CLI_OPTIONS_MAX  16
#define CLI_OPERANDS_MAX 64u

struct option {
	const char *name;  /* without the dashes */
	const char *value; /* what it takes, for the help; NULL: nothing */
	const char *help;
};

enum command_flag {
	COMMAND_HIDDEN = 1 << 0, /* not in the help: for the shell's completion */
	COMMAND_RAW = 1 << 1,    /* operands are passed as they are, also with dashes */
};

struct cli;

struct command {
	const char *group; /* "mailbox"; NULL: the command is its name alone */
	const char *name;
	const char *operands;         /* for the help */
	const char *help;             /* one sentence */
	unsigned least, most;         /* operands */
	const struct option *options; /* ends with an empty row */
	const char *examples;         /* lines */
	enum status (*run)(struct cli *c);
	unsigned flags;
};

extern const struct command commands[];
extern const struct option global_options[];
/* What a group is for; NULL for a word that is no group. */
const char *group_help(const char *group);

struct cli {
	const struct command *command;
	const char *conf_path;
	struct conf *conf; /* read when first asked for */
	bool json;
	bool verbose;
	bool quiet; /* cli_fail says nothing */
	struct arena *arena;
	const char *given[CLI_OPTIONS_MAX]; /* by index in command->options; NULL: not given */
	const char *operands[CLI_OPERANDS_MAX];
	unsigned operand_count;
	struct db *db;
	struct profile *profile;
	bool in_transaction;
};

/* The option's value ("" for one that takes none), or NULL where it was not given. */
const char *cli_option(const struct cli *c, const char *name);

/* --- failing --- */

/*
 * Say what went wrong, and in `hint` (may be NULL) what to do next; answers
 * the status, so that a refusal is one statement.
 */
enum status cli_fail(const struct cli *c, enum status status, const char *hint, const char *format,
    ...) printf_like(4, 5);

/* A daemon's or the database's verdict as a status: TEMPFAIL is UNREACHABLE. */
enum status cli_fail_why(const struct cli *c, enum outcome o, const struct why *why,
    const char *hint, const char *doing);

/* --- settings --- */

/* The configuration in force; on failure it has been said. */
must_use enum status cli_conf(struct cli *c);

/* A file of the installed data folder (sql/...), in the arena. */
const char *cli_share(struct cli *c, const char *name);

/* --- database --- */

/* Connected as the administrator's account, with the profile loaded. */
must_use enum status cli_db(struct cli *c);
/* Without a database chosen when `database` is NULL; `user` NULL: as configured. */
must_use enum status cli_db_open(
    struct cli *c, const char *user, const char *password, const char *database);
void cli_db_close(struct cli *c);

/*
 * A named statement of the profile.  A refusal by the schema becomes EXISTS,
 * NOT_FOUND or REFUSED; whatever failed has been said, but EXISTS and
 * NOT_FOUND, which the caller words.
 */
must_use enum status cli_query(struct cli *c, const char *statement, const struct db_param *params,
    size_t count, struct db_result *out);

must_use enum status cli_begin(struct cli *c); /* a transaction */
must_use enum status cli_commit(struct cli *c);
void cli_rollback(struct cli *c); /* harmless outside one */

/* --- what was typed --- */

/*
 * An address in the form our tables have it: domain as A-labels in lower
 * case, local part in lower case.  On failure it has been said.
 */
must_use enum status cli_address(
    struct cli *c, const char *typed, struct str *address, struct str *domain);
/* Likewise; "@example.test" (catch-all) is allowed too. */
must_use enum status cli_alias_source(
    struct cli *c, const char *typed, struct str *source, struct str *domain);
must_use enum status cli_domain(struct cli *c, const char *typed, struct str *domain);
/* "500M", "2G", "0" or "none" to octets. */
must_use enum status cli_size(
    const struct cli *c, const char *option, const char *typed, int64_t *octets);
must_use enum status cli_number(
    const struct cli *c, const char *option, const char *typed, int64_t *n);
must_use enum status cli_yes_no(
    const struct cli *c, const char *option, const char *typed, bool *yes);

/* --- groups: commands.c's functions --- */

enum status domain_add(struct cli *c);
enum status domain_list(struct cli *c);
enum status domain_show(struct cli *c);
enum status domain_set(struct cli *c);
enum status domain_remove(struct cli *c);
enum status domain_enable(struct cli *c);
enum status domain_disable(struct cli *c);

enum status mailbox_add(struct cli *c);
enum status mailbox_list(struct cli *c);
enum status mailbox_show(struct cli *c);
enum status mailbox_set(struct cli *c);
enum status mailbox_password(struct cli *c);
enum status mailbox_remove(struct cli *c);
enum status mailbox_restore(struct cli *c);
enum status mailbox_enable(struct cli *c);
enum status mailbox_disable(struct cli *c);

enum status alias_add(struct cli *c);
enum status alias_list(struct cli *c);
enum status alias_show(struct cli *c);
enum status alias_set(struct cli *c);
enum status alias_remove(struct cli *c);
enum status alias_enable(struct cli *c);
enum status alias_disable(struct cli *c);
enum status alias_test(struct cli *c);

enum status queue_list(struct cli *c);
enum status queue_show(struct cli *c);
enum status queue_retry(struct cli *c);
enum status queue_drop(struct cli *c);

enum status config_check(struct cli *c);
enum status config_show(struct cli *c);

enum status db_init(struct cli *c);
enum status db_migrate(struct cli *c);
enum status db_status(struct cli *c);

enum status platform_status(struct cli *c);
enum status platform_reload(struct cli *c);
enum status platform_stop(struct cli *c);
enum status complete(struct cli *c);

#endif
