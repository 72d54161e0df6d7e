/*
 * params.h - the parameters behind the path of MAIL and RCPT (RFC 5321
 * 4.1.1.11): SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531),
 * AUTH (RFC 4954), RET, ENVID, NOTIFY and ORCPT (RFC 3461).
 *
 * Pure functions.  PERMFAIL comes with the reply in *why: 501 for a value that
 * is wrong, 555 for a parameter we do not know (RFC 5321 4.1.1.11).
 */
#ifndef SMTPD_PARAMS_H
#define SMTPD_PARAMS_H

#include "base/arena.h"
#include "base/outcome.h"
#include "base/scan.h"
#include "rpc/deliver_proto.h"

#define PARAM_ENVID_MAX 100 /* RFC 3461 4.4, as written */
#define PARAM_ORCPT_MAX 500 /* RFC 3461 4.2, as written */

enum body_kind {
	BODY_7BIT, /* also when nothing was said */
	BODY_8BITMIME,
	BODY_BINARYMIME,
};

struct mail_params {
	uint64_t size; /* 0: not said */
	enum body_kind body;
	bool smtputf8;
	enum deliver_ret ret;
	struct str envid; /* xtext as given; empty: none */
	struct str auth;  /* xtext as given, "<>" too; empty: none */
};

struct rcpt_params {
	uint8_t notify;   /* enum deliver_notify; 0: not given */
	struct str orcpt; /* "rfc822;a+2Bb@c" as given; empty: none */
};

/*
 * All of args is consumed.  Texts point into args.  smtputf8 says whether the
 * transaction is one of RFC 6531, which widens ORCPT (RFC 6533 3).
 */
must_use enum outcome mail_params_parse(
    struct scan *args, struct mail_params *out, struct why *why);
must_use enum outcome rcpt_params_parse(
    struct scan *args, bool smtputf8, struct rcpt_params *out, struct why *why);

/*
 * RFC 3461 4: octets from "!" to "~" but "+" and "=", and "+" with two upper
 * case hexadecimal digits.  Only printable ASCII and, with utf8, octets above
 * 127 may be meant.
 */
bool xtext_valid(struct str s, bool utf8);

#endif
