/*
 * main.c - smtpd: SMTP on 25, submission on 587 and 465.
 *
 * Its row in the process table: network in, wires to authd and deliver, no
 * files.  See docs/smtpd.md.
 */
#include "base/log.h"
#include "run/confine.h"
#include "run/daemon.h"
#include "run/tls.h"
#include "smtpd/rpc_backend.h"
#include "smtpd/server.h"

static struct smtpd {
	struct lot *lot;
	struct smtp_server *server;
	struct rpc_backend *backend;
} me;

static const struct confinement row = {
	.daemon = "smtpd",
	.allow = ALLOW_ACCEPT,
	.address_space = 16UL << 30,
};

/* The settings and certificate in force, as the sessions want them. */
static enum outcome
settings_from(struct daemon *d, struct smtp_settings **out, struct why *why)
{
	/* faults.md 7: a client that names another protocol was tricked (RFC 7301 3.2). */
	static const char *const alpn[] = { "smtp", NULL };
	struct str pem = daemon_certificate(d);
	struct tls_context *tls = NULL;
	enum outcome o = DONE;

	if (pem.n > 0)
		o = tls_context_server(pem, pem, alpn, &tls, why);
	if (o == DONE)
		*out = smtp_settings_new(conf_ref(daemon_conf(d)), tls);
	return o;
}

static void
wire(const char *peer, int fd, void *arg)
{
	rpc_backend_wire(me.backend, peer, fd);
}

static void
accepted(int fd, void *arg)
{
	smtp_server_accept(me.server, arg, me.lot, fd);
}

/* Each service may have several, and a reload may bring more. */
static void
take_listeners(struct daemon *d)
{
	int fd;

	for (size_t i = 0; i < COUNT_OF(smtp_services); i++) {
		const struct smtp_service *service = &smtp_services[i];

		while ((fd = daemon_listener(d, service->name)) >= 0)
			lot_listen(me.lot, fd, accepted, (void *)(uintptr_t)service);
	}
}

static enum outcome
reload(struct daemon *d, void *arg, struct why *why)
{
	struct smtp_settings *settings;

	if (settings_from(d, &settings, why) != DONE)
		return PERMFAIL;
	smtp_server_set(me.server, settings);
	take_listeners(d);
	return DONE;
}

int
main(void)
{
	static const struct pool_limits limits = { .threads = 512, .keep = 8, .queue = 20000 };
	const struct daemon_hooks hooks = { .reload = reload };
	struct daemon *d = daemon_begin("smtpd");
	struct smtp_settings *settings;
	struct pool *pool;
	struct why why;
	int64_t drain_ms;

	if (settings_from(d, &settings, &why) != DONE)
		log_fatal("certificate: %s", why.text);
	drain_ms = settings->conf->drain_time;
	confine(&row);

	pool = pool_new(&limits);
	me.lot = lot_new(pool);
	me.backend = rpc_backend_new(pool);
	me.server = smtp_server_new(rpc_backend_table(me.backend), settings);
	daemon_on_wire(d, wire, NULL);
	take_listeners(d);
	daemon_serve(d, me.lot, &hooks, drain_ms);
	lot_free(&me.lot);
	pool_free(&pool);
	smtp_server_free(&me.server);
	rpc_backend_free(&me.backend);
	return 0;
}
