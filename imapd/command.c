/*
 * command.c - the table of commands, and what happens around each.
 */
#include "imapd/command.h"

#include <stdio.h>
#include <stdlib.h>

#include "imapd/announce.h"
#include "mail/imap.h"
#include "mail/mutf7.h"

#define TAG_MAX 128

const char capabilities[] =
    "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE "
    "SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH CONDSTORE "
    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";

/* Those of the state before login, which login serves. */
static enum outcome
cmd_logged_in(struct imap *s, struct command *c)
{
	return reply_bad(c, "You are logged in already");
}

static const struct command_row commands[] = {
	{ "APPEND", cmd_append, 0 },
	{ "AUTHENTICATE", cmd_logged_in, TELLS_NOTHING },
	{ "CAPABILITY", cmd_capability, 0 },
	{ "CHECK", cmd_check, NEEDS_FOLDER | SYNCS },
	{ "CLOSE", cmd_close, NEEDS_FOLDER | TELLS_NOTHING },
	{ "COPY", cmd_copy, NEEDS_FOLDER | HAS_UID },
	{ "CREATE", cmd_create, 0 },
	{ "DELETE", cmd_delete, 0 },
	{ "ENABLE", cmd_enable, 0 },
	{ "EXAMINE", cmd_examine, TELLS_NOTHING },
	{ "EXPUNGE", cmd_expunge, NEEDS_FOLDER | NEEDS_WRITE | HAS_UID | SYNCS },
	{ "FETCH", cmd_fetch, NEEDS_FOLDER | HAS_UID | KEEPS_NUMBERS },
	{ "GETQUOTA", cmd_getquota, 0 },
	{ "GETQUOTAROOT", cmd_getquotaroot, 0 },
	{ "ID", cmd_id, 0 },
	{ "IDLE", cmd_idle, 0 },
	{ "LIST", cmd_list, 0 },
	{ "LOGIN", cmd_logged_in, TELLS_NOTHING },
	{ "LOGOUT", cmd_logout, TELLS_NOTHING },
	{ "LSUB", cmd_lsub, 0 },
	{ "MOVE", cmd_move, NEEDS_FOLDER | NEEDS_WRITE | HAS_UID },
	{ "NAMESPACE", cmd_namespace, 0 },
	{ "NOOP", cmd_noop, SYNCS },
	{ "RENAME", cmd_rename, 0 },
	{ "SEARCH", cmd_search, NEEDS_FOLDER | HAS_UID | KEEPS_NUMBERS },
	{ "SELECT", cmd_select, TELLS_NOTHING },
	{ "SETQUOTA", cmd_setquota, 0 },
	{ "STARTTLS", cmd_logged_in, TELLS_NOTHING },
	{ "STATUS", cmd_status, 0 },
	{ "STORE", cmd_store, NEEDS_FOLDER | NEEDS_WRITE | HAS_UID | KEEPS_NUMBERS },
	{ "SUBSCRIBE", cmd_subscribe, 0 },
	{ "UNSELECT", cmd_unselect, NEEDS_FOLDER | TELLS_NOTHING },
	{ "UNSUBSCRIBE", cmd_unsubscribe, 0 },
};

static const struct command_row *
row_of(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (str_eq_nocase(name, str_of(commands[i].name)))
			return &commands[i];
	}
	return NULL;
}

/* --- answers --- */

static enum outcome reply(struct command *c, enum reply_kind kind, const char *code,
    const char *format, va_list ap) printf_like(4, 0);

static enum outcome
reply(struct command *c, enum reply_kind kind, const char *code, const char *format, va_list ap)
{
	char text[256];

	(void)vsnprintf(text, sizeof(text), format, ap);
	c->kind = kind;
	c->code = code != NULL ? arena_cstr(c->arena, str_of(code)) : NULL;
	c->text = arena_cstr(c->arena, str_of(text));
	return DONE;
}

enum outcome
reply_ok(struct command *c, const char *code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)reply(c, REPLY_OK, code, format, ap);
	va_end(ap);
	return DONE;
}

enum outcome
reply_no(struct command *c, const char *code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)reply(c, REPLY_NO, code, format, ap);
	va_end(ap);
	return DONE;
}

enum outcome
reply_bad(struct command *c, const char *text)
{
	c->kind = REPLY_BAD;
	c->code = NULL;
	c->text = text != NULL ? text : "Syntax error";
	return DONE;
}

enum outcome
reply_done(struct command *c)
{
	c->kind = REPLY_OK;
	c->code = c->text = NULL;
	return DONE;
}

enum outcome
reply_failed(struct command *c, enum outcome o, const struct why *why, const char *code)
{
	if (o == TEMPFAIL) /* RFC 5530 3 */
		return reply_no(c, "UNAVAILABLE", "%s",
		    why->text[0] != '\0' ? why->text : "Not possible now, try again later");
	if (why->code == 552)
		return reply_no(c, "OVERQUOTA", "%s", why->text);
	return reply_no(c, code, "%s", why->text[0] != '\0' ? why->text : "Not possible");
}

static void
put_tagged(struct imap *s, struct command *c)
{
	static const char *const kinds[] = {
		[REPLY_OK] = "OK",
		[REPLY_NO] = "NO",
		[REPLY_BAD] = "BAD",
	};

	if (c->kind == REPLY_NONE)
		return;
	if (c->tag.n > 0)
		io_put(s->io, c->tag);
	else
		io_puts(s->io, "*");
	io_puts(s->io, " ");
	io_puts(s->io, kinds[c->kind]);
	if (c->code != NULL) {
		io_puts(s->io, " [");
		io_puts(s->io, c->code);
		io_puts(s->io, "]");
	}
	if (c->text != NULL)
		io_printf(s->io, " %s\r\n", c->text);
	else
		io_printf(s->io, " %s%s completed\r\n", c->uid ? "UID " : "", c->row->name);
}

/* --- running one --- */

static bool
is_tag_char(unsigned char c)
{
	return c != '+' && is_astring_char(c);
}

/* Tag, perhaps UID, name; on failure the reply is filled in. */
static bool
parse_head(struct command *c, struct parse *p)
{
	struct str tag, name;

	if (!scan_while(&p->s, is_tag_char, &tag) || tag.n > TAG_MAX)
		return reply_bad(c, "Expected a tag") != DONE;
	c->tag = tag;
	if (!parse_sp(p) || !parse_atom(p, &name))
		return reply_bad(c, "Expected a command") != DONE;
	if (str_eq_nocase(name, STR("UID"))) {
		c->uid = true;
		if (!parse_sp(p) || !parse_atom(p, &name))
			return reply_bad(c, "Expected a command behind UID") != DONE;
	}
	c->row = row_of(name);
	if (c->row == NULL || (c->uid && (c->row->flags & HAS_UID) == 0) ||
	    (!c->uid && (c->row->flags & ONLY_UID) != 0))
		return reply_bad(c, "Unknown command") != DONE;
	return true;
}

bool
command_streams(struct str text)
{
	struct scan s = scan_of(text);
	struct str tag, name;

	/* APPEND's first argument may be a literal too: the mailbox. */
	return scan_while(&s, is_tag_char, &tag) && scan_char(&s, ' ') &&
	       scan_while(&s, is_atom_char, &name) && str_eq_nocase(name, STR("APPEND")) &&
	       scan_char(&s, ' ') && !scan_end(&s);
}

static enum outcome
run_row(struct imap *s, struct command *c)
{
	bool looks = selected(s) && (c->row->flags & TELLS_NOTHING) == 0;
	enum outcome o = DONE;

	if ((c->row->flags & NEEDS_FOLDER) != 0 && !selected(s))
		return reply_bad(c, "No mailbox is selected");
	if ((c->row->flags & NEEDS_WRITE) != 0 && s->read_only)
		return reply_no(c, "NOPERM", "The mailbox was opened read-only");
	if (looks)
		o = imap_enter(s, (c->row->flags & SYNCS) != 0);
	if (o == GONE)
		return GONE;
	if (o != DONE && (c->row->flags & NEEDS_FOLDER) != 0)
		return reply_no(c, "UNAVAILABLE", "The mailbox cannot be read now");
	return c->row->run(s, c);
}

/*
 * A message literal that nobody has taken.  Without "+" it never comes; else
 * its octets are on their way and are dropped, if they are not too many
 * (RFC 7888 4).
 */
static enum outcome
drop_literal(struct imap *s, struct command *c)
{
	struct deadline d = deadline_in(s->d->lim.body_ms);
	char *piece;
	uint64_t left = c->literal;
	enum outcome o = DONE;

	if (!c->streams || c->sync)
		return DONE;
	if (left > s->d->message_bytes) {
		imap_bye(s, "Literal too large");
		return GONE;
	}
	piece = xmalloc(16384);
	while (left > 0 && o == DONE) {
		size_t n = (size_t)MIN(left, (uint64_t)16384);

		o = io_read(s->io, piece, n, d);
		left -= n;
	}
	free(piece);
	s->reader.skipping = true; /* the rest of the line */
	return o;
}

static void
count_bads(struct imap *s, const struct command *c)
{
	s->bads = c->kind == REPLY_BAD ? s->bads + 1 : 0;
	if (s->bads >= s->d->lim.bad_commands)
		imap_bye(s, "Too many mistakes");
}

enum outcome
command_run(struct imap *s, const struct reader_line *line)
{
	struct command c = {
		.arena = s->command,
		.literal = line->literal,
		.sync = line->sync,
		.uids = SEQSET_EMPTY,
	};
	enum outcome o = DONE;

	c.args = parse_of(line->text, s->command);
	if (memchr(line->text.p, '\0', line->text.n) != NULL)
		(void)reply_bad(&c, "NUL in a command");
	else if (parse_head(&c, &c.args)) {
		c.streams = line->literal_follows;
		if (c.args.s.p < c.args.s.end && !parse_sp(&c.args))
			(void)reply_bad(&c, NULL);
		else
			o = run_row(s, &c);
	}
	if (o == DONE)
		o = drop_literal(s, &c);
	if (o == DONE && s->entered && !s->bye && c.row != NULL &&
	    (c.row->flags & TELLS_NOTHING) == 0)
		o = announce(s, &c, c.uid || (c.row->flags & KEEPS_NUMBERS) == 0);
	imap_leave(s);
	if (o == DONE) {
		put_tagged(s, &c);
		count_bads(s, &c);
	}
	seqset_free(&c.uids);
	return o == DONE && !s->bye ? DONE : GONE;
}

/* --- arguments --- */

bool
set_resolve(struct imap *s, struct str text, bool uid, struct seqset *uids)
{
	struct seqset seqs = SEQSET_EMPTY;
	uint32_t count = view_count(&s->view);
	bool ok;

	if (uid) {
		ok = seqset_parse(text, view_last_uid(&s->view), &seqs);
		if (ok)
			seqset_swap(uids, &seqs);
	} else {
		/* A number beyond the folder is a mistake of the client's (RFC 3501 9, seq-number).
		 */
		ok = seqset_parse(text, count, &seqs) &&
		     (seqs.n == 0 || seqs.v[seqs.n - 1].hi <= MAX(count, 1u));
		if (ok)
			view_uids_of_seqs(&s->view, &seqs, uids);
	}
	seqset_free(&seqs);
	return ok;
}

bool
set_parse(struct imap *s, struct command *c)
{
	struct str text;

	if (!parse_set_text(&c->args, &text))
		return reply_bad(c, c->args.wrong) != DONE;
	if (!set_resolve(s, text, c->uid, &c->uids))
		return reply_bad(c, "No such message") != DONE;
	return true;
}

bool
mailbox_decode(struct command *c, struct str raw, struct str *name)
{
	struct buf b;
	struct why why = { 0 };

	buf_init(&b, MAILBOX_NAME_MAX);
	if (!mutf7_to_utf8(raw, &b) || b.n == 0) {
		buf_free(&b);
		return reply_no(c, "CANNOT", "That is no mailbox name") != DONE;
	}
	/* "inbox.x" too: a second tree that differs by case alone would only confuse. */
	if (str_starts_nocase(buf_str(&b), STR("INBOX")) && (b.n == 5 || b.p[5] == FOLDER_SEP))
		memcpy(b.p, "INBOX", 5);
	*name = arena_str(c->arena, buf_str(&b));
	buf_free(&b);
	if (folder_name_check(*name, &why) != DONE)
		return reply_no(c, "CANNOT", "%s", why.text) != DONE;
	return true;
}

bool
mailbox_parse(struct command *c, struct str *name)
{
	struct str raw;

	if (!parse_astring(&c->args, &raw))
		return reply_bad(c, "Expected a mailbox name") != DONE;
	return mailbox_decode(c, raw, name);
}

void
mailbox_put(struct imap *s, struct str name)
{
	struct buf b;

	buf_init(&b, 8 * MAILBOX_NAME_MAX);
	if (mutf7_from_utf8(name, &b))
		(void)imap_put_astring(io_out(s->io), buf_str(&b));
	else
		io_puts(s->io, "\"\"");
	buf_free(&b);
}

bool
folder_get(
    struct imap *s, struct command *c, struct str name, const char *code, struct folder **out)
{
	struct why why = { 0 };
	enum outcome o = folder_open(s->home, name, false, imap_store_deadline(s), out, &why);

	if (o == DONE)
		return true;
	if (o == PERMFAIL && why.text[0] == '\0')
		return reply_no(c, code, "There is no such mailbox") != DONE;
	return reply_failed(c, o, &why, code) != DONE;
}

void
own_modseq(struct command *c, uint64_t modseq)
{
	if (modseq == 0)
		return;
	if (c->own_count == c->own_room) {
		size_t room = c->own_room == 0 ? 8 : c->own_room * 2;
		uint64_t *more = arena_array(c->arena, room, sizeof(*more));

		if (c->own_count > 0)
			memcpy(more, c->own, c->own_count * sizeof(*more));
		c->own = more;
		c->own_room = room;
	}
	c->own[c->own_count++] = modseq;
}

bool
is_own_modseq(const struct command *c, uint64_t modseq)
{
	size_t lo = 0, hi = c->own_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->own[mid] == modseq)
			return true;
		if (c->own[mid] < modseq)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
