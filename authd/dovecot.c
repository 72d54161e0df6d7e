#include "authd/dovecot.h"

#include <stdlib.h>
#include <unistd.h>

#include "authd/exchange.h"
#include "base/codec.h"
#include "base/log.h"
#include "run/io.h"
#include "run/park.h"

#define MAGIC        0xd07ec074u
#define ANSWER_MS    10000
#define IDLE_MS      (60 * 60 * 1000) /* Postfix keeps its connection for as long as it lives */
#define ARENA_OCTETS (256 * 1024)

/* A login under way, or its refusal held back. */
struct pending {
	bool used;
	uint32_t id;
	uint64_t exchange; /* 0: a refusal */
	int64_t due_ms;
	char *line; /* ours: the refusal */
};

struct client {
	struct conn conn;
	uint32_t magic;
	struct auth *auth;
	struct io *io;
	uint64_t owner; /* of its exchanges */
	bool greeted;   /* our greeting was sent */
	bool versioned; /* theirs came */
	struct pending pending[DOVECOT_PENDING_MAX];
};

static struct pending *
find(struct client *c, uint32_t id)
{
	for (size_t i = 0; i < DOVECOT_PENDING_MAX; i++)
		if (c->pending[i].used && c->pending[i].id == id)
			return &c->pending[i];
	return NULL;
}

static struct pending *
free_one(struct client *c)
{
	for (size_t i = 0; i < DOVECOT_PENDING_MAX; i++)
		if (!c->pending[i].used)
			return &c->pending[i];
	return NULL;
}

static void
forget(struct pending *p)
{
	free(p->line);
	*p = (struct pending){ 0 };
}

/* --- what we say --- */

static void
greet_mechanisms(struct client *c)
{
	struct str name, rest;
	bool more = true;
	struct buf list;

	buf_init(&list, 512);
	/* Whether their client has TLS comes with each AUTH. */
	auth_offer(c->auth, AUTH_FLAG_TLS, STR(""), false, &list);
	rest = buf_str(&list);
	while (more && rest.n > 0) {
		more = str_cut(rest, ' ', &name, &rest);
		io_printf(c->io, "MECH\t" STR_FMT "\t%s\n", STR_ARG(name),
		    str_starts(name, STR("SCRAM-")) ? "mutual-auth" : "plaintext");
	}
	buf_free(&list);
}

static void
greet(struct client *c)
{
	unsigned char cookie[16];
	struct buf hex;

	random_octets(cookie, sizeof(cookie));
	buf_init(&hex, 64);
	(void)hex_put(&hex, cookie, sizeof(cookie));
	io_puts(c->io, "VERSION\t1\t2\n");
	greet_mechanisms(c);
	io_printf(c->io, "SPID\t%d\nCUID\t%llu\nCOOKIE\t%s\nDONE\n", (int)getpid(),
	    (unsigned long long)(c->owner & 0x7fffffff), buf_cstr(&hex));
	buf_free(&hex);
	c->greeted = true;
}

static void
say_more(struct client *c, uint32_t id, struct str challenge)
{
	struct buf b;

	buf_init(&b, 2 * AUTH_DATA_MAX);
	(void)base64_put(&b, challenge);
	io_printf(c->io, "CONT\t%u\t", id);
	io_put(c->io, buf_str(&b));
	io_puts(c->io, "\n");
	buf_free(&b);
}

static void
say_done(struct client *c, uint32_t id, struct str user)
{
	struct buf b;

	buf_init(&b, 2 * AUTH_ADDRESS_MAX);
	(void)dovecot_escape(&b, user);
	io_printf(c->io, "OK\t%u\tuser=" STR_FMT "\n", id, STR_ARG(buf_str(&b)));
	buf_free(&b);
}

/* Now, or when its time has come. */
static void
say_refused(struct client *c, uint32_t id, enum outcome o, uint32_t delay_ms, const struct why *why)
{
	struct pending *p = delay_ms > 0 ? free_one(c) : NULL;
	struct buf b;

	buf_init(&b, 1024);
	(void)buf_printf(&b, "FAIL\t%u\t%sreason=", id, o == TEMPFAIL ? "temp\t" : "");
	(void)dovecot_escape(&b, str_of(why->text));
	(void)buf_putc(&b, '\n');
	if (p == NULL)
		io_put(c->io, buf_str(&b));
	else
		*p = (struct pending){ .used = true,
			.id = id,
			.due_ms = clock_ms() + delay_ms,
			.line = str_dup(buf_str(&b)) };
	buf_free(&b);
}

static void
say_due(struct client *c)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < DOVECOT_PENDING_MAX; i++) {
		struct pending *p = &c->pending[i];

		if (!p->used || p->exchange != 0 || p->due_ms > now)
			continue;
		io_puts(c->io, p->line);
		forget(p);
	}
}

/* --- what they ask --- */

static void
tell(struct client *c, uint32_t id, enum outcome o, struct login_result *r, const struct why *why)
{
	struct pending *p;

	if (o != DONE) {
		say_refused(c, id, o, r->answer.delay_ms, why);
		return;
	}
	if (r->answer.state == AUTH_DONE) {
		say_done(c, id, r->home.user);
		return;
	}
	p = free_one(c);
	if (p == NULL) {
		exchange_abort(c->auth, c->owner, r->answer.exchange);
		say_refused(c, id, TEMPFAIL, 0, &(struct why){ .text = "Too many logins at once" });
		return;
	}
	*p = (struct pending){ .used = true, .id = id, .exchange = r->answer.exchange };
	say_more(c, id, r->answer.challenge);
}

static bool
on_auth(struct client *c, const struct dovecot_line *line, struct arena *arena)
{
	struct auth_begin b = {
		.service = line->service,
		.mechanism = line->mechanism,
		.initial = line->response,
		.client = line->client,
		.server = line->server,
		.session = c->owner,
		.flags = (line->secured ? AUTH_FLAG_TLS : 0) |
			 (line->has_response ? AUTH_FLAG_INITIAL : 0),
	};
	struct login_result r;
	struct why why = { 0 };
	enum outcome o;

	if (!c->versioned || find(c, line->id) != NULL)
		return false;
	o = exchange_start(c->auth, c->owner, &b, arena, &r, deadline_in(ANSWER_MS), &why);
	tell(c, line->id, o, &r, &why);
	return true;
}

static bool
on_cont(struct client *c, const struct dovecot_line *line, struct arena *arena)
{
	struct pending *p = find(c, line->id);
	struct login_result r;
	struct why why = { 0 };
	uint64_t number;
	enum outcome o;

	if (p == NULL || p->exchange == 0)
		return false;
	number = p->exchange;
	forget(p);
	o = exchange_step(
	    c->auth, c->owner, number, line->response, arena, &r, deadline_in(ANSWER_MS), &why);
	tell(c, line->id, o, &r, &why);
	return true;
}

static void
on_cancel(struct client *c, const struct dovecot_line *line)
{
	struct pending *p = find(c, line->id);

	if (p == NULL || p->exchange == 0)
		return;
	exchange_abort(c->auth, c->owner, p->exchange);
	forget(p);
}

static bool
on_line(struct client *c, struct str text)
{
	struct arena *arena = arena_new(ARENA_OCTETS);
	struct dovecot_line line;
	bool good = dovecot_parse(text, arena, &line);

	if (good) {
		switch (line.verb) {
		case DOVECOT_VERSION:
			good = line.major == 1;
			c->versioned = good;
			break;
		case DOVECOT_AUTH:
			good = on_auth(c, &line, arena);
			break;
		case DOVECOT_CONT:
			good = on_cont(c, &line, arena);
			break;
		case DOVECOT_CANCEL:
			on_cancel(c, &line);
			break;
		case DOVECOT_CPID:
		case DOVECOT_OTHER:
			break;
		}
	}
	if (!good)
		log_event(LOG_WARN, "auth-client.line", kv_id("s", c->owner), KV_END);
	wipe((char *)(uintptr_t)text.p, text.n); /* the password was in it */
	arena_free(&arena);
	return good;
}

static bool
take_lines(struct client *c)
{
	struct str line, rest;

	while (str_cut(io_input(c->io), '\n', &line, &rest)) {
		if (line.n > DOVECOT_LINE_MAX || !on_line(c, line))
			return false;
		io_consume(c->io, line.n + 1);
	}
	return io_input(c->io).n <= DOVECOT_LINE_MAX;
}

/* By when the next refusal is due, else when nobody has said anything for long. */
static struct deadline
next_due(const struct client *c)
{
	struct deadline d = deadline_in(IDLE_MS);

	for (size_t i = 0; i < DOVECOT_PENDING_MAX; i++)
		if (c->pending[i].used && c->pending[i].exchange == 0)
			d.at_ms = MIN(d.at_ms, c->pending[i].due_ms);
	return d;
}

static enum turn
turn(struct conn *conn, struct wake why)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);
	enum io_got got;

	CHECK_MAGIC(c, MAGIC);
	if (why.draining)
		return TURN_CLOSE;
	if (!c->greeted)
		greet(c);
	do {
		got = io_drain(c->io);
		if (!take_lines(c) || got == IO_FULL)
			return TURN_CLOSE;
	} while (got == IO_GOT);
	say_due(c);
	if (io_flush(c->io, deadline_in(ANSWER_MS)) != DONE || got == IO_EOF || got == IO_BROKEN)
		return TURN_CLOSE;
	conn_deadline(conn, next_due(c));
	return io_park(c->io) ? TURN_PARK : TURN_CLOSE;
}

static void
closed(struct conn *conn)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);

	exchanges_drop(c->auth, c->owner);
	for (size_t i = 0; i < DOVECOT_PENDING_MAX; i++)
		forget(&c->pending[i]);
	io_free(&c->io);
	free(c);
}

static const struct conn_ops ops = { .name = "auth-client", .turn = turn, .closed = closed };

void
dovecot_accepted(int fd, void *arg)
{
	static const struct io_limits limits = {
		.in_max = 2 * DOVECOT_LINE_MAX, .out_max = DOVECOT_LINE_MAX, .write_ms = ANSWER_MS
	};
	struct client *c = xcalloc(1, sizeof(*c));

	c->magic = MAGIC;
	c->auth = arg;
	c->owner = random_u64() | 1ULL << 63; /* wires of rpc have small numbers */
	c->io = io_new(fd, &limits);
	if (!lot_add(c->auth->lot, &c->conn, fd, &ops, WORK_USER))
		closed(&c->conn);
}
