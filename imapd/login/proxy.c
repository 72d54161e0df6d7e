/*
 * proxy.c - after login, with TLS: copy octets between the client's TLS and
 * imapd's end of a socket pair.
 *
 * A piece is at most one TLS record.  What cannot be sent is kept, and its
 * source is not read until it is gone; so at most one piece waits in each
 * direction.  A session at rest holds no buffer: pieces go through one
 * scratch area of the thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/secret.h"
#include "imapd/login/login.h"

enum flow {
	FLOW_ON,     /* a piece was moved */
	FLOW_SOURCE, /* nothing to read now */
	FLOW_SINK,   /* the other side takes no more now */
	FLOW_ENDED,  /* the source has ended, and all was passed on */
	FLOW_BROKEN,
};

static char scratch[PIECE]; /* the loop's thread only */

static void
keep(struct unsent *u, const char *p, size_t n)
{
	u->p = xmalloc(n);
	memcpy(u->p, p, n);
	u->at = 0;
	u->n = (uint32_t)n;
}

static void
sent_all(struct unsent *u)
{
	free(u->p);
	*u = (struct unsent){ 0 };
}

/* How much of p was taken; less than n: the sink is full.  False: broken. */
static bool
to_imapd(struct client *c, const char *p, size_t n, size_t *put)
{
	*put = 0;
	while (*put < n) {
		ssize_t r = send(c->fd[SIDE_IMAPD], p + *put, n - *put, MSG_NOSIGNAL);

		if (r < 0)
			return errno == EAGAIN || errno == EINTR;
		*put += (size_t)r;
	}
	return true;
}

static bool
to_client(struct client *c, const char *p, size_t n, size_t *put)
{
	size_t some;

	*put = 0;
	while (*put < n) {
		switch (tls_write(c->tls, p + *put, n - *put, &some)) {
		case TLS_DONE:
			*put += some;
			break;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return true;
		default:
			return false;
		}
	}
	return true;
}

typedef bool (*sink_fn)(struct client *c, const char *p, size_t n, size_t *put);

/* Send what waits.  FLOW_ON: nothing waits any more. */
static enum flow
send_unsent(struct client *c, struct unsent *u, sink_fn sink)
{
	size_t put;

	if (u->p == NULL)
		return FLOW_ON;
	if (!sink(c, u->p + u->at, u->n - u->at, &put))
		return FLOW_BROKEN;
	u->at += (uint32_t)put;
	if (u->at < u->n)
		return FLOW_SINK;
	sent_all(u);
	return FLOW_ON;
}

/* Send a fresh piece in the scratch area. */
static enum flow
pass_on(struct client *c, size_t n, struct unsent *u, sink_fn sink)
{
	size_t put;

	if (!sink(c, scratch, n, &put))
		return FLOW_BROKEN;
	if (put == n)
		return FLOW_ON;
	keep(u, scratch + put, n - put);
	return FLOW_SINK;
}

/* One piece from imapd to the client. */
static enum flow
move_down(struct client *c)
{
	enum flow f = send_unsent(c, &c->down, to_client);
	ssize_t r;

	if (f != FLOW_ON)
		return f;
	if (c->down_ended)
		return FLOW_ENDED;
	r = recv(c->fd[SIDE_IMAPD], scratch, sizeof(scratch), 0);
	if (r > 0)
		return pass_on(c, (size_t)r, &c->down, to_client);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return FLOW_SOURCE;
	/* A shard that was killed resets the pair: its sessions end as well. */
	c->down_ended = true;
	return FLOW_ENDED;
}

/* One piece from the client to imapd. */
static enum flow
move_up(struct client *c)
{
	enum flow f = send_unsent(c, &c->up, to_imapd);
	size_t got;

	if (f == FLOW_BROKEN) {
		/* imapd reads no more; what it has said still goes down. */
		sent_all(&c->up);
		c->up_ended = true;
		return FLOW_ENDED;
	}
	if (f != FLOW_ON)
		return f;
	if (c->up_ended)
		return FLOW_ENDED;
	switch (tls_read(c->tls, scratch, sizeof(scratch), &got)) {
	case TLS_DONE:
		f = pass_on(c, got, &c->up, to_imapd);
		if (f != FLOW_BROKEN)
			return f;
		c->up_ended = true;
		return FLOW_ENDED;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return FLOW_SOURCE;
	case TLS_CLOSED:
		/* imapd learns of it and ends the session; its last words go down. */
		c->up_ended = true;
		(void)shutdown(c->fd[SIDE_IMAPD], SHUT_WR);
		return FLOW_ENDED;
	case TLS_BROKEN:
		break;
	}
	return FLOW_BROKEN;
}

/* imapd has ended, but the client has not taken all it said. */
static void
await_end(struct client *c)
{
	if (c->ended_ms != 0)
		return;
	client_not_again(c);
	c->up_ended = true; /* there is nobody to hear it */
	c->ended_ms = clock_ms();
	TAILQ_INSERT_TAIL(&c->login->ending, c, next);
}

void
proxy_on(struct client *c)
{
	enum flow up = FLOW_ON, down = FLOW_ON;
	uint32_t client_events = 0, imapd_events = 0;

	for (int i = 0; i < ROUNDS && (up == FLOW_ON || down == FLOW_ON); i++) {
		if (down == FLOW_ON)
			down = move_down(c);
		if (up == FLOW_ON && down != FLOW_BROKEN)
			up = move_up(c);
	}
	if (up == FLOW_BROKEN || down == FLOW_BROKEN || down == FLOW_ENDED) {
		client_close(c);
		return;
	}
	if (c->down_ended) {
		await_end(c);
		up = FLOW_ENDED;
	}
	if (up == FLOW_ON || up == FLOW_SOURCE)
		client_events |= EPOLLIN | EPOLLRDHUP;
	if (up == FLOW_SINK)
		imapd_events |= EPOLLOUT;
	if (down == FLOW_ON || down == FLOW_SOURCE)
		imapd_events |= EPOLLIN;
	if (down == FLOW_SINK)
		client_events |= EPOLLOUT;
	client_watch(c, SIDE_CLIENT, client_events);
	client_watch(c, SIDE_IMAPD, imapd_events);
	/* Decrypted octets that epoll knows nothing of. */
	if (up == FLOW_ON && tls_pending(c->tls))
		client_again(c);
}

void
proxy_begin(struct client *c)
{
	struct login *l = c->login;

	talk_forget(c);
	TAILQ_REMOVE(&l->strangers, c, link);
	l->stranger_count--;
	TAILQ_INSERT_TAIL(&l->proxied, c, link);
	l->proxied_count++;
	c->state = CLIENT_PROXY;
	proxy_on(c);
}
