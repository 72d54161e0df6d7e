/*
 * session.c - the turn of a POP3 session and its commands.
 *
 * Never done here:
 * - deleting before QUIT: a session that ends in any other way leaves every
 *   message where it was (RFC 1939 6);
 * - saying anything unasked: POP3 has no words for it, so an administrator's
 *   kick and a restart just close.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "imapd/heavy.h"
#include "imapd/pop3/drop.h"
#include "imapd/pop3/pop3.h"
#include "imapd/sessions.h"
#include "mail/dot.h"
#include "run/io.h"

#define LINE_MAX_OCTETS 1024                          /* RFC 2449 4 asks for 255 */
#define IN_MAX          (16 * 1024 + LINE_MAX_OCTETS) /* what login had read ahead, and a line */
#define OUT_MAX         (64 * 1024)
#define AUTOLOGOUT_MS   (10 * 60 * 1000) /* RFC 1939 3: at least ten minutes */

struct pop3 {
	struct conn conn; /* first: the lot's */
	struct imapd *d;
	struct session session; /* in the list of all */
	struct io *io;          /* ours */
	struct home *home;      /* ours */
	struct drop drop;
	bool greeted;
	bool over; /* QUIT, or it cannot go on: end after this reply */
	unsigned errors;
};

static struct deadline
store_deadline(const struct pop3 *s)
{
	return deadline_in(s->d->lim.store_ms);
}

/* --- replies --- */

static void
ok(struct pop3 *s, const char *text)
{
	io_printf(s->io, "+OK %s\r\n", text);
}

static void
err(struct pop3 *s, const char *text)
{
	io_printf(s->io, "-ERR %s\r\n", text);
	s->errors++;
}

/* RFC 3206 3: our trouble, not theirs. */
static void
err_later(struct pop3 *s)
{
	io_puts(
	    s->io, "-ERR [SYS/TEMP] The mailbox cannot be read now, please try again later\r\n");
}

/* --- arguments --- */

/* One number that names a message; else the refusal is said. */
static bool
take_message(struct pop3 *s, struct str arg, struct msg_row *row, uint32_t *number)
{
	if (!str_u32(arg, number)) {
		err(s, "Expected a message number");
		return false;
	}
	if (!drop_message(&s->drop, *number, row)) {
		err(s, "No such message");
		return false;
	}
	return true;
}

/* --- commands --- */

static void
cmd_stat(struct pop3 *s, struct str args)
{
	uint32_t count;
	uint64_t octets;

	if (drop_stat(&s->drop, store_deadline(s), &count, &octets) != DONE)
		err_later(s);
	else
		io_printf(s->io, "+OK %u %llu\r\n", count, (unsigned long long)octets);
}

static void
list_all(struct pop3 *s)
{
	struct deadline d = store_deadline(s);
	struct drop_walk w = { 0 };
	struct msg_row row;
	uint32_t number, size, count;
	uint64_t octets;

	/* Counted first: once the list has begun there is no way to refuse. */
	if (drop_stat(&s->drop, d, &count, &octets) != DONE) {
		err_later(s);
		return;
	}
	io_printf(s->io, "+OK %u messages (%llu octets)\r\n", count, (unsigned long long)octets);
	while (drop_next(&s->drop, &w, &number, &row)) {
		if (drop_size(&s->drop, &row, d, &size) != DONE)
			size = row.size;
		io_printf(s->io, "%u %u\r\n", number, size);
		io_spill(s->io);
	}
	io_puts(s->io, ".\r\n");
}

static void
cmd_list(struct pop3 *s, struct str args)
{
	struct msg_row row;
	uint32_t number, size;

	if (args.n == 0) {
		list_all(s);
		return;
	}
	if (!take_message(s, args, &row, &number))
		return;
	if (drop_size(&s->drop, &row, store_deadline(s), &size) != DONE)
		err_later(s);
	else
		io_printf(s->io, "+OK %u %u\r\n", number, size);
}

/*
 * UID and UIDVALIDITY, as Dovecot writes them by default (pop3_uidl_format
 * %08Xu%08Xv), so that nobody downloads a mailbox again that was taken over.
 */
static void
put_uidl(struct pop3 *s, const char *before, uint32_t number, uint32_t uid)
{
	io_printf(s->io, "%s%u %08x%08x\r\n", before, number, uid, s->drop.uidvalidity);
}

static void
cmd_uidl(struct pop3 *s, struct str args)
{
	struct drop_walk w = { 0 };
	struct msg_row row;
	uint32_t number;

	if (args.n > 0) {
		if (take_message(s, args, &row, &number))
			put_uidl(s, "+OK ", number, row.uid);
		return;
	}
	io_puts(s->io, "+OK\r\n");
	while (drop_next(&s->drop, &w, &number, &row)) {
		put_uidl(s, "", number, row.uid);
		io_spill(s->io);
	}
	io_puts(s->io, ".\r\n");
}

/* The end of the header and of so many lines of the body behind it (RFC 1939 7, TOP). */
static struct str
top_of(struct str message, uint32_t lines)
{
	size_t at = 0;
	bool body = false;

	while (at < message.n) {
		ptrdiff_t lf = str_chr(str_from(message, at), '\n');
		size_t next = lf < 0 ? message.n : at + (size_t)lf + 1;
		struct str line = str_n(message.p + at, next - at);
		bool blank = str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));

		if (body && lines-- == 0)
			break;
		at = next;
		body = body || blank;
	}
	return str_first(message, at);
}

static void
put_dotted(struct pop3 *s, struct str message)
{
	struct scan in = scan_of(message);
	struct dot dot = { 0 };
	struct str piece;

	while (dot_next(&dot, &in, &piece)) {
		io_put(s->io, piece);
		io_spill(s->io);
	}
	io_put(s->io, dot_end(&dot));
}

/* All of it, or the header and some lines. */
static void
send_message(struct pop3 *s, const struct msg_row *row, bool all, uint32_t lines)
{
	struct msg_file m = { 0 };
	struct why why;
	enum outcome o =
	    folder_open_message(s->drop.folder, row->uid, MSG_DATA, store_deadline(s), &m, &why);

	if (o == PERMFAIL) {
		err(s, "The message was deleted by another session");
		return;
	}
	if (o != DONE) {
		err_later(s);
		return;
	}
	if (!heavy_begin(str_of(s->session.user))) {
		io_puts(s->io, "-ERR [SYS/TEMP] Too many transfers at once\r\n");
	} else {
		ok(s, "Message follows.");
		put_dotted(s, all ? m.data : top_of(m.data, lines));
		heavy_end(str_of(s->session.user));
	}
	msg_close(&m);
	if (all)
		seqset_add(&s->drop.fetched, row->uid, row->uid);
}

static void
cmd_retr(struct pop3 *s, struct str args)
{
	struct msg_row row;
	uint32_t number;

	if (take_message(s, args, &row, &number))
		send_message(s, &row, true, 0);
}

static void
cmd_top(struct pop3 *s, struct str args)
{
	struct str which, how_many;
	struct msg_row row;
	uint32_t number, lines;

	if (!str_cut(args, ' ', &which, &how_many) || !str_u32(how_many, &lines)) {
		err(s, "Syntax: TOP message lines");
		return;
	}
	if (take_message(s, which, &row, &number))
		send_message(s, &row, false, lines);
}

static void
cmd_dele(struct pop3 *s, struct str args)
{
	struct msg_row row;
	uint32_t number;

	if (!take_message(s, args, &row, &number))
		return;
	seqset_add(&s->drop.deleted, row.uid, row.uid);
	ok(s, "Deleted.");
}

static void
cmd_noop(struct pop3 *s, struct str args)
{
	ok(s, "Nothing done.");
}

static void
cmd_rset(struct pop3 *s, struct str args)
{
	seqset_clear(&s->drop.deleted);
	ok(s, "Nothing is deleted.");
}

static void
cmd_capa(struct pop3 *s, struct str args)
{
	io_puts(s->io, "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
		       "EXPIRE NEVER\r\nIMPLEMENTATION Postroom\r\n.\r\n");
}

static void
cmd_quit(struct pop3 *s, struct str args)
{
	struct why why = { 0 };
	uint64_t removed;

	s->over = true;
	if (drop_update(&s->drop, store_deadline(s), &removed, &why) != DONE) {
		/* RFC 1939 6: some or none of them may have been. */
		log_event(LOG_WARN, "pop3.update", kv_id("s", s->session.id),
		    kv_cstr("why", why.text), KV_END);
		io_puts(s->io, "-ERR [SYS/TEMP] Some deleted messages were not removed\r\n");
		return;
	}
	log_event(LOG_INFO, "pop3.quit", kv_id("s", s->session.id), kv_uint("removed", removed),
	    kv_uint("fetched", seqset_count(&s->drop.fetched)), KV_END);
	ok(s, "Bye.");
}

enum arguments {
	ARGS_NONE,
	ARGS_SOME,
	ARGS_MAYBE,
};

static const struct {
	const char *name;
	enum arguments arguments;
	void (*run)(struct pop3 *s, struct str args);
} commands[] = {
	{ "STAT", ARGS_NONE, cmd_stat },
	{ "LIST", ARGS_MAYBE, cmd_list },
	{ "RETR", ARGS_SOME, cmd_retr },
	{ "DELE", ARGS_SOME, cmd_dele },
	{ "UIDL", ARGS_MAYBE, cmd_uidl },
	{ "TOP", ARGS_SOME, cmd_top },
	{ "NOOP", ARGS_NONE, cmd_noop },
	{ "RSET", ARGS_NONE, cmd_rset },
	{ "CAPA", ARGS_NONE, cmd_capa },
	{ "QUIT", ARGS_NONE, cmd_quit },
};

static void
run(struct pop3 *s, struct str line)
{
	struct str name, args;

	(void)str_cut(line, ' ', &name, &args);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (!str_eq_nocase(name, str_of(commands[i].name)))
			continue;
		if (commands[i].arguments == ARGS_NONE && args.n > 0)
			err(s, "No arguments expected");
		else if (commands[i].arguments == ARGS_SOME && args.n == 0)
			err(s, "Arguments expected");
		else
			commands[i].run(s, args);
		return;
	}
	err(s, "Unknown command");
}

/* --- the turn --- */

/* Serve the line that is at the front of the input.  False: there is none. */
static bool
serve_line(struct pop3 *s)
{
	char line[LINE_MAX_OCTETS];
	struct str in = io_input(s->io);
	ptrdiff_t lf = str_chr(str_first(in, LINE_MAX_OCTETS), '\n');
	size_t n;

	if (lf < 0) {
		if (in.n >= LINE_MAX_OCTETS) {
			err(s, "Line too long");
			s->over = true;
		}
		return false;
	}
	/* Copied, since answering may move the buffer. */
	n = (size_t)lf;
	memcpy(line, in.p, n);
	io_consume(s->io, n + 1);
	if (n == 0 || line[n - 1] != '\r')
		err(s, "Lines end with CRLF");
	else
		run(s, str_n(line, n - 1));
	if (s->errors >= s->d->lim.bad_commands)
		s->over = true;
	return true;
}

/* False: the session is over. */
static bool
serve(struct pop3 *s)
{
	while (!s->over) {
		if (serve_line(s) || s->over)
			continue;
		switch (io_drain(s->io)) {
		case IO_GOT:
			break;
		case IO_NONE:
		case IO_FULL:
			return true;
		case IO_EOF:
		case IO_BROKEN:
			return false;
		}
	}
	return false;
}

/* The answer to the password.  False: it was no. */
static bool
greet(struct pop3 *s)
{
	struct why why = { 0 };
	bool in_use;

	s->greeted = true;
	session_enter(&s->session);
	if (drop_open(&s->drop, s->home, store_deadline(s), &in_use, &why) == DONE) {
		ok(s, "Logged in.");
		return true;
	}
	if (in_use)
		io_puts(s->io, "-ERR [IN-USE] Another session has this mailbox\r\n");
	else
		err_later(s);
	return false;
}

static bool
look_up(struct pop3 *s, struct wake wake)
{
	struct why why;

	if (!s->greeted && !greet(s))
		return false;
	if (atomic_load(&s->session.kicked) || wake.draining)
		return false;
	if (wake.expired && !wake.readable)
		return false;
	if (drop_enter(&s->drop, store_deadline(s), &why) == DONE)
		return true;
	err_later(s);
	return false;
}

static enum turn
pop3_turn(struct conn *conn, struct wake wake)
{
	struct pop3 *s = CONTAINER_OF(conn, struct pop3, conn);
	bool go_on = look_up(s, wake) && serve(s);

	drop_leave(&s->drop);
	if (io_flush(s->io, deadline_in(s->d->lim.write_ms)) != DONE || !go_on)
		return TURN_CLOSE;
	conn_deadline(&s->conn, deadline_in(AUTOLOGOUT_MS));
	s->conn.linger = true;
	if (!io_park(s->io))
		conn_wake(&s->conn);
	return TURN_PARK;
}

static void
pop3_closed(struct conn *conn)
{
	struct pop3 *s = CONTAINER_OF(conn, struct pop3, conn);

	log_event(LOG_INFO, "pop3.end", kv_id("s", s->session.id),
	    kv_uint("in", io_octets_in(s->io)), kv_uint("out", io_octets_out(s->io)),
	    kv_int("ms", clock_ms() - s->session.since_ms), KV_END);
	drop_close(&s->drop);
	session_leave(&s->session);
	home_release(&s->home);
	io_free(&s->io); /* closes conn.fd */
	conn->fd = -1;
	free(s);
}

static const struct conn_ops pop3_ops = {
	.name = "pop3",
	.turn = pop3_turn,
	.closed = pop3_closed,
};

enum outcome
pop3_begin(struct imapd *d, const struct handover *h, const struct account *a, struct why *why)
{
	const struct io_limits limits = {
		.in_max = IN_MAX,
		.out_max = OUT_MAX,
		.write_ms = d->lim.write_ms,
		.least_rate = d->lim.least_rate,
	};
	struct home *home = NULL;
	struct pop3 *s;

	if (store_home(d->store, a->home, true, &home, why) != DONE)
		return TEMPFAIL; /* whoever could log in has a mailbox: it is our trouble */
	s = xcalloc(1, sizeof(*s));
	s->d = d;
	s->home = home;
	s->drop = (struct drop){ .home = home };
	s->io = io_new(h->fd, &limits);
	session_init(&s->session, &s->conn, h, a);
	if (h->input.n > 0)
		io_preload(s->io, h->input);
	log_event(LOG_INFO, "pop3.begin", kv_id("s", h->session), kv_str("user", a->user),
	    kv_str("client", h->client), kv_str("tls", h->tls), KV_END);
	if (lot_add(d->lot, &s->conn, h->fd, &pop3_ops, WORK_USER))
		return DONE;
	/* The caller keeps the descriptor and tells the client. */
	(void)io_release_fd(s->io);
	pop3_closed(&s->conn);
	return fail(TEMPFAIL, why, 421, "4.3.2", "Too busy, please try again later");
}
