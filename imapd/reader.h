/*
 * reader.h - finds whole commands in what the client has sent: a line, the
 * literals it announces (RFC 3501 4.3, RFC 7888) and the lines behind them.
 *
 * Pure: it looks at the connection's unconsumed input and says what to do.
 * It may be asked again with more input at any time and gives the same answer
 * whether input comes whole or octet by octet.  Cost is linear: `seen`
 * remembers how far it has looked.
 */
#ifndef IMAPD_READER_H
#define IMAPD_READER_H

#include "base/str.h"

#define READER_COMMAND_MAX  (64 * 1024) /* one command with its literals, APPEND's message aside */
#define READER_LITERALS_MAX 256

enum reader_got {
	READER_MORE,     /* no whole command yet */
	READER_CONTINUE, /* the client waits for "+ " before it sends a literal: say so, ask again
			  */
	READER_COMMAND,  /* text is a command; consume `octets` */
	READER_STREAM,   /* text is a command up to its message literal; consume `octets` */
	READER_TOO_LONG, /* text is the beginning of it: tagged BAD; consume; the rest is skipped */
	READER_SKIP,     /* part of the line that was too long: consume, ask again */
	READER_LITERAL,  /* a literal that is refused: tagged BAD; not `sync`: BYE, its octets come
			  */
};

struct reader {
	size_t seen;       /* of the input: need not be looked at again */
	unsigned literals; /* in this command so far */
	bool asked;        /* the literal that ends at `seen` has had its "+" */
	bool skipping;
};

struct reader_line {
	struct str text;      /* without the last line end */
	size_t octets;        /* to be consumed */
	bool literal_follows; /* READER_STREAM: */
	uint64_t literal;     /* size of the literal that begins now */
	bool sync;            /* ... and whether the client waits for "+ " first */
};

/*
 * streams(text): is the literal announced behind `text` a message, to be
 * streamed by the command itself?  Never NULL.
 */
enum reader_got reader_next(
    struct reader *r, struct str input, bool (*streams)(struct str text), struct reader_line *out);

/*
 * Does the line announce a literal at its end?  False also where the number
 * has no sense; then *bad says so (too large for 63 bits, or signed).
 */
bool literal_announced(struct str line, uint64_t *n, bool *sync, size_t *at, bool *bad);

#endif
