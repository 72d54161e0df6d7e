/*
 * resolver_fuzz.c - any tables and any address: the resolver comes to an end,
 * within its limits, and every home stays below the root.
 *
 * The input is lines: the first is the address, the others rows "a source
 * destination", "m address home", "d name target"; '-' for switched off.
 */
#include "authd/resolver.h"
#include "base/fuzz.h"

#define ROWS_MAX 64

struct rows {
	struct str lines[ROWS_MAX];
	size_t n;
	unsigned asked;
};

static bool
is_any(struct str s, const struct name *n)
{
	return str_eq(s, n->address) || str_eq(s, n->base) || str_eq(s, n->catchall);
}

static enum outcome
look_up(void *arg, const struct name *n, struct arena *a, struct facts *out, struct deadline d,
    struct why *why)
{
	struct rows *rows = arg;
	struct fact_mailbox *m = arena_array(a, ROWS_MAX, sizeof(*m));
	struct fact_alias *al = arena_array(a, ROWS_MAX, sizeof(*al));

	assert(++rows->asked <= 2 * RESOLVE_LOOKUPS);
	*out = (struct facts){ .mailboxes = m, .aliases = al };
	for (size_t i = 0; i < rows->n; i++) {
		struct str kind, first, second;
		bool on;

		(void)str_cut(rows->lines[i], ' ', &kind, &second);
		(void)str_cut(second, ' ', &first, &second);
		on = str_find(kind, STR("-")) < 0;
		if (str_starts(kind, STR("d")) && str_eq(first, n->domain)) {
			out->domain_known = true;
			out->domain_enabled = on;
			out->alias_of = second;
		} else if (str_starts(kind, STR("m")) && is_any(first, n)) {
			m[out->mailbox_count++] = (struct fact_mailbox){
				.address = first, .home = second, .enabled = on
			};
		} else if (str_starts(kind, STR("a")) && is_any(first, n)) {
			al[out->alias_count++] = (struct fact_alias){ .source = first,
				.destination = second,
				.enabled = on,
				.send_as = true };
		}
	}
	return DONE;
}

static enum outcome
permitted(void *arg, struct str user, const struct name *sender, struct arena *a, bool *yes,
    struct deadline d, struct why *why)
{
	*yes = false;
	return DONE;
}

static void
check(const struct route *r, enum outcome o)
{
	assert(r->target_count <= AUTH_TARGETS_MAX && r->reason_count <= AUTH_REASONS_MAX);
	assert(o != DONE || r->kind == ROUTE_FOREIGN || r->target_count > 0);
	for (size_t i = 0; i < r->target_count; i++) {
		const struct route_target *t = &r->targets[i];

		assert(str_chr(t->address, '@') > 0);
		if (t->kind == ROUTE_TO_MAILBOX)
			assert(home_is_safe(t->home) && str_find(t->home, STR("/../")) < 0);
	}
}

FUZZ(data, n)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct rows rows = { 0 };
	struct resolver r = { .directory = { look_up, permitted, &rows },
		.separators = STR("+"),
		.postmaster = STR("postmaster@b"),
		.home = STR("%d/%n") };
	struct str address, rest;
	struct route route;
	bool more;

	if (n > 8192)
		goto out;
	more = str_cut(str_n(data, n), '\n', &address, &rest);
	while (more && rows.n < ROWS_MAX)
		more = str_cut(rest, '\n', &rows.lines[rows.n++], &rest);
	check(&route, resolve(&r, address, true, a, &route, DEADLINE_NEVER, NULL));
	rows.asked = 0;
	if (resolve_send_as(&r, STR("a@b"), address, a, DEADLINE_NEVER, NULL) == GONE)
		assert(0);
out:
	arena_free(&a);
}
