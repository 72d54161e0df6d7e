#include "postroomd/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     4096
#define KEEPALIVE_S 300 /* a peer that vanished is noticed within ten minutes */
#define KEEPALIVE_N 3
#define KEEPALIVE_I 60

struct making {
	const struct conf *c;
	struct listeners *have;
	struct listeners *out;
	struct buf *errors;
};

static struct listener *
find(struct listeners *l, const char *name, const char *where)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].fd >= 0 && strcmp(l->items[i].name, name) == 0 &&
		    strcmp(l->items[i].where, where) == 0)
			return &l->items[i];
	return NULL;
}

static bool
add(struct making *m, const char *name, const char *where, int fd)
{
	struct listener *l;

	if (m->out->n == LISTENERS_MAX) {
		buf_printf(m->errors, "more than %d listeners\n", LISTENERS_MAX);
		return false;
	}
	m->out->items = xreallocarray(m->out->items, m->out->n + 1, sizeof(struct listener));
	l = &m->out->items[m->out->n++];
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	(void)snprintf(l->where, sizeof(l->where), "%s", where);
	l->fd = fd;
	return true;
}

/* --- TCP --- */

static void
set_int(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* -1 with errno. */
static int
tcp_listen(const struct sockaddr *sa, socklen_t n)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* One family each, so that a session's address is never a mapped one. */
	if (sa->sa_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	/* Linux hands these down to accepted connections. */
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_I);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_N);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (bind(fd, sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	n = (socklen_t)errno;
	fd_close(&fd);
	errno = (int)n;
	return -1;
}

/* One numeric address.  `required` false: a machine without this family is no mistake. */
static bool
tcp_one(struct making *m, const char *name, const char *address, uint16_t port, bool required)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	char where[LISTENER_WHERE_MAX];
	struct listener *old;
	int fd;

	if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
		buf_printf(m->errors,
		    "listen_%s: expected an address, *, or localhost, not \"%s\"\n", name, address);
		return false;
	}
	(void)snprintf(where, sizeof(where), is4 ? "%s:%u" : "[%s]:%u", address, port);
	old = find(m->have, name, where);
	if (old != NULL)
		return add(m, name, where, old->fd);
	fd = is4 ? tcp_listen((struct sockaddr *)&v4, sizeof(v4))
		 : tcp_listen((struct sockaddr *)&v6, sizeof(v6));
	if (fd >= 0)
		return add(m, name, where, fd);
	if (!required && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		return true;
	buf_printf(
	    m->errors, "listen_%s: cannot listen on %s: %s\n", name, where, strerrordesc_np(errno));
	return false;
}

static bool
tcp_all(struct making *m, const char *name, const struct conf_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++) {
		const char *host = hosts->items[i].name;
		uint64_t port = hosts->items[i].port + m->c->port_base;
		bool any = strcmp(host, "*") == 0, local = strcmp(host, "localhost") == 0;

		if (port > UINT16_MAX) {
			buf_printf(m->errors, "listen_%s: port_base makes it port %llu\n", name,
			    (unsigned long long)port);
			return false;
		}
		if (any || local) {
			if (!tcp_one(
				m, name, any ? "0.0.0.0" : "127.0.0.1", (uint16_t)port, true) ||
			    !tcp_one(m, name, any ? "::" : "::1", (uint16_t)port, false))
				return false;
		} else if (!tcp_one(m, name, host, (uint16_t)port, true)) {
			return false;
		}
	}
	return true;
}

/* --- unix --- */

/* The group that may use the sockets for outsiders; -1: root's. */
static bool
outsiders(struct making *m, gid_t *gid)
{
	struct group *g;

	*gid = (gid_t)-1;
	if (m->c->socket_group[0] == '\0')
		return true;
	g = getgrnam(m->c->socket_group);
	if (g == NULL) {
		buf_printf(
		    m->errors, "socket_group: there is no group \"%s\"\n", m->c->socket_group);
		return false;
	}
	*gid = g->gr_gid;
	return true;
}

static int
unix_listen(const char *path, int type, gid_t gid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before;
	bool bound;
	int e;

	if (fd < 0)
		return -1;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	(void)unlink(path); /* the lock on the pid file says that nobody serves it */
	before = umask(0117);
	bound = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	(void)umask(before);
	if (bound && (gid == (gid_t)-1 || chown(path, (uid_t)-1, gid) == 0) &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	e = errno;
	fd_close(&fd);
	errno = e;
	return -1;
}

static bool
unix_one(struct making *m, const char *name, int type, gid_t gid)
{
	struct conf_socket s = conf_socket(m->c, name);
	struct listener *old = find(m->have, name, s.path);
	int fd;

	if (old != NULL)
		return add(m, name, s.path, old->fd);
	fd = unix_listen(s.path, type, gid);
	if (fd >= 0)
		return add(m, name, s.path, fd);
	buf_printf(m->errors, "run_dir: cannot listen on %s: %s\n", s.path, strerrordesc_np(errno));
	return false;
}

static bool
unix_all(struct making *m)
{
	gid_t gid;
	char name[LISTENER_NAME_MAX];

	if (!outsiders(m, &gid) || !unix_one(m, "lmtp", SOCK_STREAM, gid) ||
	    !unix_one(m, "auth-client", SOCK_STREAM, gid) ||
	    !unix_one(m, "socketmap", SOCK_STREAM, gid))
		return false;
	/* For the postroom command, root's. */
	if (!unix_one(m, "postroomd.sock", SOCK_SEQPACKET, (gid_t)-1) ||
	    !unix_one(m, "authd.sock", SOCK_SEQPACKET, (gid_t)-1) ||
	    !unix_one(m, "deliver.sock", SOCK_SEQPACKET, (gid_t)-1))
		return false;
	for (unsigned i = 0; i < m->c->imap_shards; i++) {
		(void)snprintf(name, sizeof(name), "imapd-%u.sock", i);
		if (!unix_one(m, name, SOCK_SEQPACKET, (gid_t)-1))
			return false;
	}
	return true;
}

/* --- all --- */

/* A listener taken over has the same descriptor in both sets. */
static bool
shared(const struct listeners *l, int fd)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].fd == fd)
			return true;
	return false;
}

enum outcome
listeners_make(
    const struct conf *c, struct listeners *have, struct listeners *out, struct buf *errors)
{
	struct making m = { c, have, out, errors };

	*out = (struct listeners){ 0 };
	if (tcp_all(&m, "smtp", &c->listen_smtp) &&
	    tcp_all(&m, "submission", &c->listen_submission) &&
	    tcp_all(&m, "submissions", &c->listen_submissions) &&
	    tcp_all(&m, "imap", &c->listen_imap) && tcp_all(&m, "imaps", &c->listen_imaps) &&
	    tcp_all(&m, "pop3", &c->listen_pop3) && tcp_all(&m, "pop3s", &c->listen_pop3s) &&
	    unix_all(&m)) {
		for (size_t i = 0; i < have->n; i++)
			if (shared(out, have->items[i].fd))
				have->items[i].fd = -1;
		return DONE;
	}
	for (size_t i = 0; i < out->n; i++)
		if (shared(have, out->items[i].fd))
			out->items[i].fd = -1;
	listeners_end(out);
	return PERMFAIL;
}

void
listeners_end(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->items[i].fd < 0)
			continue;
		(void)shutdown(l->items[i].fd, SHUT_RDWR);
		if (l->items[i].where[0] == '/')
			(void)unlink(l->items[i].where);
	}
	listeners_free(l);
}

void
listeners_free(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_close(&l->items[i].fd);
	free(l->items);
	*l = (struct listeners){ 0 };
}
