/*
 * cmd_list.c - LIST: RFC 3501 6.3.8, extended by RFC 5258, with CHILDREN
 * (RFC 3348), SPECIAL-USE (RFC 6154) and STATUS (RFC 5819).
 */
#include "imapd/list.h"
#include "imapd/pattern.h"
#include "imapd/status.h"

#define PATTERNS_MAX 64

enum list_option {
	LIST_SUBSCRIBED = 1 << 0,
	LIST_SPECIAL_USE = 1 << 1,
	LIST_RECURSIVEMATCH = 1 << 2,
	LIST_REMOTE = 1 << 3, /* there are none */
	LIST_CHILDREN = 1 << 4,
	LIST_STATUS = 1 << 5,
};

struct list_request {
	unsigned select; /* enum list_option */
	unsigned returns;
	unsigned status; /* enum status_item */
	bool extended;
	bool root; /* the empty pattern: only the separator is asked for */
	struct str patterns[PATTERNS_MAX];
	size_t count;
};

struct option_name {
	const char *name;
	unsigned option;
};

static const struct option_name select_options[] = {
	{ "SUBSCRIBED", LIST_SUBSCRIBED },
	{ "SPECIAL-USE", LIST_SPECIAL_USE },
	{ "RECURSIVEMATCH", LIST_RECURSIVEMATCH },
	{ "REMOTE", LIST_REMOTE },
};
static const struct option_name return_options[] = {
	{ "SUBSCRIBED", LIST_SUBSCRIBED },
	{ "SPECIAL-USE", LIST_SPECIAL_USE },
	{ "CHILDREN", LIST_CHILDREN },
	{ "STATUS", LIST_STATUS },
};

/* "(" options ")", perhaps none; the parenthesis was seen. */
static bool
parse_options(
    struct parse *p, const struct option_name *names, size_t n, unsigned *options, unsigned *status)
{
	if (parse_char(p, ')'))
		return true;
	do {
		size_t i = 0;

		while (i < n && !parse_word(p, names[i].name))
			i++;
		if (i == n)
			return parse_wrong(p, "Unknown LIST option");
		*options |= names[i].option;
		if (names[i].option == LIST_STATUS && (!parse_sp(p) || !status_parse(p, status)))
			return false;
	} while (parse_char(p, ' '));
	return parse_char(p, ')') || parse_wrong(p, "Expected the end of the LIST options");
}

static bool
parse_pattern(struct parse *p, struct command *c, struct str reference, struct list_request *r)
{
	struct str raw;

	if (!parse_list_mailbox(p, &raw))
		return false;
	if (raw.n == 0)
		r->root = true;
	else if (r->count == PATTERNS_MAX)
		return parse_wrong(p, "Too many patterns");
	else if (list_pattern(c, reference, raw, &r->patterns[r->count]))
		r->count++; /* one that no name is like is silently ignored (RFC 5258 3) */
	return true;
}

static bool
parse_request(struct command *c, struct list_request *r)
{
	struct parse *p = &c->args;
	struct str reference;

	if (parse_char(p, '(')) {
		r->extended = true;
		if (!parse_options(p, select_options, COUNT_OF(select_options), &r->select, NULL) ||
		    !parse_sp(p))
			return false;
	}
	if (!parse_astring(p, &reference) || !parse_sp(p))
		return false;
	if (parse_char(p, '(')) {
		r->extended = true;
		do {
			if (!parse_pattern(p, c, reference, r))
				return false;
		} while (parse_char(p, ' '));
		if (!parse_char(p, ')'))
			return parse_wrong(p, "Expected the end of the patterns");
	} else if (!parse_pattern(p, c, reference, r))
		return false;
	if (parse_char(p, ' ') && !scan_end(&p->s)) {
		r->extended = true;
		if (!parse_word(p, "RETURN") || !parse_sp(p) || !parse_char(p, '('))
			return parse_wrong(p, "Expected RETURN (...)");
		if (!parse_options(
			p, return_options, COUNT_OF(return_options), &r->returns, &r->status))
			return false;
	}
	/* RFC 5258 3.1: it makes no sense alone. */
	if ((r->select & LIST_RECURSIVEMATCH) != 0 &&
	    (r->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) == 0)
		return parse_wrong(p, "RECURSIVEMATCH needs another selection option");
	return parse_end(p);
}

static bool
matches(const struct list_request *r, struct str name)
{
	for (size_t i = 0; i < r->count; i++) {
		if (pattern_match(r->patterns[i], name, FOLDER_SEP))
			return true;
	}
	return false;
}

/* The selection criteria, RECURSIVEMATCH aside. */
static bool
meets(const struct list_request *r, const struct folder_info *f)
{
	if ((r->select & LIST_SUBSCRIBED) != 0 && !f->subscribed)
		return false;
	if ((r->select & LIST_SPECIAL_USE) != 0 && f->use == 0)
		return false;
	if ((r->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) != 0)
		return true;
	return f->exists || f->has_children; /* a level above an existing folder */
}

/* RFC 5258 3.5: *child: something below meets the criteria; *hidden: and is not told of itself. */
static void
look_below(const struct list_request *r, const struct folder_tree *t, struct str name, bool *child,
    bool *hidden)
{
	size_t from, to;

	*child = *hidden = false;
	tree_below(t, name, &from, &to);
	for (size_t i = from; i < to && !*hidden; i++) {
		if (!meets(r, &t->v[i]))
			continue;
		*child = true;
		*hidden = !matches(r, t->v[i].name);
	}
}

static void
put_attribute(struct imap *s, const char **space, const char *name)
{
	io_puts(s->io, *space);
	io_puts(s->io, name);
	*space = " ";
}

static void
put_line(struct imap *s, const struct list_request *r, const struct folder_info *f, bool child)
{
	const char *space = "";

	io_puts(s->io, "* LIST (");
	if (!f->exists)
		put_attribute(s, &space, r->extended ? "\\NonExistent" : "\\Noselect");
	put_attribute(s, &space, f->has_children ? "\\HasChildren" : "\\HasNoChildren");
	if (f->subscribed && ((r->select | r->returns) & LIST_SUBSCRIBED) != 0)
		put_attribute(s, &space, "\\Subscribed");
	for (unsigned use = f->use; use != 0; use &= use - 1)
		put_attribute(s, &space, special_use_name(use & -use));
	io_printf(s->io, ") \"%c\" ", FOLDER_SEP);
	mailbox_put(s, f->name);
	if (child) {
		io_puts(s->io, " (\"CHILDINFO\" (");
		space = "";
		if ((r->select & LIST_SUBSCRIBED) != 0)
			put_attribute(s, &space, "\"SUBSCRIBED\"");
		if ((r->select & LIST_SPECIAL_USE) != 0)
			put_attribute(s, &space, "\"SPECIAL-USE\"");
		io_puts(s->io, "))");
	}
	io_puts(s->io, "\r\n");
}

enum outcome
cmd_list(struct imap *s, struct command *c)
{
	struct list_request *r = ARENA_NEW(c->arena, struct list_request);
	struct folder_tree tree;
	struct why why = { 0 };
	enum outcome o;

	if (!parse_request(c, r))
		return reply_bad(c, c->args.wrong);
	if (r->root && !r->extended) {
		list_put_root(s, "LIST");
		return reply_done(c);
	}
	o = tree_load(s, c, &tree, &why);
	if (o != DONE)
		return reply_failed(c, o, &why, "SERVERBUG");
	for (size_t i = 0; i < tree.n; i++) {
		const struct folder_info *f = &tree.v[i];
		bool child = false, hidden = false;

		if (!matches(r, f->name))
			continue;
		if ((r->select & LIST_RECURSIVEMATCH) != 0)
			look_below(r, &tree, f->name, &child, &hidden);
		if (!meets(r, f) && !hidden)
			continue;
		put_line(s, r, f, child);
		/* RFC 5819 2: a mailbox that cannot be looked at has no STATUS line. */
		if ((r->returns & LIST_STATUS) != 0 && f->exists)
			(void)!status_put(s, f->name, r->status, &why);
	}
	return reply_done(c);
}
