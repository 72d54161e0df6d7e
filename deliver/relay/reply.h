/*
 * reply.h - what a remote SMTP server answers (RFC 5321 4.2, RFC 2034), line
 * by line.  Pure; any octets are survived.
 */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

#include "base/str.h"

#define REPLY_LINE_MAX  2048 /* octets of one line; RFC 5321 4.5.3.1.5 has 512 */
#define REPLY_LINES_MAX 128  /* of one reply */
#define REPLY_TEXT_MAX  480  /* octets of text kept, all lines joined by spaces */

struct reply {
	int code;        /* 200 to 599 */
	char status[12]; /* RFC 3463 "5.1.1", of the last line that had one; "" none */
	char text[REPLY_TEXT_MAX + 1]; /* printable; what is not became '?' */
	size_t text_n;
	unsigned lines;
};

enum reply_state {
	REPLY_MORE, /* another line follows */
	REPLY_END,
	REPLY_BAD, /* not SMTP: give the connection up */
};

void reply_begin(struct reply *r);
/* One line without its line end. */
enum reply_state reply_line(struct reply *r, struct str line);

/* The text of a line of an EHLO reply behind its code; false when it is none. */
bool reply_line_text(struct str line, struct str *text);

/* The status to report: the reply's own if its class fits its code, else one made from the code. */
const char *reply_status(const struct reply *r);

/* "550 5.1.1 No such user" into out. */
void reply_print(const struct reply *r, char *out, size_t room);

#endif
