/*
 * session.c - the turn of an IMAP session.
 *
 * Never done here:
 * - waiting for the client's next octet: an incomplete command stays in the
 *   connection's buffer and the session parks;
 * - keeping rows, UIDs or anything of the folder while parked: what the
 *   client knows is the view's three watermarks;
 * - saying EXPUNGE while no command is in progress, but for IDLE.
 */
#include "imapd/session.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "imapd/announce.h"
#include "imapd/command.h"

#define COMMAND_ARENA (16 * 1024 * 1024)
#define OUT_MAX       (64 * 1024)

const struct imap_limits imap_limits_default = {
	.bad_commands = 20,
	.autologout_ms = 30 * 60 * 1000,
	.keepalive_ms = 2 * 60 * 1000,
	.write_ms = 60 * 1000,
	.store_ms = 20 * 1000,
	.body_ms = 30 * 60 * 1000,
	.least_rate = 100,
};

struct deadline
imap_store_deadline(const struct imap *s)
{
	return deadline_in(s->d->lim.store_ms);
}

void
imap_bye(struct imap *s, const char *text)
{
	if (!s->bye)
		io_printf(s->io, "* BYE %s\r\n", text);
	s->bye = true;
}

enum outcome
imap_enter(struct imap *s, bool sync)
{
	struct why why = { 0 };
	enum outcome o;

	if (s->entered)
		return DONE;
	o = view_enter(&s->view, sync, imap_store_deadline(s), &why);
	if (o == DONE)
		s->entered = true;
	if (o != PERMFAIL)
		return o;
	imap_bye(s, "The mailbox was deleted or had to be rebuilt, please log in again");
	return GONE;
}

void
imap_leave(struct imap *s)
{
	if (s->entered)
		view_leave(&s->view);
	s->entered = false;
}

void
imap_unselect(struct imap *s)
{
	if (!selected(s))
		return;
	mailbox_unwatch(s->d->boxes, &s->watcher);
	view_close(&s->view);
	s->view = (struct view){ 0 };
	s->entered = false;
	seqset_free(&s->recent);
	s->read_only = s->is_inbox = false;
}

/* --- idling --- */

static void
end_idle(struct imap *s)
{
	free(s->idle_tag);
	s->idle_tag = NULL;
	atomic_store(&s->session.idling, false);
}

/* A wake-up while idling: say what is new. */
static bool
idle_look(struct imap *s, bool sync)
{
	enum outcome o = DONE;

	if (selected(s))
		o = imap_enter(s, sync);
	if (s->entered)
		o = announce(s, NULL, true);
	imap_leave(s);
	return o != GONE; /* what cannot be read now is told another time */
}

/* The line that ends IDLE (RFC 2177 3).  False: not here yet. */
static bool
idle_done(struct imap *s)
{
	struct reader_line line;
	enum reader_got got = reader_next(&s->reader, io_input(s->io), command_streams, &line);

	if (got == READER_MORE)
		return false;
	if (got == READER_COMMAND && str_eq_nocase(line.text, STR("DONE"))) {
		if (idle_look(s, true))
			io_printf(s->io, "%s OK IDLE completed\r\n", s->idle_tag);
	} else {
		io_printf(s->io, "%s BAD Expected DONE\r\n", s->idle_tag);
		s->bads++;
	}
	if (got == READER_CONTINUE) { /* a literal was announced: its line is dropped */
		s->reader = (struct reader){ .skipping = true };
		line.octets = 0;
	}
	io_consume(s->io, line.octets);
	end_idle(s);
	if ((got == READER_LITERAL || got == READER_STREAM) && !line.sync)
		imap_bye(s, "That was not DONE"); /* a literal is coming that nobody wants */
	return true;
}

/* --- the turn --- */

/*
 * All complete commands that are here.  False: the session is over.
 *
 * The text of a command is copied out of the connection's buffer, since
 * answering it may write, and that may move the buffer.
 */
static bool
serve_one(struct imap *s, bool *more)
{
	struct reader_line line;

	*more = true;
	if (s->idle_tag != NULL) {
		*more = idle_done(s);
		return !s->bye;
	}
	switch (reader_next(&s->reader, io_input(s->io), command_streams, &line)) {
	case READER_MORE:
		*more = false;
		return true;
	case READER_CONTINUE:
		io_puts(s->io, "+ OK\r\n");
		return true;
	case READER_SKIP:
		io_consume(s->io, line.octets);
		return true;
	case READER_TOO_LONG:
		io_consume(s->io, line.octets);
		io_puts(s->io, "* BAD Command too long\r\n");
		s->bads++;
		return true;
	case READER_LITERAL: {
		struct str tag = str_first(line.text, 128);
		struct str rest;

		(void)str_cut(tag, ' ', &tag, &rest);
		if (!line.sync) {
			imap_bye(s, "Literal too large");
			return false;
		}
		io_printf(s->io, STR_FMT " BAD Literal too large\r\n", STR_ARG(tag));
		io_consume(s->io, line.octets);
		s->bads++;
		return true;
	}
	case READER_COMMAND:
	case READER_STREAM:
		break;
	}
	line.text = arena_str(s->command, line.text);
	io_consume(s->io, line.octets);
	s->last_command_ms = clock_ms();
	if (command_run(s, &line) != DONE)
		return false;
	arena_reset(s->command);
	return true;
}

static bool
serve(struct imap *s)
{
	for (;;) {
		bool more;

		if (!serve_one(s, &more) || s->bads >= s->d->lim.bad_commands)
			return false;
		if (more)
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
}

/*
 * When it has to be looked at again.  Keepalives of one user fall into the
 * same second, so that a phone's radio wakes once for all its folders.
 */
static void
set_deadline(struct imap *s)
{
	int64_t now = clock_ms();
	int64_t every = s->d->lim.keepalive_ms;
	int64_t phase;

	if (s->idle_tag == NULL) {
		conn_deadline(
		    &s->conn, (struct deadline){ s->last_command_ms + s->d->lim.autologout_ms });
		return;
	}
	phase = (int64_t)(hash_str(str_of(s->session.user)) % (uint64_t)every);
	conn_deadline(&s->conn, (struct deadline){ ((now - phase) / every + 1) * every + phase });
}

/* What made this turn run besides input.  False: the session is over. */
static bool
look_up(struct imap *s, struct wake why)
{
	if (s->greeting != NULL) { /* the first turn: from here on it may be woken */
		session_enter(&s->session);
		io_printf(s->io, "%s OK [CAPABILITY %s] Logged in\r\n", s->greeting, capabilities);
		free(s->greeting);
		s->greeting = NULL;
	}
	if (atomic_load(&s->session.kicked)) {
		imap_bye(s, "Ended by the administrator");
		return false;
	}
	if (why.draining) {
		imap_bye(s, "The server is restarting, please connect again");
		return false;
	}
	if (s->idle_tag != NULL) {
		if (why.expired)
			io_puts(s->io, "* OK Still here\r\n");
		if (why.woken || why.expired)
			return idle_look(s, false);
	} else if (why.expired && clock_ms() - s->last_command_ms >= s->d->lim.autologout_ms) {
		imap_bye(s, "Nothing was asked for a long time");
		return false;
	}
	return true;
}

static enum turn
imap_turn(struct conn *conn, struct wake why)
{
	struct imap *s = CONTAINER_OF(conn, struct imap, conn);
	bool go_on = look_up(s, why) && serve(s);

	if (s->bads >= s->d->lim.bad_commands)
		imap_bye(s, "Too many mistakes");
	imap_leave(s);
	arena_release(s->command);
	if (io_flush(s->io, deadline_in(s->d->lim.write_ms)) != DONE || !go_on || s->bye)
		return TURN_CLOSE;
	set_deadline(s);
	s->conn.linger = s->idle_tag == NULL;
	if (!io_park(s->io))
		conn_wake(&s->conn);
	return TURN_PARK;
}

static void
imap_closed(struct conn *conn)
{
	struct imap *s = CONTAINER_OF(conn, struct imap, conn);

	log_event(LOG_INFO, "imap.end", kv_id("s", s->session.id),
	    kv_uint("in", io_octets_in(s->io)), kv_uint("out", io_octets_out(s->io)),
	    kv_int("ms", clock_ms() - s->session.since_ms), KV_END);
	imap_unselect(s);
	session_leave(&s->session);
	end_idle(s);
	free(s->greeting);
	home_release(&s->home);
	arena_free(&s->command);
	io_free(&s->io); /* closes conn.fd */
	conn->fd = -1;
	free(s);
}

static const struct conn_ops imap_ops = {
	.name = "imap",
	.turn = imap_turn,
	.closed = imap_closed,
};

/* The folder changed.  Only an idling session has something to say about it now. */
static void
folder_changed(struct watcher *w)
{
	struct imap *s = CONTAINER_OF(w, struct imap, watcher);

	if (atomic_load(&s->session.idling))
		conn_wake(&s->conn);
}

enum outcome
imap_begin(struct imapd *d, const struct handover *h, const struct account *a, struct why *why)
{
	const struct io_limits limits = {
		.in_max = READER_COMMAND_MAX + 1024,
		.out_max = OUT_MAX,
		.write_ms = d->lim.write_ms,
		.least_rate = d->lim.least_rate,
	};
	struct home *home = NULL;
	struct imap *s;
	enum outcome o;

	o = store_home(d->store, a->home, true, &home, why);
	if (o != DONE)
		return TEMPFAIL; /* whoever could log in has a mailbox: it is our trouble */
	s = xcalloc(1, sizeof(*s));
	s->d = d;
	s->home = home;
	s->quota = a->quota;
	s->command = arena_new(COMMAND_ARENA);
	s->watcher.changed = folder_changed;
	s->greeting = str_dup(h->tag);
	s->last_command_ms = clock_ms();
	s->recent = SEQSET_EMPTY;
	s->io = io_new(h->fd, &limits);
	session_init(&s->session, &s->conn, h, a);
	if (h->input.n > 0)
		io_preload(s->io, h->input);
	log_event(LOG_INFO, "imap.begin", kv_id("s", h->session), kv_str("user", a->user),
	    kv_str("client", h->client), kv_str("tls", h->tls), kv_str("id", h->id), KV_END);
	if (lot_add(d->lot, &s->conn, h->fd, &imap_ops, WORK_USER))
		return DONE;
	/* The caller keeps the descriptor and tells the client. */
	(void)io_release_fd(s->io);
	imap_closed(&s->conn);
	return fail(TEMPFAIL, why, 421, "4.3.2", "Too busy, please try again later");
}
