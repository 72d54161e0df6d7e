/* session_test.c - a whole session against a backend that is played: order, refusals, bodies. */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "smtpd/fake.h"

#define EHLO "EHLO client.test\r\n"
#define MAIL "MAIL FROM:<x@remote.test>\r\n"
#define RCPT "RCPT TO:<ann@example.test>\r\n"
#define TEXT "Subject: a\r\n\r\nbody\r\n"

static void
want(const char *name, const char *got, const char *wanted)
{
	if (strcmp(got, wanted) != 0)
		fail_msg("%s: got %s, wanted %s", name, got, wanted);
}

struct row {
	const char *name;
	const char *say;
	const char *want;
};

/* Each row in a session of its own, behind EHLO. */
static void
run_rows(
    const char *service, const char *settings, const char *before, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fake f;

		fake_open(&f, service, settings);
		(void)fake_say(&f, before);
		want(rows[i].name, fake_say(&f, rows[i].say), rows[i].want);
		fake_close(&f);
	}
}

/* RFC 5321 D.1 in the words of ours, one command at a time. */
static void
typical(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	want("greeting", fake_codes(&f), "220");
	want("ehlo", fake_say(&f, EHLO), "250");
	want("mail", fake_say(&f, MAIL), "250 2.1.0");
	want("rcpt", fake_say(&f, RCPT), "250 2.1.5");
	want("rcpt bob", fake_say(&f, "RCPT TO:<bob@example.test>\r\n"), "250 2.1.5");
	want("rcpt nobody", fake_say(&f, "RCPT TO:<green@example.test>\r\n"), "550 5.1.1");
	want("data", fake_say(&f, "DATA\r\n"), "354");
	want("text", fake_say(&f, "Subject: a\r\n\r\nBlah blah...\r\n..dot\r\n.\r\n"), "250 2.0.0");
	assert_int_equal(f.commits, 1);
	assert_string_equal(f.from, "x@remote.test");
	assert_string_equal(f.recipients, "ann@example.test bob@example.test ");
	assert_string_equal(f.protocol, "ESMTP");
	assert_true(str_starts(buf_str(&f.message),
	    STR("Return-Path: <x@remote.test>\r\nReceived: from client.test")));
	assert_true(
	    str_ends(buf_str(&f.message), STR("Subject: a\r\n\r\nBlah blah...\r\n.dot\r\n")));
	assert_true(str_find(buf_str(&f.message), STR("192.0.2.7")) > 0);
	want("quit", fake_say(&f, "QUIT\r\n"), "221 2.0.0");
	assert_true(f.closed);
	fake_close(&f);
}

/* RFC 2920 3.2: replies to a batch in order; here in one write as well. */
static void
pipelined(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	want("batch", fake_say(&f, MAIL RCPT "RCPT TO:<no@example.test>\r\nDATA\r\n"),
	    "250 2.1.0|250 2.1.5|550 5.1.1|354");
	want("end", fake_say(&f, TEXT ".\r\n" MAIL RCPT "DATA\r\n"),
	    "250 2.0.0|250 2.1.0|250 2.1.5|354");
	want("and again", fake_say(&f, TEXT ".\r\nQUIT\r\n"), "250 2.0.0|221 2.0.0");
	assert_int_equal(f.commits, 2);
	fake_close(&f);
}

/* The same octets, whole, byte by byte and in every two pieces, give the same replies. */
static void
splits(void **state)
{
	static const char script[] =
	    EHLO MAIL RCPT "DATA\r\n" TEXT "..\r\n.x\r\n.\r\n" MAIL RCPT "BDAT 5\r\na: b\r"
			   "BDAT 3 LAST\r\n\n\r\n"
			   "NOOP\r\nRSET\r\n";
	static const char replies[] =
	    "220|250|250 2.1.0|250 2.1.5|354|250 2.0.0|250 2.1.0|250 2.1.5|"
	    "250 2.0.0|250 2.0.0|250 2.0.0|250 2.0.0";
	struct str all = STR(script);
	struct fake f;

	for (size_t cut = 0; cut <= all.n; cut++) {
		fake_open(&f, "smtp", NULL);
		fake_send(&f, str_first(all, cut));
		fake_send(&f, str_from(all, cut));
		if (strcmp(fake_codes(&f), replies) != 0)
			fail_msg("cut at %zu: %s", cut, fake_codes(&f));
		fake_close(&f);
	}
	fake_open(&f, "smtp", NULL);
	for (size_t i = 0; i < all.n; i++)
		fake_send(&f, str_n(all.p + i, 1));
	want("octets", fake_codes(&f), replies);
	assert_true(str_ends(buf_str(&f.message), STR("a: b\r\n\r\n")));
	fake_close(&f);
}

static void
order(void **state)
{
	static const struct row before_ehlo[] = {
		{ "MAIL before EHLO", MAIL, "503 5.5.1" },
		{ "RCPT before EHLO", RCPT, "503 5.5.1" },
		{ "empty EHLO", "EHLO\r\n", "501 5.5.4" },
		{ "EHLO with a blank", "EHLO a b\r\n", "501 5.5.2" },
		{ "EHLO in eight bits", "EHLO \xc3\xa4\r\n", "501 5.5.2" },
		{ "HELO", "HELO a\r\n", "250" },
		{ "lower case", "ehlo a\r\n", "250" },
		{ "blanks at the end", "NOOP   \r\n", "250 2.0.0" },
		{ "NOOP with text", "NOOP hello\r\n", "250 2.0.0" },
		{ "VRFY", "VRFY ann\r\n", "252 2.5.0" },
		{ "HELP", "HELP\r\n", "214 2.0.0" },
		{ "unknown", "XYZZY\r\n", "500 5.5.2" },
		{ "empty line", "\r\n", "500 5.5.2" },
		{ "ETRN", "ETRN a\r\n", "502 5.5.1" },
		{ "XCLIENT", "XCLIENT ADDR=1.2.3.4\r\n", "502 5.5.1" },
		{ "DEBUG", "DEBUG\r\n", "502 5.5.1" },
		{ "GET", "GET / HTTP/1.1\r\nHost: a\r\nMAIL FROM:<>\r\n", "421 4.7.0" },
		{ "PROXY", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nNOOP\r\n", "421 4.7.0" },
		{ "a ClientHello", "\x16\x03\x01\x02", "554 5.5.0" },
	};
	static const struct row rows[] = {
		{ "RCPT without MAIL", RCPT, "503 5.5.1" },
		{ "DATA without MAIL", "DATA\r\n", "503 5.5.1" },
		{ "nested MAIL", MAIL MAIL, "250 2.1.0|503 5.5.1" },
		{ "no recipients", MAIL "DATA\r\n", "250 2.1.0|554 5.5.1" },
		{ "DATA with words", MAIL RCPT "DATA now\r\n", "250 2.1.0|250 2.1.5|501 5.5.4" },
		{ "RSET ends it", MAIL "RSET\r\n" RCPT, "250 2.1.0|250 2.0.0|503 5.5.1" },
		{ "EHLO ends it", MAIL EHLO RCPT, "250 2.1.0|250|503 5.5.1" },
		{ "RSET with words", "RSET x\r\n", "501 5.5.4" },
		{ "STARTTLS without a certificate", "STARTTLS\r\n", "502 5.5.1" },
		{ "AUTH on 25", "AUTH PLAIN\r\n", "502 5.5.1" },
		{ "text behind a refused DATA", MAIL "DATA\r\nQUIT\r\n",
		    "250 2.1.0|554 5.5.1|421 4.5.0" },
	};

	run_rows("smtp", NULL, "", before_ehlo, COUNT_OF(before_ehlo));
	run_rows("smtp", NULL, EHLO, rows, COUNT_OF(rows));
}

static void
senders(void **state)
{
	static const struct row rows[] = {
		{ "null", "MAIL FROM:<>\r\n", "250 2.1.0" },
		{ "blank behind the colon", "MAIL FROM: <a@b.test>\r\n", "250 2.1.0" },
		{ "no brackets", "MAIL FROM:a@b.test\r\n", "501 5.1.7" },
		{ "no colon", "MAIL <a@b.test>\r\n", "501 5.5.4" },
		{ "no domain", "MAIL FROM:<a>\r\n", "501 5.1.7" },
		{ "two", "MAIL FROM:<a@b.test><c@d.test>\r\n", "501 5.5.4" },
		{ "quoted", "MAIL FROM:<\"a b\"@b.test>\r\n", "250 2.1.0" },
		{ "eight bits", "MAIL FROM:<\xc3\xa4@b.test>\r\n", "553 5.6.7" },
		{ "eight bits allowed", "MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8\r\n", "250 2.1.0" },
		{ "broken UTF-8", "MAIL FROM:<\xc3@b.test> SMTPUTF8\r\n", "501 5.1.7" },
		{ "size", "MAIL FROM:<a@b.test> SIZE=1000\r\n", "250 2.1.0" },
		{ "too large", "MAIL FROM:<a@b.test> SIZE=999999999\r\n", "552 5.3.4" },
		{ "size of twenty digits", "MAIL FROM:<> SIZE=99999999999999999999\r\n",
		    "552 5.3.4" },
		{ "size of letters", "MAIL FROM:<> SIZE=x\r\n", "501 5.5.4" },
		{ "size twice", "MAIL FROM:<> SIZE=1 SIZE=2\r\n", "501 5.5.4" },
		{ "body", "MAIL FROM:<> BODY=8BITMIME\r\n", "250 2.1.0" },
		{ "body unknown", "MAIL FROM:<> BODY=9BIT\r\n", "501 5.5.4" },
		{ "dsn", "MAIL FROM:<a@b.test> RET=HDRS ENVID=QQ+2B1\r\n", "250 2.1.0" },
		{ "ret unknown", "MAIL FROM:<> RET=SOME\r\n", "501 5.5.4" },
		{ "ret twice", "MAIL FROM:<> RET=FULL RET=HDRS\r\n", "501 5.5.4" },
		{ "envid not xtext", "MAIL FROM:<> ENVID=a+2b\r\n", "501 5.5.4" },
		{ "auth", "MAIL FROM:<> AUTH=<>\r\n", "250 2.1.0" },
		{ "unknown parameter", "MAIL FROM:<> FOO=BAR\r\n", "555 5.5.4" },
		{ "no blank before", "MAIL FROM:<>SIZE=1\r\n", "501 5.5.4" },
		{ "format characters", "MAIL FROM:<%s%n@b.test>\r\n", "250 2.1.0" },
	};

	run_rows("smtp", NULL, EHLO, rows, COUNT_OF(rows));
}

static void
recipients(void **state)
{
	static const struct row rows[] = {
		{ "there", "RCPT TO:<ann@example.test>\r\n", "250 2.1.5" },
		{ "domain in capitals", "RCPT TO:<ann@EXAMPLE.Test>\r\n", "250 2.1.5" },
		{ "postmaster", "RCPT TO:<Postmaster>\r\n", "250 2.1.5" },
		{ "unknown", "RCPT TO:<nobody@example.test>\r\n", "550 5.1.1" },
		{ "foreign", "RCPT TO:<a@remote.test>\r\n", "550 5.7.1" },
		{ "not now", "RCPT TO:<slow@example.test>\r\n", "451 4.3.0" },
		{ "full", "RCPT TO:<full@example.test>\r\n", "452 4.2.2" },
		{ "null", "RCPT TO:<>\r\n", "501 5.1.3" },
		{ "source route", "RCPT TO:<@example.test:a@remote.test>\r\n", "550 5.7.1" },
		{ "percent hack", "RCPT TO:<a%remote.test@example.test>\r\n", "550 5.1.1" },
		{ "bang path", "RCPT TO:<remote.test!a@example.test>\r\n", "550 5.1.1" },
		{ "two ats", "RCPT TO:<a@remote.test@example.test>\r\n", "501 5.1.3" },
		{ "quoted at", "RCPT TO:<\"a@remote.test\"@example.test>\r\n", "550 5.1.1" },
		{ "trailing dot", "RCPT TO:<ann@example.test.>\r\n", "501 5.1.3" },
		{ "literal", "RCPT TO:<ann@[192.0.2.1]>\r\n", "550 5.7.1" },
		{ "pipe", "RCPT TO:<|/bin/sh@example.test>\r\n", "550 5.1.1" },
		{ "quote of SQL", "RCPT TO:<'@example.test>\r\n", "550 5.1.1" },
		{ "notify", "RCPT TO:<ann@example.test> NOTIFY=SUCCESS,DELAY\r\n", "250 2.1.5" },
		{ "notify never and", "RCPT TO:<ann@example.test> NOTIFY=NEVER,DELAY\r\n",
		    "501 5.5.4" },
		{ "orcpt", "RCPT TO:<ann@example.test> ORCPT=rfc822;a+2Bb@c.test\r\n",
		    "250 2.1.5" },
		{ "orcpt without type", "RCPT TO:<ann@example.test> ORCPT=a@c.test\r\n",
		    "501 5.5.4" },
		{ "orcpt twice", "RCPT TO:<ann@example.test> ORCPT=rfc822;a ORCPT=rfc822;a\r\n",
		    "501 5.5.4" },
		{ "eight bits", "RCPT TO:<\xc3\xa4@example.test>\r\n", "553 5.6.7" },
		{ "a list of two", "RCPT TO:<team@example.test>\r\n", "250 2.1.5" },
	};

	run_rows("smtp", NULL, EHLO MAIL, rows, COUNT_OF(rows));
}

/* faults.md 1: only CRLF.CRLF ends a message; what looks like an end stays data or is refused. */
static void
smuggling(void **state)
{
	static const struct {
		const char *name;
		struct str end;
		const char *keep; /* codes with smtp_bare_lf = keep */
		const char *refuse;
	} rows[] = {
		{ "LF.LF", { "\n.\n", 3 }, "250 2.0.0", "550 5.6.11" },
		{ "LF.CRLF", { "\n.\r\n", 4 }, "250 2.0.0", "550 5.6.11" },
		{ "CRLF.LF", { "\r\n.\n", 4 }, "250 2.0.0", "550 5.6.11" },
		{ "CR.CR", { "\r.\r", 3 }, "250 2.0.0", "250 2.0.0" },
		{ "CRLF.CR", { "\r\n.\r", 4 }, "250 2.0.0", "250 2.0.0" },
		{ "CRLF.NUL", { "\r\n.\0\r\n", 6 }, "250 2.0.0", "250 2.0.0" },
		{ "CRLF.blank", { "\r\n. \r\n", 6 }, "250 2.0.0", "250 2.0.0" },
		{ "CRCRLF", { "\r\n.\r\r\n", 6 }, "250 2.0.0", "250 2.0.0" },
	};

	for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
		bool keep = i % 2 == 0;
		struct fake f;

		fake_open(&f, "smtp", keep ? "smtp_bare_lf = keep\n" : NULL);
		(void)fake_say(&f, EHLO MAIL RCPT "DATA\r\n");
		buf_clear(&f.heard);
		fake_send(&f, STR("a: b\r\n\r\ntext"));
		fake_send(&f, rows[i / 2].end);
		fake_send(
		    &f, STR("MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"));
		want(rows[i / 2].name, fake_codes(&f), "");
		fake_send(&f, STR("\r\n.\r\n"));
		want(
		    rows[i / 2].name, fake_codes(&f), keep ? rows[i / 2].keep : rows[i / 2].refuse);
		fake_close(&f);
	}
}

static void
bad_lines(void **state)
{
	struct fake f;
	char *line = malloc(3000000);

	memset(line, 'x', 3000000);
	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	want("bare LF", fake_say(&f, "NOOP\nMAIL FROM:<a@b.test>\n"), "500 5.5.2");
	want("still that line", fake_say(&f, "RCPT TO:<c@d.test>\n"), "");
	want("its end", fake_say(&f, "\r\nNOOP\r\n"), "250 2.0.0");
	want("bare LF inside", fake_say(&f, "NOOP a\nQUIT\r\n"), "500 5.5.2");
	want("bare CR", fake_say(&f, "NOOP a\rQUIT\r\n"), "500 5.5.2");
	buf_clear(&f.heard);
	fake_send(&f, STR("MAIL FROM:<a\0@b.test>\r\n"));
	want("NUL", fake_codes(&f), "500 5.5.2");
	want("ESC", fake_say(&f, "NOOP \x1b[31m\r\n"), "500 5.5.2");
	buf_clear(&f.heard);
	fake_send(&f, str_n(line, 3000));
	fake_send(&f, STR("\r\nNOOP\r\n"));
	want("3000 octets", fake_codes(&f), "500 5.5.2|250 2.0.0");
	buf_clear(&f.heard);
	fake_send(&f, str_n(line, 100000));
	fake_send(&f, STR("\r\nNOOP\r\n"));
	want("100000 octets", fake_codes(&f), "500 5.5.2|250 2.0.0");
	buf_clear(&f.heard);
	fake_send(&f, str_n(line, 3000000));
	want("endless", fake_codes(&f), "500 5.5.2|421 4.7.0");
	fake_close(&f);
	free(line);
}

static void
chunks(void **state)
{
	static const struct row rows[] = {
		{ "one", "BDAT 4 LAST\r\na\r\n\r", "250 2.0.0" },
		{ "nothing", "BDAT 0 LAST\r\n", "250 2.0.0" },
		{ "two", "BDAT 3\r\na\r\nBDAT 0 LAST\r\n", "250 2.0.0|250 2.0.0" },
		{ "lower case last", "bdat 1 last\r\na", "250 2.0.0" },
		{ "no size", "BDAT\r\nNOOP\r\n", "501 5.5.4" },
		{ "negative", "BDAT -1\r\nNOOP\r\n", "501 5.5.4" },
		{ "words", "BDAT 3 FIRST\r\nabc", "501 5.5.4" },
		{ "2^64", "BDAT 18446744073709551616\r\nNOOP\r\n", "501 5.5.4" },
		{ "2^63", "BDAT 9223372036854775808\r\nNOOP\r\n", "552 5.3.4" },
		{ "DATA between", "BDAT 1\r\naDATA\r\n", "250 2.0.0|503 5.5.1" },
		{ "RCPT between", "BDAT 1\r\na" RCPT, "250 2.0.0|503 5.5.1" },
		{ "MAIL between", "BDAT 1\r\na" MAIL, "250 2.0.0|503 5.5.1" },
		{ "RSET between", "BDAT 1\r\naRSET\r\n" MAIL, "250 2.0.0|250 2.0.0|250 2.1.0" },
		{ "BDAT after LAST", "BDAT 1 LAST\r\naBDAT 6\r\nNOOP\r\n", "250 2.0.0|503 5.5.1" },
		{ "bare LF", "BDAT 2 LAST\r\na\n", "550 5.6.11" },
	};
	static const struct row refused[] = {
		{ "without recipients its octets are dropped",
		    "BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n", "554 5.5.1|503 5.5.1" },
		{ "and RSET mends it", "BDAT 6 LAST\r\nQUIT\r\nRSET\r\n" MAIL,
		    "554 5.5.1|250 2.0.0|250 2.1.0" },
	};

	run_rows("smtp", NULL, EHLO MAIL RCPT, rows, COUNT_OF(rows));
	run_rows("smtp", NULL, EHLO MAIL, refused, COUNT_OF(refused));
}

static void
binary(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n" RCPT);
	want("DATA", fake_say(&f, "DATA\r\n"), "503 5.5.1"); /* RFC 3030 3 */
	buf_clear(&f.heard);
	fake_send(&f, STR("BDAT 12 LAST\r\na: b\r\n\r\n\n\r\0\xff"));
	want("BDAT", fake_codes(&f), "250 2.0.0");
	assert_true(str_ends(buf_str(&f.message), STR("a: b\r\n\r\n\n\r\0\xff")));
	assert_true((f.envelope.flags & DELIVER_BINARY) != 0);
	assert_true((f.envelope.flags & DELIVER_EIGHTBIT) != 0);
	fake_close(&f);
}

static void
envelope_is_carried(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO
	    "MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8 RET=HDRS ENVID=QQ314 BODY=8BITMIME\r\n"
	    "RCPT TO:<ann@example.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@p.test\r\nDATA\r\n");
	want("end", fake_say(&f, TEXT ".\r\n"), "250 2.0.0");
	assert_string_equal(f.from, "\xc3\xa4@b.test");
	assert_string_equal(f.envid, "QQ314");
	assert_string_equal(f.orcpt, "rfc822;o@p.test");
	assert_string_equal(f.protocol, "UTF8SMTP");
	assert_int_equal(f.envelope.ret, DELIVER_RET_HDRS);
	assert_int_equal(f.envelope.flags, DELIVER_EIGHTBIT | DELIVER_SMTPUTF8);
	/* The prefix deliver wants for a single mailbox. */
	assert_true(str_starts(buf_str(&f.message),
	    STR("Return-Path: <\xc3\xa4@b.test>\r\nDelivered-To: ann@example.test\r\nReceived: ")));
	fake_close(&f);
}

static void
failures_of_delivery(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO MAIL RCPT);
	f.ready_outcome = TEMPFAIL;
	want("no spool", fake_say(&f, "DATA\r\n"), "452 4.3.1");
	f.ready_outcome = DONE;
	f.commit_outcome = TEMPFAIL;
	want("temporary", fake_say(&f, "DATA\r\n"), "354");
	want("temporary", fake_say(&f, TEXT ".\r\n"), "451 4.3.0");
	f.commit_outcome = PERMFAIL;
	(void)fake_say(&f, MAIL RCPT "DATA\r\n");
	want("for good", fake_say(&f, TEXT ".\r\n"), "554 5.3.0");
	assert_int_equal(f.commits, 0);
	f.commit_outcome = DONE;
	(void)fake_say(&f, MAIL RCPT "DATA\r\n");
	want("and well again", fake_say(&f, TEXT ".\r\n"), "250 2.0.0");
	fake_close(&f);
}

/* The header in memory, the rest in the file behind it, whatever the size. */
static void
sizes(void **state)
{
	static const size_t lengths[] = { 0, 1, 1000, 100000, 131000, 131072, 131073, 200000,
		900000 };
	char *text = malloc(1000000);
	struct fake f;

	for (size_t i = 0; i < 1000000; i++)
		text[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i % 26);
	fake_open(&f, "smtp", "message_size = 1M\n");
	(void)fake_say(&f, EHLO);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		size_t n = lengths[i] / 72 * 72;

		(void)fake_say(&f, MAIL RCPT "DATA\r\n");
		fake_send(&f, STR("Subject: a\r\n\r\n"));
		fake_send(&f, str_n(text, n));
		buf_clear(&f.heard);
		fake_send(&f, STR(".\r\n"));
		want("end", fake_codes(&f), "250 2.0.0");
		assert_true(str_starts(buf_str(&f.message), STR("Return-Path: ")));
		assert_true(str_ends(buf_str(&f.message), str_n(text, n)));
		assert_int_equal(
		    str_find(buf_str(&f.message), STR("Subject: a")) + 14 + n, f.message.n);
	}
	(void)fake_say(&f, MAIL RCPT "DATA\r\n");
	fake_send(&f, str_n(text, 999936));
	buf_clear(&f.heard);
	fake_send(&f, str_n(text, 999936));
	fake_send(&f, STR(".\r\n"));
	want("too large", fake_codes(&f), "552 5.3.4");
	(void)fake_say(&f, MAIL RCPT "DATA\r\n");
	fake_send(&f, STR("X: "));
	memset(text, 'h', 1000000);
	fake_send(&f, str_n(text, 300000));
	buf_clear(&f.heard);
	fake_send(&f, STR("\r\n\r\n.\r\n"));
	want("header too large", fake_codes(&f), "552 5.3.4");
	fake_close(&f);
	free(text);
}

static void
loops(void **state)
{
	struct fake f;

	for (unsigned hops = 30; hops <= 150; hops += 120) { /* faults.md 30 */
		fake_open(&f, "smtp", NULL);
		(void)fake_say(&f, EHLO MAIL RCPT "DATA\r\n");
		for (unsigned i = 0; i < hops; i++)
			fake_send(
			    &f, STR("Received: from a by b; Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
		want("hops", fake_say(&f, "\r\ntext\r\n.\r\n"),
		    hops < 100 ? "250 2.0.0" : "554 5.4.6");
		fake_close(&f);
	}
}

static void
many_recipients(void **state)
{
	struct fake f;
	char line[64];

	fake_open(&f, "smtp", "smtp_recipients = 100\n");
	(void)fake_say(&f, EHLO MAIL);
	for (unsigned i = 0; i < 120; i++) {
		(void)snprintf(line, sizeof(line), "RCPT TO:<u%u@example.test>\r\n", i);
		want(line, fake_say(&f, line), i < 100 ? "250 2.1.5" : "452 4.5.3");
	}
	(void)fake_say(&f, "DATA\r\n");
	want("end", fake_say(&f, TEXT ".\r\n"), "250 2.0.0");
	assert_int_equal(f.envelope.recipient_count, 100);
	assert_true(str_find(buf_str(&f.message), STR("u0@")) < 0); /* RFC 5321 7.6 */
	want("twice is once", fake_say(&f, MAIL RCPT RCPT "DATA\r\n"),
	    "250 2.1.0|250 2.1.5|250 2.1.5|354");
	(void)fake_say(&f, TEXT ".\r\n");
	assert_int_equal(f.envelope.recipient_count, 1);
	fake_close(&f);
}

static void
too_many_errors(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", "smtp_errors = 3\n");
	want("errors", fake_say(&f, "A\r\nB\r\nC\r\nD\r\n"),
	    "500 5.5.2|500 5.5.2|500 5.5.2|421 4.7.0");
	fake_close(&f);
	fake_open(&f, "smtp", "smtp_errors = 3\n");
	for (unsigned i = 0; i < SMTP_JUNK_MAX; i++)
		want("junk", fake_say(&f, "NOOP\r\n"), "250 2.0.0");
	want("too much", fake_say(&f, "NOOP\r\nNOOP\r\nNOOP\r\n"),
	    "250 2.0.0|250 2.0.0|250 2.0.0|421 4.7.0");
	fake_close(&f);
}

/* "\0ann@example.test\0secret" and a wrong one. */
#define GOOD  "AGFubkBleGFtcGxlLnRlc3QAc2VjcmV0"
#define WRONG "AGFubkBleGFtcGxlLnRlc3QAd3Jvbmc="
#define CLEAR "allow_plaintext_login = yes\n"

static void
logins(void **state)
{
	static const struct row clear[] = {
		{ "AUTH in clear", "AUTH PLAIN " GOOD "\r\n", "538 5.7.11" },
		{ "MAIL before AUTH", MAIL, "530 5.7.0" },
		{ "RCPT before AUTH", RCPT, "530 5.7.0" },
		{ "VRFY before AUTH", "VRFY a\r\n", "530 5.7.0" },
		{ "BDAT before AUTH is drained", "BDAT 6\r\nQUIT\r\nNOOP\r\n",
		    "530 5.7.0|250 2.0.0" },
	};
	static const struct row rows[] = {
		{ "initial response", "AUTH PLAIN " GOOD "\r\n", "235 2.7.0" },
		{ "challenge", "AUTH PLAIN\r\n" GOOD "\r\n", "334|235 2.7.0" },
		{ "LOGIN", "AUTH LOGIN\r\nYW5u\r\nc2VjcmV0\r\n", "334|334|235 2.7.0" },
		{ "wrong", "AUTH PLAIN " WRONG "\r\n", "535 5.7.8" },
		{ "cancelled", "AUTH LOGIN\r\n*\r\nNOOP\r\n", "334|501 5.7.0|250 2.0.0" },
		{ "not base64", "AUTH PLAIN !!!\r\n", "501 5.5.2" },
		{ "not base64 later", "AUTH LOGIN\r\n!!\r\nNOOP\r\n", "334|501 5.5.2|250 2.0.0" },
		{ "unknown mechanism", "AUTH CRAM-MD5\r\n", "504 5.5.4" },
		{ "no mechanism", "AUTH\r\n", "501 5.5.4" },
		{ "twice", "AUTH PLAIN " GOOD "\r\nAUTH PLAIN " GOOD "\r\n",
		    "235 2.7.0|503 5.5.1" },
		{ "in a transaction", "AUTH PLAIN " WRONG "\r\n" MAIL, "535 5.7.8|530 5.7.0" },
		{ "guesses",
		    "AUTH PLAIN " WRONG "\r\nAUTH PLAIN " WRONG "\r\nAUTH PLAIN " WRONG
		    "\r\nAUTH PLAIN " WRONG "\r\nAUTH PLAIN " WRONG "\r\nAUTH PLAIN " GOOD "\r\n",
		    "535 5.7.8|535 5.7.8|535 5.7.8|535 5.7.8|535 5.7.8|421 4.7.0" },
	};

	run_rows("submission", NULL, EHLO, clear, COUNT_OF(clear));
	run_rows("submission", CLEAR, EHLO, rows, COUNT_OF(rows));
}

static void
login_is_held_back(void **state)
{
	struct fake f;

	fake_open(&f, "submission", CLEAR);
	f.auth_delay_ms = 5000;
	want("nothing yet", fake_say(&f, EHLO "AUTH PLAIN " WRONG "\r\n"), "250");
	f.s->until = (struct deadline){ 0 };
	buf_clear(&f.heard);
	fake_turn(&f, (struct wake){ .expired = true });
	want("now", fake_codes(&f), "535 5.7.8");
	want("and on", fake_say(&f, "NOOP\r\n"), "250 2.0.0");
	(void)fake_say(&f, "AUTH PLAIN " WRONG "\r\n");
	want("impatient", fake_say(&f, "NOOP\r\n"), "421 4.7.0");
	fake_close(&f);
}

static void
submission(void **state)
{
	static const struct row rows[] = {
		{ "own", "MAIL FROM:<ann@example.test>\r\n", "250 2.1.0" },
		{ "own alias", "MAIL FROM:<sales@example.test>\r\n", "250 2.1.0" },
		{ "null", "MAIL FROM:<>\r\n", "250 2.1.0" },
		{ "another's", "MAIL FROM:<bob@example.test>\r\n", "553 5.7.1" },
		{ "elsewhere", "MAIL FROM:<ann@remote.test>\r\n", "553 5.7.1" },
		{ "anywhere to", "MAIL FROM:<ann@example.test>\r\nRCPT TO:<a@remote.test>\r\n",
		    "250 2.1.0|250 2.1.5" },
	};
	struct str m;
	struct fake f;

	run_rows("submission", CLEAR, EHLO "AUTH PLAIN " GOOD "\r\n", rows, COUNT_OF(rows));

	fake_open(&f, "submission", CLEAR);
	(void)fake_say(&f,
	    "EHLO laptop.home.test\r\nAUTH PLAIN " GOOD "\r\nMAIL FROM:<ann@example.test>\r\n"
	    "RCPT TO:<a@remote.test>\r\nDATA\r\n");
	want("end", fake_say(&f, "From: Ann <ann@example.test>\r\n\r\nbody\r\n.\r\n"), "250 2.0.0");
	m = buf_str(&f.message);
	assert_true(str_find(m, STR("192.0.2.7")) < 0);
	assert_true(str_find(m, STR("laptop")) < 0);
	assert_true(str_find(m, STR("\r\nMessage-ID: <")) > 0);
	assert_true(str_find(m, STR("\r\nDate: ")) > 0);
	assert_string_equal(f.protocol, "ESMTPA");

	(void)fake_say(&f, "MAIL FROM:<ann@example.test>\r\n" RCPT "DATA\r\n");
	want("end", fake_say(&f, "Date: x\r\nMessage-Id: <1@a>\r\n\r\nbody\r\n.\r\n"), "250 2.0.0");
	m = buf_str(&f.message);
	assert_true(str_find(m, STR("Message-ID: ")) < 0);
	assert_true(str_find(m, STR("\r\nDate: ")) == str_find(m, STR("\r\nDate: x")));

	(void)fake_say(&f, "MAIL FROM:<ann@example.test>\r\n" RCPT "DATA\r\n");
	want("from another, which is allowed",
	    fake_say(&f, "From: Bob <bob@example.test>\r\n\r\nbody\r\n.\r\n"), "250 2.0.0");
	fake_close(&f);

	fake_open(&f, "submission", CLEAR "submission_check_from = yes\n");
	(void)fake_say(
	    &f, EHLO "AUTH PLAIN " GOOD "\r\nMAIL FROM:<ann@example.test>\r\n" RCPT "DATA\r\n");
	want("from another", fake_say(&f, "From: Bob <bob@example.test>\r\n\r\nbody\r\n.\r\n"),
	    "550 5.7.1");
	(void)fake_say(&f, "MAIL FROM:<ann@example.test>\r\n" RCPT "DATA\r\n");
	want("from both",
	    fake_say(&f, "From: sales@example.test, bob@example.test\r\n\r\nbody\r\n.\r\n"),
	    "550 5.7.1");
	fake_close(&f);
}

/* What is no header must not become part of ours. */
static void
headless(void **state)
{
	static const char *const texts[] = { "just text\r\n", " for <evil@x.test>\r\n",
		"\r\nbody\r\n", "" };
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct str m;

		(void)fake_say(&f, MAIL RCPT "DATA\r\n");
		fake_send(&f, str_of(texts[i]));
		want(texts[i], fake_say(&f, ".\r\n"), "250 2.0.0");
		m = buf_str(&f.message);
		if (texts[i][0] != '\0' && texts[i][0] != '\r')
			assert_true(
			    str_ends(m, str_of(texts[i])) &&
			    str_ends(str_first(m, m.n - strlen(texts[i])), STR("\r\n\r\n")));
	}
	fake_close(&f);
}

static void
endings(void **state)
{
	struct fake f;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO MAIL RCPT "DATA\r\n");
	fake_send(&f, STR("half a mess"));
	assert_int_equal(shutdown(f.peer, SHUT_WR), 0);
	fake_turn(&f, (struct wake){ .readable = true });
	assert_true(f.closed);
	assert_int_equal(f.commits, 0);
	fake_close(&f);

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	f.s->until = (struct deadline){ 0 };
	buf_clear(&f.heard);
	fake_turn(&f, (struct wake){ .expired = true });
	want("timeout", fake_codes(&f), "421 4.4.2");
	fake_close(&f);

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO MAIL RCPT "DATA\r\n");
	buf_clear(&f.heard);
	fake_turn(&f, (struct wake){ .draining = true });
	want("a message may finish", fake_codes(&f), "");
	want("then it ends", fake_say(&f, TEXT ".\r\n"), "250 2.0.0|421 4.3.2");
	assert_int_equal(f.commits, 1);
	fake_close(&f);

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	atomic_store(&f.s->shed, true);
	buf_clear(&f.heard);
	fake_turn(&f, (struct wake){ .woken = true });
	want("shed", fake_codes(&f), "421 4.3.2");
	fake_close(&f);
}

/* The deadline moves with whole commands, not with octets; a body has to keep a rate. */
static void
deadlines(void **state)
{
	struct fake f;
	struct deadline was;

	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO);
	was = f.s->until;
	assert_in_range(deadline_left_ms(was), 290000, 300000);
	f.s->until.at_ms -= 1000;
	was = f.s->until;
	(void)fake_say(&f, "NO");
	assert_true(f.s->until.at_ms == was.at_ms);
	(void)fake_say(&f, "OP\r\n");
	assert_true(f.s->until.at_ms > was.at_ms);
	(void)fake_say(&f, MAIL RCPT "DATA\r\n");
	(void)fake_say(&f, "a");
	assert_in_range(deadline_left_ms(f.s->until), 50000, SMTP_BODY_GRACE_MS + 10);
	fake_close(&f);

	fake_open(&f, "submission", NULL);
	(void)fake_say(&f, EHLO);
	was = f.s->until;
	assert_in_range(deadline_left_ms(was), 50000, 60000);
	(void)fake_say(&f, "NOOP\r\n");
	assert_true(f.s->until.at_ms == was.at_ms);
	fake_close(&f);
}

/* Over the budget, parked bodies go to their files. */
static void
memory_is_given_back(void **state)
{
	char text[100000];
	struct fake f;

	memset(text, 'x', sizeof(text));
	fake_open(&f, "smtp", NULL);
	(void)fake_say(&f, EHLO MAIL RCPT "DATA\r\n");
	atomic_store(&f.server->body_memory, SMTP_BODY_MEMORY_ALL);
	fake_send(&f, STR("a: b\r\n\r\n"));
	fake_send(&f, str_n(text, sizeof(text)));
	assert_int_equal(atomic_load(&f.server->body_memory), SMTP_BODY_MEMORY_ALL);
	want("end", fake_say(&f, "\r\n.\r\n"), "250 2.0.0");
	assert_true(str_ends(buf_str(&f.message), STR("xxx\r\n")));
	atomic_fetch_sub(&f.server->body_memory, SMTP_BODY_MEMORY_ALL);
	fake_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typical),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(splits),
		cmocka_unit_test(order),
		cmocka_unit_test(senders),
		cmocka_unit_test(recipients),
		cmocka_unit_test(smuggling),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(chunks),
		cmocka_unit_test(binary),
		cmocka_unit_test(envelope_is_carried),
		cmocka_unit_test(failures_of_delivery),
		cmocka_unit_test(sizes),
		cmocka_unit_test(loops),
		cmocka_unit_test(many_recipients),
		cmocka_unit_test(too_many_errors),
		cmocka_unit_test(logins),
		cmocka_unit_test(login_is_held_back),
		cmocka_unit_test(submission),
		cmocka_unit_test(headless),
		cmocka_unit_test(endings),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(memory_is_given_back),
	};

	log_init("smtpd-test", LOG_FATAL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
