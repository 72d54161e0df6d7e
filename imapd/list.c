/*
 * list.c - the tree of folders: what LIST and LSUB have in common.
 */
#include "imapd/list.h"

#include <stdlib.h>

#include "imapd/pattern.h"
#include "mail/mutf7.h"

static int
by_name(const void *a, const void *b)
{
	return str_cmp(
	    ((const struct folder_info *)a)->name, ((const struct folder_info *)b)->name);
}

/* Index of the first entry not below `name` in order. */
static size_t
lower_bound(const struct folder_info *v, size_t n, struct str name)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
has(const struct folder_info *v, size_t n, struct str name)
{
	size_t i = lower_bound(v, n, name);

	return i < n && str_eq(v[i].name, name);
}

/* Levels above subscriptions of which nothing exists: LSUB's "%" wants to show the way there. */
static size_t
add_levels(struct command *c, const struct folder_info *v, size_t n, struct folder_info **out)
{
	size_t room = 16, count = 0;
	struct folder_info *extra = arena_array(c->arena, room, sizeof(*extra));

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 1; v[i].subscribed && k < v[i].name.n; k++) {
			struct str level = str_first(v[i].name, k);

			if (v[i].name.p[k] != FOLDER_SEP || has(v, n, level) ||
			    (count > 0 && str_eq(extra[count - 1].name, level)))
				continue;
			if (count == room) {
				struct folder_info *more =
				    arena_array(c->arena, room * 2, sizeof(*more));

				memcpy(more, extra, count * sizeof(*more));
				extra = more;
				room *= 2;
			}
			extra[count++] = (struct folder_info){ .name = level };
		}
	}
	*out = extra;
	return count;
}

enum outcome
tree_load(struct imap *s, struct command *c, struct folder_tree *t, struct why *why)
{
	struct folder_info *v, *extra;
	size_t n, more, kept = 0;
	enum outcome o = home_list(s->home, c->arena, &v, &n, why);

	if (o != DONE)
		return o;
	qsort(v, n, sizeof(*v), by_name);
	more = add_levels(c, v, n, &extra);
	t->v = arena_array(c->arena, MAX(n + more, (size_t)1), sizeof(*t->v));
	memcpy(t->v, v, n * sizeof(*v));
	memcpy(t->v + n, extra, more * sizeof(*extra));
	qsort(t->v, n + more, sizeof(*t->v), by_name);
	for (size_t i = 0; i < n + more; i++) { /* a level may have been added twice */
		if (kept == 0 || !str_eq(t->v[kept - 1].name, t->v[i].name))
			t->v[kept++] = t->v[i];
	}
	t->n = kept;
	return DONE;
}

void
tree_below(const struct folder_tree *t, struct str name, size_t *from, size_t *to)
{
	char text[MAILBOX_NAME_MAX * 2 + 1];
	struct str prefix = { text, name.n + 1 };

	*from = *to = 0;
	if (name.n + 1 > sizeof(text))
		return;
	memcpy(text, name.p, name.n);
	text[name.n] = FOLDER_SEP;
	*from = *to = lower_bound(t->v, t->n, prefix);
	while (*to < t->n && str_starts(t->v[*to].name, prefix))
		++*to;
}

bool
list_pattern(struct command *c, struct str reference, struct str pattern, struct str *out)
{
	struct buf raw, utf8;
	bool ok;

	buf_init(&raw, PATTERN_MAX);
	buf_init(&utf8, PATTERN_MAX);
	ok = buf_put(&raw, reference) && buf_put(&raw, pattern) &&
	     mutf7_to_utf8(buf_str(&raw), &utf8);
	if (ok)
		*out = arena_str(c->arena, buf_str(&utf8));
	buf_free(&raw);
	buf_free(&utf8);
	return ok;
}

void
list_put_root(struct imap *s, const char *response)
{
	io_printf(s->io, "* %s (\\Noselect) \"%c\" \"\"\r\n", response, FOLDER_SEP);
}
