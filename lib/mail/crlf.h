/*
 * crlf.h - line ends: a stored message may have LF or CRLF, what IMAP and
 * POP3 send has CRLF.
 *
 * How imapd presents a file: every LF without a CR before it counts and is
 * sent as CRLF; a CR elsewhere is data and stays; a NUL, which no IMAP literal
 * may hold (RFC 3501 9, CHAR8), is sent as 0x80.  So sizes are virtual:
 * presented = stored + bare, and a file with bare == 0 and no NUL can be sent
 * as it is (sendfile, or straight from the mapping).
 */
#ifndef MAIL_CRLF_H
#define MAIL_CRLF_H

#include "base/buf.h"
#include "base/scan.h"

struct crlf_count {
	uint64_t size;  /* octets */
	uint64_t lines; /* LFs */
	uint64_t bare;  /* LFs without CR */
	bool nul;       /* a NUL is in it */
};

/* One pass over a whole message or region. */
void crlf_count(struct str s, struct crlf_count *out);

/* Zero it to start a region. */
struct crlf {
	bool cr; /* the last octet was CR */
};

/*
 * The next piece as presented, pointing into the input or to a constant; false
 * when the input is used up.  Whole or octet by octet gives the same octets.
 */
bool crlf_next(struct crlf *c, struct scan *in, struct str *piece);

/* Append s as presented.  False when out is full. */
bool crlf_put(struct buf *out, struct str s);

/*
 * For BODY[...]<origin.count> of a file with bare line ends: the part of
 * `region` (as stored) that is presented from octet `origin` on.  *half says
 * that origin falls between the CR and the LF of a bare LF: the LF is sent
 * alone first.  Linear in origin; remember the place when a client walks through.
 */
struct str crlf_seek(struct str region, uint64_t origin, bool *half);

/*
 * Append at most `count` presented octets of region from `origin`: all of the
 * above at once.  bare is the region's count (0 is the fast way).  False: full.
 */
bool crlf_put_partial(
    struct buf *out, struct str region, uint64_t bare, uint64_t origin, uint64_t count);

#endif
