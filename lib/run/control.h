/*
 * control.h - what the supervisor tells a daemon, over the socket that is
 * descriptor 3 of every daemon (AF_UNIX, SOCK_SEQPACKET).
 *
 * One packet, one message: a fixed header, a name, at most one descriptor.
 * Both sides are ours, so a malformed packet is a bug, or a daemon that has
 * been taken over.
 */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include "base/outcome.h"
#include "base/str.h"

#define CONTROL_FD       3
#define CONTROL_NAME_MAX 64
#define CONTROL_TEXT_MAX 1024

enum control_type {
	/* supervisor to daemon */
	CONTROL_SETTINGS = 1, /* fd: memfd with the configuration's text */
	CONTROL_CERTIFICATE,  /* fd: memfd with the PEM chain followed by the PEM key */
	CONTROL_LISTENER,  /* name: what it is for ("smtp", "imaps", "lmtp"); fd: bound, listening.
			    * One for each address; also before a RELOAD, when there are more.
			    * One that is wanted no more is shut down: accept says EINVAL. */
	CONTROL_DIRECTORY, /* name: "mail", "queue"; fd: O_PATH|O_DIRECTORY, or O_RDONLY */
	CONTROL_WIRE, /* name: the peer ("authd", "imapd-1"); fd: our end; replaces an older one */
	CONTROL_SECRET, /* text: 32 octets drawn at the instance's start, the same for all */
	CONTROL_VALUE,  /* name and text: "shard" = "1"; "log" with fd: the new descriptor 2 */
	CONTROL_START,  /* all has been sent: confine and serve */
	CONTROL_RELOAD, /* new SETTINGS and CERTIFICATE came before: take them */
	CONTROL_STOP,   /* drain and exit */
	/* daemon to supervisor */
	CONTROL_READY,    /* serving */
	CONTROL_RELOADED, /* text: "" or why the old settings stay */
};

struct control_msg {
	enum control_type type;
	char name[CONTROL_NAME_MAX + 1];
	char text[CONTROL_TEXT_MAX + 1];
	size_t text_n;
	int fd; /* -1: none; the receiver's */
};

/* Waits for room.  GONE when the other side has ended.  Does not close fd. */
must_use enum outcome control_send(
    int sock, enum control_type type, const char *name, struct str text, int fd);

/*
 * Waits for one message, or says TEMPFAIL at once if the socket is
 * non-blocking and empty.  GONE when the other side has ended.  PERMFAIL: a
 * malformed packet; a daemon then ends, the supervisor ends the daemon.
 */
must_use enum outcome control_recv(int sock, struct control_msg *out);

#endif
