/*
 * search_parse.c - SEARCH keys: RFC 3501 6.4.4 and 9, RFC 7162 3.1.5.
 *
 * Two passes, neither of which recurses: the keys become a tree in an array,
 * then the tree, walked from its end to its beginning, becomes the chain: a
 * test is put down when it is known where both its answers lead.
 */
#include "imapd/search_parse.h"

#include "mail/fold.h"
#include "store/folder.h"

enum node_kind {
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_TEST,
};

struct node {
	enum node_kind kind;
	unsigned cost;   /* of the most expensive test in it */
	int child, last; /* first and last child; -1: none */
	int next;        /* sibling; -1: none */
	unsigned children;
	struct search_step step; /* NODE_TEST */
};

struct tree {
	struct parse *p;
	struct node *nodes; /* in the arena */
	size_t count, room;
	unsigned texts;
	struct search_program *out;
};

enum key_argument {
	NO_ARGUMENT,
	A_TEXT,   /* astring to be folded */
	A_HEADER, /* astring, astring */
	A_KEYWORD,
	A_DATE,
	A_NUMBER,
	A_UID_SET,
	A_MODSEQ,
};

struct key {
	const char *name;
	enum search_test test;
	enum key_argument argument;
	unsigned flags;
	bool negated;
};

static const struct key keys[] = {
	{ "ALL", TEST_ALL },
	{ "ANSWERED", TEST_FLAGS, NO_ARGUMENT, MSG_ANSWERED },
	{ "BCC", TEST_BCC, A_TEXT },
	{ "BEFORE", TEST_BEFORE, A_DATE },
	{ "BODY", TEST_BODY, A_TEXT },
	{ "CC", TEST_CC, A_TEXT },
	{ "DELETED", TEST_FLAGS, NO_ARGUMENT, MSG_DELETED },
	{ "DRAFT", TEST_FLAGS, NO_ARGUMENT, MSG_DRAFT },
	{ "FLAGGED", TEST_FLAGS, NO_ARGUMENT, MSG_FLAGGED },
	{ "FROM", TEST_FROM, A_TEXT },
	{ "HEADER", TEST_HEADER, A_HEADER },
	{ "KEYWORD", TEST_KEYWORD, A_KEYWORD },
	{ "LARGER", TEST_LARGER, A_NUMBER },
	{ "MODSEQ", TEST_MODSEQ, A_MODSEQ },
	{ "OLD", TEST_RECENT, NO_ARGUMENT, 0, true },
	{ "ON", TEST_ON, A_DATE },
	{ "RECENT", TEST_RECENT },
	{ "SEEN", TEST_FLAGS, NO_ARGUMENT, MSG_SEEN },
	{ "SENTBEFORE", TEST_SENTBEFORE, A_DATE },
	{ "SENTON", TEST_SENTON, A_DATE },
	{ "SENTSINCE", TEST_SENTSINCE, A_DATE },
	{ "SINCE", TEST_SINCE, A_DATE },
	{ "SMALLER", TEST_SMALLER, A_NUMBER },
	{ "SUBJECT", TEST_SUBJECT, A_TEXT },
	{ "TEXT", TEST_TEXT, A_TEXT },
	{ "TO", TEST_TO, A_TEXT },
	{ "UID", TEST_SET, A_UID_SET },
	{ "UNANSWERED", TEST_FLAGS, NO_ARGUMENT, MSG_ANSWERED, true },
	{ "UNDELETED", TEST_FLAGS, NO_ARGUMENT, MSG_DELETED, true },
	{ "UNDRAFT", TEST_FLAGS, NO_ARGUMENT, MSG_DRAFT, true },
	{ "UNFLAGGED", TEST_FLAGS, NO_ARGUMENT, MSG_FLAGGED, true },
	{ "UNKEYWORD", TEST_KEYWORD, A_KEYWORD, 0, true },
	{ "UNSEEN", TEST_FLAGS, NO_ARGUMENT, MSG_SEEN, true },
};

/* 0: in the index; 1: the packed structure; 2: the message's header; 3: all of it. */
static unsigned
cost_of(enum search_test test)
{
	if (test < TEST_SENTBEFORE)
		return 0;
	if (test < TEST_HEADER)
		return 1;
	return test == TEST_HEADER ? 2 : 3;
}

/* --- the tree --- */

static int
add_node(struct tree *t, int parent, enum node_kind kind)
{
	struct node *n;

	if (t->count == SEARCH_TESTS_MAX) {
		parse_wrong(t->p, "Too many search keys");
		return -1;
	}
	if (t->count == t->room) {
		size_t room = t->room == 0 ? 16 : t->room * 2;
		struct node *more = arena_array(t->p->arena, room, sizeof(*more));

		if (t->count > 0)
			memcpy(more, t->nodes, t->count * sizeof(*more));
		t->nodes = more;
		t->room = room;
	}
	n = &t->nodes[t->count];
	*n = (struct node){ .kind = kind, .child = -1, .last = -1, .next = -1 };
	if (parent >= 0) {
		struct node *above = &t->nodes[parent];

		if (above->last >= 0)
			t->nodes[above->last].next = (int)t->count;
		else
			above->child = (int)t->count;
		above->last = (int)t->count;
		above->children++;
	}
	return (int)t->count++;
}

static bool
fold_text(struct tree *t, struct str text, struct str *out)
{
	struct buf folded;
	bool ok;

	if (++t->texts > SEARCH_TEXTS_MAX)
		return parse_wrong(t->p, "Too many texts to search for");
	buf_init(&folded, FOLD_NEEDLE_MAX);
	ok = fold_put(text, &folded);
	if (ok)
		*out = arena_str(t->p->arena, buf_str(&folded));
	buf_free(&folded);
	return ok || parse_wrong(t->p, "Search text too long");
}

/* RFC 7162 3.1.5: MODSEQ ["/flags/..." (priv|shared|all)] n; we keep one modseq per message. */
static bool
parse_modseq_key(struct parse *p, uint64_t *v)
{
	struct str entry;

	if (scan_peek(&p->s) == '"') {
		if (!parse_string(p, &entry) || !parse_sp(p))
			return false;
		if (!parse_word(p, "priv") && !parse_word(p, "shared") && !parse_word(p, "all"))
			return parse_wrong(p, "Expected priv, shared or all");
		if (!parse_sp(p))
			return false;
	}
	return parse_modseq(p, v);
}

static bool
parse_argument(struct tree *t, const struct key *key, struct search_step *step)
{
	struct parse *p = t->p;
	struct str text;
	uint32_t n;

	if (key->argument != NO_ARGUMENT && !parse_sp(p))
		return false;
	switch (key->argument) {
	case NO_ARGUMENT:
		return true;
	case A_TEXT:
		return parse_astring(p, &text) && fold_text(t, text, &step->text);
	case A_HEADER:
		return parse_astring(p, &step->field) && parse_sp(p) && parse_astring(p, &text) &&
		       fold_text(t, text, &step->text);
	case A_KEYWORD:
		return parse_atom(p, &step->text);
	case A_DATE:
		return parse_date(p, &step->day);
	case A_NUMBER:
		if (!parse_number(p, &n))
			return false;
		step->number = n;
		return true;
	case A_UID_SET:
		step->uid = true;
		return parse_set_text(p, &step->set);
	case A_MODSEQ:
		t->out->modseq = true;
		return parse_modseq_key(p, &step->number);
	}
	return false;
}

static bool
add_test(struct tree *t, int parent, const struct search_step *step, bool negated)
{
	int n = parent;

	if (negated)
		n = add_node(t, n, NODE_NOT);
	if (n >= 0)
		n = add_node(t, n, NODE_TEST);
	if (n < 0)
		return false;
	t->nodes[n].step = *step;
	t->nodes[n].cost = cost_of(step->test);
	return true;
}

static bool
parse_key(struct tree *t, int parent)
{
	struct search_step step = { .test = TEST_SET };
	int c = scan_peek(&t->p->s);

	if (c == '*' || ascii_digit((char)c))
		return parse_set_text(t->p, &step.set) && add_test(t, parent, &step, false);
	/* NEW is RECENT UNSEEN: the one key that is two. */
	if (parse_word(t->p, "NEW")) {
		int both = add_node(t, parent, NODE_AND);
		const struct search_step recent = { .test = TEST_RECENT };
		const struct search_step seen = { .test = TEST_FLAGS, .flags = MSG_SEEN };

		return both >= 0 && add_test(t, both, &recent, false) &&
		       add_test(t, both, &seen, true);
	}
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		if (!parse_word(t->p, keys[i].name))
			continue;
		step.test = keys[i].test;
		step.flags = keys[i].flags;
		return parse_argument(t, &keys[i], &step) &&
		       add_test(t, parent, &step, keys[i].negated);
	}
	return parse_wrong(t->p, "Unknown search key");
}

/* Everything opened that is now complete is closed; false: wrong.  *more: another key follows. */
static bool
close_nodes(struct tree *t, const int *open, size_t *depth, bool *more)
{
	*more = false;
	for (;;) {
		struct node *n = &t->nodes[open[*depth - 1]];

		if (n->kind == NODE_NOT || (n->kind == NODE_OR && n->children == 2)) {
			--*depth;
			continue;
		}
		if (n->kind == NODE_OR) {
			*more = true;
			return parse_sp(t->p);
		}
		if (*depth > 1 && parse_char(t->p, ')')) {
			--*depth;
			continue;
		}
		if (*depth == 1) {
			struct scan rest = t->p->s;

			scan_blanks(&rest); /* a space at the end */
			if (scan_end(&rest))
				return true;
		}
		*more = true;
		return parse_sp(t->p);
	}
}

static bool
parse_tree(struct tree *t)
{
	int open[SEARCH_DEPTH_MAX + 1];
	size_t depth = 1;
	bool more = true;

	open[0] = add_node(t, -1, NODE_AND);
	while (more) {
		int n;
		enum node_kind kind;

		if (parse_char(t->p, '('))
			kind = NODE_AND;
		else if (parse_word(t->p, "NOT"))
			kind = NODE_NOT;
		else if (parse_word(t->p, "OR"))
			kind = NODE_OR;
		else
			kind = NODE_TEST;
		if (kind == NODE_TEST) {
			if (!parse_key(t, open[depth - 1]) || !close_nodes(t, open, &depth, &more))
				return false;
			continue;
		}
		if (kind != NODE_AND && !parse_sp(t->p))
			return false;
		if (depth == COUNT_OF(open))
			return parse_wrong(t->p, "Search keys nested too deeply");
		n = add_node(t, open[depth - 1], kind);
		if (n < 0)
			return false;
		open[depth++] = n;
	}
	return true;
}

/* --- the chain --- */

struct frame {
	int node;
	int yes, no;
	int *order; /* children, the one tested first last */
	size_t left;
};

/* A node's cost is that of its dearest test; children come after their parents in the array. */
static void
sum_costs(struct tree *t)
{
	for (size_t i = t->count; i-- > 0;) {
		struct node *n = &t->nodes[i];

		for (int c = n->child; c >= 0; c = t->nodes[c].next)
			n->cost = MAX(n->cost, t->nodes[c].cost);
	}
}

static void
order_children(struct tree *t, struct frame *f)
{
	const struct node *n = &t->nodes[f->node];
	size_t at = 0;

	f->left = n->children;
	f->order = arena_array(t->p->arena, MAX(n->children, 1u), sizeof(int));
	for (unsigned cost = 4; cost-- > 0;) { /* dearest first: they are put down first */
		size_t from = at;

		for (int c = n->child; c >= 0; c = t->nodes[c].next) {
			if (t->nodes[c].cost == cost)
				f->order[at++] = c;
		}
		for (size_t i = from, j = at; i + 1 < j;
		     i++) { /* the client's order among equals */
			int swap = f->order[i];

			f->order[i] = f->order[--j];
			f->order[j] = swap;
		}
	}
}

static int
put_step(struct tree *t, const struct frame *f)
{
	struct search_step *step = &t->out->steps[t->out->count];

	*step = t->nodes[f->node].step;
	step->yes = f->yes;
	step->no = f->no;
	return (int)t->out->count++;
}

/*
 * `entry` is where the part put down last begins.  For a conjunction the next
 * child goes on there when it holds; for a disjunction when it does not.
 */
static void
chain(struct tree *t)
{
	struct frame stack[2 * SEARCH_DEPTH_MAX + 8];
	size_t depth = 0;
	int entry = SEARCH_YES;

	t->out->steps = arena_array(t->p->arena, t->count, sizeof(*t->out->steps));
	stack[depth++] = (struct frame){ .node = 0, .yes = SEARCH_YES, .no = SEARCH_NO };
	order_children(t, &stack[0]);
	while (depth > 0) {
		struct frame *f = &stack[depth - 1];
		const struct node *n = &t->nodes[f->node];
		struct frame child;

		if (n->kind == NODE_TEST) {
			entry = put_step(t, f);
			depth--;
			continue;
		}
		if (f->left < n->children) { /* a child was just put down, at entry */
			if (n->kind == NODE_AND)
				f->yes = entry;
			else if (n->kind == NODE_OR)
				f->no = entry;
		}
		if (f->left == 0) {
			if (n->children == 0)
				entry = f->yes;
			depth--;
			continue;
		}
		child = (struct frame){
			.node = f->order[n->children - f->left],
			.yes = n->kind == NODE_NOT ? f->no : f->yes,
			.no = n->kind == NODE_NOT ? f->yes : f->no,
		};
		f->left--;
		assert(depth < COUNT_OF(stack));
		if (t->nodes[child.node].kind != NODE_TEST)
			order_children(t, &child);
		stack[depth++] = child;
	}
	t->out->first = entry;
}

static bool
parse_charset(struct parse *p, struct search_program *out)
{
	struct str name;

	if (!parse_word(p, "CHARSET"))
		return true;
	if (!parse_sp(p) || !parse_astring(p, &name) || !parse_sp(p))
		return false;
	out->bad_charset = !str_eq_nocase(name, STR("UTF-8")) &&
			   !str_eq_nocase(name, STR("US-ASCII")) &&
			   !str_eq_nocase(name, STR("ASCII"));
	return true;
}

bool
search_parse(struct parse *p, struct search_program *out)
{
	struct tree t = { .p = p, .out = out };

	*out = (struct search_program){ 0 };
	if (!parse_charset(p, out))
		return false;
	if (out->bad_charset)
		return true; /* what its texts mean cannot be known; the answer is NO anyway */
	if (!parse_tree(&t) || !parse_end(p))
		return false;
	sum_costs(&t);
	chain(&t);
	return true;
}
