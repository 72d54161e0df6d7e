/*
 * dot.h - the transparency of SMTP DATA and POP3 (RFC 5321 4.5.2, RFC 1939
 * 3): taking the dots off what comes in, putting them on what goes out.
 *
 * Both hand out pieces of their input without copying.  State is in the
 * struct, so input may come whole or octet by octet with the same result, and
 * a body may be parked between chunks.
 *
 *	struct scan in = scan_of(chunk);
 *	struct str piece;
 *	while (undot_next(&u, &in, &piece))
 *		write(piece);
 *	if (u.done) ... in.p is the first octet behind CRLF.CRLF
 */
#ifndef MAIL_DOT_H
#define MAIL_DOT_H

#include "base/buf.h"
#include "base/scan.h"

/* What was seen in the data; whether it is refused is the caller's policy. */
enum undot_mark {
	UNDOT_BARE_LF = 1 << 0, /* LF without CR: smuggling, or a careless client */
	UNDOT_BARE_CR = 1 << 1, /* CR without LF */
	UNDOT_NUL = 1 << 2,
};

/* Zero it to start. */
struct undot {
	int state;
	bool done;        /* CRLF.CRLF was seen: the message is complete */
	unsigned marks;   /* enum undot_mark */
	uint64_t octets;  /* of message handed out */
	uint64_t line;    /* octets in the line so far, CRLF not counted */
	uint64_t longest; /* line */
};

/*
 * Only CRLF "." CRLF ends a message, and a "." alone on its line at the very
 * start; a line starts only behind CRLF (RFC 5321 4.1.1.4, 2.3.8).  Next to a
 * bare CR or LF a dot is a dot.  The last CRLF is part of the message.
 *
 * False when the input is used up or the message is done; *piece else is never
 * empty.  It points into the input or to a constant.
 */
bool undot_next(struct undot *u, struct scan *in, struct str *piece);

/*
 * BDAT and APPEND carry no dots: the same marks and line lengths for them.
 * Call for each chunk.
 */
void undot_look(struct undot *u, struct str chunk);
void undot_look_end(struct undot *u); /* behind the last one: a CR there is bare */

/* Zero it to start. */
struct dot {
	int state;
};

/*
 * Stuff for sending: dots doubled at line starts, LF and CRLF both sent as
 * CRLF, a bare CR sent as a space (RFC 5321 2.3.8 forbids it; faults.md 1).
 * Same protocol as undot_next.
 */
bool dot_next(struct dot *d, struct scan *in, struct str *piece);
/* What has to follow the last piece: the missing CRLF, if so, and ".CRLF". */
struct str dot_end(struct dot *d);

#endif
