/*
 * status.c - postroom status, reload and stop: asked of the supervisor, and
 * of authd and deliver for their counts.
 */
#include <jansson.h>
#include <stdio.h>

#include "admin-cli/daemon.h"
#include "admin-cli/report.h"
#include "conf/conf.h"
#include "rpc/auth_client.h"
#include "rpc/deliver_client.h"
#include "rpc/super_proto.h"

#define RELOAD_WAIT_MS 15000
#define COUNTS_WAIT_MS 2000 /* for both: a daemon that hangs must not hide the others' state */

static enum status
ask(struct cli *c, enum super_request what, int64_t wait_ms, struct rpc_in *answer)
{
	struct rpc_client *postroomd;
	struct rpc_out body;
	struct why why = { 0 };
	enum outcome o;
	enum status s = daemon_connect(c, "postroomd", &postroomd);

	if (s != STATUS_DONE)
		return s;
	rpc_out_init(&body);
	o = rpc_call(postroomd, (uint16_t)what, &body, deadline_in(wait_ms), answer, &why);
	rpc_out_free(&body);
	rpc_client_free(&postroomd);
	if (o == PERMFAIL)
		return cli_fail(c, STATUS_REFUSED,
		    "the settings in force stay; postroom config check shows every mistake", "%s",
		    why.text);
	if (o != DONE)
		return cli_fail_why(c, o, &why, NULL, "the supervisor did not answer");
	return STATUS_DONE;
}

static const struct column daemon_columns[] = {
	{ "daemon", "Daemon", COLUMN_TEXT },
	{ "state", "State", COLUMN_TEXT },
	{ "pid", "Process", COLUMN_NUMBER },
	{ "seconds", "Seconds", COLUMN_NUMBER },
	{ "restarts", "Restarts", COLUMN_NUMBER },
	{ "crash_loop", "Crash loop", COLUMN_BOOL },
	{ "last_end", "Last end", COLUMN_TEXT },
};

static const struct column listener_columns[] = {
	{ "listener", "Listener", COLUMN_TEXT },
	{ "where", "Where", COLUMN_TEXT },
	{ "daemon", "Served by", COLUMN_TEXT },
};

static const struct column count_columns[] = {
	{ "queued", "Messages queued", COLUMN_NUMBER },
	{ "oldest", "Oldest (UTC)", COLUMN_TEXT },
	{ "delivered", "Delivered", COLUMN_NUMBER },
	{ "relayed", "Relayed", COLUMN_NUMBER },
	{ "bounced", "Bounces sent", COLUMN_NUMBER },
	{ "set_aside", "Damaged, set aside", COLUMN_NUMBER },
	{ "logins", "Logins", COLUMN_NUMBER },
	{ "logins_refused", "Logins refused", COLUMN_NUMBER },
	{ "logins_limited", "Logins limited", COLUMN_NUMBER },
	{ "database", "Database", COLUMN_TEXT },
	{ "queries", "Queries", COLUMN_NUMBER },
	{ "query_failures", "Queries failed", COLUMN_NUMBER },
};

static bool
read_rows(struct cli *c, struct rpc_in *in, struct report *daemons, struct report *listeners,
    bool *all_ready)
{
	uint32_t n = rpc_get_u32(in);

	*all_ready = true;
	for (uint32_t i = 0; !in->bad && i < MIN(n, (uint32_t)SUPER_ROWS_MAX); i++) {
		struct super_daemon d = { 0 };

		super_daemon_get(in, &d);
		*all_ready = *all_ready && str_eq(d.state, STR("ready"));
		report_cell(daemons, arena_str(c->arena, d.name));
		report_cell(daemons, arena_str(c->arena, d.state));
		report_number(daemons, d.pid);
		report_number(daemons, d.uptime_s);
		report_number(daemons, d.restarts);
		report_bool(daemons, d.crash_loop);
		report_cell(daemons, d.last_end.n > 0 ? arena_str(c->arena, d.last_end) : STR_NONE);
	}
	n = rpc_get_u32(in);
	for (uint32_t i = 0; !in->bad && i < MIN(n, (uint32_t)SUPER_ROWS_MAX); i++) {
		struct super_listener l = { 0 };

		super_listener_get(in, &l);
		report_cell(listeners, arena_str(c->arena, l.name));
		report_cell(listeners, arena_str(c->arena, l.where));
		report_cell(listeners, arena_str(c->arena, l.daemon));
	}
	return rpc_in_done(in);
}

static void
none(struct report *r, unsigned cells)
{
	while (cells-- > 0)
		report_cell(r, STR_NONE);
}

/* What could not be asked is shown as unknown: status is for the days when things are down. */
static void
counts(struct cli *c, struct report *r)
{
	struct rpc_client *deliver = daemon_try(c, "deliver"), *authd = daemon_try(c, "authd");
	struct deadline wait = deadline_in(COUNTS_WAIT_MS);
	struct deliver_counts d = { 0 };
	struct auth_counts a = { 0 };

	if (deliver != NULL && deliver_counts_get(deliver, wait, &d, NULL) == DONE) {
		report_number(r, d.messages);
		report_cell(r, report_time(c->arena, d.oldest_s));
		report_number(r, d.delivered);
		report_number(r, d.relayed);
		report_number(r, d.bounced);
		report_number(r, d.set_aside);
	} else
		none(r, 6);
	if (authd != NULL && auth_counts(authd, wait, c->arena, &a, NULL) == DONE) {
		report_number(r, a.logins);
		report_number(r, a.refused);
		report_number(r, a.limited);
		report_cell(r, a.database_down != 0 ? STR("down")
			       : a.server.n > 0     ? a.server
						    : STR_NONE);
		report_number(r, a.queries);
		report_number(r, a.query_failures);
	} else
		none(r, 6);
	rpc_client_free(&deliver);
	rpc_client_free(&authd);
}

enum status
platform_status(struct cli *c)
{
	struct report daemons, listeners, numbers;
	struct rpc_in answer;
	bool all_ready, good;
	enum status s = ask(c, SUPER_STATUS, DAEMON_WAIT_MS, &answer);

	if (s != STATUS_DONE)
		return s;
	report_begin(&daemons, c, daemon_columns, COUNT_OF(daemon_columns));
	report_begin(&listeners, c, listener_columns, COUNT_OF(listener_columns));
	report_begin(&numbers, c, count_columns, COUNT_OF(count_columns));
	good = read_rows(c, &answer, &daemons, &listeners, &all_ready);
	rpc_in_free(&answer);
	if (!good)
		return cli_fail(c, STATUS_FAILED, "is it of the same version as this command?",
		    "the supervisor's answer was not understood");
	if (all_ready)
		counts(c, &numbers);
	else
		none(&numbers, COUNT_OF(count_columns));
	struct report *parts[] = { &daemons, &listeners, &numbers };
	static const char *const names[] = { "daemons", "listeners", "counts" };

	s = report_parts(parts, names, COUNT_OF(parts));
	if (s == STATUS_DONE && !all_ready)
		return c->json ? STATUS_FAILED
			       : cli_fail(c, STATUS_FAILED, "the log says why",
				     "not every daemon is ready");
	return s;
}

enum status
platform_reload(struct cli *c)
{
	struct rpc_in answer;
	struct str complaint;
	enum status s = cli_conf(c);

	if (s != STATUS_DONE)
		return STATUS_REFUSED; /* the supervisor would say the same; the old ones stay */
	s = ask(c, SUPER_RELOAD, RELOAD_WAIT_MS, &answer);
	if (s != STATUS_DONE)
		return s;
	complaint = arena_str(c->arena, rpc_get_str(&answer));
	rpc_in_free(&answer);
	if (complaint.n > 0)
		return cli_fail(c, STATUS_REFUSED, "that daemon goes on with its old settings",
		    STR_FMT, STR_ARG(complaint));
	return report_done(c, "file", str_of(c->conf_path), "%s is in force", c->conf_path);
}

enum status
platform_stop(struct cli *c)
{
	struct rpc_in answer;
	enum status s = ask(c, SUPER_STOP, DAEMON_WAIT_MS, &answer);

	if (s != STATUS_DONE)
		return s;
	rpc_in_free(&answer);
	return report_done(c, NULL, STR_NONE,
	    "it stops when open sessions have ended, or after %llds",
	    (long long)(c->conf->drain_time / 1000));
}
