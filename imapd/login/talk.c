/*
 * talk.c - the conversation before login: moves octets between the socket
 * and the parser of preauth.h, and does what the parser wishes.
 *
 * Replies are sent before more is read, so a client that does not listen is
 * not heard either, and what is kept for one is bounded by one command.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/secret.h"
#include "imapd/login/login.h"

#define READ_PIECE 4096
#define OUT_MAX    (64 * 1024)
#define COMMANDS   64 /* for one client before the next has its turn */
#define LAST_READ  16 /* pieces thrown away before a close */

enum moved {
	MOVED,
	BLOCKED,
	BROKEN,
};

/* --- octets --- */

static void
shrink(struct buf *b)
{
	if (b->n == 0 && b->room > 0) {
		wipe(b->p, b->room);
		buf_free(b);
	}
}

/* buf_drop, leaving nothing of a password behind. */
static void
drop(struct buf *b, size_t n)
{
	buf_drop(b, n);
	if (n > 0)
		wipe(b->p + b->n, n);
}

static enum moved
sent(struct client *c, const void *p, size_t n, size_t *put)
{
	ssize_t r;

	if (c->tls != NULL) {
		switch (tls_write(c->tls, p, n, put)) {
		case TLS_DONE:
			return MOVED;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return BLOCKED;
		default:
			return BROKEN;
		}
	}
	r = send(c->fd[SIDE_CLIENT], p, n, MSG_NOSIGNAL);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? BLOCKED : BROKEN;
	*put = (size_t)r;
	return MOVED;
}

static enum moved
flush(struct client *c)
{
	struct buf *out = &c->stranger->out;
	size_t put = 0;

	while (out->n > 0) {
		enum moved m = sent(c, out->p, out->n, &put);

		if (m != MOVED)
			return m;
		buf_drop(out, put);
	}
	shrink(out);
	return MOVED;
}

static enum moved
fetch(struct client *c)
{
	struct buf *in = &c->stranger->in;
	size_t room = MIN((size_t)READ_PIECE, PREAUTH_INPUT_MAX - in->n), got = 0;
	char *to = buf_room(in, room);
	ssize_t r;

	assert(to != NULL && room > 0); /* the parser ends what has no room */
	if (c->tls != NULL) {
		switch (tls_read(c->tls, to, room, &got)) {
		case TLS_DONE:
			buf_claim(in, got);
			return MOVED;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return BLOCKED;
		default:
			return BROKEN;
		}
	}
	r = recv(c->fd[SIDE_CLIENT], to, room, 0);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? BLOCKED : BROKEN;
	if (r == 0)
		return BROKEN; /* there is nothing to answer to a client that has left */
	buf_claim(in, (size_t)r);
	return MOVED;
}

/* --- the end --- */

/*
 * Send what can be sent and close.  Input that has come already is read
 * first: closing over it would make a reset, and the peer would never see our
 * last words.
 */
static void
part(struct client *c)
{
	char rest[1024];
	size_t got;

	(void)flush(c);
	for (int i = 0; i < LAST_READ; i++)
		if (c->tls != NULL ? tls_read(c->tls, rest, sizeof(rest), &got) != TLS_DONE
				   : recv(c->fd[SIDE_CLIENT], rest, sizeof(rest), 0) <= 0)
			break;
	wipe(rest, sizeof(rest));
	client_close(c);
}

void
talk_bye(struct client *c, const char *text)
{
	if (c->state == CLIENT_TALK || c->state == CLIENT_DELAYED)
		preauth_bye(&c->stranger->preauth, text, &c->stranger->out);
	if (c->state == CLIENT_HANDSHAKE)
		client_close(c);
	else
		part(c);
}

void
talk_forget(struct client *c)
{
	struct stranger *s = c->stranger;

	if (s == NULL)
		return;
	if (s->exchange != 0)
		auth_abort(c->login->authd, s->exchange);
	if (s->counted)
		addresses_release(c->login->addresses, (struct sockaddr *)&s->address);
	preauth_free(&s->preauth);
	conf_unref(&s->conf);
	s->in.n = s->out.n = 0;
	shrink(&s->in);
	shrink(&s->out);
	free(s);
	c->stranger = NULL;
}

/* --- what is offered --- */

static void
set_offer(struct client *c)
{
	struct stranger *s = c->stranger;
	struct login *l = c->login;
	enum mechanism_list list = s->preauth.tls         ? LIST_TLS
				   : s->preauth.passwords ? LIST_TRUSTED
							  : LIST_CLEAR;

	s->preauth.mechanisms = l->mechanisms[s->preauth.protocol][list];
}

static void
secured(struct client *c)
{
	struct stranger *s = c->stranger;

	preauth_secured(&s->preauth);
	set_offer(c);
	c->state = CLIENT_TALK;
	if (s->implicit_tls)
		preauth_greet(&s->preauth, &s->out);
}

/* --- jobs --- */

static void
address_text(const struct sockaddr *sa, struct arena *a, struct str *text, uint32_t *port)
{
	char name[INET6_ADDRSTRLEN] = "";

	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)sa;

		(void)inet_ntop(AF_INET6, &v6->sin6_addr, name, sizeof(name));
		*port = ntohs(v6->sin6_port);
	} else if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)sa;

		(void)inet_ntop(AF_INET, &v4->sin_addr, name, sizeof(name));
		*port = ntohs(v4->sin_port);
	}
	*text = arena_str(a, str_of(name));
}

static void
our_address(struct client *c, struct arena *a, struct str *text, uint32_t *port)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	(void)getsockname(c->fd[SIDE_CLIENT], (struct sockaddr *)&ss, &n);
	address_text((struct sockaddr *)&ss, a, text, port);
}

static void
refuse_for_now(struct client *c, const char *text)
{
	struct stranger *s = c->stranger;

	s->resume_ms = clock_ms();
	s->refusal = fail(TEMPFAIL, &s->why, 454, "4.7.0", "%s", text);
	talk_resume(c);
}

/* From here on only the job has the client. */
static void
wait_for(struct client *c, struct job *j)
{
	client_watch(c, SIDE_CLIENT, 0);
	client_not_again(c);
	c->state = CLIENT_WAIT;
	if (!job_run(j))
		refuse_for_now(c, "Too many logins at once, try again");
}

static void
add_bindings(struct client *c, struct job *j)
{
	static const char *const kinds[] = { "tls-exporter", "tls-unique", "tls-server-end-point" };
	struct buf data;

	j->begin.bindings = j->bindings;
	for (size_t i = 0; c->tls != NULL && i < COUNT_OF(kinds); i++) {
		buf_init(&data, AUTH_BINDING_MAX);
		if (tls_channel_binding(c->tls, kinds[i], &data))
			j->bindings[j->begin.binding_count++] =
			    (struct auth_binding){ str_of(kinds[i]),
				    arena_str(j->arena, buf_str(&data)) };
		buf_free(&data);
	}
}

static void
start(struct client *c)
{
	struct stranger *s = c->stranger;
	struct preauth *p = &s->preauth;
	struct job *j = job_new(c->login, JOB_START, c);
	uint32_t port;

	j->begin.service = p->protocol == PREAUTH_IMAP ? STR("imap") : STR("pop");
	j->begin.mechanism = arena_str(j->arena, str_of(p->mechanism));
	j->begin.initial = arena_str(j->arena, buf_str(&p->response));
	j->begin.session = c->session;
	j->begin.flags = (p->passwords ? AUTH_FLAG_TLS : 0u) |
			 (p->has_response ? (unsigned)AUTH_FLAG_INITIAL : 0u);
	address_text((struct sockaddr *)&s->address, j->arena, &j->begin.client, &port);
	our_address(c, j->arena, &j->begin.server, &port);
	add_bindings(c, j);
	wait_for(c, j);
}

static void
step(struct client *c)
{
	struct job *j = job_new(c->login, JOB_STEP, c);

	j->exchange = c->stranger->exchange;
	j->response = arena_str(j->arena, buf_str(&c->stranger->preauth.response));
	wait_for(c, j);
}

static void
abort_exchange(struct client *c)
{
	if (c->stranger->exchange != 0)
		auth_abort(c->login->authd, c->stranger->exchange);
	c->stranger->exchange = 0;
}

/* The password is right: to imapd. */
static void
hand_over(struct client *c, const struct auth_answer *r)
{
	struct stranger *s = c->stranger;
	struct job *j;
	int ends[2];

	if (r->host.n > 0 || r->shard >= c->login->shards) {
		log_event(LOG_WARN, "login.host", kv_id("s", c->session), kv_str("host", r->host),
		    kv_uint("shard", r->shard), KV_END);
		refuse_for_now(c, "Your mailbox is not reachable from here");
		return;
	}
	if (c->tls != NULL &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
		log_event(LOG_WARN, "login.pair", kv_int("errno", errno), KV_END);
		refuse_for_now(c, "No resources for another session");
		return;
	}
	j = job_new(c->login, JOB_HANDOVER, c);
	j->shard = r->shard;
	if (c->tls != NULL) {
		c->fd[SIDE_IMAPD] = ends[0];
		j->pair = ends[1];
		j->handover.tls = str_of(
		    arena_printf(j->arena, "%s %s", tls_version(c->tls), tls_cipher(c->tls)));
	}
	j->handover.fd = c->tls != NULL ? ends[1] : c->fd[SIDE_CLIENT];
	j->handover.protocol = s->preauth.protocol == PREAUTH_IMAP ? IMAPD_IMAP : IMAPD_POP3;
	j->handover.session = c->session;
	j->handover.auth_request = r->exchange;
	j->handover.auth_cookie = arena_str(j->arena, r->cookie);
	j->handover.tag = arena_str(j->arena, str_of(s->preauth.tag));
	j->handover.input = arena_str(j->arena, buf_str(&s->in));
	j->handover.id = arena_str(j->arena, buf_str(&s->preauth.id));
	address_text((struct sockaddr *)&s->address, j->arena, &j->handover.client,
	    &j->handover.client_port);
	our_address(c, j->arena, &j->handover.server, &j->handover.server_port);
	wait_for(c, j);
}

static void
handed_over(struct client *c, struct job *j)
{
	if (j->outcome == DONE) {
		if (c->tls != NULL)
			proxy_begin(c);
		else
			client_close(c); /* imapd has a copy of the descriptor */
		return;
	}
	fd_close(&c->fd[SIDE_IMAPD]);
	log_event(LOG_WARN, "login.handover", kv_id("s", c->session), kv_uint("shard", j->shard),
	    kv_cstr("o", outcome_name(j->outcome)), kv_cstr("why", j->why.text), KV_END);
	c->stranger->refusal = j->outcome == GONE ? TEMPFAIL : j->outcome;
	c->stranger->why = j->why;
	c->stranger->resume_ms = clock_ms();
	talk_resume(c);
}

static void
refused(struct client *c, struct job *j)
{
	struct stranger *s = c->stranger;

	s->exchange = 0;
	s->refusal = j->outcome == PERMFAIL ? PERMFAIL : TEMPFAIL;
	s->why = j->why;
	s->resume_ms = clock_ms() + MIN(j->answer.delay_ms, (uint32_t)LOGIN_MS);
	if (j->answer.delay_ms == 0) {
		talk_resume(c);
		return;
	}
	c->state = CLIENT_DELAYED;
	TAILQ_INSERT_TAIL(&c->login->delayed, c, next);
}

void
talk_answered(struct client *c, struct job *j)
{
	struct stranger *s = c->stranger;
	bool doomed = s->doomed;

	assert(c->state == CLIENT_WAIT);
	c->state = CLIENT_TALK;
	if (j->kind == JOB_HANDOVER) {
		/* Once imapd has it, it is logged in, and not too slow any more. */
		if (j->outcome != DONE && doomed)
			talk_bye(c, "Too slow");
		else
			handed_over(c, j);
		return;
	}
	if (j->outcome == DONE && j->answer.state == AUTH_MORE)
		s->exchange = j->answer.exchange;
	else
		s->exchange = 0;
	if (doomed) {
		talk_bye(c, c->login->stopping ? "Going down, come back later" : "Too slow");
	} else if (j->outcome != DONE) {
		refused(c, j);
	} else if (j->answer.state == AUTH_MORE) {
		preauth_challenge(&s->preauth, j->answer.challenge, &s->out);
		talk_on(c);
	} else {
		hand_over(c, &j->answer);
	}
}

void
talk_resume(struct client *c)
{
	struct stranger *s = c->stranger;

	c->state = CLIENT_TALK;
	if (preauth_refused(&s->preauth, s->refusal, &s->why, &s->out) == WANT_CLOSE)
		part(c);
	else
		talk_on(c);
}

/* --- the conversation --- */

void
talk_begin(struct client *c)
{
	struct stranger *s = c->stranger;

	buf_init(&s->in, PREAUTH_INPUT_MAX);
	buf_init(&s->out, OUT_MAX);
	set_offer(c);
	if (s->implicit_tls) {
		c->tls = tls_new(c->login->tls[s->preauth.protocol], c->fd[SIDE_CLIENT], NULL);
		c->state = CLIENT_HANDSHAKE;
	} else {
		c->state = CLIENT_TALK;
		preauth_greet(&s->preauth, &s->out);
	}
	talk_on(c);
}

/* True when it is done; else it waits or is over. */
static bool
shake_hands(struct client *c)
{
	switch (tls_handshake(c->tls)) {
	case TLS_DONE:
		secured(c);
		return true;
	case TLS_WANT_READ:
		client_watch(c, SIDE_CLIENT, EPOLLIN | EPOLLRDHUP);
		return false;
	case TLS_WANT_WRITE:
		client_watch(c, SIDE_CLIENT, EPOLLOUT);
		return false;
	default:
		log_event(LOG_INFO, "login.tls", kv_id("s", c->session),
		    kv_cstr("failed", tls_error(c->tls)), KV_END);
		client_close(c);
		return false;
	}
}

/* False: it waits for something, or is over. */
static bool
obey(struct client *c, enum preauth_want want)
{
	struct stranger *s = c->stranger;

	switch (want) {
	case WANT_INPUT:
		return true;
	case WANT_TLS:
		if (flush(c) != MOVED) { /* a few octets into an empty socket */
			client_close(c);
			return false;
		}
		/* What came in clear behind the command is not obeyed (CVE-2011-0411). */
		drop(&s->in, s->in.n);
		c->tls = tls_new(c->login->tls[s->preauth.protocol], c->fd[SIDE_CLIENT], NULL);
		c->state = CLIENT_HANDSHAKE;
		return shake_hands(c);
	case WANT_START:
	case WANT_STEP:
		/* Replies to what was pipelined before it: imapd, who may answer next, has not got
		 * them. */
		if (flush(c) != MOVED) {
			client_close(c);
			return false;
		}
		if (want == WANT_START)
			start(c);
		else
			step(c);
		return false;
	case WANT_ABORT:
		abort_exchange(c);
		return true;
	case WANT_CLOSE:
		part(c);
		return false;
	}
	return false;
}

/* Nothing whole is here: wait for more.  True when more was there at once. */
static bool
more_input(struct client *c)
{
	switch (flush(c)) {
	case MOVED:
		break;
	case BLOCKED:
		client_watch(c, SIDE_CLIENT, EPOLLOUT);
		return false;
	case BROKEN:
		client_close(c);
		return false;
	}
	switch (fetch(c)) {
	case MOVED:
		return true;
	case BLOCKED:
		shrink(&c->stranger->in);
		client_watch(c, SIDE_CLIENT, EPOLLIN | EPOLLRDHUP);
		return false;
	case BROKEN:
		break;
	}
	client_close(c);
	return false;
}

void
talk_on(struct client *c)
{
	if (c->state == CLIENT_HANDSHAKE && !shake_hands(c))
		return;
	for (int i = 0; i < COMMANDS && c->state == CLIENT_TALK; i++) {
		struct stranger *s = c->stranger;
		enum preauth_want want;
		size_t used;

		/* Replies first: whoever does not take them is not heard. */
		if (s->out.n > OUT_MAX / 4 && flush(c) != MOVED) {
			client_watch(c, SIDE_CLIENT, EPOLLOUT);
			return;
		}
		want = preauth_take(&s->preauth, buf_str(&s->in), &used, &s->out);
		drop(&s->in, used);
		if (want == WANT_INPUT && used == 0) {
			if (!more_input(c))
				return;
		} else if (!obey(c, want)) {
			return;
		}
	}
	if (c->state == CLIENT_TALK)
		client_again(c);
}
