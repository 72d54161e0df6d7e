/*
 * preauth.h - IMAP and POP3 until the password is right: octets in, replies
 * and wishes out.  No socket, no clock, no waiting; the loop (client.c) does
 * what is wished and comes back.
 *
 * Input may come in any pieces: the replies are the same (a fuzz target
 * holds it to that).  What is kept between calls is this struct and the
 * caller's buffer of input that is not a whole command yet.
 */
#ifndef LOGIN_PREAUTH_H
#define LOGIN_PREAUTH_H

#include "base/buf.h"
#include "base/outcome.h"
#include "base/scan.h"

#define PREAUTH_INPUT_MAX   16384 /* octets of one command, literals included */
#define PREAUTH_LITERAL_MAX 4096  /* octets of one literal; a password has at most 1024 */
#define PREAUTH_LITERALS    16    /* in one command */
#define PREAUTH_SASL_MAX    8192  /* octets of one SASL response */
#define PREAUTH_TAG_MAX     128
#define PREAUTH_ID_MAX      512
#define PREAUTH_ERRORS_MAX  20 /* commands that make no sense */
#define PREAUTH_GUESSES_MAX 5  /* refused logins (faults.md S9) */

enum preauth_protocol {
	PREAUTH_IMAP,
	PREAUTH_POP3,
};

enum preauth_want {
	WANT_INPUT, /* more octets */
	WANT_TLS,   /* send the replies, throw away all input, begin the handshake, then
		       preauth_secured */
	WANT_START, /* ask authd: mechanism, response (if has_response); then one of the answers
		       below */
	WANT_STEP,  /* ask authd: response */
	WANT_ABORT, /* tell authd that the exchange was given up, then go on taking */
	WANT_CLOSE, /* send the replies and close */
};

struct preauth {
	enum preauth_protocol protocol;
	bool may_tls;   /* STARTTLS or STLS can be had */
	bool tls;       /* it has been done */
	bool passwords; /* may be sent as they are: by TLS, trusted network or setting */
	/* Mechanisms to offer, between spaces; borrowed, the loop keeps it up to date. */
	const char *mechanisms;
	const char *hostname; /* borrowed */

	/* What is wished. */
	char mechanism[32];
	struct buf response; /* ours, wiped; PREAUTH_SASL_MAX */
	bool has_response;

	/* For the handover. */
	char tag[PREAUTH_TAG_MAX + 1]; /* of the command that logs in; "" in POP3 */
	struct buf id;                 /* ours: RFC 2971 parameters as sent, without the brackets */

	/* Private. */
	struct buf user;  /* ours: POP3's USER */
	bool in_exchange; /* the next line is a response to a challenge */
	uint8_t literals; /* seen in the command under way */
	uint8_t errors;
	uint8_t guesses;
	bool first_line_seen;
	size_t scanned; /* octets of the command under way that need no second look */
	size_t segment; /* where its text goes on behind the last literal */
};

void preauth_init(struct preauth *p, enum preauth_protocol protocol);
void preauth_free(struct preauth *p); /* p itself stays */

/* The greeting. */
void preauth_greet(struct preauth *p, struct buf *out);

/*
 * Take one command from the front of `in`.  *used octets are done with (the
 * caller drops and wipes them, also when 0 is not all); replies are appended
 * to out.  Call again until WANT_INPUT, after doing what is wished.
 */
enum preauth_want preauth_take(struct preauth *p, struct str in, size_t *used, struct buf *out);

/* TLS is up: whatever was said before is forgotten (RFC 3207 4.2, RFC 9051 6.2.1). */
void preauth_secured(struct preauth *p);

/* authd has a challenge; the client's answer will be WANT_STEP or WANT_ABORT. */
void preauth_challenge(struct preauth *p, struct str challenge, struct buf *out);

/* authd (or, after it, imapd) refused: WANT_INPUT to go on, or WANT_CLOSE. */
enum preauth_want preauth_refused(
    struct preauth *p, enum outcome o, const struct why *why, struct buf *out);

/* The connection ends for our reasons: "too slow", "stopping". */
void preauth_bye(const struct preauth *p, const char *text, struct buf *out);

/* --- between preauth.c and the two protocols --- */

enum preauth_want preauth_imap_line(
    struct preauth *p, struct str in, size_t *used, struct buf *out);
enum preauth_want preauth_pop3_line(
    struct preauth *p, struct str in, size_t *used, struct buf *out);

enum preauth_line {
	LINE_PARTLY,
	LINE_WHOLE,
	LINE_TOO_LONG, /* PREAUTH_INPUT_MAX octets, and no end */
};

/* Find LF in `in` from p->scanned on; *end is behind it.  Else scanned moves. */
must_use enum preauth_line preauth_line_end(struct preauth *p, struct str in, size_t *end);
/* "\0user\0password" (RFC 4616) as the initial response of PLAIN. */
enum preauth_want preauth_plain(struct preauth *p, struct str user, struct str password);
/* Begin with a mechanism and, perhaps, an initial response in base64 ("=" is empty). */
must_use bool preauth_begin(struct preauth *p, struct str mechanism, struct str initial, bool has);
/* A web browser, or a script that makes one talk to us (ALPACA). */
must_use bool preauth_is_http(struct str line);

#endif
