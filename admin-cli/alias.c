/*
 * alias.c - postroom alias: addresses that lead to others.
 *
 * An alias is as many rows as it has destinations, as in the ISPmail tables;
 * a source of "@example.test" catches what has no other row.
 */
#include "admin-cli/report.h"

static enum status
alias_rows(struct cli *c, struct str source, struct db_result *rows)
{
	const struct db_param params[] = { db_text_param("source", source) };
	enum status s = cli_query(c, "alias_show", params, COUNT_OF(params), rows);

	if (s == STATUS_DONE && rows->row_count == 0)
		return cli_fail(c, STATUS_NOT_FOUND, "postroom alias list shows what there is",
		    "there is no alias " STR_FMT, STR_ARG(source));
	return s;
}

static bool
leads_to(const struct db_result *rows, struct str destination)
{
	for (size_t i = 0; i < rows->row_count; i++)
		if (str_eq_nocase(db_cell(rows, i, "destination"), destination))
			return true;
	return false;
}

static enum status
add_one(struct cli *c, struct str source, struct str domain, const char *typed,
    const struct db_result *rows)
{
	struct str destination, ignored;
	struct db_result result;
	enum status s = cli_address(c, typed, &destination, &ignored);

	if (s != STATUS_DONE)
		return s;
	if (leads_to(rows, destination))
		return cli_fail(c, STATUS_EXISTS, NULL, STR_FMT " leads to " STR_FMT " already",
		    STR_ARG(source), STR_ARG(destination));
	const struct db_param params[] = {
		db_text_param("source", source),
		db_text_param("destination", destination),
		db_text_param("domain", domain),
	};

	s = cli_query(c, "alias_add", params, COUNT_OF(params), &result);
	if (s == STATUS_DONE && result.affected == 0)
		return cli_fail(c, STATUS_NOT_FOUND,
		    arena_printf(
			c->arena, "postroom domain add " STR_FMT " makes it", STR_ARG(domain)),
		    "there is no domain " STR_FMT, STR_ARG(domain));
	if (s == STATUS_EXISTS)
		return cli_fail(c, s, NULL, STR_FMT " leads to " STR_FMT " already",
		    STR_ARG(source), STR_ARG(destination));
	return s;
}

static enum status
change(struct cli *c, const char *statement, struct str source, bool value)
{
	const struct db_param params[] = {
		db_text_param("source", source),
		db_int_param("enabled", value),
		db_int_param("send_as", value),
	};

	return cli_query(c, statement, params, COUNT_OF(params), NULL);
}

enum status
alias_add(struct cli *c)
{
	struct str source, domain;
	struct db_result rows;
	enum status s = cli_alias_source(c, c->operands[0], &source, &domain);

	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = { db_text_param("source", source) };

	s = cli_query(c, "alias_show", params, COUNT_OF(params), &rows);
	if (s == STATUS_DONE)
		s = cli_begin(c);
	for (unsigned i = 1; s == STATUS_DONE && i < c->operand_count; i++)
		s = add_one(c, source, domain, c->operands[i], &rows);
	if (s == STATUS_DONE && cli_option(c, "no-send-as") != NULL)
		s = change(c, "alias_send_as", source, false);
	if (s == STATUS_DONE && cli_option(c, "disabled") != NULL)
		s = change(c, "alias_enable", source, false);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "alias", source,
	    STR_FMT " leads to %zu more addresses; postroom alias test shows the way",
	    STR_ARG(source), (size_t)c->operand_count - 1);
}

static const struct column columns[] = {
	{ "alias", "Alias", COLUMN_TEXT },
	{ "destinations", "Leads to", COLUMN_LINES },
	{ "enabled", "Enabled", COLUMN_BOOL },
	{ "send_as", "May send as it", COLUMN_BOOL },
	{ "created", NULL, COLUMN_TEXT },
	{ "changed", NULL, COLUMN_TEXT },
};

/* Rows of one source, which follow each other, are one row here. */
static void
report_aliases(struct cli *c, struct report *r, const struct db_result *rows)
{
	for (size_t i = 0, next; i < rows->row_count; i = next) {
		struct str source = db_cell(rows, i, "source");
		struct buf text;

		buf_init(&text, 16 * 1024 * 1024);
		for (next = i; next < rows->row_count; next++) {
			if (!str_eq(db_cell(rows, next, "source"), source))
				break;
			if (next > i)
				buf_putc(&text, '\n');
			buf_put(&text, db_cell(rows, next, "destination"));
		}
		report_cell(r, source);
		report_cell(r, arena_str(c->arena, buf_str(&text)));
		report_cell(r, db_cell(rows, i, "enabled"));
		report_cell(r, db_cell(rows, i, "send_as"));
		report_cell(r, db_cell(rows, i, "created"));
		report_cell(r, db_cell(rows, i, "changed"));
		buf_free(&text);
	}
}

enum status
alias_list(struct cli *c)
{
	struct str domain = STR_NONE;
	struct db_result rows;
	struct report r;
	enum status s = STATUS_DONE;

	if (c->operand_count > 0)
		s = cli_domain(c, c->operands[0], &domain);
	const struct db_param params[] = { db_opt_param("domain", domain) };

	if (s == STATUS_DONE)
		s = cli_query(c, "alias_list", params, COUNT_OF(params), &rows);
	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, columns, COUNT_OF(columns));
	report_aliases(c, &r, &rows);
	return report_list(&r);
}

enum status
alias_show(struct cli *c)
{
	struct str source, domain;
	struct db_result rows;
	struct report r;
	enum status s = cli_alias_source(c, c->operands[0], &source, &domain);

	if (s == STATUS_DONE)
		s = alias_rows(c, source, &rows);
	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, columns, COUNT_OF(columns));
	report_aliases(c, &r, &rows);
	return report_one(&r);
}

enum status
alias_set(struct cli *c)
{
	const char *typed = cli_option(c, "send-as");
	struct str source, domain;
	struct db_result rows;
	bool yes = false;
	enum status s = cli_alias_source(c, c->operands[0], &source, &domain);

	if (s == STATUS_DONE && typed == NULL)
		return cli_fail(c, STATUS_USAGE, "alias add and remove change where it leads",
		    "give --send-as yes or no");
	if (s == STATUS_DONE)
		s = cli_yes_no(c, "send-as", typed, &yes);
	if (s == STATUS_DONE)
		s = alias_rows(c, source, &rows);
	if (s == STATUS_DONE)
		s = change(c, "alias_send_as", source, yes);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "alias", source, "changed " STR_FMT, STR_ARG(source));
}

static enum status
remove_one(struct cli *c, struct str source, const char *typed, const struct db_result *rows)
{
	struct str destination, ignored;
	enum status s = cli_address(c, typed, &destination, &ignored);

	if (s != STATUS_DONE)
		return s;
	if (!leads_to(rows, destination))
		return cli_fail(c, STATUS_NOT_FOUND, "postroom alias show lists where it leads",
		    STR_FMT " does not lead to " STR_FMT, STR_ARG(source), STR_ARG(destination));
	for (size_t i = 0; i < rows->row_count; i++) /* as the row writes it */
		if (str_eq_nocase(db_cell(rows, i, "destination"), destination))
			destination = db_cell(rows, i, "destination");
	const struct db_param params[] = {
		db_text_param("source", source),
		db_text_param("destination", destination),
	};

	return cli_query(c, "alias_remove_destination", params, COUNT_OF(params), NULL);
}

enum status
alias_remove(struct cli *c)
{
	struct str source, domain;
	struct db_result rows;
	enum status s = cli_alias_source(c, c->operands[0], &source, &domain);

	if (s == STATUS_DONE)
		s = alias_rows(c, source, &rows);
	if (s == STATUS_DONE)
		s = cli_begin(c);
	const struct db_param params[] = { db_text_param("source", source) };

	if (s == STATUS_DONE && c->operand_count == 1)
		s = cli_query(c, "alias_remove", params, COUNT_OF(params), NULL);
	for (unsigned i = 1; s == STATUS_DONE && i < c->operand_count; i++)
		s = remove_one(c, source, c->operands[i], &rows);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "alias", source,
	    c->operand_count == 1 ? "removed " STR_FMT : "removed destinations of " STR_FMT,
	    STR_ARG(source));
}

static enum status
switch_alias(struct cli *c, bool on)
{
	struct str source, domain;
	struct db_result rows;
	enum status s = cli_alias_source(c, c->operands[0], &source, &domain);

	if (s == STATUS_DONE)
		s = alias_rows(c, source, &rows);
	if (s == STATUS_DONE)
		s = change(c, "alias_enable", source, on);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "alias", source,
	    on ? STR_FMT " is followed" : STR_FMT " is not followed", STR_ARG(source));
}

enum status
alias_enable(struct cli *c)
{
	return switch_alias(c, true);
}

enum status
alias_disable(struct cli *c)
{
	return switch_alias(c, false);
}
