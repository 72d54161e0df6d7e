/*
 * daemon.h - the life of a daemon, the same for all of them:
 *
 *	int
 *	main(void)
 *	{
 *		struct daemon *d = daemon_begin("smtpd");  settings, wires, listeners are here
 *		... make contexts and tables ...
 *		confine(&row);				  the row of the process table
 *		... start pool and servers ...
 *		daemon_serve(d, lot, &hooks);		  says READY, runs the lot, returns after a
 *drain return 0;
 *	}
 *
 * The supervisor (postroomd/) has already made it run as its own user.  A
 * daemon ends when its control socket closes: nothing outlives the
 * supervisor unless the supervisor is being replaced.
 */
#ifndef RUN_DAEMON_H
#define RUN_DAEMON_H

#include "base/outcome.h"
#include "base/str.h"
#include "run/park.h"

struct conf;
struct daemon;
struct tls_context;

/*
 * Receives everything up to CONTROL_START.  Ends the process with a clear
 * log line if the control socket is missing (started by hand).
 */
struct daemon *daemon_begin(const char *name);

/* The settings in force; immutable.  After a reload there are new ones; sessions keep theirs by
 * conf_ref. */
struct conf *daemon_conf(struct daemon *d);

/*
 * A listener by name; -1 when there is none (that service is off), or no more:
 * there may be one for each address, so ask until it says -1, at the start and
 * again in the reload hook.  Taken: the caller's.
 */
int daemon_listener(struct daemon *d, const char *name);
/* A directory by name; -1 when not handed.  Stays the daemon's. */
int daemon_dir(struct daemon *d, const char *name);
/* "shard" and the like; "" when not given. */
const char *daemon_value(struct daemon *d, const char *name);
/* 32 octets known to all daemons of this instance. */
const unsigned char *daemon_secret(struct daemon *d);
/* PEM text of chain and key as handed over; empty without TLS. */
struct str daemon_certificate(struct daemon *d);

/*
 * Called for every wire handed over so far, and again, on the main thread,
 * for each replacement after a peer was restarted.  fd is the callee's.
 */
void daemon_on_wire(struct daemon *d, void (*wire)(const char *peer, int fd, void *arg), void *arg);

struct daemon_hooks {
	/*
	 * New settings and certificate, on the main thread.  PERMFAIL with
	 * why->text: the old ones stay.  May be NULL.
	 */
	enum outcome (*reload)(struct daemon *d, void *arg, struct why *why);
	/* STOP was received, before the lot drains.  May be NULL. */
	void (*stop)(struct daemon *d, void *arg);
	void *arg;
};

/*
 * Says READY and runs the lot until STOP.  drain_ms: how long open
 * connections may take to finish.
 */
void daemon_serve(
    struct daemon *d, struct lot *lot, const struct daemon_hooks *hooks, int64_t drain_ms);

#endif
