/*
 * main.c - relay: takes messages out of the house.  The network and the DNS,
 * no files: messages come as read-only descriptors from deliver.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "deliver/relay/relay.h"
#include "rpc/relay_proto.h"
#include "run/confine.h"
#include "run/daemon.h"

#define SWEEP_MS 2000

static struct rpc_server *service;

static void
on_wire(const char *peer, int fd, void *arg)
{
	if (strcmp(peer, "deliver") == 0) {
		(void)rpc_server_attach(service, fd, RELAY_PEER_DELIVER);
		return;
	}
	log_say(LOG_WARN, "a wire to nobody we know: %s", peer);
	(void)close(fd);
}

static struct tls_context *
make_tls(const struct conf *conf, struct why *why)
{
	struct tls_context *c = NULL;

	if (conf->relay_tls == SMTP_TLS_NONE)
		return NULL;
	/* Who has no list of authorities can still encrypt, unless names are to be verified. */
	if (tls_context_client(conf->relay_tls == SMTP_TLS_VERIFY ? TLS_NAME : TLS_OPPORTUNISTIC,
		STR_NONE, &c, why) != DONE)
		log_say(LOG_WARN, "no TLS to other hosts: %s", why->text);
	return c;
}

static enum outcome
on_reload(struct daemon *daemon, void *arg, struct why *why)
{
	struct relay *relay = arg;
	struct conf *conf = conf_ref(daemon_conf(daemon)), *old_conf;
	struct tls_context *tls = make_tls(conf, why), *old_tls;
	char *old_password;

	if (tls == NULL && conf->relay_tls != SMTP_TLS_NONE) {
		conf_unref(&conf);
		return PERMFAIL;
	}
	(void)pthread_mutex_lock(&relay->lock);
	old_conf = relay->conf;
	old_tls = relay->tls;
	old_password = relay->password;
	relay->password = xstrdup(daemon_value(daemon, "smarthost_password"));
	relay->conf = conf;
	relay->tls = tls;
	(void)pthread_mutex_unlock(&relay->lock);
	explicit_bzero(old_password, strlen(old_password));
	free(old_password);
	conf_unref(&old_conf);
	tls_context_unref(&old_tls);
	return DONE;
}

static void
sweep(void *arg)
{
	idle_sweep(((struct relay *)arg)->idle);
}

int
main(void)
{
	struct pool_limits limits = { .threads = 4, .keep = 1, .queue = 64 };
	struct confinement row = {
		.daemon = "relay",
		.allow = ALLOW_CONNECT_TCP | ALLOW_DNS,
	};
	struct daemon *daemon = daemon_begin("relay");
	struct daemon_hooks hooks = { .reload = on_reload };
	struct relay relay = { 0 };
	struct pool *pool;
	struct lot *lot;
	struct why why = { 0 };

	(void)pthread_mutex_init(&relay.lock, NULL);
	hooks.arg = &relay;
	relay.conf = conf_ref(daemon_conf(daemon));
	relay.password = xstrdup(daemon_value(daemon, "smarthost_password"));
	relay.tls = make_tls(relay.conf, &why);
	if (relay.tls == NULL && relay.conf->relay_tls >= SMTP_TLS_REQUIRE)
		log_fatal("TLS is required and cannot be had: %s", why.text);
	relay.dns = dns_new(relay.conf->dns_server);
	if (relay.dns == NULL)
		log_fatal("no DNS, no mail");
	confine(&row);

	relay.idle = idle_new();
	pool = pool_new(&limits);
	service =
	    rpc_server_new("relay", relay_service, (unsigned)relay.conf->relay_connections, &relay);
	daemon_on_wire(daemon, on_wire, &relay);
	lot = lot_new(pool);
	lot_every(lot, SWEEP_MS, sweep, &relay);
	daemon_serve(daemon, lot, &hooks, relay.conf->drain_time);
	/*
	 * An attempt under way may last half an hour.  It ends here, with the
	 * process, as a lost connection would; deliver tries again.
	 */
	return 0;
}
