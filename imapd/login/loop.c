/*
 * loop.c - clients come, have their turns, and go.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "imapd/login/login.h"

#define CLIENT_MAGIC 0x4c4f4749u
#define EVENTS_MAX   128

/* What epoll's data says: one of ours, or a client (aligned) and its side in the low bit. */
static char is_kick, is_timer;

static void
add_own(struct login *l, int fd, void *mark)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = mark };

	if (fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		log_fatal("epoll: errno %d", errno);
}

void
login_init(struct login *l, struct conf *conf)
{
	struct itimerspec every = {
		.it_interval.tv_nsec = TICK_MS * 1000000L,
		.it_value.tv_nsec = TICK_MS * 1000000L,
	};

	*l = (struct login){ .conf = conf_ref(conf) };
	l->shards = (unsigned)conf->imap_shards;
	l->addresses = addresses_new();
	TAILQ_INIT(&l->strangers);
	TAILQ_INIT(&l->proxied);
	TAILQ_INIT(&l->dead);
	TAILQ_INIT(&l->again);
	TAILQ_INIT(&l->delayed);
	TAILQ_INIT(&l->ending);
	STAILQ_INIT(&l->done);
	(void)pthread_mutex_init(&l->lock, NULL);
	random_octets(&l->next_session, sizeof(l->next_session));
	l->next_session >>= 24; /* short enough to read, and not the same after a restart */
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	add_own(l, l->kick, &is_kick);
	add_own(l, l->timer, &is_timer);
	if (timerfd_settime(l->timer, 0, &every, NULL) != 0)
		log_fatal("timer: errno %d", errno);
	/* Until authd has said what it has. */
	for (unsigned p = 0; p < 2; p++)
		for (unsigned k = LIST_TRUSTED; k < MECHANISM_LISTS; k++)
			memcpy(l->mechanisms[p][k], "PLAIN LOGIN", sizeof("PLAIN LOGIN"));
}

/* --- a client's descriptors --- */

void
client_watch(struct client *c, enum side side, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uintptr_t)c | side };
	int op = EPOLL_CTL_MOD;

	if (events == c->events[side])
		return;
	/* Out of the set rather than in it for nothing: EPOLLHUP cannot be declined. */
	if (events == 0)
		op = EPOLL_CTL_DEL;
	else if (c->events[side] == 0)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(c->login->epoll, op, c->fd[side], &ev) != 0)
		log_event(LOG_WARN, "login.epoll", kv_int("errno", errno), KV_END);
	c->events[side] = events;
}

void
client_again(struct client *c)
{
	uint64_t one = 1;

	if (c->again || c->state == CLIENT_DEAD)
		return;
	c->again = true;
	TAILQ_INSERT_TAIL(&c->login->again, c, next);
	(void)!write(c->login->kick, &one, sizeof(one));
}

void
client_not_again(struct client *c)
{
	if (c->again)
		TAILQ_REMOVE(&c->login->again, c, next);
	c->again = false;
}

void
client_close(struct client *c)
{
	struct login *l = c->login;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->state == CLIENT_DEAD)
		return;
	client_not_again(c);
	if (c->state == CLIENT_DELAYED)
		TAILQ_REMOVE(&l->delayed, c, next);
	else if (c->ended_ms != 0)
		TAILQ_REMOVE(&l->ending, c, next);
	if (c->stranger != NULL) {
		talk_forget(c);
		TAILQ_REMOVE(&l->strangers, c, link);
		l->stranger_count--;
	} else {
		TAILQ_REMOVE(&l->proxied, c, link);
		l->proxied_count--;
	}
	client_watch(c, SIDE_CLIENT, 0);
	if (c->fd[SIDE_IMAPD] >= 0)
		client_watch(c, SIDE_IMAPD, 0);
	tls_free(&c->tls);
	fd_close(&c->fd[SIDE_CLIENT]);
	fd_close(&c->fd[SIDE_IMAPD]);
	free(c->up.p);
	free(c->down.p);
	c->up = c->down = (struct unsent){ 0 };
	c->state = CLIENT_DEAD;
	TAILQ_INSERT_TAIL(&l->dead, c, link);
}

static void
bury(struct login *l)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&l->dead)) != NULL) {
		TAILQ_REMOVE(&l->dead, c, link);
		c->magic = 0;
		free(c);
	}
}

/* --- coming --- */

static void
turn_away(int fd, enum preauth_protocol protocol, bool implicit_tls)
{
	static const struct str bye[] = {
		[PREAUTH_IMAP] = STR("* BYE Too many connections from your address\r\n"),
		[PREAUTH_POP3] = STR("-ERR [SYS/TEMP] Too many connections from your address\r\n"),
	};

	if (!implicit_tls)
		(void)!send(fd, bye[protocol].p, bye[protocol].n, MSG_NOSIGNAL);
	(void)close(fd);
}

/* With all places taken the one that has needed longest goes (but not in the middle of a job). */
static void
make_room(struct login *l)
{
	struct client *c, *next;

	for (c = TAILQ_FIRST(&l->strangers); c != NULL && l->stranger_count >= STRANGERS_MAX;
	     c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state != CLIENT_WAIT)
			client_close(c);
	}
}

void
login_accepted(int fd, void *arg)
{
	const struct door *d = arg;
	struct login *l = d->login;
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);
	struct sockaddr *sa = (struct sockaddr *)&ss;
	struct stranger *s;
	struct client *c;
	bool trusted;

	if (getpeername(fd, sa, &n) != 0 || (d->implicit_tls && l->tls[d->protocol] == NULL)) {
		(void)close(fd);
		return;
	}
	trusted = conf_nets_have(&l->conf->trusted_networks, sa);
	if (!trusted && !addresses_take(l->addresses, sa, l->conf->connections_per_address)) {
		turn_away(fd, d->protocol, d->implicit_tls);
		return;
	}
	make_room(l);
	c = xcalloc(1, sizeof(*c));
	s = xcalloc(1, sizeof(*s));
	c->magic = CLIENT_MAGIC;
	c->login = l;
	c->fd[SIDE_CLIENT] = fd;
	c->fd[SIDE_IMAPD] = -1;
	c->session = l->next_session++;
	c->stranger = s;
	s->address = ss;
	s->counted = !trusted;
	s->implicit_tls = d->implicit_tls;
	s->opened_ms = clock_ms();
	preauth_init(&s->preauth, d->protocol);
	s->preauth.may_tls = l->tls[d->protocol] != NULL;
	s->preauth.passwords = trusted || l->conf->allow_plaintext_login;
	s->conf = conf_ref(l->conf);
	s->preauth.hostname = s->conf->hostname;
	TAILQ_INSERT_TAIL(&l->strangers, c, link);
	l->stranger_count++;
	talk_begin(c);
	bury(l);
}

/* --- what time brings --- */

static void
ask_mechanisms(struct login *l, int64_t now)
{
	if (l->mechanisms_asked || (l->mechanisms_known && now < l->mechanisms_ms + MECHANISMS_MS))
		return;
	l->mechanisms_asked = job_run(job_new(l, JOB_MECHANISMS, NULL));
}

static void
tick(struct login *l)
{
	int64_t now = clock_ms();
	struct client *c, *next;

	for (c = TAILQ_FIRST(&l->strangers); c != NULL; c = next) {
		if (now < c->stranger->opened_ms + LOGIN_MS)
			break;
		next = TAILQ_NEXT(c, link);
		if (c->state == CLIENT_WAIT)
			c->stranger->doomed = true;
		else
			talk_bye(c, "Too slow");
	}
	for (c = TAILQ_FIRST(&l->delayed); c != NULL; c = next) {
		next = TAILQ_NEXT(c, next);
		if (now < c->stranger->resume_ms)
			continue;
		TAILQ_REMOVE(&l->delayed, c, next);
		talk_resume(c);
	}
	while ((c = TAILQ_FIRST(&l->ending)) != NULL && now >= c->ended_ms + LINGER_MS)
		client_close(c);
	if (!l->stopping)
		ask_mechanisms(l, now);
}

/* --- turns --- */

static void
go_on(struct client *c)
{
	switch ((enum client_state)c->state) {
	case CLIENT_HANDSHAKE:
	case CLIENT_TALK:
		talk_on(c);
		return;
	case CLIENT_PROXY:
		proxy_on(c);
		return;
	case CLIENT_WAIT:
	case CLIENT_DELAYED:
	case CLIENT_DEAD:
		return;
	}
}

/* Those who were cut short; whoever is cut short again comes in the next round. */
static void
serve_again(struct login *l)
{
	struct client *last = TAILQ_LAST(&l->again, clients), *c;

	while ((c = TAILQ_FIRST(&l->again)) != NULL) {
		client_not_again(c);
		go_on(c);
		if (c == last)
			break;
	}
}

static void
dispatch(struct login *l, const struct epoll_event *ev)
{
	uint64_t count;
	struct client *c;

	if (ev->data.ptr == &is_kick) {
		(void)!read(l->kick, &count, sizeof(count));
		jobs_collect(l);
		serve_again(l);
	} else if (ev->data.ptr == &is_timer) {
		(void)!read(l->timer, &count, sizeof(count));
		tick(l);
	} else {
		c = (struct client *)(uintptr_t)(ev->data.u64 & ~(uint64_t)1);
		CHECK_MAGIC(c, CLIENT_MAGIC);
		go_on(c);
	}
}

static void
take_events(struct login *l, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(l->epoll, events, EVENTS_MAX, timeout_ms);

	for (int i = 0; i < n; i++)
		dispatch(l, &events[i]);
	bury(l);
}

void
login_turn(struct login *l)
{
	take_events(l, 0);
}

void
login_wait(struct login *l, struct deadline d)
{
	take_events(l, deadline_left_ms(d));
}

void
login_stop(struct login *l)
{
	struct client *c, *next;

	l->stopping = true;
	for (c = TAILQ_FIRST(&l->strangers); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CLIENT_WAIT)
			c->stranger->doomed = true;
		else
			talk_bye(c, "Going down, come back later");
	}
	bury(l);
}
