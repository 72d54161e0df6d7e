/*
 * search_parse.h - a SEARCH program (RFC 3501 6.4.4): the client's keys as a
 * chain of tests, each of which says where to go on when it holds and where
 * when it does not.
 *
 * NOT, OR and parentheses vanish in the chain, so running it is a loop, and a
 * thousand nested ones cost what they test.  Within a conjunction cheap tests
 * come first: a message that its flags exclude is never opened.
 */
#ifndef IMAPD_SEARCH_PARSE_H
#define IMAPD_SEARCH_PARSE_H

#include "imapd/parse.h"
#include "mail/seqset.h"

#define SEARCH_DEPTH_MAX 64   /* NOT, OR and parentheses within each other */
#define SEARCH_TESTS_MAX 4096 /* keys in one program */
#define SEARCH_TEXTS_MAX 64   /* of them those that read messages */

enum search_test {
	TEST_ALL,
	TEST_SET,   /* sequence numbers or UIDs */
	TEST_FLAGS, /* any of these system flags */
	TEST_RECENT,
	TEST_KEYWORD, /* text */
	TEST_BEFORE,  /* internal date: day */
	TEST_ON,
	TEST_SINCE,
	TEST_LARGER,
	TEST_SMALLER,
	TEST_MODSEQ,
	/* From here on the packed structure is needed ... */
	TEST_SENTBEFORE,
	TEST_SENTON,
	TEST_SENTSINCE,
	TEST_FROM,
	TEST_TO,
	TEST_CC,
	TEST_BCC,
	TEST_SUBJECT,
	/* ... and from here on the message. */
	TEST_HEADER,
	TEST_BODY,
	TEST_TEXT,
};

/* Where a chain ends. */
#define SEARCH_YES (-1)
#define SEARCH_NO  (-2)

struct search_step {
	enum search_test test;
	int yes, no; /* index of the next step, SEARCH_YES or SEARCH_NO */
	unsigned flags;
	int64_t day;
	uint64_t number;
	struct str field; /* HEADER: its name */
	struct str text;  /* folded (mail/fold.h); KEYWORD: as written */
	struct str set;   /* SET: as written; `uid`: of UIDs */
	bool uid;
	struct seqset uids; /* SET: for whoever runs it; zeroed here */
};

struct search_program {
	struct search_step *steps; /* in the arena */
	size_t count;
	int first;        /* where it begins; may be SEARCH_YES */
	bool modseq;      /* MODSEQ was among the keys (RFC 7162 3.1.5) */
	bool bad_charset; /* CHARSET is none we take */
};

/* From the CHARSET (if any) or first key to the end of the command. */
must_use bool search_parse(struct parse *p, struct search_program *out);

#endif
