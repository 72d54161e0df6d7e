#include "authd/socketmap.h"

#include <stdlib.h>

#include "base/log.h"
#include "run/io.h"
#include "run/park.h"

#define MAGIC        0x50c4e7a9u
#define ANSWER_MS    8000
#define IDLE_MS      (10 * 60 * 1000)
#define ARENA_OCTETS (16 * 1024 * 1024)

struct client {
	struct conn conn;
	uint32_t magic;
	struct auth *auth;
	struct io *io;
};

/* --- the maps --- */

static void
not_now(struct buf *out, const struct why *why)
{
	(void)buf_printf(out, "TEMP %s", why->text);
}

static void
map_domains(struct auth *a, struct str key, struct arena *arena, struct deadline d, struct buf *out)
{
	struct facts f = { 0 };
	struct name n = { 0 };
	struct str address;
	struct why why;

	/* A domain is asked about by way of an address in it that nobody has. */
	address = str_of(arena_printf(arena, "-@" STR_FMT, STR_ARG(key)));
	if (!name_parse(address, STR(""), arena, &n)) {
		(void)buf_puts(out, "NOTFOUND ");
		return;
	}
	if (a->resolver.directory.look_up(a->resolver.directory.arg, &n, arena, &f, d, &why) !=
	    DONE)
		not_now(out, &why);
	else if (f.domain_known && f.domain_enabled)
		(void)buf_printf(out, "OK " STR_FMT, STR_ARG(n.domain));
	else
		(void)buf_puts(out, "NOTFOUND ");
}

static void
map_mailboxes(
    struct auth *a, struct str key, struct arena *arena, struct deadline d, struct buf *out)
{
	struct auth_home home;
	bool enabled = false;
	struct why why;
	struct name n;
	enum outcome o;

	if (!name_parse(key, a->resolver.separators, arena, &n)) {
		(void)buf_puts(out, "NOTFOUND ");
		return;
	}
	o = auth_find_home(a, n.address, arena, &home, &enabled, d, &why);
	if (o == PERMFAIL && !str_eq(n.base, n.address))
		o = auth_find_home(a, n.base, arena, &home, &enabled, d, &why);
	if (o == TEMPFAIL)
		not_now(out, &why);
	else if (o == DONE && enabled)
		(void)buf_printf(out, "OK " STR_FMT "/Maildir/", STR_ARG(home.home));
	else
		(void)buf_puts(out, "NOTFOUND ");
}

static void
map_aliases(struct auth *a, struct str key, struct arena *arena, struct deadline d, struct buf *out)
{
	struct route r;
	struct why why;
	enum outcome o = resolve(&a->resolver, key, false, arena, &r, d, &why);

	if (o == TEMPFAIL) {
		not_now(out, &why);
		return;
	}
	if (o != DONE || r.kind != ROUTE_LOCAL) {
		(void)buf_puts(out, "NOTFOUND ");
		return;
	}
	(void)buf_puts(out, "OK ");
	for (size_t i = 0; i < r.target_count; i++)
		(void)buf_printf(
		    out, "%s" STR_FMT, i > 0 ? "," : "", STR_ARG(r.targets[i].address));
}

/* Those whose mailboxes the address leads to, by aliases that give the right to send. */
static void
map_sender_login(
    struct auth *a, struct str key, struct arena *arena, struct deadline d, struct buf *out)
{
	struct why why;
	struct route r;
	enum outcome o = resolve_senders(&a->resolver, key, arena, &r, d, &why);
	bool any = false;

	if (o == TEMPFAIL) {
		not_now(out, &why);
		return;
	}
	for (size_t i = 0; o == DONE && i < r.target_count; i++) {
		if (r.targets[i].kind != ROUTE_TO_MAILBOX)
			continue;
		(void)buf_printf(
		    out, "%s" STR_FMT, any ? "," : "OK ", STR_ARG(r.targets[i].address));
		any = true;
	}
	if (!any)
		(void)buf_puts(out, "NOTFOUND ");
}

static const struct {
	const char *name;
	void (*answer)(struct auth *a, struct str key, struct arena *arena, struct deadline d,
	    struct buf *out);
} maps[] = {
	{ "domains", map_domains },
	{ "virtual_mailbox_domains", map_domains },
	{ "mailboxes", map_mailboxes },
	{ "virtual_mailbox_maps", map_mailboxes },
	{ "aliases", map_aliases },
	{ "virtual_alias_maps", map_aliases },
	{ "sender_login", map_sender_login },
	{ "smtpd_sender_login_maps", map_sender_login },
};

void
socketmap_answer(
    struct auth *a, struct str request, struct arena *arena, struct deadline d, struct buf *out)
{
	struct str name, key;

	(void)str_cut(request, ' ', &name, &key);
	for (size_t i = 0; i < COUNT_OF(maps); i++) {
		if (!str_eq(name, str_of(maps[i].name)))
			continue;
		/* Postfix also asks for "@domain", bare local parts and parents of domains. */
		if (key.n == 0 || key.p[0] == '@' || memchr(key.p, '\0', key.n) != NULL)
			(void)buf_puts(out, "NOTFOUND ");
		else
			maps[i].answer(a, key, arena, d, out);
		if (out->full) {
			buf_clear(out);
			(void)buf_puts(out, "TEMP answer too long");
		}
		return;
	}
	(void)buf_puts(out, "PERM no such map");
}

/* --- the connections --- */

static void
reply(struct client *c, struct str request)
{
	struct arena *arena = arena_new(ARENA_OCTETS);
	struct buf out;

	buf_init(&out, SOCKETMAP_REPLY_MAX);
	socketmap_answer(c->auth, request, arena, deadline_in(ANSWER_MS), &out);
	io_printf(c->io, "%zu:", out.n);
	io_put(c->io, buf_str(&out));
	io_puts(c->io, ",");
	buf_free(&out);
	arena_free(&arena);
}

static enum turn
turn(struct conn *conn, struct wake why)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);
	enum io_got got = IO_NONE;
	struct str text;
	size_t used;

	CHECK_MAGIC(c, MAGIC);
	if (why.expired || why.draining)
		return TURN_CLOSE;
	do {
		enum netstring n;

		got = io_drain(c->io);
		while ((n = netstring_take(io_input(c->io), SOCKETMAP_REQUEST_MAX, &text, &used)) ==
		       NETSTRING_WHOLE) {
			reply(c, text);
			io_consume(c->io, used);
		}
		if (n == NETSTRING_BROKEN || got == IO_FULL)
			return TURN_CLOSE;
	} while (got == IO_GOT);
	if (io_flush(c->io, deadline_in(ANSWER_MS)) != DONE || got == IO_EOF || got == IO_BROKEN)
		return TURN_CLOSE;
	conn_deadline(conn, deadline_in(IDLE_MS));
	return io_park(c->io) ? TURN_PARK : TURN_CLOSE;
}

static void
closed(struct conn *conn)
{
	struct client *c = CONTAINER_OF(conn, struct client, conn);

	io_free(&c->io);
	free(c);
}

static const struct conn_ops ops = { .name = "socketmap", .turn = turn, .closed = closed };

void
socketmap_accepted(int fd, void *arg)
{
	static const struct io_limits limits = {
		.in_max = 16 * 1024, .out_max = 16 * 1024, .write_ms = ANSWER_MS
	};
	struct client *c = xcalloc(1, sizeof(*c));

	c->magic = MAGIC;
	c->auth = arg;
	c->io = io_new(fd, &limits);
	if (!lot_add(c->auth->lot, &c->conn, fd, &ops, WORK_USER))
		closed(&c->conn);
}
