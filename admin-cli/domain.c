/*
 * domain.c - postroom domain: what is hosted here.
 */
#include "admin-cli/report.h"

static enum status
no_such_domain(struct cli *c, struct str domain)
{
	return cli_fail(c, STATUS_NOT_FOUND,
	    arena_printf(c->arena, "postroom domain add " STR_FMT " makes it", STR_ARG(domain)),
	    "there is no domain " STR_FMT, STR_ARG(domain));
}

static enum status
domain_row(struct cli *c, struct str domain, struct db_result *row)
{
	const struct db_param params[] = { db_text_param("name", domain) };
	enum status s = cli_query(c, "domain_show", params, COUNT_OF(params), row);

	if (s == STATUS_DONE && row->row_count == 0)
		return no_such_domain(c, domain);
	return s;
}

/* An alias domain has to lead to a domain that exists and is none itself. */
static enum status
check_alias_of(struct cli *c, struct str domain, const char *typed, struct str *target)
{
	struct db_result row;
	enum status s = cli_domain(c, typed, target);

	if (s != STATUS_DONE)
		return s;
	if (str_eq(domain, *target))
		return cli_fail(c, STATUS_REFUSED, NULL, "a domain cannot be an alias of itself");
	s = domain_row(c, *target, &row);
	if (s == STATUS_DONE && db_cell(&row, 0, "alias_of").n > 0)
		return cli_fail(c, STATUS_REFUSED, "name the domain it leads to",
		    STR_FMT " is an alias domain itself", STR_ARG(*target));
	return s;
}

enum status
domain_add(struct cli *c)
{
	const char *description = cli_option(c, "description");
	struct str domain, alias_of = STR_NONE;
	enum status s = cli_domain(c, c->operands[0], &domain);

	if (s == STATUS_DONE && cli_option(c, "alias-of") != NULL)
		s = check_alias_of(c, domain, cli_option(c, "alias-of"), &alias_of);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("name", domain),
		db_opt_param("alias_of", alias_of),
		db_text_param("description", str_of(description != NULL ? description : "")),
	};
	const struct db_param enabled[] = { db_text_param("name", domain),
		db_int_param("enabled", 0) };

	s = cli_begin(c);
	if (s == STATUS_DONE)
		s = cli_query(c, "domain_add", params, COUNT_OF(params), NULL);
	if (s == STATUS_DONE && cli_option(c, "disabled") != NULL)
		s = cli_query(c, "domain_enable", enabled, COUNT_OF(enabled), NULL);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	if (s == STATUS_EXISTS)
		return cli_fail(c, s, "postroom domain show tells about it",
		    "the domain " STR_FMT " exists already", STR_ARG(domain));
	if (s != STATUS_DONE)
		return s;
	return report_done(
	    c, "domain", domain, "the domain " STR_FMT " is hosted here now", STR_ARG(domain));
}

static const struct column columns[] = {
	{ "domain", "Domain", COLUMN_TEXT },
	{ "enabled", "Enabled", COLUMN_BOOL },
	{ "mailboxes", "Mailboxes", COLUMN_NUMBER },
	{ "aliases", "Aliases", COLUMN_NUMBER },
	{ "alias_of", "Alias of", COLUMN_TEXT },
	{ "description", "Description", COLUMN_TEXT },
	{ "created", NULL, COLUMN_TEXT },
	{ "changed", NULL, COLUMN_TEXT },
};
static const char *const cells[] = { "name", "enabled", "mailboxes", "aliases", "alias_of",
	"description", "created", "changed" };

static void
report_rows(struct report *r, const struct db_result *rows)
{
	for (size_t i = 0; i < rows->row_count; i++)
		for (size_t k = 0; k < COUNT_OF(cells); k++)
			report_cell(r, db_cell(rows, i, cells[k]));
}

enum status
domain_list(struct cli *c)
{
	struct db_result rows;
	struct report r;
	enum status s = cli_query(c, "domain_list", NULL, 0, &rows);

	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, columns, COUNT_OF(columns));
	report_rows(&r, &rows);
	return report_list(&r);
}

enum status
domain_show(struct cli *c)
{
	struct db_result row;
	struct report r;
	struct str domain;
	enum status s = cli_domain(c, c->operands[0], &domain);

	if (s == STATUS_DONE)
		s = domain_row(c, domain, &row);
	if (s != STATUS_DONE)
		return s;
	struct column all[COUNT_OF(columns)];

	for (size_t i = 0; i < COUNT_OF(columns); i++)
		all[i] = columns[i];
	all[6].title = "Created (UTC)";
	all[7].title = "Changed (UTC)";
	report_begin(&r, c, all, COUNT_OF(all));
	report_rows(&r, &row);
	return report_one(&r);
}

enum status
domain_set(struct cli *c)
{
	const char *description = cli_option(c, "description"), *typed = cli_option(c, "alias-of");
	struct str domain, alias_of, text;
	struct db_result row;
	enum status s = cli_domain(c, c->operands[0], &domain);

	if (s == STATUS_DONE && description == NULL && typed == NULL)
		return cli_fail(c, STATUS_USAGE, NULL, "give --description or --alias-of");
	if (s == STATUS_DONE)
		s = domain_row(c, domain, &row);
	if (s != STATUS_DONE)
		return s;
	alias_of = db_cell(&row, 0, "alias_of");
	text = description != NULL ? str_of(description) : db_cell(&row, 0, "description");
	if (typed != NULL && strcmp(typed, "none") == 0)
		alias_of = STR_NONE;
	else if (typed != NULL) {
		if (db_cell_int(&row, 0, "mailboxes", 0) > 0)
			return cli_fail(c, STATUS_REFUSED,
			    "postroom mailbox list shows them; remove them first",
			    STR_FMT " has mailboxes, which nobody could reach", STR_ARG(domain));
		s = check_alias_of(c, domain, typed, &alias_of);
	}
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("name", domain),
		db_opt_param("alias_of", alias_of),
		db_text_param("description", text),
	};

	s = cli_query(c, "domain_set", params, COUNT_OF(params), NULL);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "domain", domain, "changed " STR_FMT, STR_ARG(domain));
}

enum status
domain_remove(struct cli *c)
{
	struct db_result row;
	struct str domain;
	enum status s = cli_domain(c, c->operands[0], &domain);

	if (s == STATUS_DONE)
		s = domain_row(c, domain, &row);
	if (s != STATUS_DONE)
		return s;
	int64_t mailboxes = db_cell_int(&row, 0, "mailboxes", 0);
	int64_t aliases = db_cell_int(&row, 0, "aliases", 0);
	const struct db_param params[] = { db_text_param("name", domain) };

	/* Mailboxes go one by one, so that their mail is set aside and can be brought back. */
	if (mailboxes > 0)
		return cli_fail(c, STATUS_REFUSED,
		    "remove them first: postroom mailbox list, remove",
		    STR_FMT " still has %lld mailboxes", STR_ARG(domain), (long long)mailboxes);
	if (aliases > 0 && cli_option(c, "with-aliases") == NULL)
		return cli_fail(c, STATUS_REFUSED, "--with-aliases removes them too",
		    STR_FMT " still has %lld aliases", STR_ARG(domain), (long long)aliases);
	s = cli_query(c, "domain_remove", params, COUNT_OF(params), NULL);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "domain", domain, "removed " STR_FMT, STR_ARG(domain));
}

static enum status
switch_domain(struct cli *c, bool on)
{
	struct db_result row;
	struct str domain;
	enum status s = cli_domain(c, c->operands[0], &domain);

	if (s == STATUS_DONE)
		s = domain_row(c, domain, &row);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = { db_text_param("name", domain),
		db_int_param("enabled", on) };

	s = cli_query(c, "domain_enable", params, COUNT_OF(params), NULL);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "domain", domain,
	    on ? STR_FMT " takes mail and logins" : STR_FMT " takes no mail and no logins",
	    STR_ARG(domain));
}

enum status
domain_enable(struct cli *c)
{
	return switch_domain(c, true);
}

enum status
domain_disable(struct cli *c)
{
	return switch_domain(c, false);
}
