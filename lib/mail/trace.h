/*
 * trace.h - the lines we add to mail: Received (RFC 5321 4.4), Message-ID
 * (RFC 5322 3.6.4), Return-Path and Delivered-To.
 */
#ifndef MAIL_TRACE_H
#define MAIL_TRACE_H

#include "mail/address.h"
#include "mail/date.h"

#define TRACE_LINE_MAX 4096 /* a Received field never gets longer */

struct received {
	struct str helo;        /* what the peer called itself; escaped here; may be empty */
	struct str rdns;        /* its verified name; empty: "unknown" */
	struct str ip;          /* text; empty: the FROM clause is left out (submission, privacy) */
	struct str by;          /* our name */
	struct str with;        /* "ESMTPSA" (RFC 3848), "LMTP", "UTF8SMTPS" ... */
	struct str id;          /* the trace id */
	struct str tls;         /* "TLS1.3 TLS_AES_256_GCM_SHA384"; empty: none */
	struct str for_address; /* only for a single recipient; else empty */
	struct maildate date;
};

/*
 * "Received: from ...;\r\n\tdate\r\n", folded under 78 columns where it can
 * be.  Peer data is cut to length and freed of everything that could be syntax:
 * only letters, digits and "-._:[]@+=" of it stay, the rest becomes '?'.
 */
bool received_put(struct buf *b, const struct received *r);

/* "<hex.time@host>" from 16 random octets of the caller; with brackets, no line end. */
bool msgid_put(struct buf *b, int64_t time, const unsigned char random[16], struct str host);

/* "Return-Path: <a@b>\r\n", "Delivered-To: a@b\r\n". */
bool return_path_put(struct buf *b, const struct mailaddr *from);
bool delivered_to_put(struct buf *b, const struct mailaddr *to);

#endif
