/*
 * dummyd.c - stands for every daemon in the supervisor's tests: under
 * whatever name it was started it takes what it is handed and tells whoever
 * connects to one of its listeners.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "run/daemon.h"

#define PEERS_MAX 64

static const char *const doors[] = { "smtp", "submission", "submissions", "imap", "imaps", "pop3",
	"pop3s", "lmtp", "auth-client", "socketmap" };

static struct {
	struct daemon *daemon;
	struct lot *lot;
	const char *name;
	char peers[PEERS_MAX][32];
	int wires[PEERS_MAX];
	size_t peer_count;
	unsigned reloads;
} me;

static void
on_wire(const char *peer, int fd, void *arg)
{
	size_t i;

	for (i = 0; i < me.peer_count && strcmp(me.peers[i], peer) != 0; i++)
		continue;
	if (i == PEERS_MAX)
		return;
	if (i == me.peer_count) {
		(void)snprintf(me.peers[i], sizeof(me.peers[i]), "%s", peer);
		me.wires[i] = -1;
		me.peer_count++;
	}
	fd_close(&me.wires[i]);
	me.wires[i] = fd;
}

/* A wire whose other end lives says so by being writable and not hung up. */
static bool
alive(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static void
accepted(int fd, void *arg)
{
	struct conf *c = daemon_conf(me.daemon);
	char text[4096];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text),
	    "name=%s pid=%d uid=%u gid=%u shard=%s mail=%d queue=%d certificate=%zu password=%s "
	    "message_size=%llu reloads=%u wires=",
	    me.name, getpid(), getuid(), getgid(), daemon_value(me.daemon, "shard"),
	    daemon_dir(me.daemon, "mail") >= 0, daemon_dir(me.daemon, "queue") >= 0,
	    daemon_certificate(me.daemon).n, daemon_value(me.daemon, "database_password"),
	    (unsigned long long)c->message_size, me.reloads);
	for (size_t i = 0; i < me.peer_count && n < sizeof(text) - 64; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s:%s,", me.peers[i],
		    alive(me.wires[i]) ? "up" : "down");
	text[n++] = '\n';
	(void)!write(fd, text, n);
	(void)close(fd);
}

static void
listen_all(void)
{
	int fd;

	for (size_t i = 0; i < COUNT_OF(doors); i++)
		while ((fd = daemon_listener(me.daemon, doors[i])) >= 0)
			lot_listen(me.lot, fd, accepted, NULL);
}

static enum outcome
reload(struct daemon *d, void *arg, struct why *why)
{
	if (strcmp(daemon_conf(d)->hostname, "refuse.me") == 0)
		return fail(PERMFAIL, why, 0, "", "will not be called refuse.me");
	me.reloads++;
	listen_all();
	return DONE;
}

int
main(int argc, char **argv)
{
	static const struct daemon_hooks hooks = { .reload = reload };
	struct pool *pool;

	me.name = argv[0];
	me.daemon = daemon_begin(argv[0]);
	pool = pool_new(&(struct pool_limits){ .threads = 2, .keep = 0, .queue = 16 });
	me.lot = lot_new(pool);
	daemon_on_wire(me.daemon, on_wire, NULL);
	listen_all();
	daemon_serve(me.daemon, me.lot, &hooks, 1000);
	lot_free(&me.lot);
	pool_free(&pool);
	return 0;
}
