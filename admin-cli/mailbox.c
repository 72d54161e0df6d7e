/*
 * mailbox.c - postroom mailbox: who can log in and receive.
 *
 * The row is changed first, then the mail: when the second step fails the
 * message says what is left to do, and no mail is in danger.
 */
#include "admin-cli/mailbox.h"
#include "admin-cli/report.h"
#include "conf/conf.h"
#include "sql/passwd.h"

enum status
mailbox_row(struct cli *c, struct str address, struct str domain, struct db_result *row)
{
	const struct db_param params[] = { db_text_param("address", address) };
	enum status s = cli_query(c, "mailbox_show", params, COUNT_OF(params), row);

	if (s == STATUS_DONE && row->row_count == 0)
		return cli_fail(c, STATUS_NOT_FOUND,
		    arena_printf(c->arena, "postroom mailbox list " STR_FMT " shows what there is",
			STR_ARG(domain)),
		    "there is no mailbox " STR_FMT, STR_ARG(address));
	return s;
}

/* A mailbox needs a domain of ours that is no alias of another. */
static enum status
check_domain(struct cli *c, struct str domain)
{
	const struct db_param params[] = { db_text_param("name", domain) };
	struct db_result row;
	enum status s = cli_query(c, "domain_show", params, COUNT_OF(params), &row);

	if (s != STATUS_DONE)
		return s;
	if (row.row_count == 0)
		return cli_fail(c, STATUS_NOT_FOUND,
		    arena_printf(
			c->arena, "postroom domain add " STR_FMT " makes it", STR_ARG(domain)),
		    "there is no domain " STR_FMT, STR_ARG(domain));
	if (db_cell(&row, 0, "alias_of").n > 0)
		return cli_fail(c, STATUS_REFUSED, "make the mailbox in the domain it leads to",
		    STR_FMT " is an alias of " STR_FMT, STR_ARG(domain),
		    STR_ARG(db_cell(&row, 0, "alias_of")));
	return STATUS_DONE;
}

static enum status
exists_already(struct cli *c, struct str address)
{
	return cli_fail(c, STATUS_EXISTS, "postroom mailbox show tells about it",
	    "the mailbox " STR_FMT " exists already", STR_ARG(address));
}

/* Insert the row with its SCRAM verifiers and, if so, switch it off, as one transaction. */
static enum status
insert(struct cli *c, const struct db_param *params, size_t count, struct str address,
    const struct new_password *password, bool disabled)
{
	const struct db_param off[] = { db_text_param("address", address),
		db_int_param("enabled", 0) };
	struct db_result result;
	enum status s = cli_begin(c);

	if (s == STATUS_DONE)
		s = cli_query(c, "mailbox_add", params, count, &result);
	if (s == STATUS_DONE && result.affected == 0)
		s = cli_fail(c, STATUS_NOT_FOUND, NULL, "the domain has just been removed");
	if (s == STATUS_DONE)
		s = password_keep_scram(c, address, password);
	if (s == STATUS_DONE && disabled)
		s = cli_query(c, "mailbox_enable", off, COUNT_OF(off), NULL);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	return s == STATUS_EXISTS ? exists_already(c, address) : s;
}

enum status
mailbox_add(struct cli *c)
{
	const char *name = cli_option(c, "name"), *quota = cli_option(c, "quota");
	const char *most = cli_option(c, "quota-messages");
	struct new_password password;
	struct str address, domain;
	int64_t octets = 0, messages = 0;
	struct db_result row;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE && quota != NULL)
		s = cli_size(c, "quota", quota, &octets);
	if (s == STATUS_DONE && most != NULL)
		s = cli_number(c, "quota-messages", most, &messages);
	if (s == STATUS_DONE)
		s = check_domain(c, domain);
	if (s != STATUS_DONE)
		return s;
	/* Say so before a password is asked for. */
	const struct db_param known[] = { db_text_param("address", address) };

	s = cli_query(c, "mailbox_show", known, COUNT_OF(known), &row);
	if (s == STATUS_DONE && row.row_count > 0)
		return exists_already(c, address);
	if (s == STATUS_DONE)
		s = password_ask(c, &password);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("address", address),
		db_text_param("domain", domain),
		db_text_param("password", password.hash),
		db_int_param("quota", octets),
		db_int_param("quota_messages", messages),
		db_text_param("name", str_of(name != NULL ? name : "")),
	};

	s = insert(
	    c, params, COUNT_OF(params), address, &password, cli_option(c, "disabled") != NULL);
	if (s != STATUS_DONE)
		return s;
	if (password.generated.n > 0)
		return report_done(c, "password", password.generated,
		    "made " STR_FMT ", password " STR_FMT, STR_ARG(address),
		    STR_ARG(password.generated));
	return report_done(c, "mailbox", address, "made " STR_FMT, STR_ARG(address));
}

enum status
mailbox_list(struct cli *c)
{
	static const struct column columns[] = {
		{ "mailbox", "Mailbox", COLUMN_TEXT },
		{ "name", "Name", COLUMN_TEXT },
		{ "enabled", "Enabled", COLUMN_BOOL },
		{ "quota", "Quota", COLUMN_LIMIT },
		{ "quota_messages", "Messages at most", COLUMN_LIMIT },
		{ "host", NULL, COLUMN_TEXT },
		{ "home", NULL, COLUMN_TEXT },
		{ "created", NULL, COLUMN_TEXT },
		{ "changed", NULL, COLUMN_TEXT },
	};
	static const char *const cells[] = { "address", "name", "enabled", "quota",
		"quota_messages", "host", "home", "created", "changed" };
	struct str domain = STR_NONE;
	struct db_result rows;
	struct report r;
	enum status s = STATUS_DONE;

	if (c->operand_count > 0)
		s = cli_domain(c, c->operands[0], &domain);
	const struct db_param params[] = { db_opt_param("domain", domain) };

	if (s == STATUS_DONE)
		s = cli_query(c, "mailbox_list", params, COUNT_OF(params), &rows);
	if (s == STATUS_DONE && domain.n > 0 && rows.row_count == 0)
		s = check_domain(c, domain);
	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, columns, COUNT_OF(columns));
	for (size_t i = 0; i < rows.row_count; i++)
		for (size_t k = 0; k < COUNT_OF(cells); k++)
			report_cell(&r, db_cell(&rows, i, cells[k]));
	s = report_list(&r);
	if (rows.truncated && !c->json)
		return cli_fail(c, STATUS_FAILED, "name a domain to see its mailboxes alone",
		    "only the first %zu are shown", rows.row_count);
	return s;
}

/* One column of all rows, a line each. */
static struct str
joined(struct cli *c, const struct db_result *rows, const char *column)
{
	struct buf text;
	struct str out;

	buf_init(&text, 1024 * 1024);
	for (size_t i = 0; i < rows->row_count; i++) {
		if (i > 0)
			buf_putc(&text, '\n');
		buf_put(&text, db_cell(rows, i, column));
	}
	out = arena_str(c->arena, buf_str(&text));
	buf_free(&text);
	return out;
}

enum status
mailbox_show(struct cli *c)
{
	static const struct column columns[] = {
		{ "mailbox", "Mailbox", COLUMN_TEXT },
		{ "name", "Name", COLUMN_TEXT },
		{ "enabled", "Enabled", COLUMN_BOOL },
		{ "quota", "Quota", COLUMN_LIMIT },
		{ "quota_messages", "Messages at most", COLUMN_LIMIT },
		{ "used", "Used", COLUMN_SIZE },
		{ "messages", "Messages", COLUMN_NUMBER },
		{ "home", "Mail below", COLUMN_TEXT },
		{ "host", "On host", COLUMN_TEXT },
		{ "scheme", "Password stored as", COLUMN_TEXT },
		{ "password_weak", "Weakly stored", COLUMN_BOOL },
		{ "aliases", "Aliases", COLUMN_LINES },
		{ "sends_as", "May also send as", COLUMN_LINES },
		{ "last_login", "Last login (UTC)", COLUMN_TEXT },
		{ "created", "Created (UTC)", COLUMN_TEXT },
		{ "changed", "Changed (UTC)", COLUMN_TEXT },
	};
	struct db_result row, aliases, send_as;
	struct str address, domain, home, stored;
	uint64_t used, messages;
	char scheme[32];
	struct report r;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE)
		s = mailbox_row(c, address, domain, &row);
	const struct db_param to[] = { db_text_param("destination", address) };
	const struct db_param login[] = { db_text_param("login", address) };

	if (s == STATUS_DONE)
		s = cli_query(c, "alias_leading_to", to, COUNT_OF(to), &aliases);
	if (s == STATUS_DONE)
		s = cli_query(c, "send_as_list", login, COUNT_OF(login), &send_as);
	if (s != STATUS_DONE)
		return s;
	home = mail_home(c, address, domain, db_cell(&row, 0, "home"));
	stored = db_cell(&row, 0, "password");
	passwd_scheme(stored, PASSWD_UNPREFIXED, scheme, sizeof(scheme));
	report_begin(&r, c, columns, COUNT_OF(columns));
	report_cell(&r, db_cell(&row, 0, "address"));
	report_cell(&r, db_cell(&row, 0, "name"));
	report_cell(&r, db_cell(&row, 0, "enabled"));
	report_cell(&r, db_cell(&row, 0, "quota"));
	report_cell(&r, db_cell(&row, 0, "quota_messages"));
	if (mail_usage(c, home, &used, &messages)) {
		report_number(&r, used);
		report_number(&r, messages);
	} else {
		report_cell(&r, STR_NONE);
		report_cell(&r, STR_NONE);
	}
	report_cell(&r, home);
	report_cell(&r, db_cell(&row, 0, "host"));
	report_cell(&r, arena_str(c->arena, str_of(scheme)));
	report_bool(&r, passwd_is_weak(stored, PASSWD_UNPREFIXED));
	report_cell(&r, joined(c, &aliases, "source"));
	report_cell(&r, joined(c, &send_as, "address"));
	report_cell(&r, db_cell(&row, 0, "last_login"));
	report_cell(&r, db_cell(&row, 0, "created"));
	report_cell(&r, db_cell(&row, 0, "changed"));
	return report_one(&r);
}

static enum status
rename_mailbox(struct cli *c, struct str from, struct str from_domain, const struct db_result *row,
    const char *typed)
{
	struct str to, domain, home = db_cell(row, 0, "home");
	enum status s = cli_address(c, typed, &to, &domain);

	if (s == STATUS_DONE)
		s = check_domain(c, domain);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("address", from),
		db_text_param("new_address", to),
		db_text_param("domain", domain),
	};
	const struct db_param forget[] = { db_text_param("address", from) };

	s = cli_begin(c);
	if (s == STATUS_DONE)
		s = cli_query(c, "mailbox_rename", params, COUNT_OF(params), NULL);
	if (s == STATUS_DONE)
		s = cli_query(c, "alias_follow", params, COUNT_OF(params), NULL);
	if (s == STATUS_DONE) /* its verifiers are bound to the stored hash and are made anew */
		s = cli_query(c, "mailbox_forget_scram", forget, COUNT_OF(forget), NULL);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	if (s == STATUS_EXISTS)
		return exists_already(c, to);
	if (s != STATUS_DONE)
		return s;
	sessions_end(c, from);
	if (home.n == 0)
		s = mail_rename(c, mail_home(c, from, from_domain, STR_NONE),
		    mail_home(c, to, domain, STR_NONE));
	if (s != STATUS_DONE)
		return s;
	return report_done(
	    c, "mailbox", to, STR_FMT " is " STR_FMT " now", STR_ARG(from), STR_ARG(to));
}

enum status
mailbox_set(struct cli *c)
{
	const char *name = cli_option(c, "name"), *quota = cli_option(c, "quota");
	const char *most = cli_option(c, "quota-messages"), *host = cli_option(c, "host");
	const char *rename = cli_option(c, "address");
	int64_t octets, messages;
	struct str address, domain;
	struct db_result row;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE && name == NULL && quota == NULL && most == NULL && host == NULL &&
	    rename == NULL)
		return cli_fail(c, STATUS_USAGE, "postroom mailbox set --help shows what there is",
		    "say what to set");
	if (s == STATUS_DONE && rename != NULL &&
	    (name != NULL || quota != NULL || most != NULL || host != NULL))
		return cli_fail(c, STATUS_USAGE, "rename it in a step of its own",
		    "--address cannot be combined");
	if (s == STATUS_DONE)
		s = mailbox_row(c, address, domain, &row);
	if (s != STATUS_DONE)
		return s;
	if (rename != NULL)
		return rename_mailbox(c, address, domain, &row, rename);
	octets = db_cell_int(&row, 0, "quota", 0);
	messages = db_cell_int(&row, 0, "quota_messages", 0);
	if (quota != NULL)
		s = cli_size(c, "quota", quota, &octets);
	if (s == STATUS_DONE && most != NULL)
		s = cli_number(c, "quota-messages", most, &messages);
	if (s != STATUS_DONE)
		return s;
	struct str on_host = db_cell(&row, 0, "host");

	if (host != NULL)
		on_host = strcmp(host, "here") == 0 ? STR_NONE : str_of(host);
	const struct db_param params[] = {
		db_text_param("address", address),
		db_int_param("quota", octets),
		db_int_param("quota_messages", messages),
		db_text_param("name", name != NULL ? str_of(name) : db_cell(&row, 0, "name")),
		db_opt_param("home", db_cell(&row, 0, "home")),
		db_opt_param("host", on_host),
	};

	s = cli_query(c, "mailbox_set", params, COUNT_OF(params), NULL);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "mailbox", address, "changed " STR_FMT, STR_ARG(address));
}

enum status
mailbox_password(struct cli *c)
{
	struct new_password password;
	struct str address, domain;
	struct db_result row;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE)
		s = mailbox_row(c, address, domain, &row);
	if (s == STATUS_DONE)
		s = password_ask(c, &password);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("address", address),
		db_text_param("password", password.hash),
	};

	s = cli_begin(c);
	if (s == STATUS_DONE)
		s = cli_query(c, "mailbox_password", params, COUNT_OF(params), NULL);
	if (s == STATUS_DONE)
		s = password_keep_scram(c, address, &password);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	if (s != STATUS_DONE)
		return s;
	if (password.generated.n > 0)
		return report_done(c, "password", password.generated,
		    "the new password of " STR_FMT " is " STR_FMT, STR_ARG(address),
		    STR_ARG(password.generated));
	return report_done(c, "mailbox", address,
	    "the new password of " STR_FMT " counts at the next login", STR_ARG(address));
}

static enum status
switch_mailbox(struct cli *c, bool on)
{
	struct str address, domain;
	struct db_result row;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE)
		s = mailbox_row(c, address, domain, &row);
	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = {
		db_text_param("address", address),
		db_int_param("enabled", on),
	};

	s = cli_query(c, "mailbox_enable", params, COUNT_OF(params), NULL);
	if (s != STATUS_DONE)
		return s;
	if (!on)
		sessions_end(c, address);
	return report_done(c, "mailbox", address,
	    on ? STR_FMT " takes mail and logins" : STR_FMT " takes no mail and no logins",
	    STR_ARG(address));
}

enum status
mailbox_enable(struct cli *c)
{
	return switch_mailbox(c, true);
}

enum status
mailbox_disable(struct cli *c)
{
	return switch_mailbox(c, false);
}
