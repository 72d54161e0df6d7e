/*
 * dovecot.h - SASL for Postfix, Exim and others over the Dovecot auth client
 * protocol, version 1.2, server side.
 *
 * Lines of fields between tabs:
 *
 *	us	VERSION 1 2, MECH ..., SPID, CUID, COOKIE, DONE
 *	they	VERSION 1 x, CPID n
 *	they	AUTH id mechanism service=smtp [secured] rip=... [resp=BASE64]
 *	us	CONT id BASE64 | OK id user=... | FAIL id user=... [temp] reason=...
 *	they	CONT id BASE64 | CANCEL id
 *
 * A refusal is held back as long as the limits say.  A malformed line ends
 * the connection.
 */
#ifndef AUTHD_DOVECOT_H
#define AUTHD_DOVECOT_H

#include "authd/auth.h"

#define DOVECOT_LINE_MAX    (16 * 1024)
#define DOVECOT_PENDING_MAX 64 /* logins under way, and refusals held back, on one connection */

/* For lot_listen; arg is the struct auth. */
void dovecot_accepted(int fd, void *arg);

/* One client's line, read. */
struct dovecot_line {
	enum {
		DOVECOT_VERSION,
		DOVECOT_CPID,
		DOVECOT_AUTH,
		DOVECOT_CONT,
		DOVECOT_CANCEL,
		DOVECOT_OTHER
	} verb;
	uint32_t id;
	uint32_t major;
	struct str mechanism, service, client, server;
	bool secured;
	bool has_response;
	struct str response; /* decoded */
};

/* False when it is malformed.  Texts are in the arena. */
must_use bool dovecot_parse(struct str line, struct arena *a, struct dovecot_line *out);

/* A field with tab, LF, CR, NUL and \001 written as the protocol wants it. */
bool dovecot_escape(struct buf *out, struct str field);

#endif
