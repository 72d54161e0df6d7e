/*
 * session_fuzz.c - a whole session, in every state, with its input cut at
 * random.
 *
 * The first octet picks the door and how far the session is when the input
 * begins, the second how the rest is cut.  The replies have to be those the
 * uncut input gets, a stranger's mail has to be for us, and what deliver gets
 * has to be what it asks for.
 */
#include "base/fuzz.h"

#include <string.h>

#include "base/log.h"
#include "smtpd/fake.h"

#define EHLO  "EHLO a\r\n"
#define OPEN  EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<ann@example.test>\r\n"
#define LOGIN EHLO "AUTH PLAIN AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0\r\n"

static const struct {
	const char *service;
	const char *before;
} starts[] = {
	{ "smtp", "" },
	{ "smtp", EHLO },
	{ "smtp", OPEN },
	{ "smtp", OPEN "DATA\r\n" },
	{ "smtp", OPEN "BDAT 20\r\n0123456789" },
	{ "smtp", OPEN "BDAT 5\r\nabc\r\n" },
	{ "smtp", EHLO "MAIL FROM:<> BODY=BINARYMIME SMTPUTF8\r\nRCPT TO:<ann@example.test>\r\n" },
	{ "submission", "" },
	{ "submission", EHLO "AUTH LOGIN\r\n" },
	{ "submission", LOGIN },
	{ "submission", LOGIN "MAIL FROM:<ann@example.test>\r\nRCPT TO:<a@far.test>\r\nDATA\r\n" },
};

static void
play(struct fake *f, unsigned start, struct str input, unsigned cut, char *codes, size_t room)
{
	fake_open(f, starts[start].service, "allow_plaintext_login = yes\nmessage_size = 64K\n");
	fake_send(f, str_of(starts[start].before));
	for (size_t i = 0; input.n > 0; i++) { /* ends: each piece has an octet at least */
		size_t n = cut == 0 ? input.n : 1 + (cut * (i + 1) * 2654435761U >> 7) % cut;

		fake_send(f, str_first(input, n));
		input = str_from(input, n);
	}
	strncpy(codes, fake_codes(f), room - 1);
	codes[room - 1] = '\0';
	/* No relay: a stranger's mail is for hosted addresses. */
	if (f->commits > 0 && strcmp(starts[start].service, "smtp") == 0)
		assert(f->s->user.n == 0 && strstr(f->recipients, "far") == NULL);
	if (f->message.n > 0)
		assert(str_starts(buf_str(&f->message), STR("Return-Path: <")));
	fake_close(f);
}

FUZZ(data, n)
{
	static char whole[65536], pieces[65536];
	static bool quiet;
	struct fake f;
	struct str input;

	if (!quiet)
		log_init("fuzz", LOG_FATAL);
	quiet = true;
	if (n < 2)
		return;
	input = str_n(data + 2, n - 2);
	play(&f, data[0] % COUNT_OF(starts), input, 0, whole, sizeof(whole));
	play(&f, data[0] % COUNT_OF(starts), input, data[1], pieces, sizeof(pieces));
	/* What is in one segment with a refused DATA is judged apart; long lines too. */
	if (n < 2000 && strstr(whole, "421 4.5.0") == NULL && strstr(pieces, "421 4.5.0") == NULL)
		assert(strcmp(whole, pieces) == 0);
}
