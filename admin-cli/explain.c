/*
 * explain.c - postroom alias test: where an address leads, and why; the
 * answer is the resolver's own, the one RCPT gets.
 */
#include "admin-cli/daemon.h"
#include "admin-cli/report.h"
#include "rpc/auth_client.h"

static struct str
lines_of(struct cli *c, const struct route *r, bool targets)
{
	size_t count = targets ? r->target_count : r->reason_count;
	struct buf text;
	struct str out;

	buf_init(&text, 1024 * 1024);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_putc(&text, '\n');
		if (!targets)
			buf_put(&text, r->reasons[i]);
		else if (r->targets[i].kind == ROUTE_TO_MAILBOX)
			buf_printf(&text, "mailbox " STR_FMT, STR_ARG(r->targets[i].address));
		else
			buf_printf(&text, "elsewhere " STR_FMT, STR_ARG(r->targets[i].address));
	}
	out = arena_str(c->arena, buf_str(&text));
	buf_free(&text);
	return out;
}

enum status
alias_test(struct cli *c)
{
	static const struct column columns[] = {
		{ "address", "Address", COLUMN_TEXT },
		{ "accepted", "Accepted", COLUMN_BOOL },
		{ "verdict", "Verdict", COLUMN_TEXT },
		{ "targets", "Goes to", COLUMN_LINES },
		{ "reasons", "Because", COLUMN_LINES },
	};
	struct deadline wait = deadline_in(DAEMON_WAIT_MS);
	struct rpc_client *authd;
	struct why why = { 0 };
	struct route route = { 0 };
	struct report r;
	enum outcome o;
	enum status s = daemon_connect(c, "authd", &authd);

	if (s != STATUS_DONE)
		return s;
	o = auth_route(authd, str_of(c->operands[0]), true, wait, c->arena, &route, &why);
	rpc_client_free(&authd);
	if (o != DONE && o != PERMFAIL)
		return cli_fail_why(c, o, &why, "postroom status shows what is down",
		    "the address could not be looked up");
	report_begin(&r, c, columns, COUNT_OF(columns));
	report_cell(&r, route.address.n > 0 ? route.address : str_of(c->operands[0]));
	report_bool(&r, o == DONE && route.kind == ROUTE_LOCAL);
	if (o == PERMFAIL)
		report_cell(&r,
		    str_of(arena_printf(c->arena, "%d %s %s", why.code, why.enhanced, why.text)));
	else
		report_cell(&r, route.kind == ROUTE_LOCAL
				    ? STR("hosted here")
				    : STR("not ours: only logged-in users may send there"));
	report_cell(&r, lines_of(c, &route, true));
	report_cell(&r, lines_of(c, &route, false));
	s = report_one(&r);
	if (s == STATUS_DONE && o == PERMFAIL)
		return STATUS_NOT_FOUND;
	return s;
}
