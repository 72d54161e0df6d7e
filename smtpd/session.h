/*
 * session.h - one SMTP connection, for the files of this folder: session.c
 * has the turn, each cmd_*.c a command, message.c what happens to a body.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "base/arena.h"
#include "base/scan.h"
#include "mail/address.h"
#include "mail/dot.h"
#include "run/io.h"
#include "smtpd/body.h"
#include "smtpd/params.h"
#include "smtpd/server.h"

#define SMTP_LINE_MAX       2048 /* RFC 5321 4.5.3.1.4, and what its extensions add to it */
#define SMTP_SKIP_MAX       (1024 * 1024) /* of a line that is too long, before we hang up */
#define SMTP_HELO_MAX       255
#define SMTP_AUTH_LINE_MAX  12288 /* RFC 4954 4 */
#define SMTP_JUNK_MAX       100   /* commands that lead nowhere; more count as errors */
#define SMTP_AUTH_TRIES     5     /* failures before we hang up (faults.md S9) */
#define SMTP_RECEIVED_MAX   100   /* RFC 5321 6.3 */
#define SMTP_TX_ARENA       (8 * 1024 * 1024)
#define SMTP_RECIPIENT_ROOM (64 * 1024) /* of it, that one more recipient may take */
#define SMTP_TARGETS_MAX    DELIVER_TARGETS_MAX
#define SMTP_SURPLUS_MAX    10000 /* recipients answered with 452 before they count as errors */

#define SMTP_GREETING_MS   60000 /* from connection to the first EHLO */
#define SMTP_WRITE_MS      30000
#define SMTP_STRESS_MS     10000  /* faults.md S8 */
#define SMTP_BLOCK_MS      180000 /* RFC 5321 4.5.3.2.5: between two blocks of a body */
#define SMTP_BODY_GRACE_MS 60000
#define SMTP_BODY_RATE     500      /* octets a second a body has to average after the grace */
#define SMTP_BODY_MS       28800000 /* and no body takes longer than eight hours */
#define SMTP_LINGER_MS     2000
#define SMTP_LINGER_MAX    (256 * 1024)

enum smtp_state {
	SMTP_HANDSHAKE, /* TLS is being negotiated */
	SMTP_COMMAND,   /* a command is expected */
	SMTP_SASL,      /* a line of an AUTH exchange is expected */
	SMTP_DATA,      /* text until CRLF.CRLF */
	SMTP_CHUNK,     /* `chunk_left` octets of BDAT */
	SMTP_PENALTY,   /* a refusal is held back until `until` */
	SMTP_LINGER,    /* said good-bye; waiting for the peer to read it */
};

/* What became of one piece of input. */
enum step {
	STEP_MORE,  /* look again: more may be there */
	STEP_WAIT,  /* needs input that is not there */
	STEP_CLOSE, /* over: flush and close */
};

enum tx_stage {
	TX_RECIPIENTS, /* RCPT may come */
	TX_TEXT,       /* DATA or BDAT has begun */
	TX_BROKEN,     /* a BDAT failed: only RSET helps (RFC 3030 2) */
};

/* A mail transaction: from MAIL to the reply that ends it.  Lives in s->tx_arena. */
struct tx {
	uint64_t id; /* trace and delivery id */
	int64_t began_us;
	struct str from; /* canonical, "" for <> */
	struct mail_params params;
	struct deliver_recipient *recipients;
	size_t count;
	size_t room;
	size_t targets; /* of all recipients */
	enum tx_stage stage;
	struct body body;
	struct undot undot;    /* also for BDAT: its marks */
	size_t body_accounted; /* what of body.memory is in server->body_memory */
};

struct smtp {
	struct conn conn; /* first */
	uint32_t magic;
	enum smtp_state state;
	struct smtp_server *server;
	struct smtp_settings *set; /* counted */
	const struct smtp_service *service;
	struct io *io;
	uint64_t id;
	char ip[INET6_ADDRSTRLEN];
	struct peer_key peer;
	bool counted;  /* in server->peers */
	bool trusted;  /* in trusted_networks */
	bool stranger; /* in server->strangers */
	TAILQ_ENTRY(smtp) older;
	atomic_bool shed; /* make room for a newcomer */

	bool greeted;  /* our 220 was sent */
	bool esmtp;    /* EHLO, not HELO */
	bool draining; /* the daemon is stopping */
	bool progress; /* something was served in this turn */
	bool skipping; /* dropping a line that was refused before its end */
	uint64_t skipped;
	size_t helo_n; /* 0: no EHLO or HELO yet */
	char helo[SMTP_HELO_MAX];
	struct str user; /* in arena; "" until AUTH */
	unsigned errors, junk, auth_failures, surplus;
	unsigned messages; /* accepted */

	struct deadline login_by; /* submission: AUTH has to be done by then */
	struct deadline until;    /* of the state, as a whole */
	struct arena *arena;      /* until STARTTLS or the end */
	struct arena *command;    /* until the reply */
	struct arena *tx_arena;
	struct tx *tx; /* in tx_arena; NULL: none */

	struct { /* of SMTP_SASL */
		bool open;
		uint64_t exchange;
	} sasl;
	int64_t text_began_ms; /* SMTP_DATA, SMTP_CHUNK: the deadline counts from here */
	uint64_t text_octets;  /* since then */
	uint64_t chunk_left;   /* of SMTP_CHUNK */
	bool chunk_last;
	struct why held; /* the reply of SMTP_PENALTY, or of a refused chunk */
	size_t lingered;
};

/* --- session.c --- */

/* Takes over fd and settings. */
struct smtp *smtp_new(struct smtp_server *server, struct smtp_settings *set,
    const struct smtp_service *service, int fd, const char *ip);
void smtp_free(struct smtp **s);
extern const struct conn_ops smtp_ops;

/*
 * A turn without the lot, for tests too: serves what is there.  Afterwards
 * s->until is when it wants to be called with `expired`.
 */
enum turn smtp_turn(struct smtp *s, struct wake wake);

/* "code enhanced text" in one line; enhanced "" where RFC 2034 4 has none. */
enum outcome reply(struct smtp *s, int code, const char *enhanced, const char *format, ...)
    printf_like(4, 5);
void reply_why(struct smtp *s, const struct why *why);

/* Say this, then read on for a moment so that the peer gets it, and close. */
enum step hang_up(struct smtp *s, int code, const char *enhanced, const char *text);

/* The same from a command. */
enum outcome hang_up_now(struct smtp *s, int code, const char *enhanced, const char *text);

/* Count an error; STEP_CLOSE after too many (421 was said). */
enum step count_error(struct smtp *s);

void tx_close(struct smtp *s);
/* What EHLO, RSET and STARTTLS forget. */
void smtp_reset(struct smtp *s);
void smtp_logged_in(struct smtp *s); /* no stranger any more */

bool smtp_has_tls(const struct smtp *s);
bool smtp_may_auth(const struct smtp *s);    /* AUTH is on offer now */
bool smtp_needs_login(const struct smtp *s); /* and has not been given */

/* --- commands: DONE after having replied; else *why is the reply; GONE: hang up --- */

enum command_flag {
	ANY_TIME = 0,
	AFTER_HELLO = 1 << 0,    /* 503 before EHLO or HELO */
	IN_TRANSACTION = 1 << 1, /* 503 without MAIL */
	AFTER_LOGIN = 1 << 2,    /* 530 on submission without AUTH */
	MID_CHUNKS = 1 << 3,     /* also between two BDATs, and after one failed (RFC 3030 2) */
	NO_ARGUMENT = 1 << 4,
	IS_JUNK = 1 << 5, /* brings no mail nearer */
};

enum outcome cmd_helo(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_ehlo(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_starttls(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_auth(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_mail(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_rcpt(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_data(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_bdat(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_rset(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_noop(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_vrfy(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_help(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_quit(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_refused(struct smtp *s, struct scan args, struct why *why);
enum outcome cmd_foreign(struct smtp *s, struct scan args, struct why *why);

/* --- input that is no command --- */

enum step auth_line(struct smtp *s, struct str line); /* cmd_auth.c */
void auth_cancel(struct smtp *s);
void auth_offer(struct smtp *s);     /* the line of EHLO, if AUTH is on offer */
enum step data_feed(struct smtp *s); /* cmd_data.c */
enum step bdat_feed(struct smtp *s); /* cmd_bdat.c */

/* --- message.c: a body on its way to deliver --- */

/* DATA or the first BDAT: can it be taken at all? */
must_use enum outcome message_open(struct smtp *s, struct why *why);
/* Octets of the message, dots taken off. */
void message_put(struct smtp *s, struct str piece);
/* All has come: commit and reply; the transaction is closed. */
enum step message_end(struct smtp *s);
/* Before parking in mid-body: give memory back if there is too little. */
void message_park(struct smtp *s);
/* By when more of the text has to come: a pause, the average rate, the whole. */
struct deadline message_deadline(const struct smtp *s);

/* --- submission.c --- */

/* The lines a submitted message lacks; PERMFAIL when its From is not the user's. */
must_use enum outcome submission_check(
    struct smtp *s, struct str header, struct buf *lines, struct why *why);

#endif
