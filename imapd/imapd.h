/*
 * imapd.h - one shard: what all its sessions share.
 */
#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H

#include "run/park.h"
#include "store/home.h"

struct mailboxes;

/* Limits of a session; the defaults are in session.c, the tests make them small. */
struct imap_limits {
	unsigned bad_commands; /* that many in a row: BYE */
	int64_t autologout_ms; /* without a command; RFC 3501 5.4: at least 30 minutes */
	int64_t keepalive_ms;  /* "* OK Still here" while idling */
	int64_t write_ms;      /* a client may take so long to take what we have written */
	int64_t store_ms;      /* a call into the store may wait so long */
	int64_t body_ms;       /* a message's upload may take so long in all */
	uint32_t least_rate;   /* octets a second of a body transfer */
};
extern const struct imap_limits imap_limits_default;

/* Who has logged in, as authd says. */
struct account {
	struct str user; /* canonical address, for the log and the postroom command */
	struct str home; /* below the mail root */
	struct quota_limit quota;
};

struct handover;
struct imapd;

/*
 * Take over a connection that has logged in: imap_begin, pop3_begin.  On DONE
 * h->fd is the session's; else it is still the caller's and nothing was sent.
 */
typedef enum outcome session_begin(
    struct imapd *d, const struct handover *h, const struct account *a, struct why *why);

struct imapd {
	struct store *store;
	struct lot *lot;
	struct mailboxes *boxes;
	struct imap_limits lim;
	_Atomic uint64_t message_bytes; /* APPEND; over it NO [TOOBIG] (RFC 7889) */
	const char *version;
	session_begin *begin_pop3; /* NULL: no POP3 here */
};

#endif
