/*
 * fakes.c - stands for authd and imapd in the tests of login, by the name it
 * is started under.
 *
 * authd knows one password, "secret", for every user, in PLAIN and in a
 * mechanism X-CHALLENGE that asks for it; a wrong one costs 200 ms.  imapd
 * answers each handover with what it was told, then echoes every line;
 * "send N" sends N octets, "bye" ends.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "rpc/auth_proto.h"
#include "rpc/imap_proto.h"
#include "run/daemon.h"
#include "run/io.h"

#define PEER_LOGIN 1
#define WAIT_MS    (60 * 1000)

static struct {
	struct daemon *daemon;
	struct lot *lot;
	struct rpc_server *server;
	const char *name;
} me;

/* --- authd --- */

static enum outcome
say(struct rpc_out *out, bool good, const struct auth_begin *b)
{
	struct why why = { 0 };
	struct auth_answer r = { 0 };
	enum outcome o = DONE;

	if (good) {
		r.state = AUTH_DONE;
		r.exchange = 42;
		r.cookie = STR("0123456789abcdef");
	} else {
		r.state = AUTH_REFUSED;
		r.delay_ms = 200;
		o = fail(PERMFAIL, &why, 535, "5.7.8", "Wrong user or password");
	}
	auth_verdict_put(out, o, &why);
	auth_answer_put(out, &r);
	return DONE;
}

static enum outcome
handle_start(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	struct auth_begin b;

	if (!auth_begin_get(in, rq->arena, &b))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed");
	if (str_eq_nocase(b.mechanism, STR("X-CHALLENGE"))) {
		struct auth_answer r = {
			.state = AUTH_MORE, .exchange = 7, .challenge = STR("who?")
		};

		auth_verdict_put(out, DONE, why);
		auth_answer_put(out, &r);
		return DONE;
	}
	return say(out, str_ends(b.initial, STR("\0secret")), &b);
}

static enum outcome
handle_step(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	uint64_t exchange = rpc_get_u64(in);
	struct str response = rpc_get_str(in);

	return say(out, exchange == 7 && str_eq(response, STR("secret")), NULL);
}

static enum outcome
handle_mechanisms(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	(void)rpc_get_str(in);
	rpc_put_str(out, rpc_get_u32(in) != 0 ? STR("PLAIN X-CHALLENGE") : STR("X-CHALLENGE"));
	return DONE;
}

static enum outcome
handle_abort(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	return DONE;
}

/* --- imapd --- */

static void
send_octets(struct io *io, uint64_t n)
{
	static const char piece[4096] = "0123456789";

	for (; n > 0; n -= MIN(n, sizeof(piece)))
		io_put(io, str_n(piece, MIN(n, sizeof(piece))));
	io_puts(io, "\r\n");
}

static bool
serve_line(struct io *io, struct str line)
{
	struct str word, rest;
	uint64_t n;

	(void)str_cut(line, ' ', &word, &rest);
	if (str_eq(word, STR("bye")))
		return false;
	if (str_eq(word, STR("send")) && str_u64(rest, &n))
		send_octets(io, n);
	else if (str_eq(word, STR("swallow")))
		;
	else
		io_printf(io, "* " STR_FMT "\r\n", STR_ARG(line));
	return true;
}

static void
serve_lines(struct io *io)
{
	for (;;) {
		struct str in = io_input(io);
		ptrdiff_t lf = str_chr(in, '\n');

		if (lf >= 0) {
			if (!serve_line(io, str_trim(str_first(in, (size_t)lf))))
				break;
			io_consume(io, (size_t)lf + 1);
		} else if (io_fill(io, deadline_in(WAIT_MS)) != DONE) {
			break;
		}
	}
	io_puts(io, "* BYE\r\n");
	(void)!io_flush(io, deadline_in(WAIT_MS));
}

struct session {
	struct io *io;
	struct buf input;
};

static void *
run_session(void *arg)
{
	struct session *s = arg;
	struct str rest = buf_str(&s->input), line;

	while (rest.n > 0) {
		(void)str_cut(rest, '\n', &line, &rest);
		serve_line(s->io, str_trim(line));
	}
	serve_lines(s->io);
	io_free(&s->io);
	buf_free(&s->input);
	free(s);
	return NULL;
}

static enum outcome
handle_handover(
    void *arg, struct rpc_request *rq, struct rpc_in *in, struct rpc_out *out, struct why *why)
{
	static const struct io_limits limits = { 65536, 65536, WAIT_MS, 0 };
	struct handover h;
	struct session *s;
	pthread_t id;

	if (!handover_get(in, &h))
		return fail(PERMFAIL, why, 501, "5.5.4", "Malformed");
	if (h.auth_request != 42 || str_eq(h.tag, STR("fail"))) {
		(void)close(h.fd);
		return fail(TEMPFAIL, why, 451, "4.3.0", "Not today");
	}
	s = xcalloc(1, sizeof(*s));
	s->io = io_new(h.fd, &limits);
	buf_init(&s->input, 65536);
	buf_put(&s->input, h.input);
	io_printf(s->io, "%s OK by %s, tls=" STR_FMT " client=" STR_FMT " id=" STR_FMT "\r\n",
	    h.protocol == IMAPD_IMAP ? "tag" : "+OK", me.name, STR_ARG(h.tls), STR_ARG(h.client),
	    STR_ARG(h.id));
	if (pthread_create(&id, NULL, run_session, s) != 0)
		log_fatal("no thread");
	(void)pthread_detach(id);
	return DONE;
}

static const struct rpc_handler table[] = {
	{ AUTH_START, PEER_LOGIN, handle_start },
	{ AUTH_STEP, PEER_LOGIN, handle_step },
	{ AUTH_MECHANISMS, PEER_LOGIN, handle_mechanisms },
	{ AUTH_ABORT, PEER_LOGIN, handle_abort },
	{ 0 },
};
static const struct rpc_handler imapd_table[] = {
	{ IMAPD_HANDOVER, PEER_LOGIN, handle_handover },
	{ 0 },
};

static void
on_wire(const char *peer, int fd, void *arg)
{
	if (strcmp(peer, "login") == 0)
		(void)rpc_server_attach(me.server, fd, PEER_LOGIN);
	else
		(void)close(fd);
}

int
main(int argc, char **argv)
{
	struct pool *pool;

	me.name = argv[0];
	me.daemon = daemon_begin(argv[0]);
	me.server =
	    rpc_server_new(me.name, strcmp(me.name, "authd") == 0 ? table : imapd_table, 4, NULL);
	pool = pool_new(&(struct pool_limits){ .threads = 2, .keep = 0, .queue = 16 });
	me.lot = lot_new(pool);
	daemon_on_wire(me.daemon, on_wire, NULL);
	daemon_serve(me.daemon, me.lot, NULL, 1000);
	_exit(0);
}
