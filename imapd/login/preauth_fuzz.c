/*
 * The first octet says which protocol and what authd would answer; the rest
 * is a client.  Fed whole and octet by octet the replies must be the same.
 */
#include "base/fuzz.h"
#include "imapd/login/preauth.h"

#define OUT_MAX (1 << 20)

static void
talk(uint8_t mode, struct str input, size_t piece, struct buf *got)
{
	struct preauth p;
	size_t fed = 0, at = 0, used;
	bool open = true;

	preauth_init(&p, (mode & 1) != 0 ? PREAUTH_POP3 : PREAUTH_IMAP);
	p.may_tls = true;
	p.passwords = (mode & 2) != 0;
	p.tls = (mode & 4) != 0;
	p.mechanisms = "PLAIN SCRAM-SHA-256";
	preauth_greet(&p, got);
	while (open && fed < input.n) {
		enum preauth_want want;

		fed = MIN(fed + piece, input.n);
		do {
			want = preauth_take(&p, str_n(input.p + at, fed - at), &used, got);
			at += used;
			assert(at <= fed);
			if (want == WANT_START && (mode & 8) != 0) {
				preauth_challenge(&p, STR("go on"), got);
			} else if (want == WANT_START || want == WANT_STEP) {
				buf_printf(got, "<%s %d>", p.mechanism, p.has_response);
				buf_put(got, buf_str(&p.response));
				want = preauth_refused(&p, (mode & 16) != 0 ? TEMPFAIL : PERMFAIL,
				    &(struct why){ .code = 535, .text = "no" }, got);
			} else if (want == WANT_TLS) {
				preauth_secured(&p);
			}
			open = want != WANT_CLOSE;
		} while (open && !(want == WANT_INPUT && used == 0));
		assert(!open || fed - at < PREAUTH_INPUT_MAX + piece);
	}
	preauth_free(&p);
}

FUZZ(data, n)
{
	struct buf whole, octets;

	if (n < 1 || n > 40000)
		return;
	buf_init(&whole, OUT_MAX);
	buf_init(&octets, OUT_MAX);
	talk(data[0], str_n(data + 1, n - 1), n, &whole);
	talk(data[0], str_n(data + 1, n - 1), 1, &octets);
	assert(str_eq(buf_str(&whole), buf_str(&octets)));
	buf_free(&whole);
	buf_free(&octets);
}
