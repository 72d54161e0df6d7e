/*
 * dsn.h - the text of a delivery status notification: multipart/report
 * (RFC 6522) with a message/delivery-status part (RFC 3464), for the requests
 * of RFC 3461, and its UTF-8 form (RFC 6533).
 *
 * Pure: values in, octets out.  What strangers said (replies, host names) is
 * put on one line and freed of control characters.
 */
#ifndef DELIVER_DSN_H
#define DELIVER_DSN_H

#include "base/buf.h"
#include "rpc/deliver_proto.h"

enum dsn_action { /* RFC 3464 2.3.3 */
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED,
	DSN_RELAYED, /* handed to a host that does not know DSN */
};

struct dsn_recipient {
	struct str final;  /* where it was to go */
	struct str orcpt;  /* RFC 3461 4.2 "rfc822;xtext"; empty: none */
	struct str status; /* "5.1.1"; empty: made up from the action */
	struct str reply;  /* of the remote host, or our own words */
	struct str mta;    /* who said so; empty: we did */
	int64_t at_s;      /* last attempt; 0: none */
};

struct dsn {
	enum dsn_action action;
	struct str hostname; /* ours */
	struct str to;       /* the sender who is told */
	struct str id;       /* trace id of the message reported on */
	struct str own_id;   /* of the report itself: Message-ID and boundary */
	struct str envid;    /* RFC 3461 4.4, xtext; empty: none */
	struct str helo;     /* of the host that gave us the message; empty: none */
	int64_t arrived_s;
	int64_t now_s;
	int64_t until_s; /* DSN_DELAYED: how long we go on trying */
	bool expired;    /* DSN_FAILED because time ran out */
	bool full;       /* the whole message follows, else its header */
	bool utf8;       /* the message or an address needs SMTPUTF8 */
	bool eightbit;   /* the message holds octets above 127 */
	const struct dsn_recipient *recipients;
	size_t recipient_count;
};

/*
 * Everything up to where the original message, or its header, is appended
 * (with CRLF line ends); then dsn_end.  False when out is full.
 */
must_use bool dsn_begin(const struct dsn *d, struct buf *out);
must_use bool dsn_end(const struct dsn *d, struct buf *out);

/* xtext (RFC 3461 4) decoded; what is no xtext comes as it is.  False when out is full. */
bool xtext_decode(struct str s, struct buf *out);

#endif
