/*
 * main.c - imapd: IMAP and POP3 sessions that have logged in.
 *
 * One shard of several; a user's sessions are normally all in the same one.
 * It reaches the mail store and its wires and nothing else (docs/imapd.md).
 */
#include <stdio.h>

#include "base/log.h"
#include "conf/conf.h"
#include "imapd/mailbox.h"
#include "imapd/pop3/pop3.h"
#include "imapd/service.h"
#include "mail/charset.h"
#include "run/confine.h"
#include "run/daemon.h"
#include "store/store.h"

#define VERSION       "0.1"
#define MAINTAIN_MS   5000
#define CHECK_MS      1000
#define LOOK_EVERY_MS 30000 /* a watched folder is looked at for foreign changes this often */
#define DRAIN_MS      5000

struct shard {
	struct imapd d;
	struct service service;
	struct rpc_client *authd;
};

static void
on_wire(const char *peer, int fd, void *arg)
{
	struct shard *sh = arg;

	if (str_eq(str_of(peer), STR("authd")))
		rpc_client_attach(sh->authd, fd);
	else if (str_eq(str_of(peer), STR("login")))
		(void)rpc_server_attach(sh->service.server, fd, SERVICE_LOGIN);
	else if (str_eq(str_of(peer), STR("deliver")))
		(void)rpc_server_attach(sh->service.server, fd, SERVICE_DELIVER);
	else
		log_fatal("a wire to %s, of which imapd knows nothing", peer);
}

/* What this process changed itself: other sessions of it want to know. */
static void
store_changed(void *arg, struct str home, struct str folder, uint64_t modseq, bool gone)
{
	struct shard *sh = arg;

	mailboxes_changed(sh->d.boxes, home, folder);
}

static void
maintain(void *arg)
{
	struct shard *sh = arg;

	store_maintain(sh->d.store, deadline_in(MAINTAIN_MS - 1000));
}

static void
look(void *arg)
{
	struct shard *sh = arg;

	mailboxes_check(sh->d.boxes, sh->d.store, LOOK_EVERY_MS, deadline_in(CHECK_MS - 100));
}

static enum outcome
reload(struct daemon *dm, void *arg, struct why *why)
{
	struct shard *sh = arg;

	sh->d.message_bytes = daemon_conf(dm)->message_size;
	return DONE;
}

static void
open_store(struct shard *sh, struct daemon *dm, int root)
{
	struct store_config config;
	struct why why = { 0 };

	store_config_init(&config);
	config.root = root;
	store_read_boot_id(config.boot_id);
	config.changed = store_changed;
	config.changed_arg = sh;
	if (store_open(&config, &sh->d.store, &why) != DONE)
		log_fatal("the mail store cannot be opened: %s", why.text);
}

static void
confine_to(int root)
{
	const struct confine_dir dirs[] = { { .fd = root, .write = true } };
	const struct confinement row = {
		.daemon = "imapd",
		.allow =
		    ALLOW_FILES | ALLOW_ACCEPT, /* accept: the postroom command on imapd-N.sock */
		.dirs = dirs,
		.dir_count = COUNT_OF(dirs),
	};

	confine(&row);
}

int
main(void)
{
	struct daemon *dm = daemon_begin("imapd");
	const struct pool_limits pool_limits = { .threads = 256, .keep = 4, .queue = 20000 };
	int root = daemon_dir(dm, "mail");
	struct charset_modules *charsets = charset_preload();
	struct shard sh = { 0 };
	struct daemon_hooks hooks = { .reload = reload, .arg = &sh };
	struct pool *pool;
	char listener[32];
	int admin;

	if (root < 0)
		log_fatal("imapd was given no mail root");
	sh.d.lim = imap_limits_default;
	sh.d.message_bytes = daemon_conf(dm)->message_size;
	sh.d.version = VERSION;
	sh.d.begin_pop3 = pop3_begin;
	sh.d.boxes = mailboxes_new();
	open_store(&sh, dm, root);
	confine_to(root);

	pool = pool_new(&pool_limits);
	sh.d.lot = lot_new(pool);
	sh.authd = rpc_client_new("authd");
	service_start(&sh.service, &sh.d, sh.authd);
	(void)snprintf(listener, sizeof(listener), "imapd-%s.sock", daemon_value(dm, "shard"));
	admin = daemon_listener(dm, listener);
	if (admin >= 0)
		rpc_server_listen(sh.service.server, admin, SERVICE_ADMIN, 0);
	daemon_on_wire(dm, on_wire, &sh);
	lot_every(sh.d.lot, MAINTAIN_MS, maintain, &sh);
	lot_every(sh.d.lot, CHECK_MS, look, &sh);
	daemon_serve(dm, sh.d.lot, &hooks, DRAIN_MS);

	service_stop(&sh.service);
	rpc_client_free(&sh.authd);
	pool_free(&pool);
	lot_free(&sh.d.lot);
	store_flush(sh.d.store, deadline_in(DRAIN_MS));
	store_close(&sh.d.store);
	mailboxes_free(&sh.d.boxes);
	charset_unload(&charsets);
	return 0;
}
