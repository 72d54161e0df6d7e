/*
 * queue.c - postroom queue: what waits to be delivered, asked of deliver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin-cli/daemon.h"
#include "admin-cli/report.h"
#include "rpc/deliver_client.h"

#define QUEUE_HINT "postroom status shows what is down"

static struct str
id_text(struct cli *c, uint64_t id)
{
	return str_of(arena_printf(c->arena, "%llx", (unsigned long long)id));
}

static enum status
id_typed(struct cli *c, const char *typed, uint64_t *id)
{
	char *end;

	*id = strtoull(typed, &end, 16);
	if (*end != '\0' || end == typed || *id == 0 || typed[0] == '-' || strlen(typed) > 16)
		return cli_fail(c, STATUS_USAGE, "postroom queue list shows the ids",
		    "'%s' is no id of a message", typed);
	return STATUS_DONE;
}

static struct str
state_text(uint8_t state)
{
	return state == DELIVER_QUEUE_ACTIVE ? STR("active") : STR("waiting");
}

static struct str
rcpt_state_text(uint8_t state)
{
	switch (state) {
	case DELIVER_RCPT_PENDING:
		return STR("pending");
	case DELIVER_RCPT_DELIVERED:
		return STR("delivered");
	case DELIVER_RCPT_FAILED:
		return STR("failed");
	case DELIVER_RCPT_DROPPED:
		return STR("dropped");
	default:
		return STR("unknown");
	}
}

static struct str
sender_text(struct cli *c, struct str from)
{
	return from.n == 0 ? STR("<>") : arena_str(c->arena, from);
}

/* --- list --- */

static const struct column list_columns[] = {
	{ "id", "Id", COLUMN_TEXT },
	{ "arrived", "Arrived (UTC)", COLUMN_TEXT },
	{ "size", "Size", COLUMN_SIZE },
	{ "from", "From", COLUMN_TEXT },
	{ "to", "To", COLUMN_TEXT },
	{ "pending", "Pending", COLUMN_NUMBER },
	{ "recipients", NULL, COLUMN_NUMBER },
	{ "state", "State", COLUMN_TEXT },
	{ "next", "Next try (UTC)", COLUMN_TEXT },
	{ "tries", "Tries", COLUMN_NUMBER },
	{ "reason", "Reason", COLUMN_TEXT },
};

struct listing {
	struct cli *c;
	struct report *report;
	uint64_t last;
};

static void
list_row(const struct deliver_queue_row *row, void *arg)
{
	struct listing *l = arg;
	struct arena *a = l->c->arena;

	report_cell(l->report, id_text(l->c, row->id));
	report_cell(l->report, report_time(a, row->arrived_s));
	report_number(l->report, row->size);
	report_cell(l->report, sender_text(l->c, row->from));
	report_cell(l->report, arena_str(a, row->to));
	report_number(l->report, row->pending);
	report_number(l->report, row->recipients);
	report_cell(l->report, state_text(row->state));
	report_cell(l->report, report_time(a, row->next_s));
	report_number(l->report, row->tries);
	report_cell(l->report, arena_str(a, row->reason));
	l->last = row->id;
}

enum status
queue_list(struct cli *c)
{
	struct rpc_client *deliver;
	struct why why = { 0 };
	struct report r;
	struct listing l = { c, &r, 0 };
	enum outcome o = DONE;
	bool more = true;
	enum status s = daemon_connect(c, "deliver", &deliver);

	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, list_columns, COUNT_OF(list_columns));
	while (more && o == DONE)
		o = deliver_queue_list(deliver, l.last, DELIVER_QUEUE_PAGE,
		    deadline_in(DAEMON_WAIT_MS), list_row, &l, &more, &why);
	rpc_client_free(&deliver);
	if (o != DONE)
		return cli_fail_why(c, o, &why, QUEUE_HINT, "the queue could not be listed");
	if (r.count == 0 && !c->json) {
		puts("the queue is empty");
		return STATUS_DONE;
	}
	return report_list(&r);
}

/* --- show --- */

struct showing {
	struct cli *c;
	struct report *report;
	struct buf recipients;
};

static void
show_row(const struct deliver_queue_row *row, void *arg)
{
	struct showing *s = arg;
	struct arena *a = s->c->arena;

	report_cell(s->report, id_text(s->c, row->id));
	report_cell(s->report, report_time(a, row->arrived_s));
	report_number(s->report, row->size);
	report_cell(s->report, sender_text(s->c, row->from));
	report_cell(s->report, state_text(row->state));
	report_cell(s->report, report_time(a, row->next_s));
	report_number(s->report, row->tries);
}

static void
show_rcpt(const struct deliver_queue_rcpt *rcpt, void *arg)
{
	struct showing *s = arg;
	struct str state = rcpt_state_text(rcpt->state);

	if (s->recipients.n > 0)
		buf_putc(&s->recipients, '\n');
	buf_printf(&s->recipients, STR_FMT ": " STR_FMT, STR_ARG(rcpt->address), STR_ARG(state));
	if (rcpt->target.n > 0 && !str_eq(rcpt->target, rcpt->address))
		buf_printf(&s->recipients, " to " STR_FMT, STR_ARG(rcpt->target));
	if (rcpt->reason.n > 0)
		buf_printf(&s->recipients, " (" STR_FMT ")", STR_ARG(rcpt->reason));
}

/* The message as it is in the queue, for a pipe or another program; a terminal gets it escaped. */
static enum status
print_message(struct cli *c, int fd)
{
	bool terminal = isatty(STDOUT_FILENO);
	char block[16384];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(fd, block, sizeof(block), at)) > 0) {
		at += n;
		if (!terminal) {
			if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
				return STATUS_FAILED;
			continue;
		}
		struct str line, rest = str_n(block, (size_t)n);

		while (rest.n > 0) {
			bool whole = str_cut(rest, '\n', &line, &rest);
			struct str safe = report_escape(c->arena,
			    str_ends(line, STR("\r")) ? str_first(line, line.n - 1) : line);

			printf(STR_FMT "%s", STR_ARG(safe), whole ? "\n" : "");
		}
	}
	return n == 0 && fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED;
}

enum status
queue_show(struct cli *c)
{
	static const struct column columns[] = {
		{ "id", "Id", COLUMN_TEXT },
		{ "arrived", "Arrived (UTC)", COLUMN_TEXT },
		{ "size", "Size", COLUMN_SIZE },
		{ "from", "From", COLUMN_TEXT },
		{ "state", "State", COLUMN_TEXT },
		{ "next", "Next try (UTC)", COLUMN_TEXT },
		{ "tries", "Tries", COLUMN_NUMBER },
		{ "recipients", "Recipients", COLUMN_LINES },
	};
	struct rpc_client *deliver;
	struct why why = { 0 };
	struct report r;
	struct showing show = { .c = c, .report = &r };
	int fd = -1;
	uint64_t id;
	enum outcome o;
	enum status s = id_typed(c, c->operands[0], &id);

	if (s == STATUS_DONE)
		s = daemon_connect(c, "deliver", &deliver);
	if (s != STATUS_DONE)
		return s;
	report_begin(&r, c, columns, COUNT_OF(columns));
	buf_init(&show.recipients, 1024 * 1024);
	o = deliver_queue_show(
	    deliver, id, deadline_in(DAEMON_WAIT_MS), show_row, show_rcpt, &show, &fd, &why);
	rpc_client_free(&deliver);
	if (o == PERMFAIL)
		s = cli_fail(c, STATUS_NOT_FOUND, "postroom queue list shows what waits",
		    "there is no message %s in the queue", c->operands[0]);
	else if (o != DONE)
		s = cli_fail_why(c, o, &why, QUEUE_HINT, "the message could not be shown");
	else if (cli_option(c, "message") != NULL)
		s = print_message(c, fd);
	else {
		report_cell(&r, arena_str(c->arena, buf_str(&show.recipients)));
		s = report_one(&r);
	}
	buf_free(&show.recipients);
	fd_close(&fd);
	return s;
}

/* --- retry, drop --- */

enum status
queue_retry(struct cli *c)
{
	bool all = cli_option(c, "all") != NULL;
	struct rpc_client *deliver;
	struct why why = { 0 };
	uint32_t messages = 0;
	uint64_t id = 0;
	enum outcome o;
	enum status s = STATUS_DONE;

	if (all == (c->operand_count == 1))
		return cli_fail(c, STATUS_USAGE, NULL, "give the id of a message, or --all");
	if (!all)
		s = id_typed(c, c->operands[0], &id);
	if (s == STATUS_DONE)
		s = daemon_connect(c, "deliver", &deliver);
	if (s != STATUS_DONE)
		return s;
	o = deliver_queue_retry(deliver, id, deadline_in(DAEMON_WAIT_MS), &messages, &why);
	rpc_client_free(&deliver);
	if (o == PERMFAIL || (o == DONE && !all && messages == 0))
		return cli_fail(c, STATUS_NOT_FOUND, "postroom queue list shows what waits",
		    "there is no message %s in the queue", c->operands[0]);
	if (o != DONE)
		return cli_fail_why(c, o, &why, QUEUE_HINT, "the queue could not be told");
	return report_done(c, "messages", str_of(arena_printf(c->arena, "%u", messages)),
	    "%u messages are tried now", messages);
}

enum status
queue_drop(struct cli *c)
{
	bool bounce = cli_option(c, "bounce") != NULL;
	struct rpc_client *deliver;
	struct why why = { 0 };
	uint64_t id;
	enum outcome o;
	enum status s = id_typed(c, c->operands[0], &id);

	if (s == STATUS_DONE)
		s = daemon_connect(c, "deliver", &deliver);
	if (s != STATUS_DONE)
		return s;
	o = deliver_queue_drop(deliver, id, bounce, deadline_in(DAEMON_WAIT_MS), &why);
	rpc_client_free(&deliver);
	if (o == PERMFAIL)
		return cli_fail(c, STATUS_NOT_FOUND, "postroom queue list shows what waits",
		    "there is no message %s in the queue", c->operands[0]);
	if (o != DONE)
		return cli_fail_why(c, o, &why, QUEUE_HINT, "the message could not be dropped");
	return report_done(c, "id", id_text(c, id),
	    bounce ? "dropped %s; its sender is told" : "dropped %s; its sender is not told",
	    c->operands[0]);
}
