/* smtp_int.h - what the two files of the SMTP client share. */
#ifndef RELAY_SMTP_INT_H
#define RELAY_SMTP_INT_H

#include "deliver/relay/smtp_client.h"
#include "run/io.h"

/* RFC 5321 4.5.3.2: how long a reply, or room to write, is waited for. */
#define WAIT_MAIL_MS  (5 * 60 * 1000)  /* greeting, EHLO, MAIL, RCPT */
#define WAIT_DATA_MS  (2 * 60 * 1000)  /* 354 */
#define WAIT_BLOCK_MS (3 * 60 * 1000)  /* a piece of the message */
#define WAIT_END_MS   (10 * 60 * 1000) /* the reply to the message */

enum smtp_can {
	CAN_PIPELINING = 1 << 0,
	CAN_8BITMIME = 1 << 1,
	CAN_SMTPUTF8 = 1 << 2,
	CAN_DSN = 1 << 3,
	CAN_CHUNKING = 1 << 4,
	CAN_BINARYMIME = 1 << 5,
	CAN_STARTTLS = 1 << 6,
	CAN_SIZE = 1 << 7,
	CAN_AUTH_PLAIN = 1 << 8,
	CAN_AUTH_LOGIN = 1 << 9,
};

struct smtp {
	struct io *io;
	unsigned can;      /* enum smtp_can */
	uint64_t size_max; /* of SIZE; 0: no limit told */
	bool tls;
	bool broken; /* nothing more can be said or believed */
	char name[DNS_NAME_MAX + 1];
};

/* Wait for one reply.  False: broken.  each, which may be NULL, sees every line. */
must_use bool smtp_reply(struct smtp *s, int64_t wait_ms, struct reply *r,
    void (*each)(struct smtp *s, struct str line, unsigned number));

/* One command and its reply. */
must_use bool smtp_ask(struct smtp *s, int64_t wait_ms, struct reply *r, const char *format, ...)
    printf_like(4, 5);

#endif
