#include "smtpd/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdio.h>

#include "base/log.h"

#define HEARD_MAX (4 * 1024 * 1024)

/* --- authd --- */

static void
one_target(
    struct arena *a, struct smtp_route *out, enum deliver_target_kind kind, struct str address)
{
	struct deliver_target *t = ARENA_NEW(a, struct deliver_target);

	*t = (struct deliver_target){ kind, address };
	out->targets = t;
	out->target_count = 1;
}

static enum outcome
fake_route(void *arg, const struct smtp_route_ask *ask, struct arena *a, struct smtp_route *out,
    struct why *why)
{
	struct fake *f = arg;
	struct str local, domain;

	f->routes_asked++;
	*out = (struct smtp_route){ .hosted = true };
	if (str_eq_nocase(ask->address, STR("postmaster"))) {
		one_target(a, out, DELIVER_TO_MAILBOX, STR("ann@example.test"));
		return DONE;
	}
	local = str_first(ask->address, (size_t)str_rchr(ask->address, '@'));
	domain = str_from(ask->address, local.n + 1);
	if (!str_eq(domain, STR("example.test"))) {
		out->hosted = false;
		one_target(a, out, DELIVER_TO_REMOTE, ask->address);
		return DONE;
	}
	if (str_eq(local, STR("slow")))
		return fail(TEMPFAIL, why, 451, "4.3.0", "Temporary lookup failure");
	if (str_eq(local, STR("team"))) {
		struct deliver_target *t = arena_array(a, 2, sizeof(*t));
		t[0] = (struct deliver_target){ DELIVER_TO_MAILBOX, STR("ann@example.test") };
		t[1] = (struct deliver_target){ DELIVER_TO_MAILBOX, STR("bob@example.test") };
		out->targets = t;
		out->target_count = 2;
		return DONE;
	}
	if (str_eq(local, STR("away"))) {
		one_target(a, out, DELIVER_TO_REMOTE, STR("away@remote.test"));
		return DONE;
	}
	if (!str_eq(local, STR("ann")) && !str_eq(local, STR("bob")) &&
	    !str_eq(local, STR("full")) && !str_starts(local, STR("u")))
		return fail(PERMFAIL, why, 550, "5.1.1", "No such user here");
	one_target(a, out, DELIVER_TO_MAILBOX, ask->address);
	out->limited = str_eq(local, STR("full"));
	return DONE;
}

static enum outcome
fake_may_send(void *arg, uint64_t session, struct str user, struct str address, struct why *why)
{
	if (str_eq(address, STR("ann@example.test")) || str_eq(address, STR("sales@example.test")))
		return DONE;
	return fail(PERMFAIL, why, 553, "5.7.1", "Not an address of yours");
}

static enum outcome
fake_quota(void *arg, struct str mailbox, uint64_t size, struct why *why)
{
	return fail(TEMPFAIL, why, 452, "4.2.2", "Mailbox full");
}

static struct str
fake_mechanisms(void *arg, bool protected, bool bindings, struct arena *arena)
{
	return bindings ? STR("SCRAM-SHA-256-PLUS PLAIN LOGIN") : STR("PLAIN LOGIN");
}

/* PLAIN, and LOGIN with its two questions: exchange 1 asks the name, 2 the password. */
static enum outcome
fake_sasl_start(void *arg, const struct auth_begin *ask, struct arena *arena,
    struct auth_answer *answer, struct why *why)
{
	struct fake *f = arg;

	if (str_eq_nocase(ask->mechanism, STR("LOGIN"))) {
		*answer = (struct auth_answer){
			.state = AUTH_MORE, .exchange = 1, .challenge = STR("Username:")
		};
		return DONE;
	}
	if (!str_eq_nocase(ask->mechanism, STR("PLAIN")))
		return fail(PERMFAIL, why, 504, "5.5.4", "Mechanism not offered");
	if ((ask->flags & AUTH_FLAG_INITIAL) == 0) {
		*answer = (struct auth_answer){ .state = AUTH_MORE, .exchange = 3 };
		return DONE;
	}
	answer->delay_ms = f->auth_delay_ms;
	if (!str_eq(ask->initial, STR("\0ann@example.test\0secret")))
		return fail(PERMFAIL, why, 535, "5.7.8", "Authentication failed");
	*answer = (struct auth_answer){ .state = AUTH_DONE, .user = STR("ann@example.test") };
	return DONE;
}

static enum outcome
fake_sasl_step(void *arg, uint64_t exchange, struct str response, struct arena *arena,
    struct auth_answer *answer, struct why *why)
{
	struct auth_begin again = {
		.mechanism = STR("PLAIN"), .initial = response, .flags = AUTH_FLAG_INITIAL
	};

	if (exchange == 3)
		return fake_sasl_start(arg, &again, arena, answer, why);
	if (exchange == 1) {
		*answer = (struct auth_answer){
			.state = AUTH_MORE, .exchange = 2, .challenge = STR("Password:")
		};
		return DONE;
	}
	if (!str_eq(response, STR("secret")))
		return fail(PERMFAIL, why, 535, "5.7.8", "Authentication failed");
	*answer = (struct auth_answer){ .state = AUTH_DONE, .user = STR("ann@example.test") };
	return DONE;
}

static void
fake_sasl_abort(void *arg, uint64_t exchange)
{
}

/* --- deliver --- */

static enum outcome
fake_spool_ready(void *arg, struct why *why)
{
	struct fake *f = arg;

	if (f->ready_outcome != DONE)
		return fail(f->ready_outcome, why, 452, "4.3.1", "No room for mail now");
	return DONE;
}

static enum outcome
fake_spool_take(void *arg, struct deliver_spool *out, struct why *why)
{
	struct fake *f = arg;

	*out = (struct deliver_spool){ 7, memfd_create("spool", MFD_CLOEXEC) };
	assert(out->fd >= 0);
	f->spools_out++;
	return DONE;
}

static void
fake_spool_drop(void *arg, struct deliver_spool *spool)
{
	struct fake *f = arg;

	f->spools_out--;
	fd_close(&spool->fd);
}

static void
note(char *out, size_t room, struct str s)
{
	size_t n = strlen(out);

	(void)snprintf(out + n, room - n, STR_FMT, STR_ARG(s));
}

static enum outcome
fake_commit(void *arg, struct deliver_spool *spool, const struct deliver_envelope *e,
    enum deliver_how *how, struct why *why)
{
	struct fake *f = arg;
	char piece[4096];
	ssize_t n;

	buf_clear(&f->message);
	(void)lseek(spool->fd, 0, SEEK_SET);
	while ((n = read(spool->fd, piece, sizeof(piece))) > 0)
		(void)buf_put(&f->message, str_n(piece, (size_t)n));
	assert(f->message.n == e->size && e->recipient_count > 0);
	f->from[0] = f->recipients[0] = f->envid[0] = f->orcpt[0] = f->protocol[0] = '\0';
	note(f->from, sizeof(f->from), e->from);
	note(f->envid, sizeof(f->envid), e->envid);
	note(f->protocol, sizeof(f->protocol), e->protocol);
	note(f->orcpt, sizeof(f->orcpt), e->recipients[0].orcpt);
	for (size_t i = 0; i < e->recipient_count && i < 10; i++) {
		note(f->recipients, sizeof(f->recipients), e->recipients[i].address);
		note(f->recipients, sizeof(f->recipients), STR(" "));
	}
	f->envelope = *e;
	f->spools_out--;
	fd_close(&spool->fd);
	if (f->commit_outcome != DONE)
		return fail(f->commit_outcome, why, f->commit_outcome == TEMPFAIL ? 451 : 554,
		    f->commit_outcome == TEMPFAIL ? "4.3.0" : "5.3.0", "Not taken");
	f->commits++;
	*how = DELIVER_HOW_DELIVERED;
	return DONE;
}

/* --- the session --- */

static const struct smtp_service *
service_of(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(smtp_services); i++)
		if (strcmp(smtp_services[i].name, name) == 0)
			return &smtp_services[i];
	abort();
}

void
fake_open(struct fake *f, const char *service, const char *settings)
{
	char text[1024];
	struct buf errors;
	struct conf *conf;
	int pair[2];

	*f = (struct fake){ .backend = {
				.route = fake_route,
				.may_send = fake_may_send,
				.quota = fake_quota,
				.mechanisms = fake_mechanisms,
				.sasl_start = fake_sasl_start,
				.sasl_step = fake_sasl_step,
				.sasl_abort = fake_sasl_abort,
				.spool_ready = fake_spool_ready,
				.spool_take = fake_spool_take,
				.spool_drop = fake_spool_drop,
				.commit = fake_commit,
			    } };
	f->backend.arg = f;
	buf_init(&f->heard, HEARD_MAX);
	buf_init(&f->message, HEARD_MAX);
	buf_init(&errors, 4096);
	(void)snprintf(
	    text, sizeof(text), "hostname = mx.example.test\n%s", settings != NULL ? settings : "");
	if (conf_parse(str_of(text), "test", &conf, &errors) != DONE)
		log_fatal("%s", buf_cstr(&errors));
	buf_free(&errors);
	f->server = smtp_server_new(&f->backend, smtp_settings_new(conf, NULL));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	f->peer = pair[0];
	f->s = smtp_new(
	    f->server, smtp_server_settings(f->server), service_of(service), pair[1], "192.0.2.7");
	fake_turn(f, (struct wake){ 0 });
}

void
fake_close(struct fake *f)
{
	smtp_free(&f->s);
	assert(f->spools_out == 0);
	assert(atomic_load(&f->server->body_memory) == 0);
	smtp_server_free(&f->server);
	(void)close(f->peer);
	buf_free(&f->heard);
	buf_free(&f->message);
}

void
fake_turn(struct fake *f, struct wake wake)
{
	char piece[16384];
	ssize_t n;

	if (!f->closed)
		f->closed = smtp_turn(f->s, wake) == TURN_CLOSE;
	while ((n = read(f->peer, piece, sizeof(piece))) > 0)
		(void)buf_put(&f->heard, str_n(piece, (size_t)n));
}

void
fake_send(struct fake *f, struct str octets)
{
	while (octets.n > 0 && !f->closed) {
		ssize_t n = send(f->peer, octets.p, octets.n, MSG_NOSIGNAL);
		if (n > 0)
			octets = str_from(octets, (size_t)n);
		else if (errno != EAGAIN)
			break;
		fake_turn(f, (struct wake){ .readable = true });
	}
	fake_turn(f, (struct wake){ .readable = true });
}

/* "250-a\r\n250 2.0.0 b\r\n" is "250 2.0.0". */
const char *
fake_codes(struct fake *f)
{
	static char out[64 * 1024];
	struct str line, rest = buf_str(&f->heard);
	size_t n = 0;

	out[0] = '\0';
	while (rest.n > 0 && n + 16 < sizeof(out)) {
		struct str code, enhanced, text;

		(void)str_cut(rest, '\n', &line, &rest);
		if (line.n < 4 || line.p[3] == '-')
			continue;
		(void)str_cut(line, ' ', &code, &text);
		(void)str_cut(text, ' ', &enhanced, &text);
		if (enhanced.n < 5 || !ascii_digit(enhanced.p[0]) || enhanced.p[1] != '.')
			enhanced = STR_NONE;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s" STR_FMT "%s" STR_FMT,
		    n > 0 ? "|" : "", STR_ARG(code), enhanced.n > 0 ? " " : "", STR_ARG(enhanced));
	}
	return out;
}

const char *
fake_say(struct fake *f, const char *text)
{
	buf_clear(&f->heard);
	fake_send(f, str_of(text));
	return fake_codes(f);
}
