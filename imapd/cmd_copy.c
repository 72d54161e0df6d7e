/*
 * cmd_copy.c - COPY: RFC 3501 6.4.7, and MOVE: RFC 6851, both with COPYUID
 * (RFC 4315 3).
 */
#include "imapd/announce.h"

/* Room for a copy; a move within one home takes none. */
static bool
reserve(struct imap *s, struct command *c, struct quota_hold *hold)
{
	struct deadline d = imap_store_deadline(s);
	uint64_t octets = 0, messages = 0;
	struct why why = { 0 };
	enum outcome o;

	o = folder_octets(s->view.folder, &c->uids, d, &octets, &messages, &why);
	if (o == DONE)
		o = home_reserve(s->home, &s->quota, octets, messages, d, hold, &why);
	return o == DONE || reply_failed(c, o, &why, "OVERQUOTA") != DONE;
}

/* "COPYUID 38505 304,319:320 3956:3958", or "" where nothing was copied. */
static bool
copyuid(const struct copy_result *r, struct buf *code)
{
	return r->from.n > 0 && buf_printf(code, "COPYUID %u ", r->uidvalidity) &&
	       seqset_put(code, &r->from) && buf_putc(code, ' ') && seqset_put(code, &r->to);
}

static enum outcome
transfer(struct imap *s, struct command *c, struct folder *to, bool move)
{
	struct copy_result result = { 0 };
	struct quota_hold hold = { 0 };
	struct why why = { 0 };
	struct buf code;
	enum outcome o;

	if (!move && !reserve(s, c, &hold))
		return DONE;
	o = folder_copy(s->view.folder, &c->uids, to, move, imap_store_deadline(s), &result, &why);
	quota_release(&hold);
	if (o != DONE)
		return reply_failed(c, o, &why, "SERVERBUG");
	buf_init(&code, 1024 * 1024);
	if (!copyuid(&result, &code))
		(void)reply_done(c);
	else if (move) { /* RFC 6851 4.3: before the EXPUNGEs, so not in the tagged OK */
		io_printf(s->io, "* OK [%s] Moved\r\n", buf_cstr(&code));
		(void)reply_done(c);
	} else
		(void)reply_ok(c, buf_cstr(&code), "%sCOPY completed", c->uid ? "UID " : "");
	buf_free(&code);
	copy_result_free(&result);
	return DONE;
}

static enum outcome
copy_or_move(struct imap *s, struct command *c, bool move)
{
	struct folder *to = NULL;
	struct str name;
	enum outcome o;

	if (!set_parse(s, c))
		return DONE;
	if (!parse_sp(&c->args))
		return reply_bad(c, c->args.wrong);
	if (!mailbox_parse(c, &name))
		return DONE;
	if (!parse_end(&c->args))
		return reply_bad(c, c->args.wrong);
	if (!folder_get(s, c, name, "TRYCREATE", &to))
		return DONE;
	if (move && to == s->view.folder)
		o = reply_no(c, "CANNOT", "The messages are there already");
	else
		o = transfer(s, c, to, move);
	folder_release(&to);
	return o;
}

enum outcome
cmd_copy(struct imap *s, struct command *c)
{
	return copy_or_move(s, c, false);
}

enum outcome
cmd_move(struct imap *s, struct command *c)
{
	return copy_or_move(s, c, true);
}
