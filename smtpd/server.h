/*
 * server.h - what all sessions of a process share: settings in force, the
 * backend, counts of connections.
 */
#ifndef SMTPD_SERVER_H
#define SMTPD_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "conf/conf.h"
#include "run/park.h"
#include "smtpd/backend.h"
#include "smtpd/peers.h"

struct smtp;
struct tls_context;

/* A generation of settings with the certificate that came with them; counted, immutable. */
struct smtp_settings {
	atomic_uint references;
	struct conf *conf;
	struct tls_context *tls; /* NULL: no TLS is offered */
	struct str hostname;     /* points into conf */
};

/* One of our three doors. */
struct smtp_service {
	const char *name;  /* of the listener, and in the log */
	bool submission;   /* RFC 6409: users only, and we mend what they forgot */
	bool implicit_tls; /* RFC 8314 3.3 */
};

extern const struct smtp_service smtp_services[3];

/* Message bodies in the memory of all sessions; above it, parked ones go to their files. */
#define SMTP_BODY_MEMORY_ALL (64UL * 1024 * 1024)

struct smtp_counts {
	_Atomic uint64_t connections, refused_connections, accepted, refused, auth_ok, auth_failed;
};

struct smtp_server {
	const struct smtp_backend *backend;
	struct peers *peers;
	struct smtp_counts counts;
	atomic_size_t body_memory;

	pthread_mutex_t lock;                  /* the three below; never held over a wait */
	struct smtp_settings *settings;        /* for new sessions */
	TAILQ_HEAD(smtp_list, smtp) strangers; /* not logged in, the oldest first */
	unsigned sessions;
};

/* Takes over both references; tls may be NULL. */
struct smtp_settings *smtp_settings_new(struct conf *conf, struct tls_context *tls);
struct smtp_settings *smtp_settings_ref(struct smtp_settings *s);
void smtp_settings_unref(struct smtp_settings **s);

/* Takes over settings.  The backend lives longer. */
struct smtp_server *smtp_server_new(
    const struct smtp_backend *backend, struct smtp_settings *settings);
void smtp_server_free(struct smtp_server **s);

/* From now on these for new sessions; takes them over.  Any thread. */
void smtp_server_set(struct smtp_server *s, struct smtp_settings *settings);
struct smtp_settings *smtp_server_settings(struct smtp_server *s); /* a reference */

/* More than four fifths of the connections we allow are taken: be short with everybody. */
bool smtp_server_stressed(struct smtp_server *s);

/*
 * A connection was accepted: start its session, or tell it 421 and close it.
 * Never blocks; the lot's accept thread.  Takes over fd.
 */
void smtp_server_accept(
    struct smtp_server *s, const struct smtp_service *service, struct lot *lot, int fd);

/* The session has ended: it leaves all lists. */
void smtp_server_left(struct smtp *s);

#endif
