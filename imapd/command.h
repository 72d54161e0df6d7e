/*
 * command.h - the commands of a logged-in session: the table of them, and
 * what each is given and answers with.
 *
 * A command is one file cmd_*.c with one function, and one row in command.c.
 * It reads its arguments from c->args, writes untagged responses with
 * io_put, and ends with one of the reply_* below; the dispatcher then tells
 * what is new in the folder and sends the tagged line.
 */
#ifndef IMAPD_COMMAND_H
#define IMAPD_COMMAND_H

#include "imapd/parse.h"
#include "imapd/session.h"

enum command_flag {
	NEEDS_FOLDER = 1 << 0,  /* selected state only; the view is entered */
	NEEDS_WRITE = 1 << 1,   /* refused after EXAMINE */
	HAS_UID = 1 << 2,       /* "UID x" exists */
	ONLY_UID = 1 << 3,      /* only as "UID x" */
	KEEPS_NUMBERS = 1 << 4, /* no EXPUNGE while it runs without UID (RFC 3501 7.4.1) */
	SYNCS = 1 << 5,         /* also looks for foreign changes in the Maildir */
	TELLS_NOTHING = 1 << 6, /* news wait: LOGOUT, or the folder is being left */
};

struct command;

struct command_row {
	const char *name;
	enum outcome (*run)(struct imap *s, struct command *c);
	unsigned flags;
};

enum reply_kind {
	REPLY_OK,
	REPLY_NO,
	REPLY_BAD,
	REPLY_NONE, /* the tagged line comes later: IDLE */
};

struct command {
	struct str tag;
	const struct command_row *row;
	bool uid;            /* the UID form */
	struct parse args;   /* behind the name and its space */
	struct arena *arena; /* lives until the command ends */

	/* APPEND: its message literal begins now. */
	bool streams;
	uint64_t literal;
	bool sync;

	/* The answer. */
	enum reply_kind kind;
	const char *code; /* response code without brackets; NULL: none */
	const char *text; /* NULL: "X completed" */

	struct seqset uids; /* of set_parse; freed by the dispatcher */

	/* Modseqs of flag changes this command made and has told of, ascending. */
	uint64_t *own;
	size_t own_count, own_room;
};

/*
 * Each fills in the answer and returns DONE, so that an answer is one
 * statement.  code may be NULL; text is a format.
 */
enum outcome reply_ok(struct command *c, const char *code, const char *format, ...)
    printf_like(3, 4);
enum outcome reply_no(struct command *c, const char *code, const char *format, ...)
    printf_like(3, 4);
/* BAD with what the parser expected, or this text. */
enum outcome reply_bad(struct command *c, const char *text);
/* "X completed". */
enum outcome reply_done(struct command *c);
/*
 * NO for a failure of the store: TEMPFAIL is [UNAVAILABLE], 552 [OVERQUOTA],
 * else `code`.
 */
enum outcome reply_failed(
    struct command *c, enum outcome o, const struct why *why, const char *code);

/* Run one command; answers everything.  GONE: end the session. */
enum outcome command_run(struct imap *s, const struct reader_line *line);

/* Does this text announce a literal that the command streams itself (APPEND's message)? */
bool command_streams(struct str text);

/* The untagged line and the code of the tagged OK: what can be used after login. */
extern const char capabilities[];

/* --- arguments several commands have --- */

/*
 * A sequence set (of UIDs in the UID form), as the existing UIDs it means,
 * into c->uids.  False: answered BAD (reply is filled in).
 */
must_use bool set_parse(struct imap *s, struct command *c);

/* The same for a text that was parsed before: SEARCH.  False: a number beyond the folder. */
must_use bool set_resolve(struct imap *s, struct str text, bool uid, struct seqset *uids);

/* A mailbox name as UTF-8; INBOX in capitals.  False: the reply is filled in. */
must_use bool mailbox_parse(struct command *c, struct str *name);
/* The same from the octets of an astring. */
must_use bool mailbox_decode(struct command *c, struct str raw, struct str *name);

/* "Sent.2024" as IMAP sends names: modified UTF-7, quoted where needed. */
void mailbox_put(struct imap *s, struct str name);

/* Open a folder by name; false: answered NO with `code`. */
must_use bool folder_get(
    struct imap *s, struct command *c, struct str name, const char *code, struct folder **out);

/* Remember a flag change that was told of by the command itself. */
void own_modseq(struct command *c, uint64_t modseq);
bool is_own_modseq(const struct command *c, uint64_t modseq);

/* --- the commands, in cmd_NAME.c --- */

enum outcome cmd_append(struct imap *s, struct command *c);
enum outcome cmd_capability(struct imap *s, struct command *c);
enum outcome cmd_check(struct imap *s, struct command *c);
enum outcome cmd_close(struct imap *s, struct command *c);
enum outcome cmd_copy(struct imap *s, struct command *c);
enum outcome cmd_create(struct imap *s, struct command *c);
enum outcome cmd_delete(struct imap *s, struct command *c);
enum outcome cmd_enable(struct imap *s, struct command *c);
enum outcome cmd_examine(struct imap *s, struct command *c);
enum outcome cmd_expunge(struct imap *s, struct command *c);
enum outcome cmd_fetch(struct imap *s, struct command *c);
enum outcome cmd_getquota(struct imap *s, struct command *c);
enum outcome cmd_getquotaroot(struct imap *s, struct command *c);
enum outcome cmd_id(struct imap *s, struct command *c);
enum outcome cmd_idle(struct imap *s, struct command *c);
enum outcome cmd_list(struct imap *s, struct command *c);
enum outcome cmd_logout(struct imap *s, struct command *c);
enum outcome cmd_lsub(struct imap *s, struct command *c);
enum outcome cmd_move(struct imap *s, struct command *c);
enum outcome cmd_namespace(struct imap *s, struct command *c);
enum outcome cmd_noop(struct imap *s, struct command *c);
enum outcome cmd_rename(struct imap *s, struct command *c);
enum outcome cmd_search(struct imap *s, struct command *c);
enum outcome cmd_select(struct imap *s, struct command *c);
enum outcome cmd_setquota(struct imap *s, struct command *c);
enum outcome cmd_status(struct imap *s, struct command *c);
enum outcome cmd_store(struct imap *s, struct command *c);
enum outcome cmd_subscribe(struct imap *s, struct command *c);
enum outcome cmd_unselect(struct imap *s, struct command *c);
enum outcome cmd_unsubscribe(struct imap *s, struct command *c);

#endif
