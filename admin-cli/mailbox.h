/*
 * mailbox.h - what the files about mailboxes share.
 */
#ifndef ADMIN_CLI_MAILBOX_H
#define ADMIN_CLI_MAILBOX_H

#include "admin-cli/cli.h"
#include "sql/passwd.h"

/* The row, or NOT_FOUND, said. */
must_use enum status mailbox_row(
    struct cli *c, struct str address, struct str domain, struct db_result *row);

/* A new password as the tables keep it; texts in the arena. */
struct new_password {
	struct str hash;
	struct str scram[SCRAM_KINDS]; /* what SCRAM needs, which cannot be had from the hash */
	struct str made_for;           /* hexadecimal: which hash they belong to */
	struct str generated;          /* the password itself, if it was made up; else STR_NONE */
};

/* By --password-stdin, --generate or prompt. */
must_use enum status password_ask(struct cli *c, struct new_password *out);
/* Write what SCRAM needs, in the transaction that writes the hash. */
must_use enum status password_keep_scram(
    struct cli *c, struct str address, const struct new_password *p);

/* --- the mail itself (mail.c): as the mail store's user --- */

/* Where the mail of a row lies below the mail root. */
struct str mail_home(struct cli *c, struct str address, struct str domain, struct str home_column);

/* Octets and messages in a home; false when it cannot be said. */
bool mail_usage(struct cli *c, struct str home, uint64_t *octets, uint64_t *messages);

/*
 * Set the mail aside, so that it can be brought back; *had says whether there
 * was any.  note: the account as text, kept with it.
 */
must_use enum status mail_set_aside(struct cli *c, struct str home, struct str note, bool *had);
/* The newest that was set aside for this home, back to it; its note, in the arena. */
must_use enum status mail_note(struct cli *c, struct str home, struct str *note);
must_use enum status mail_bring_back(struct cli *c, struct str home);
must_use enum status mail_rename(struct cli *c, struct str from, struct str to);

/* End the sessions of this user; best effort, says nothing. */
void sessions_end(struct cli *c, struct str address);

#endif
