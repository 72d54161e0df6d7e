/*
 * main.c - login: IMAP and POP3 until the password is right, then the TLS
 * proxy to imapd.  It has no mail, no files and no database.
 *
 * The lot of lib/run serves the control socket and the listeners; the loop's
 * own epoll set is one more descriptor to it, so everything is one thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imapd/login/login.h"
#include "run/confine.h"
#include "run/daemon.h"

#define JOB_THREADS 64 /* logins that wait for authd or imapd at the same time */
#define JOB_QUEUE   8192

static const char *const alpn_imap[] = { "imap", NULL };
static const char *const alpn_pop3[] = { "pop3", NULL };

static struct {
	const char *name;
	struct door door;
} doors[] = {
	{ "imap", { NULL, PREAUTH_IMAP, false } },
	{ "imaps", { NULL, PREAUTH_IMAP, true } },
	{ "pop3", { NULL, PREAUTH_POP3, false } },
	{ "pop3s", { NULL, PREAUTH_POP3, true } },
};

struct process {
	struct daemon *daemon;
	struct login login;
	struct lot *lot;
};

static void
on_wire(const char *peer, int fd, void *arg)
{
	struct process *p = arg;
	char name[32];

	if (strcmp(peer, "authd") == 0) {
		rpc_client_attach(p->login.authd, fd);
		return;
	}
	for (unsigned i = 0; i < p->login.shards; i++) {
		(void)snprintf(name, sizeof(name), "imapd-%u", i);
		if (strcmp(peer, name) == 0) {
			rpc_client_attach(p->login.imapd[i], fd);
			return;
		}
	}
	log_event(LOG_WARN, "login.wire", kv_cstr("peer", peer), KV_END);
	fd_close(&fd);
}

static enum outcome
take_certificate(struct process *p, struct why *why)
{
	struct tls_context *imap = NULL, *pop3 = NULL;
	struct str pem = daemon_certificate(p->daemon);

	if (pem.n == 0)
		return DONE;
	if (tls_context_server(pem, pem, alpn_imap, &imap, why) != DONE)
		return PERMFAIL;
	if (tls_context_server(pem, pem, alpn_pop3, &pop3, why) != DONE) {
		tls_context_unref(&imap);
		return PERMFAIL;
	}
	tls_context_unref(&p->login.tls[PREAUTH_IMAP]);
	tls_context_unref(&p->login.tls[PREAUTH_POP3]);
	p->login.tls[PREAUTH_IMAP] = imap;
	p->login.tls[PREAUTH_POP3] = pop3;
	return DONE;
}

static void
take_listeners(struct process *p)
{
	int fd;

	for (size_t i = 0; i < COUNT_OF(doors); i++) {
		doors[i].door.login = &p->login;
		while ((fd = daemon_listener(p->daemon, doors[i].name)) >= 0)
			lot_listen(p->lot, fd, login_accepted, &doors[i].door);
	}
}

static enum outcome
reload(struct daemon *d, void *arg, struct why *why)
{
	struct process *p = arg;

	if (take_certificate(p, why) != DONE)
		return PERMFAIL;
	conf_unref(&p->login.conf);
	p->login.conf = conf_ref(daemon_conf(d));
	take_listeners(p);
	return DONE;
}

static void
stop(struct daemon *d, void *arg)
{
	struct process *p = arg;

	login_stop(&p->login);
}

static void
loop_ready(int fd, void *arg)
{
	struct process *p = arg;

	login_turn(&p->login);
}

/* Sessions end as imapd ends them; whoever is left at the deadline is cut. */
static void
drain(struct login *l, struct deadline d)
{
	while ((l->proxied_count > 0 || l->stranger_count > 0) && !deadline_passed(d))
		login_wait(l, d);
}

int
main(void)
{
	static struct process p;
	static const struct confinement row = {
		.daemon = "login",
		.allow = ALLOW_ACCEPT | ALLOW_PAIRS,
	};
	struct daemon_hooks hooks = { .reload = reload, .stop = stop, .arg = &p };
	int64_t drain_ms;
	struct why why;
	char name[32];

	p.daemon = daemon_begin("login");
	login_init(&p.login, daemon_conf(p.daemon));
	drain_ms = p.login.conf->drain_time;
	p.login.authd = rpc_client_new("authd");
	p.login.imapd = xcalloc(p.login.shards, sizeof(*p.login.imapd));
	for (unsigned i = 0; i < p.login.shards; i++) {
		(void)snprintf(name, sizeof(name), "imapd-%u", i);
		p.login.imapd[i] = rpc_client_new(xstrdup(name));
	}
	if (take_certificate(&p, &why) != DONE)
		log_fatal("%s", why.text);
	confine(&row);
	p.login.pool = pool_new(
	    &(struct pool_limits){ .threads = JOB_THREADS, .keep = 2, .queue = JOB_QUEUE });
	p.lot = lot_new(p.login.pool);
	daemon_on_wire(p.daemon, on_wire, &p);
	take_listeners(&p);
	lot_watch(p.lot, p.login.epoll, loop_ready, &p);
	daemon_serve(p.daemon, p.lot, &hooks, drain_ms);
	drain(&p.login, deadline_in(drain_ms));
	log_event(LOG_INFO, "login.end", kv_uint("cut", p.login.proxied_count), KV_END);
	/* Threads may be waiting for daemons that have ended already. */
	_exit(EXIT_SUCCESS);
}
