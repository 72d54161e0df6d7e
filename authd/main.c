/*
 * main.c - authd: the only process with an account at the database.
 *
 * Doors: wires from smtpd, login, imapd and deliver and the command's socket
 * (service.c); "socketmap" and "auth-client" for programs of others
 * (socketmap.c, dovecot.c).
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "authd/cookie.h"
#include "authd/dovecot.h"
#include "authd/exchange.h"
#include "authd/lastlogin.h"
#include "authd/sasl.h"
#include "authd/service.h"
#include "authd/socketmap.h"
#include "base/codec.h"
#include "base/log.h"
#include "mail/address.h"
#include "run/confine.h"
#include "run/daemon.h"

#define RPC_THREADS   96 /* more than may wait for a hash, so that routes never wait for logins */
#define SWEEP_MS      5000
#define ADDRESS_SPACE (3ULL << 30)

static struct auth auth;
static struct rpc_server *server;

static bool
is_ip(const char *name)
{
	unsigned char octets[16];

	return ip_parse(str_of(name), octets) != 0;
}

/* Names of database hosts are looked up while running; addresses and sockets need less. */
static bool
needs_names(const struct conf *c)
{
	for (size_t i = 0; c->database_socket[0] == '\0' && i < c->database_hosts.n; i++)
		if (!is_ip(c->database_hosts.items[i].name))
			return true;
	return false;
}

static struct db_pool *
make_pool(const struct conf *c, const char *password)
{
	struct db_settings s = { .connections = (unsigned)c->database_connections };

	s.login.user = c->database_user;
	s.login.password = password[0] != '\0' ? password : NULL;
	s.login.database = c->database_name;
	if (c->database_socket[0] != '\0') {
		s.servers[s.server_count++].socket = c->database_socket;
		return db_pool_new(&s);
	}
	for (size_t i = 0; i < c->database_hosts.n && s.server_count < DB_SERVERS_MAX; i++)
		s.servers[s.server_count++] = (struct db_server){
			.host = c->database_hosts.items[i].name,
			.port = c->database_hosts.items[i].port,
		};
	if (s.server_count == 0)
		log_fatal("neither database_socket nor database_hosts says where the database is");
	return db_pool_new(&s);
}

static struct tables *
make_tables(const struct conf *c, const char *password)
{
	struct profile *profile = profile_new();
	struct tables *tables = NULL;
	struct why why = { 0 };

	if (profile_builtin(profile, "postroom", &why) != DONE)
		log_fatal("%s", why.text);
	if (c->database_statements[0] != '\0' &&
	    profile_load(profile, c->database_statements, &why) != DONE)
		log_fatal("%s", why.text);
	if (tables_new(make_pool(c, password), profile, &tables, &why) != DONE)
		log_fatal("%s", why.text);
	return tables;
}

/* Unknown users' SCRAM salts have to be the same after a restart: their secret lies in pr_scram. */
static void
make_fake_salt(struct auth *a)
{
	struct arena *arena = arena_new(64 * 1024);
	unsigned char drawn[32];
	struct str have;
	struct buf text;

	buf_init(&text, 64);
	random_octets(drawn, sizeof(drawn));
	(void)hex_put(&text, drawn, sizeof(drawn));
	if (tables_scram(a->tables, STR(""), SCRAM_SHA_256, STR(""), arena, &have,
		deadline_in(3000), NULL) == DONE) {
		if (have.n == 0)
			tables_keep_scram(a->tables, STR(""), SCRAM_SHA_256, STR(""),
			    buf_str(&text), deadline_in(3000));
		else
			(void)(buf_clear(&text), buf_put(&text, have));
	}
	if (!secret_set(&a->fake_salt, buf_str(&text)))
		log_fatal("no room for a secret");
	buf_free(&text);
	arena_free(&arena);
}

static void
set_resolver(struct auth *a, const struct conf *c)
{
	a->resolver = (struct resolver){
		.directory = { tables_look_up, tables_permitted, a->tables },
		.separators = str_of(c->subaddress_separator),
		.postmaster = str_of(c->postmaster),
		.home = str_of(c->mailbox_home),
	};
}

static void
check_home(const struct conf *c)
{
	struct arena *arena = arena_new(64 * 1024);
	struct str home;

	if (!home_from_template(str_of(c->mailbox_home), STR("ann@example.org"), arena, &home))
		log_fatal(
		    "mailbox_home \"%s\" is no path of %%d, %%n, %%u and names", c->mailbox_home);
	arena_free(&arena);
}

static void
make(struct auth *a, struct daemon *d)
{
	struct conf *c = conf_ref(daemon_conf(d));
	struct arena *arena = arena_new(256 * 1024);

	a->conf = c;
	check_home(c);
	a->tables = make_tables(c, daemon_value(d, "database_password"));
	set_resolver(a, c);
	a->verifier = verifier_new(c->password_scheme_unprefixed, 0);
	verifier_learn(a->verifier, tables_any_password(a->tables, arena, deadline_in(3000)));
	a->limits = limits_new();
	a->exchanges = exchanges_new();
	a->cookies = cookies_new();
	a->last_logins = last_logins_new();
	(void)pthread_mutex_init(&a->offer_lock, NULL);
	(void)snprintf(a->host, sizeof(a->host), "%s", c->hostname);
	if (a->host[0] == '\0' && gethostname(a->host, sizeof(a->host) - 1) != 0)
		(void)snprintf(a->host, sizeof(a->host), "localhost");
	make_fake_salt(a);
	arena_free(&arena);
}

static void
shut(struct auth *a)
{
	struct db_pool *pool = tables_pool(a->tables);
	struct conf *c = a->conf;

	last_logins_write(a->last_logins, a->tables, deadline_in(1000));
	exchanges_free(&a->exchanges);
	cookies_free(&a->cookies);
	last_logins_free(&a->last_logins);
	limits_free(&a->limits);
	verifier_free(&a->verifier);
	tables_free(&a->tables);
	db_pool_free(&pool);
	secret_free(&a->fake_salt);
	conf_unref(&c);
}

static void
sandbox(const struct conf *c)
{
	static const struct confine_dir for_names[] = {
		{ .fd = -1, .path = "/etc" },
		{ .fd = -1, .path = "/run/systemd/resolve" },
		{ .fd = -1, .path = "/usr/lib" },
		{ .fd = -1, .path = "/lib" },
	};
	struct confinement row = {
		.daemon = "authd", .allow = ALLOW_ACCEPT, .address_space = ADDRESS_SPACE
	};

	row.allow |= c->database_socket[0] != '\0' ? ALLOW_CONNECT_UNIX : ALLOW_CONNECT_TCP;
	if (needs_names(c)) {
		row.allow |= ALLOW_DNS | ALLOW_FILES | ALLOW_CONNECT_UNIX;
		row.dirs = for_names;
		row.dir_count = COUNT_OF(for_names);
	}
	confine(&row);
}

static void
on_wire(const char *peer, int fd, void *arg)
{
	uint32_t bit = service_peer(peer);

	if (bit == 0) {
		log_event(LOG_WARN, "auth.wire", kv_cstr("peer", peer), KV_END);
		fd_close(&fd);
		return;
	}
	(void)rpc_server_attach(server, fd, bit);
}

static void
take_listeners(struct daemon *d)
{
	int fd;

	while ((fd = daemon_listener(d, "authd.sock")) >= 0)
		rpc_server_listen(server, fd, AUTH_PEER_ADMIN, 0);
	while ((fd = daemon_listener(d, "socketmap")) >= 0)
		lot_listen(auth.lot, fd, socketmap_accepted, &auth);
	while ((fd = daemon_listener(d, "auth-client")) >= 0)
		lot_listen(auth.lot, fd, dovecot_accepted, &auth);
}

/*
 * New settings.  Where the database is and the statements are read at start
 * alone: the sandbox stands.  The old settings are kept for good, since
 * other threads may still be reading them, and reloads are rare.
 */
static enum outcome
reload(struct daemon *d, void *arg, struct why *why)
{
	struct conf *c = conf_ref(daemon_conf(d)), *old = auth.conf;

	if (strcmp(c->database_socket, old->database_socket) != 0 ||
	    strcmp(c->database_name, old->database_name) != 0 ||
	    strcmp(c->database_user, old->database_user) != 0 ||
	    strcmp(c->subaddress_separator, old->subaddress_separator) != 0 ||
	    strcmp(c->mailbox_home, old->mailbox_home) != 0 ||
	    strcmp(c->postmaster, old->postmaster) != 0) {
		conf_unref(&c);
		return fail(PERMFAIL, why, 0, "",
		    "Settings of the database and of addresses need a restart");
	}
	auth.conf = c;
	take_listeners(d);
	return DONE;
}

static void
sweep(void *arg)
{
	static int64_t written;

	exchanges_sweep(&auth);
	if (clock_ms() - written < LAST_LOGINS_EVERY_MS)
		return;
	written = clock_ms();
	last_logins_write(auth.last_logins, auth.tables, deadline_in(3000));
}

int
main(void)
{
	static const struct daemon_hooks hooks = { .reload = reload };
	struct daemon *d = daemon_begin("authd");
	struct pool *pool;

	/* Freed memory is overwritten: passwords passed through it, in libraries too. */
	(void)mallopt(M_PERTURB, 0xa5);
	db_library_begin();
	sasl_begin(&exchange_questions);
	make(&auth, d);
	sandbox(auth.conf);

	pool = pool_new(&(struct pool_limits){ .threads = 64, .keep = 2, .queue = 4096 });
	auth.lot = lot_new(pool);
	server = rpc_server_new("authd", service_table, RPC_THREADS, &auth);
	rpc_server_on_lost(server, service_lost, &auth);
	daemon_on_wire(d, on_wire, NULL);
	take_listeners(d);
	lot_every(auth.lot, SWEEP_MS, sweep, NULL);
	daemon_serve(d, auth.lot, &hooks, 1000);

	rpc_server_free(&server);
	lot_free(&auth.lot);
	pool_free(&pool);
	shut(&auth);
	sasl_finish();
	return 0;
}
