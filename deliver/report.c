#include "deliver/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "deliver/queue.h"
#include "deliver/resolve.h"
#include "mail/header.h"

#define REPORT_ARENA (1024 * 1024)
#define TEXT_MAX     (8 * 1024 * 1024) /* of the report without the original */
#define HEADER_MAX   (64 * 1024)       /* octets of the original's header that are returned */
#define COPY_STEP    (64 * 1024)
#define ID_TEXT_MAX  (256 * 1024)

bool
report_due(const struct env *env, const struct env_target *t, enum dsn_action action)
{
	bool asked = t->notify != 0;

	if (env->e.from.n == 0 || (env->flags & ENV_REPORT) != 0 ||
	    (t->notify & DELIVER_NOTIFY_NEVER) != 0)
		return false;
	switch (action) {
	case DSN_FAILED:
		if (t->kind == DELIVER_TO_MAILBOX && env->e.auth_user.n == 0)
			return false;
		/* RFC 3461 4.1: without the parameter failures are reported ... */
		return !asked || (t->notify & DELIVER_NOTIFY_FAILURE) != 0;
	case DSN_DELAYED:
		/* ... and delays may be, where somebody is there to read it. */
		return asked ? (t->notify & DELIVER_NOTIFY_DELAY) != 0 : env->e.auth_user.n > 0;
	case DSN_DELIVERED:
	case DSN_RELAYED:
		return (t->notify & DELIVER_NOTIFY_SUCCESS) != 0;
	}
	return false;
}

/*
 * The report's own id follows from what it reports on, so that one which is
 * made again after a crash is known for the same.
 */
static uint64_t
report_id(const struct env *env, const struct report *r)
{
	struct buf text;
	uint64_t id;

	buf_init(&text, ID_TEXT_MAX);
	buf_printf(&text, "report %016" PRIx64 " %d %" PRIu32, env->e.id, (int)r->action, r->tries);
	for (size_t i = 0; i < r->count; i++)
		buf_printf(&text, " %" PRIu32, r->on[i].number);
	id = hash_stable(buf_str(&text));
	buf_free(&text);
	return id != 0 ? id : 1;
}

static bool
write_all(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t put = write(fd, s.p, s.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		s = str_from(s, (size_t)put);
	}
	return true;
}

/* The original behind our own lines: all of it, or its header. */
static bool
write_original(int to, const struct message *m, bool full)
{
	uint64_t at = m->skip;
	size_t room = full ? COPY_STEP : HEADER_MAX;
	char *step = xmalloc(room);
	bool good = true;

	while (good && at < m->size) {
		ssize_t got = pread(m->file.fd, step, MIN(m->size - at, (uint64_t)room), (off_t)at);
		struct str s;

		if (got < 0 && errno == EINTR)
			continue;
		good = got > 0;
		if (!good)
			break;
		s = str_n(step, (size_t)got);
		if (!full)
			s = str_first(s, header_size(s));
		good = write_all(to, s);
		at += (uint64_t)got;
		if (!full)
			break;
	}
	free(step);
	return good;
}

static enum outcome
write_report(struct deliver *d, const struct dsn *dsn, struct str prefix,
    const struct message *original, uint64_t id, struct message *out, struct why *why)
{
	struct spool_file file;
	enum outcome o = store_spool(d->store, &file, why);
	struct buf text;
	bool good;

	if (o != DONE)
		return o;
	buf_init(&text, TEXT_MAX);
	buf_put(&text, prefix);
	good = dsn_begin(dsn, &text) && write_all(file.fd, buf_str(&text)) &&
	       write_original(file.fd, original, dsn->full);
	buf_clear(&text);
	good = good && dsn_end(dsn, &text) && write_all(file.fd, buf_str(&text));
	buf_free(&text);
	if (!good) {
		spool_discard(d->store, &file);
		return fail(TEMPFAIL, why, 451, "4.3.0", "A report could not be written");
	}
	return message_own(d->store, &file, id, prefix.n, out, why);
}

static void
fill_dsn(struct dsn *dsn, const struct env *env, const struct report *r, struct str hostname,
    uint64_t id, struct arena *arena)
{
	struct dsn_recipient *rows = arena_array(arena, r->count, sizeof(*rows));

	*dsn = (struct dsn){
		.action = r->action,
		.hostname = hostname,
		.to = env->e.from,
		.id = str_of(arena_printf(arena, "%016" PRIx64, env->e.id)),
		.own_id = str_of(arena_printf(arena, "report-%016" PRIx64, id)),
		.envid = env->e.envid,
		.helo = env->e.helo,
		.arrived_s = (int64_t)env->arrived_s,
		.now_s = wall_s(),
		.until_s = r->until_s,
		.expired = r->expired,
		.full = r->action == DSN_FAILED && env->e.ret == DELIVER_RET_FULL,
		.utf8 = (env->e.flags & DELIVER_SMTPUTF8) != 0 || !str_is_ascii(env->e.from),
		.eightbit = (env->e.flags & (DELIVER_EIGHTBIT | DELIVER_BINARY)) != 0,
		.recipients = rows,
		.recipient_count = r->count,
	};
	for (size_t i = 0; i < r->count; i++) {
		const struct env_target *t = r->on[i].target;

		rows[i] = (struct dsn_recipient){
			.final = t->target,
			.orcpt = t->orcpt,
			.status = t->status,
			.reply = t->reply,
			.mta = t->mta,
			.at_s = (int64_t)t->at_s,
		};
		/* A passing failure that has lasted too long: RFC 3463 class 4 becomes what it is.
		 */
		if (r->action == DSN_FAILED && r->expired &&
		    (t->status.n == 0 || t->status.p[0] == '4'))
			rows[i].status = t->status.n > 0 ? t->status : STR("4.4.7");
		if (!str_is_ascii(t->target))
			dsn->utf8 = true;
	}
}

static enum outcome
send_to(struct deliver *d, const struct env *env, struct message *m, const struct report *r,
    struct arena *arena, struct deadline by, struct why *why)
{
	struct deliver_recipient to = { .address = env->e.from, .notify = DELIVER_NOTIFY_NEVER };
	struct deliver_target *targets;
	struct deliver_envelope e = {
		.id = report_id(env, r),
		.protocol = STR("internal"),
		.recipients = &to,
		.recipient_count = 1,
	};
	struct conf *conf = deliver_conf(d);
	struct message own;
	struct dsn dsn;
	struct buf prefix;
	enum outcome o;
	bool foreign;

	o = resolve_address(d, env->e.from, deadline_min(by, deadline_in(DELIVER_LOOKUP_MS)), arena,
	    &targets, &to.target_count, &foreign, why);
	if (o == DONE) {
		to.targets = targets;
		fill_dsn(&dsn, env, r, str_of(conf->hostname), e.id, arena);
		e.flags = (dsn.eightbit ? DELIVER_EIGHTBIT : 0) | (dsn.utf8 ? DELIVER_SMTPUTF8 : 0);
		buf_init(&prefix, 4 * DELIVER_ADDRESS_MAX);
		(void)!deliver_prefix(&e, &prefix); /* a bounded address */
		o = write_report(d, &dsn, buf_str(&prefix), m, e.id, &own, why);
		buf_free(&prefix);
		if (o == DONE) {
			e.size = own.size;
			o = queue_commit(d->queue, &own, &e, ENV_REPORT, by, why);
			message_end(&own);
		}
	}
	conf_unref(&conf);
	return o;
}

static const char *const action_events[] = {
	[DSN_FAILED] = "failed",
	[DSN_DELAYED] = "delayed",
	[DSN_DELIVERED] = "delivered",
	[DSN_RELAYED] = "relayed",
};

enum outcome
report_send(struct deliver *d, const struct env *env, struct message *m, const struct report *r,
    struct deadline by)
{
	struct arena *arena = arena_new(REPORT_ARENA + r->count * sizeof(struct dsn_recipient));
	struct why why = { 0 };
	enum outcome o = send_to(d, env, m, r, arena, by, &why);

	arena_free(&arena);
	log_event(o == DONE ? LOG_INFO : LOG_WARN, "report", kv_id("t", env->e.id),
	    kv_str("to", env->e.from), kv_cstr("action", action_events[r->action]),
	    kv_uint("recipients", r->count), kv_uint("report", report_id(env, r)),
	    kv_cstr("o", outcome_name(o)), kv_cstr("text", o == DONE ? "" : why.text), KV_END);
	if (o == DONE)
		COUNT(d, bounced);
	/* The sender is no more: nobody is left to be told. */
	return o == PERMFAIL ? DONE : o;
}

void
report_delivered(struct deliver *d, struct message *m, const struct deliver_envelope *e)
{
	struct env_target t = {
		.address = e->recipients[0].address,
		.orcpt = e->recipients[0].orcpt,
		.notify = e->recipients[0].notify,
		.kind = DELIVER_TO_MAILBOX,
		.target = e->recipients[0].targets[0].address,
		.at_s = (uint64_t)wall_s(),
	};
	struct env env = { .e = *e, .arrived_s = (uint64_t)wall_s() };
	struct report_on on = { &t, 0 };
	struct report r = { .action = DSN_DELIVERED, .on = &on, .count = 1 };

	if (report_due(&env, &t, DSN_DELIVERED) &&
	    report_send(d, &env, m, &r, deadline_in(DELIVER_COMMIT_MS)) != DONE) {
		/* report_send has logged it; the mail itself is where it belongs. */
	}
}
