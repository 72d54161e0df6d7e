/*
 * smtp_client.h - an SMTP session with another host, as its client: open,
 * send messages, close.  Plain calls that wait, each step with the deadline of
 * RFC 5321 4.5.3.2.  One thread at a time.
 */
#ifndef RELAY_SMTP_CLIENT_H
#define RELAY_SMTP_CLIENT_H

#include "base/outcome.h"
#include "deliver/relay/reply.h"
#include "rpc/relay_proto.h"
#include "run/dns.h"
#include "run/tls.h"

enum smtp_tls { /* as the option relay_tls has them */
	SMTP_TLS_NONE,
	SMTP_TLS_MAY,     /* where offered, whoever it is; in clear if the handshake fails */
	SMTP_TLS_REQUIRE, /* or not at all */
	SMTP_TLS_VERIFY,  /* and the certificate has to be for the host's name */
};

struct smtp_settings {
	const char *hostname; /* ours, for EHLO */
	enum smtp_tls tls;
	struct tls_context *context; /* NULL only with SMTP_TLS_NONE */
	const char *user;            /* AUTH; NULL or "": none */
	const char *password;
};

struct smtp_peer {
	struct str name; /* of the host; for TLS, the log and Remote-MTA */
	struct dns_address address;
	uint16_t port;
};

struct smtp;

/*
 * Connect, greet, STARTTLS, AUTH.  TEMPFAIL: this host cannot be used now,
 * why says how; try another.  *reached: it answered like a mail server.
 */
must_use enum outcome smtp_open(const struct smtp_peer *peer, const struct smtp_settings *settings,
    struct smtp **out, bool *reached, struct why *why);

/*
 * Send one message; fills results[i] for each recipient with a final word of
 * this host, texts in the arena.  DONE: the session may be used again.  GONE:
 * it broke; recipients without a final word keep TEMPFAIL.  In either case the
 * session has to be closed in the end.
 */
must_use enum outcome smtp_send(
    struct smtp *s, const struct relay_job *job, struct arena *arena, struct relay_result *results);

/* Still there, with nothing unasked-for said: may another message be sent? */
bool smtp_alive(struct smtp *s);

/* QUIT if polite and possible, without waiting long; closes. */
void smtp_close(struct smtp **s);

const char *smtp_host(const struct smtp *s);

#endif
