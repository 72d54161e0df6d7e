#include "base/test.h"

#include "imapd/login/preauth.h"

/* What the loop would be told, as one text: replies, and <wishes> in between. */
static void
converse(struct preauth *p, struct str input, size_t piece, struct buf *got)
{
	struct buf in;
	size_t used, fed = 0;
	bool open = true;

	buf_init(&in, 64 * 1024);
	while (open && fed < input.n) {
		enum preauth_want want;
		struct str next = str_first(str_from(input, fed), piece);

		buf_put(&in, next);
		fed += next.n;
		do {
			want = preauth_take(p, buf_str(&in), &used, got);
			buf_drop(&in, used);
			switch (want) {
			case WANT_INPUT:
				break;
			case WANT_TLS:
				buf_puts(got, "<tls>");
				buf_clear(&in); /* what came in clear behind it */
				preauth_secured(p);
				p->mechanisms = "PLAIN SCRAM-SHA-256";
				break;
			case WANT_START:
				buf_printf(got, "<start %s", p->mechanism);
				if (p->has_response) {
					buf_puts(got, " '");
					buf_put(got, buf_str(&p->response));
					buf_puts(got, "'");
				}
				buf_puts(got, ">");
				if (strcmp(p->mechanism, "PLAIN") == 0 && p->has_response)
					want = preauth_refused(p, PERMFAIL,
					    &(struct why){ .code = 535, .text = "No" }, got);
				else
					preauth_challenge(p, STR("tell"), got);
				break;
			case WANT_STEP:
				buf_puts(got, "<step '");
				buf_put(got, buf_str(&p->response));
				buf_puts(got, "'>");
				want = preauth_refused(p, TEMPFAIL,
				    &(struct why){ .code = 454, .text = "Later" }, got);
				break;
			case WANT_ABORT:
				buf_puts(got, "<abort>");
				break;
			case WANT_CLOSE:
				break;
			}
			if (want == WANT_CLOSE) {
				buf_puts(got, "<close>");
				open = false;
			}
		} while (open && !(want == WANT_INPUT && used == 0));
	}
	/* The secret's NULs become visible. */
	for (size_t i = 0; i < got->n; i++)
		if (got->p[i] == '\0')
			got->p[i] = '|';
	buf_free(&in);
}

#define CAPS "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE"
#define ALL  "IMAP4rev1"

static const struct {
	const char *name;
	enum preauth_protocol protocol;
	bool secure;
	struct str in;
	const char *out;
} rows[] = {
	{ "capability in clear", PREAUTH_IMAP, false, STR("a CAPABILITY\r\n"),
	    "* " CAPS
	    " STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256\r\na OK Capability completed.\r\n" },
	{ "capability secured", PREAUTH_IMAP, true, STR("a capability\r\n"),
	    "* " CAPS " AUTH=PLAIN AUTH=SCRAM-SHA-256\r\na OK Capability completed.\r\n" },
	{ "login in clear", PREAUTH_IMAP, false, STR("a LOGIN ann secret\r\n"),
	    "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n" },
	{ "login", PREAUTH_IMAP, true, STR("a LOGIN ann secret\r\n"),
	    "<start PLAIN '|ann|secret'>a NO [AUTHENTICATIONFAILED] No\r\n" },
	{ "login quoted", PREAUTH_IMAP, true, STR("a LOGIN \"ann\" \"se\\\"c\\\\ret\"\r\n"),
	    "<start PLAIN '|ann|se\"c\\ret'>a NO [AUTHENTICATIONFAILED] No\r\n" },
	{ "login literals", PREAUTH_IMAP, true, STR("a LOGIN {3}\r\nann {6}\r\nsec}et\r\n"),
	    "+ OK\r\n+ OK\r\n<start PLAIN '|ann|sec}et'>a NO [AUTHENTICATIONFAILED] No\r\n" },
	{ "login literal+", PREAUTH_IMAP, true,
	    STR("a LOGIN {3+}\r\nann {3+}\r\n{5}\r\nb NOOP\r\n"),
	    "<start PLAIN '|ann|{5}'>a NO [AUTHENTICATIONFAILED] No\r\nb OK Nothing done.\r\n" },
	{ "login with a line in a literal", PREAUTH_IMAP, true,
	    STR("a LOGIN ann {6+}\r\na\r\nb\r\n\r\n"),
	    "<start PLAIN '|ann|a\r\nb\r\n'>a NO [AUTHENTICATIONFAILED] No\r\n" },
	{ "login missing", PREAUTH_IMAP, true, STR("a LOGIN ann\r\n"),
	    "a BAD Syntax: LOGIN user password\r\n" },
	{ "login trailing", PREAUTH_IMAP, true, STR("a LOGIN ann b c\r\n"),
	    "a BAD Syntax: LOGIN user password\r\n" },
	{ "huge literal that waits", PREAUTH_IMAP, true, STR("a LOGIN {4294967295}\r\nb NOOP\r\n"),
	    "a BAD [TOOBIG] Literal too large\r\nb OK Nothing done.\r\n" },
	{ "huge literal that does not", PREAUTH_IMAP, true,
	    STR("a LOGIN {18446744073709551617+}\r\nb NOOP\r\n"),
	    "* BYE Literal too large\r\n<close>" },
	{ "negative literal", PREAUTH_IMAP, true, STR("a LOGIN {-1}\r\n"),
	    "a BAD Syntax: LOGIN user password\r\n" },
	{ "injection behind STARTTLS", PREAUTH_IMAP, false,
	    STR("a STARTTLS\r\nb LOGIN eve x\r\nc NOOP\r\n"),
	    "a OK Begin TLS negotiation now.\r\n<tls>" },
	{ "authenticate with initial", PREAUTH_IMAP, true, STR("a AUTHENTICATE PLAIN AGEAYg==\r\n"),
	    "<start PLAIN '|a|b'>a NO [AUTHENTICATIONFAILED] No\r\n" },
	{ "authenticate empty initial", PREAUTH_IMAP, true, STR("a authenticate x-y =\r\neg==\r\n"),
	    "<start X-Y ''>+ dGVsbA==\r\n<step 'z'>a NO [UNAVAILABLE] Later\r\n" },
	{ "authenticate", PREAUTH_IMAP, true, STR("a AUTHENTICATE PLAIN\r\nAGEAYg==\r\n"),
	    "<start PLAIN>+ dGVsbA==\r\n<step '|a|b'>a NO [UNAVAILABLE] Later\r\n" },
	{ "authenticate cancelled", PREAUTH_IMAP, true,
	    STR("a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n"),
	    "<start PLAIN>+ dGVsbA==\r\na BAD Authentication cancelled\r\n<abort>b OK Nothing "
	    "done.\r\n" },
	{ "authenticate no base64", PREAUTH_IMAP, true, STR("a AUTHENTICATE PLAIN\r\n?\r\n"),
	    "<start PLAIN>+ dGVsbA==\r\na BAD The response is not base64\r\n<abort>" },
	{ "id", PREAUTH_IMAP, true,
	    STR("a ID (\"name\" \"x\" \"v\" NIL)\r\nb ID NIL\r\nc ID x\r\n"),
	    "* ID (\"name\" \"Postroom\")\r\na OK ID completed.\r\n* ID (\"name\" \"Postroom\")\r\n"
	    "b OK ID completed.\r\nc BAD Syntax: ID (\"field\" \"value\" ...) or ID NIL\r\n" },
	{ "bare LF", PREAUTH_IMAP, true, STR("a NOOP\nb NOOP\r\n"),
	    "a BAD Lines end with CRLF\r\nb OK Nothing done.\r\n" },
	{ "NUL", PREAUTH_IMAP, true, STR("a LOGIN a b\0c\r\n"), "a BAD NUL is not allowed\r\n" },
	{ "no tag", PREAUTH_IMAP, true, STR("\r\n+ NOOP\r\n"),
	    "* BAD Expected a tag and a command\r\n* BAD Expected a tag and a command\r\n" },
	{ "too early", PREAUTH_IMAP, true, STR("a SELECT INBOX\r\nb FROB\r\n"),
	    "a BAD Log in first\r\nb BAD Unknown command\r\n" },
	{ "logout", PREAUTH_IMAP, true, STR("a LOGOUT\r\nb NOOP\r\n"),
	    "* BYE Logging out\r\na OK Logout completed.\r\n<close>" },
	{ "web browser", PREAUTH_IMAP, true, STR("POST / HTTP/1.1\r\na LOGIN a b\r\n"),
	    "* BYE This is no web server\r\n<close>" },
	{ "five guesses", PREAUTH_IMAP, true,
	    STR("a LOGIN a 1\r\na LOGIN a 2\r\na LOGIN a 3\r\na LOGIN a 4\r\na LOGIN a 5\r\na "
		"LOGIN a 6\r\n"),
	    "<start PLAIN '|a|1'>a NO [AUTHENTICATIONFAILED] No\r\n"
	    "<start PLAIN '|a|2'>a NO [AUTHENTICATIONFAILED] No\r\n"
	    "<start PLAIN '|a|3'>a NO [AUTHENTICATIONFAILED] No\r\n"
	    "<start PLAIN '|a|4'>a NO [AUTHENTICATIONFAILED] No\r\n"
	    "<start PLAIN '|a|5'>a NO [AUTHENTICATIONFAILED] No\r\n* BYE Too many failed "
	    "logins\r\n<close>" },

	{ "capa in clear", PREAUTH_POP3, false, STR("CAPA\r\n"),
	    "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
	    "SASL SCRAM-SHA-256\r\nSTLS\r\nIMPLEMENTATION Postroom\r\n.\r\n" },
	{ "capa secured", PREAUTH_POP3, true, STR("CAPA\r\n"),
	    "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUSER\r\n"
	    "SASL PLAIN SCRAM-SHA-256\r\nIMPLEMENTATION Postroom\r\n.\r\n" },
	{ "user and pass", PREAUTH_POP3, true, STR("USER ann\r\nPASS pass word \r\n"),
	    "+OK Send PASS.\r\n<start PLAIN '|ann|pass word '>-ERR [AUTH] No\r\n" },
	{ "pass alone", PREAUTH_POP3, true, STR("PASS x\r\n"), "-ERR Send USER first\r\n" },
	{ "user in clear", PREAUTH_POP3, false, STR("USER ann\r\n"),
	    "-ERR [AUTH] Use STLS first\r\n" },
	{ "pop3 injection", PREAUTH_POP3, false, STR("STLS\r\nUSER eve\r\nPASS x\r\n"),
	    "+OK Begin TLS negotiation.\r\n<tls>" },
	{ "pop3 auth", PREAUTH_POP3, true, STR("AUTH PLAIN AGEAYg==\r\nAUTH X-Y\r\nYQ==\r\n"),
	    "<start PLAIN '|a|b'>-ERR [AUTH] No\r\n<start X-Y>+ dGVsbA==\r\n<step 'a'>-ERR "
	    "[SYS/TEMP] Later\r\n" },
	{ "pop3 quit", PREAUTH_POP3, true, STR("QUIT\r\nCAPA\r\n"), "+OK Bye.\r\n<close>" },
	{ "pop3 too early", PREAUTH_POP3, true, STR("STAT\r\nCAPA x\r\n"),
	    "-ERR Unknown command, or not before login\r\n-ERR No arguments expected\r\n" },
	{ "pop3 bare LF", PREAUTH_POP3, true, STR("QUIT\n"), "-ERR Lines end with CRLF\r\n" },
	{ "pop3 browser", PREAUTH_POP3, false, STR("GET / HTTP/1.0\r\n"),
	    "-ERR This is no web server\r\n<close>" },
};

static void
set_up(struct preauth *p, size_t i)
{
	preauth_init(p, rows[i].protocol);
	p->may_tls = true;
	p->hostname = "mail.test";
	p->mechanisms = rows[i].secure ? "PLAIN SCRAM-SHA-256" : "SCRAM-SHA-256";
	p->tls = p->passwords = rows[i].secure;
}

static void
test_rows(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 65536 };

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t j = 0; j < COUNT_OF(pieces); j++) {
			struct preauth p;
			struct buf got;

			/* Cut by the TLS handshake, octets behind it belong to it. */
			if (pieces[j] < 65536 && strstr(rows[i].name, "injection") != NULL)
				continue;
			set_up(&p, i);
			buf_init(&got, 64 * 1024);
			converse(&p, rows[i].in, pieces[j], &got);
			if (strcmp(buf_cstr(&got), rows[i].out) != 0)
				fail_msg("%s in pieces of %zu:\ngot  %s\nwant %s", rows[i].name,
				    pieces[j], buf_cstr(&got), rows[i].out);
			buf_free(&got);
			preauth_free(&p);
		}
}

static void
repeat(enum preauth_protocol protocol, const char *line, unsigned times, const char *last)
{
	struct preauth p;
	struct buf in, got;

	preauth_init(&p, protocol);
	buf_init(&in, 1 << 20);
	buf_init(&got, 1 << 20);
	for (unsigned i = 0; i < times; i++)
		buf_puts(&in, line);
	converse(&p, buf_str(&in), 4096, &got);
	if (!str_ends(buf_str(&got), str_of(last)))
		fail_msg("%u times \"%s\": got %s", times, line, buf_cstr(&got));
	buf_free(&in);
	buf_free(&got);
	preauth_free(&p);
}

static void
test_limits(void **state)
{
	repeat(PREAUTH_IMAP, "a FROB\r\n", 30, "* BYE Too many errors\r\n<close>");
	repeat(PREAUTH_POP3, "FROB\r\n", 30, "-ERR Too many errors\r\n<close>");
	repeat(PREAUTH_IMAP, "aaaaaaaaaaaaaaaa", 2000, "* BYE Command too long\r\n<close>");
	repeat(PREAUTH_POP3, "aaaaaaaaaaaaaaaa", 2000, "-ERR Line too long\r\n<close>");
	repeat(PREAUTH_IMAP, "a LOGIN {1+}\r\n", 20, "* BYE Literal too large\r\n<close>");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
