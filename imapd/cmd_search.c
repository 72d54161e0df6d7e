/*
 * cmd_search.c - SEARCH: RFC 3501 6.4.4; RETURN: RFC 4731; MODSEQ: RFC 7162
 * 3.1.5, 3.1.10.
 */
#include "imapd/announce.h"
#include "imapd/search.h"

enum return_option {
	RETURN_MIN = 1 << 0,
	RETURN_MAX = 1 << 1,
	RETURN_ALL = 1 << 2,
	RETURN_COUNT = 1 << 3,
};

static const struct {
	const char *name;
	unsigned option;
} return_options[] = {
	{ "MIN", RETURN_MIN },
	{ "MAX", RETURN_MAX },
	{ "ALL", RETURN_ALL },
	{ "COUNT", RETURN_COUNT },
};

/* "RETURN (MIN COUNT) ", perhaps. */
static bool
parse_return(struct parse *p, unsigned *options)
{
	*options = 0;
	if (!parse_word(p, "RETURN"))
		return true;
	if (!parse_sp(p))
		return false;
	if (!parse_char(p, '('))
		return parse_wrong(p, "Expected RETURN (...)");
	if (parse_char(p, ')')) {
		*options = RETURN_ALL; /* RFC 4731 3.1 */
		return parse_sp(p);
	}
	do {
		size_t i = 0;

		while (i < COUNT_OF(return_options) && !parse_word(p, return_options[i].name))
			i++;
		if (i == COUNT_OF(return_options))
			return parse_wrong(p, "Unknown RETURN option");
		*options |= return_options[i].option;
	} while (parse_char(p, ' '));
	if (!parse_char(p, ')'))
		return parse_wrong(p, "Expected the end of the RETURN options");
	return parse_sp(p);
}

static void
put_search(struct imap *s, const struct search_result *r, bool modseq)
{
	struct seqset_iter it = seqset_iter(&r->found);
	uint32_t x;

	io_puts(s->io, "* SEARCH");
	while (seqset_next(&it, &x)) {
		buf_putc(io_out(s->io), ' ');
		buf_put_u64(io_out(s->io), x);
		io_spill(s->io);
	}
	if (modseq && r->found.n > 0)
		io_printf(s->io, " (MODSEQ %llu)", (unsigned long long)r->highest);
	io_puts(s->io, "\r\n");
}

/* RFC 7162 3.1.10: of what is told of. */
static uint64_t
modseq_told(const struct search_result *r, unsigned options)
{
	if ((options & (RETURN_ALL | RETURN_COUNT)) != 0)
		return r->highest;
	if (options == (RETURN_MIN | RETURN_MAX))
		return MAX(r->first, r->last);
	return options == RETURN_MIN ? r->first : r->last;
}

static void
put_esearch(struct imap *s, const struct command *c, const struct search_result *r,
    unsigned options, bool modseq)
{
	const struct seqset *found = &r->found;

	io_printf(
	    s->io, "* ESEARCH (TAG \"" STR_FMT "\")%s", STR_ARG(c->tag), c->uid ? " UID" : "");
	if (found->n > 0 && (options & RETURN_MIN) != 0)
		io_printf(s->io, " MIN %u", found->v[0].lo);
	if (found->n > 0 && (options & RETURN_MAX) != 0)
		io_printf(s->io, " MAX %u", found->v[found->n - 1].hi);
	if (found->n > 0 && (options & RETURN_ALL) != 0) {
		io_puts(s->io, " ALL ");
		(void)seqset_put(io_out(s->io), found);
	}
	if ((options & RETURN_COUNT) != 0)
		io_printf(s->io, " COUNT %llu", (unsigned long long)seqset_count(found));
	if (modseq && found->n > 0)
		io_printf(s->io, " MODSEQ %llu", (unsigned long long)modseq_told(r, options));
	io_puts(s->io, "\r\n");
}

enum outcome
cmd_search(struct imap *s, struct command *c)
{
	struct search_program program;
	struct search_result result;
	unsigned options;
	enum outcome o = DONE;

	if (!parse_return(&c->args, &options) || !search_parse(&c->args, &program))
		return reply_bad(c, c->args.wrong);
	if (program.bad_charset)
		return reply_no(c, "BADCHARSET (US-ASCII UTF-8)", "That charset is not known here");
	if (program.modseq)
		enable_condstore(s);
	if (!search_prepare(s, &program))
		o = reply_bad(c, "No such message");
	else {
		search_run(s, &program, c->uid, &result);
		if (options != 0)
			put_esearch(s, c, &result, options, program.modseq);
		else
			put_search(s, &result, program.modseq);
		search_result_free(&result);
		(void)reply_done(c);
	}
	search_release(&program);
	return o;
}
