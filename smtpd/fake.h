/*
 * fake.h - for tests and fuzzing: a session on one end of a socket pair, with
 * authd and deliver played by a few lines.  Turns run on the caller's thread,
 * so nothing depends on time.
 *
 * The world: ann, bob, full (over quota) and limited@example.test are
 * mailboxes, team@ goes to ann and bob, away@ to away@remote.test; slow@ cannot
 * be looked up; other addresses at example.test do not exist; other domains
 * are foreign.  Ann's password is "secret"; she may send as ann@ and sales@.
 */
#ifndef SMTPD_FAKE_H
#define SMTPD_FAKE_H

#include "smtpd/session.h"

struct fake {
	struct smtp_backend backend;
	struct smtp_server *server;
	struct smtp *s;
	int peer; /* the client's end */
	bool closed;
	struct buf heard; /* since the last fake_say */

	/* What deliver got. */
	unsigned commits;
	struct buf message;
	char from[256];
	char recipients[1024];            /* "ann@example.test[ann@example.test] ..." */
	struct deliver_envelope envelope; /* its texts are gone */
	char envid[128], orcpt[512], protocol[16];
	unsigned spools_out; /* taken and neither committed nor dropped */

	/* What goes wrong. */
	enum outcome commit_outcome;
	enum outcome ready_outcome;
	uint32_t auth_delay_ms;
	unsigned routes_asked;
};

/* settings: text of a configuration file; NULL: the defaults. */
void fake_open(struct fake *f, const char *service, const char *settings);
void fake_close(struct fake *f);

/* Send octets, run a turn, gather what comes back. */
void fake_send(struct fake *f, struct str octets);
/* Run a turn for this reason. */
void fake_turn(struct fake *f, struct wake wake);
/* The codes of all replies since: "250 2.1.0|550 5.1.1", in order. */
const char *fake_codes(struct fake *f);
/* Send and get the codes. */
const char *fake_say(struct fake *f, const char *text);

#endif
