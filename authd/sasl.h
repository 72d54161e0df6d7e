/*
 * sasl.h - libsasl2, fenced: the only file that sees it is sasl.c.
 *
 * Only the plug-ins plain, login and scram are loaded, whatever is
 * installed.  The library gets nothing but what the two questions below
 * answer; its own ways to look for a password (auxprop plug-ins, sasldb, SQL,
 * saslauthd) are out of its reach: pwcheck_method names nothing, so a refused
 * password is refused.  It learns of no user who does not exist: both
 * questions are answered for everybody.
 *
 * One login belongs to one thread at a time; different logins to any.
 */
#ifndef AUTHD_SASL_H
#define AUTHD_SASL_H

#include "base/arena.h"
#include "base/outcome.h"
#include "rpc/auth_proto.h"
#include "sql/passwd.h"

struct sasl_login;

/* What the library asks us.  user is as the client wrote it, bounded and without NUL. */
struct sasl_questions {
	/* Is this the password?  Anything but DONE ends the login. */
	enum outcome (*password)(void *arg, struct str user, struct str password);
	/*
	 * The verifier ("iterations:salt$stored:server") of this user; for somebody who has none
	 * or does not exist, one that no password fits.  Anything but DONE ends the login.
	 */
	enum outcome (*verifier)(void *arg, struct str user, enum scram_kind kind, struct buf *out);
};

/* Once, before threads and before the sandbox: loads the plug-ins. */
void sasl_begin(const struct sasl_questions *questions);
void sasl_finish(void);

/* arg goes to the questions.  NULL when the library refuses (logged). */
struct sasl_login *sasl_login_new(const struct auth_begin *b, const char *host, void *arg);
void sasl_login_free(struct sasl_login **l);

enum sasl_said {
	SASL_SAID_MORE,   /* out: the challenge */
	SASL_SAID_DONE,   /* the user is who the last question was about */
	SASL_SAID_NO,     /* wrong */
	SASL_SAID_SYNTAX, /* what the client sent is no message of this mechanism */
	SASL_SAID_NOMECH, /* there is no such mechanism here */
};

/* initial: NULL when the client sent none.  out lives until the next call. */
enum sasl_said sasl_login_start(
    struct sasl_login *l, struct str mechanism, const struct str *initial, struct str *out);
enum sasl_said sasl_login_step(struct sasl_login *l, struct str response, struct str *out);

#endif
