/*
 * cmd_id.c - ID: RFC 2971.
 *
 * What a client says of itself goes to the log and nowhere else.
 */
#include "imapd/command.h"

#include "base/log.h"

#define ID_PAIRS_MAX 30 /* RFC 2971 3.3 */
#define ID_LOG_MAX   512

static bool
parse_pairs(struct parse *p, struct buf *text)
{
	struct str name, value;

	if (!parse_char(p, '('))
		return parse_word(p, "NIL") || parse_wrong(p, "Expected a list or NIL");
	if (parse_char(p, ')'))
		return true;
	for (size_t i = 0; i < ID_PAIRS_MAX; i++) {
		if (!parse_string(p, &name) || !parse_sp(p) || !parse_nstring(p, &value))
			return false;
		(void)(buf_put(text, name) && buf_putc(text, '=') && buf_put(text, value) &&
		       buf_putc(text, ' '));
		if (parse_char(p, ')'))
			return true;
		if (!parse_sp(p))
			return false;
	}
	return parse_wrong(p, "Too many pairs");
}

enum outcome
cmd_id(struct imap *s, struct command *c)
{
	struct buf text;
	bool ok;

	buf_init(&text, ID_LOG_MAX);
	ok = parse_pairs(&c->args, &text) && parse_end(&c->args);
	if (ok) {
		log_event(LOG_INFO, "imap.id", kv_id("s", s->session.id),
		    kv_str("id", str_trim(buf_str(&text))), KV_END);
		io_printf(
		    s->io, "* ID (\"name\" \"Postroom\" \"version\" \"%s\")\r\n", s->d->version);
	}
	buf_free(&text);
	return ok ? reply_done(c) : reply_bad(c, c->args.wrong);
}
