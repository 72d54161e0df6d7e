#include "smtpd/server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "run/tls.h"
#include "smtpd/session.h"

const struct smtp_service smtp_services[3] = {
	{ .name = "smtp" },
	{ .name = "submission", .submission = true },
	{ .name = "submissions", .submission = true, .implicit_tls = true },
};

struct smtp_settings *
smtp_settings_new(struct conf *conf, struct tls_context *tls)
{
	struct smtp_settings *s = xcalloc(1, sizeof(*s));

	atomic_store(&s->references, 1);
	s->conf = conf;
	s->tls = tls;
	s->hostname = str_of(conf->hostname);
	return s;
}

struct smtp_settings *
smtp_settings_ref(struct smtp_settings *s)
{
	atomic_fetch_add(&s->references, 1);
	return s;
}

void
smtp_settings_unref(struct smtp_settings **sp)
{
	struct smtp_settings *s = *sp;

	*sp = NULL;
	if (s == NULL || atomic_fetch_sub(&s->references, 1) > 1)
		return;
	conf_unref(&s->conf);
	tls_context_unref(&s->tls);
	free(s);
}

struct smtp_server *
smtp_server_new(const struct smtp_backend *backend, struct smtp_settings *settings)
{
	struct smtp_server *s = xcalloc(1, sizeof(*s));

	s->backend = backend;
	s->settings = settings;
	s->peers = peers_new();
	TAILQ_INIT(&s->strangers);
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
smtp_server_free(struct smtp_server **sp)
{
	struct smtp_server *s = *sp;

	if (s == NULL)
		return;
	assert(s->sessions == 0);
	peers_free(&s->peers);
	smtp_settings_unref(&s->settings);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}

void
smtp_server_set(struct smtp_server *s, struct smtp_settings *settings)
{
	struct smtp_settings *old;

	(void)pthread_mutex_lock(&s->lock);
	old = s->settings;
	s->settings = settings;
	(void)pthread_mutex_unlock(&s->lock);
	smtp_settings_unref(&old);
}

struct smtp_settings *
smtp_server_settings(struct smtp_server *s)
{
	struct smtp_settings *now;

	(void)pthread_mutex_lock(&s->lock);
	now = smtp_settings_ref(s->settings);
	(void)pthread_mutex_unlock(&s->lock);
	return now;
}

bool
smtp_server_stressed(struct smtp_server *s)
{
	bool stressed;

	(void)pthread_mutex_lock(&s->lock);
	stressed = s->sessions > s->settings->conf->smtp_connections / 5 * 4;
	(void)pthread_mutex_unlock(&s->lock);
	return stressed;
}

/* Best effort, without waiting; under implicit TLS there is nothing we could say. */
static void
turn_away(const struct smtp_service *service, int fd, const char *line)
{
	if (!service->implicit_tls)
		(void)send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static void
ip_text(const struct sockaddr *sa, char *out, size_t room)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	out[0] = '\0';
	if (sa->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &in->sin_addr, out, (socklen_t)room);
	else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		(void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, out, (socklen_t)room);
	else if (sa->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, out, (socklen_t)room);
}

/*
 * Count the session in.  At the limit the stranger who has been here longest
 * goes, so that a crowd of idle connections keeps nobody out for long
 * (faults.md 42); a tenth over it newcomers are turned away.
 */
static bool
enter(struct smtp_server *server, struct smtp *s)
{
	uint64_t most = s->set->conf->smtp_connections;
	struct smtp *oldest = NULL;
	bool ok;

	(void)pthread_mutex_lock(&server->lock);
	ok = server->sessions < most + most / 10;
	if (ok) {
		if (server->sessions >= most)
			TAILQ_FOREACH (oldest, &server->strangers, older)
				if (!atomic_load(&oldest->shed))
					break;
		if (oldest != NULL) { /* under the lock: it cannot be freed before */
			atomic_store(&oldest->shed, true);
			conn_wake(&oldest->conn);
		}
		server->sessions++;
		s->stranger = true;
		TAILQ_INSERT_TAIL(&server->strangers, s, older);
	}
	(void)pthread_mutex_unlock(&server->lock);
	return ok;
}

void
smtp_server_left(struct smtp *s)
{
	struct smtp_server *server = s->server;

	(void)pthread_mutex_lock(&server->lock);
	assert(server->sessions > 0);
	server->sessions--;
	if (s->stranger)
		TAILQ_REMOVE(&server->strangers, s, older);
	s->stranger = false;
	(void)pthread_mutex_unlock(&server->lock);
}

void
smtp_server_accept(
    struct smtp_server *server, const struct smtp_service *service, struct lot *lot, int fd)
{
	struct smtp_settings *set = smtp_server_settings(server);
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	struct peer_key key;
	struct smtp *s;
	char ip[INET6_ADDRSTRLEN];
	bool trusted;
	int on = 1;

	if (getpeername(fd, (struct sockaddr *)&sa, &n) != 0) { /* gone already */
		smtp_settings_unref(&set);
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	ip_text((struct sockaddr *)&sa, ip, sizeof(ip));
	key = peer_key_of((struct sockaddr *)&sa);
	trusted = conf_nets_have(&set->conf->trusted_networks, (struct sockaddr *)&sa);
	atomic_fetch_add(&server->counts.connections, 1);
	if (!trusted &&
	    !peers_enter(server->peers, key, (unsigned)set->conf->connections_per_address)) {
		atomic_fetch_add(&server->counts.refused_connections, 1);
		log_event(LOG_INFO, "smtp.crowded", kv_cstr("ip", ip), KV_END);
		turn_away(service, fd, "421 4.7.0 Too many connections from your address\r\n");
		smtp_settings_unref(&set);
		return;
	}
	s = smtp_new(server, set, service, fd, ip);
	s->peer = key;
	s->trusted = trusted;
	s->counted = !trusted;
	if (!enter(server, s)) {
		atomic_fetch_add(&server->counts.refused_connections, 1);
		turn_away(service, dup(fd), "421 4.3.2 Too busy, try again later\r\n");
		smtp_free(&s);
		return;
	}
	if (!lot_add(lot, &s->conn, fd, &smtp_ops, WORK_NEW)) {
		atomic_fetch_add(&server->counts.refused_connections, 1);
		turn_away(service, dup(fd), "421 4.3.2 Too busy, try again later\r\n");
		smtp_server_left(s);
		smtp_free(&s);
	}
}
