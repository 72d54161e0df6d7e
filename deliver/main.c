/*
 * main.c - deliver: the mail store's writer and the queue.
 *
 * Handed to it: the mail root and the queue ("mail", "queue"), the LMTP
 * listener and the postroom command's socket ("lmtp", "deliver.sock"), wires
 * to authd, relay and imapd's shards, and the wire on which smtpd asks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "deliver/deliver.h"
#include "deliver/lmtp.h"
#include "deliver/queue.h"
#include "deliver/service.h"
#include "deliver/shards.h"
#include "deliver/spools.h"
#include "run/confine.h"
#include "run/daemon.h"

/*
 * fsync has no deadline.  These threads are the bounded pool that it gets: on
 * a disk that hangs they all hang in it, and those who asked time out.
 */
#define SERVICE_THREADS 64
#define POOL_THREADS    96
#define MAINTAIN_MS     5000

static struct rpc_server *service;

struct conf *
deliver_conf(struct deliver *d)
{
	struct conf *c;

	(void)pthread_mutex_lock(&d->conf_lock);
	c = conf_ref(d->conf);
	(void)pthread_mutex_unlock(&d->conf_lock);
	return c;
}

void
deliver_set_conf(struct deliver *d, struct conf *conf)
{
	struct conf *old;

	(void)pthread_mutex_lock(&d->conf_lock);
	old = d->conf;
	d->conf = conf;
	(void)pthread_mutex_unlock(&d->conf_lock);
	conf_unref(&old);
}

static void
on_wire(const char *peer, int fd, void *arg)
{
	struct deliver *d = arg;
	uint32_t shard;

	if (strcmp(peer, "authd") == 0)
		rpc_client_attach(d->authd, fd);
	else if (strcmp(peer, "relay") == 0)
		rpc_client_attach(d->relay, fd);
	else if (strcmp(peer, "smtpd") == 0)
		(void)rpc_server_attach(service, fd, DELIVER_PEER_SMTPD);
	else if (strncmp(peer, "imapd-", 6) == 0 && str_u32(str_of(peer + 6), &shard) &&
		 shard < SHARDS_MAX)
		shards_attach(d->shards, shard, fd);
	else {
		log_say(LOG_WARN, "a wire to nobody we know: %s", peer);
		(void)close(fd);
	}
}

/* A wire of smtpd is gone: nothing of what it was writing will ever be committed. */
static void
on_lost(uint32_t peer, uint64_t wire, void *arg)
{
	struct deliver *d = arg;

	if (peer == DELIVER_PEER_SMTPD)
		spools_discard_wire(d->spools, wire);
}

static void
on_changed(void *arg, struct str home, struct str folder, uint64_t modseq, bool gone)
{
	shards_tell(arg, home, folder);
}

static void
every_second(void *arg)
{
	struct deliver *d = arg;

	shards_catch_up(d->shards);
	queue_pump(d->queue);
}

static void
maintain(void *arg)
{
	struct deliver *d = arg;

	store_maintain(d->store, deadline_in(MAINTAIN_MS));
}

static void
scan_queue(void *arg)
{
	queue_scan(((struct deliver *)arg)->queue);
}

static enum outcome
on_reload(struct daemon *daemon, void *arg, struct why *why)
{
	deliver_set_conf(arg, conf_ref(daemon_conf(daemon)));
	return DONE;
}

static void
on_stop(struct daemon *daemon, void *arg)
{
	queue_stop(((struct deliver *)arg)->queue);
}

static void
open_store(struct deliver *d, struct daemon *daemon, struct store_config *config)
{
	struct why why;

	config->root = daemon_dir(daemon, "mail");
	config->host = d->conf->hostname;
	config->changed = on_changed;
	config->changed_arg = d->shards;
	if (config->root < 0)
		log_fatal("the mail directory was not handed over");
	if (store_open(config, &d->store, &why) != DONE)
		log_fatal("the mail store cannot be opened: %s", why.text);
	store_sweep_spool(d->store);
}

static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void
restrict_self(struct daemon *daemon)
{
	struct confine_dir dirs[] = {
		{ .fd = daemon_dir(daemon, "mail"), .write = true },
		{ .fd = daemon_dir(daemon, "queue"), .write = true },
	};
	struct confinement row = {
		.daemon = "deliver",
		.allow = ALLOW_FILES | ALLOW_ACCEPT | ALLOW_LEASE,
		.dirs = dirs,
		.dir_count = COUNT_OF(dirs),
	};

	confine(&row);
}

int
main(void)
{
	struct pool_limits limits = { .threads = POOL_THREADS, .keep = 8, .queue = 4000 };
	struct pool_limits relay_limits = { .keep = 2, .queue = 4000 };
	struct daemon *daemon = daemon_begin("deliver");
	struct daemon_hooks hooks = { .reload = on_reload, .stop = on_stop };
	struct store_config store;
	struct deliver d = { 0 };
	struct lot *lot;
	int fd;

	store_config_init(&store);
	store_read_boot_id(store.boot_id);
	(void)pthread_mutex_init(&d.conf_lock, NULL);
	d.conf = conf_ref(daemon_conf(daemon));
	hooks.arg = &d;
	raise_descriptors();
	d.shards = shards_new();
	d.authd = rpc_client_new("authd");
	d.relay = rpc_client_new("relay");
	restrict_self(daemon);

	open_store(&d, daemon, &store);
	d.spools = spools_new(d.store);
	d.queue = queue_new(&d, daemon_dir(daemon, "queue"));
	if (d.queue == NULL || !queue_begin(d.queue))
		log_fatal("the queue directory cannot be used");
	d.pool = pool_new(&limits);
	relay_limits.threads = (unsigned)d.conf->relay_connections;
	d.relay_pool = pool_new(&relay_limits);
	service = rpc_server_new("deliver", deliver_service, SERVICE_THREADS, &d);
	rpc_server_on_lost(service, on_lost, &d);
	daemon_on_wire(daemon, on_wire, &d);

	lot = lot_new(d.pool);
	fd = daemon_listener(daemon, "deliver.sock");
	if (fd >= 0)
		rpc_server_listen(service, fd, DELIVER_PEER_ADMIN, 0);
	fd = daemon_listener(daemon, "lmtp");
	if (fd >= 0)
		lmtp_listen(&d, lot, fd);
	lot_every(lot, 1000, every_second, &d);
	lot_every(lot, MAINTAIN_MS, maintain, &d);
	if (!pool_run(d.pool, WORK_BODY, scan_queue, &d))
		log_fatal("no thread for the queue");
	daemon_serve(daemon, lot, &hooks, d.conf->drain_time);

	/*
	 * Drained: nobody is waiting for an answer.  What is under way in the
	 * queue stops here, as it would in a crash, and is tried again at the
	 * next start; nothing else of this process needs an orderly end.
	 */
	rpc_server_free(&service);
	store_flush(d.store, deadline_in(5000));
	return 0;
}
