/*
 * remove.c - postroom mailbox remove and restore.
 *
 * Removing leaves nothing behind: the row, verifiers, login times and
 * permissions go, aliases that lead only to it go, and the mail is set aside
 * below the mail root with a note that holds the account.  Restoring takes
 * the newest that was set aside and makes the row from the note.
 */
#include <jansson.h>
#include <stdlib.h>

#include "admin-cli/mailbox.h"
#include "admin-cli/report.h"

static void
note_text(json_t *note, const char *key, struct str value)
{
	json_object_set_new(
	    note, key, value.p == NULL ? json_null() : json_stringn(value.p, value.n));
}

/* The account as JSON: what restore needs. */
static struct str
make_note(struct cli *c, const struct db_result *row)
{
	json_t *note = json_object();
	struct str out;
	char *text;

	note_text(note, "mailbox", db_cell(row, 0, "address"));
	note_text(note, "name", db_cell(row, 0, "name"));
	note_text(note, "password", db_cell(row, 0, "password"));
	note_text(note, "quota", db_cell(row, 0, "quota"));
	note_text(note, "quota_messages", db_cell(row, 0, "quota_messages"));
	text = json_dumps(note, JSON_INDENT(2));
	out = arena_str(c->arena, str_of(text != NULL ? text : "{}"));
	free(text);
	json_decref(note);
	return out;
}

static enum status
forget(struct cli *c, struct str address)
{
	static const char *const statements[] = { "mailbox_forget_scram", "mailbox_forget_logins",
		"mailbox_forget_send_as", "alias_forget_destination", "mailbox_remove" };
	const struct db_param params[] = {
		db_text_param("address", address),
		db_text_param("destination", address),
	};
	enum status s = cli_begin(c);

	for (size_t i = 0; s == STATUS_DONE && i < COUNT_OF(statements); i++)
		s = cli_query(c, statements[i], params, COUNT_OF(params), NULL);
	if (s == STATUS_DONE)
		s = cli_commit(c);
	cli_rollback(c);
	return s;
}

enum status
mailbox_remove(struct cli *c)
{
	struct str address, domain, home;
	struct db_result row;
	bool had = false;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s == STATUS_DONE)
		s = mailbox_row(c, address, domain, &row);
	if (s != STATUS_DONE)
		return s;
	home = mail_home(c, address, domain, db_cell(&row, 0, "home"));
	s = forget(c, address);
	if (s != STATUS_DONE)
		return s;
	sessions_end(c, address);
	s = mail_set_aside(c, home, make_note(c, &row), &had);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "mailbox", address,
	    had ? "removed " STR_FMT
		  "; its mail is kept aside, postroom mailbox restore brings it back"
		: "removed " STR_FMT "; it had no mail",
	    STR_ARG(address));
}

static struct str
noted(const json_t *note, const char *key)
{
	const json_t *value = json_object_get(note, key);

	return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value))
				     : STR_NONE;
}

static int64_t
noted_number(const json_t *note, const char *key)
{
	uint64_t n;

	return str_u64(noted(note, key), &n) && n <= INT64_MAX ? (int64_t)n : 0;
}

static enum status
restore_row(struct cli *c, struct str address, struct str domain, struct str text)
{
	json_t *note = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	struct db_result result;
	enum status s;

	if (!json_is_object(note) || noted(note, "password").n == 0) {
		json_decref(note);
		return cli_fail(c, STATUS_FAILED,
		    "postroom mailbox add makes it anew; then restore again",
		    "the note about the account that lies with the mail is damaged");
	}
	struct str name = noted(note, "name");
	const struct db_param params[] = {
		db_text_param("address", address),
		db_text_param("domain", domain),
		db_text_param("password", noted(note, "password")),
		db_int_param("quota", noted_number(note, "quota")),
		db_int_param("quota_messages", noted_number(note, "quota_messages")),
		db_text_param("name", name.p != NULL ? name : STR("")),
	};

	s = cli_query(c, "mailbox_add", params, COUNT_OF(params), &result);
	if (s == STATUS_DONE && result.affected == 0)
		s = cli_fail(c, STATUS_NOT_FOUND,
		    arena_printf(
			c->arena, "postroom domain add " STR_FMT " makes it", STR_ARG(domain)),
		    "there is no domain " STR_FMT, STR_ARG(domain));
	json_decref(note);
	return s;
}

enum status
mailbox_restore(struct cli *c)
{
	struct str address, domain, home, note;
	struct db_result row;
	bool known;
	enum status s = cli_address(c, c->operands[0], &address, &domain);

	if (s != STATUS_DONE)
		return s;
	const struct db_param params[] = { db_text_param("address", address) };

	s = cli_query(c, "mailbox_show", params, COUNT_OF(params), &row);
	if (s != STATUS_DONE)
		return s;
	known = row.row_count > 0;
	home = mail_home(c, address, domain, known ? db_cell(&row, 0, "home") : STR_NONE);
	s = mail_note(c, home, &note);
	/* The mail first: a mailbox without its old mail would begin a new Maildir in its place. */
	if (s == STATUS_DONE)
		s = mail_bring_back(c, home);
	if (s == STATUS_DONE && !known)
		s = restore_row(c, address, domain, note);
	if (s != STATUS_DONE)
		return s;
	return report_done(c, "mailbox", address,
	    "brought back " STR_FMT " with its mail and password", STR_ARG(address));
}
