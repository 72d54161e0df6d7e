/*
 * session_test.c - sessions over a socketpair on a store in a temporary
 * directory: a conversation for each command.
 */
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/harness.h"

static struct harness h;
static unsigned people;

static const char message[] = "From: Ann <ann@example.test>\r\n"
			      "To: Bob <bob@example.test>, carl@example.test\r\n"
			      "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
			      "Date: Thu, 20 Nov 2025 11:09:00 +0100\r\n"
			      "Message-ID: <1@example.test>\r\n"
			      "MIME-Version: 1.0\r\n"
			      "Content-Type: multipart/mixed; boundary=b\r\n"
			      "\r\n"
			      "preamble\r\n"
			      "--b\r\n"
			      "Content-Type: text/plain; charset=iso-8859-1\r\n"
			      "Content-Transfer-Encoding: quoted-printable\r\n"
			      "\r\n"
			      "caf=E9 au lait\r\n"
			      "--b\r\n"
			      "Content-Type: message/rfc822\r\n"
			      "\r\n"
			      "Subject: inner\r\n"
			      "\r\n"
			      "inner body\r\n"
			      "--b--\r\n";

static int
start(void **state)
{
	harness_start(&h);
	return 0;
}

static int
stop(void **state)
{
	harness_stop(&h);
	return 0;
}

/* A session of somebody new. */
static int
login(void)
{
	char name[32];
	int fd;
	char *greeting;

	(void)snprintf(name, sizeof(name), "user%u", ++people);
	fd = harness_login(&h, name, (struct quota_limit){ 0 });
	greeting = client_read(fd, "login OK");
	assert_non_null(greeting);
	assert_non_null(strstr(greeting, "[CAPABILITY IMAP4rev1 "));
	free(greeting);
	return fd;
}

/* Another one of the same person. */
static int
login_again(void)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "user%u", people);
	fd = harness_login(&h, name, (struct quota_limit){ 0 });
	free(client_read(fd, "login OK"));
	return fd;
}

/* The answer holds each of these texts, in this order; the list ends with NULL. */
static void
check(char *got, ...)
{
	const char *at = got, *want;
	va_list ap;

	assert_non_null(got);
	va_start(ap, got);
	while ((want = va_arg(ap, const char *)) != NULL) {
		const char *found = strstr(at, want);

		if (found == NULL)
			fail_msg("want \"%s\" in:\n%s", want, got);
		at = found;
	}
	va_end(ap);
	free(got);
}

static void
check_not(char *got, const char *unwanted)
{
	assert_non_null(got);
	if (strstr(got, unwanted) != NULL)
		fail_msg("\"%s\" in:\n%s", unwanted, got);
	free(got);
}

static void
append(int fd, const char *folder, const char *flags, const char *text)
{
	check(client_ask(fd, "ap APPEND %s (%s) {%zu+}\r\n%s", folder, flags, strlen(text), text),
	    "ap OK [APPENDUID ", NULL);
}

/* A logged-in session in an INBOX with n messages. */
static int
inbox(unsigned n)
{
	int fd = login();

	for (unsigned i = 0; i < n; i++)
		append(fd, "INBOX", "", message);
	free(client_ask(fd, "sel SELECT INBOX"));
	return fd;
}

static void
simple_commands(void **state)
{
	int fd = login();

	check(client_ask(fd, "a CAPABILITY"), "* CAPABILITY IMAP4rev1 ", "a OK CAPABILITY", NULL);
	check(client_ask(fd, "b NOOP"), "b OK NOOP completed\r\n", NULL);
	check(client_ask(fd, "c NAMESPACE"), "* NAMESPACE ((\"\" \".\")) NIL NIL\r\nc OK", NULL);
	check(client_ask(fd, "d ID NIL"), "* ID (\"name\" \"Postroom\"", "d OK", NULL);
	check(client_ask(fd, "e ID (\"name\" \"x\" \"version\" NIL)"), "e OK", NULL);
	check(client_ask(fd, "f ENABLE CONDSTORE FOO"), "* ENABLED CONDSTORE\r\n", "f OK", NULL);
	check(client_ask(fd, "g CHECK"), "g BAD ", NULL);
	check(client_ask(fd, "h FOO"), "h BAD ", NULL);
	check(client_ask(fd, "i LOGIN a b"), "i BAD ", NULL);
	check(client_ask(fd, "j UID NOOP"), "j BAD ", NULL);
	check(client_ask(fd, "k NOOP x"), "k BAD ", NULL);
	check(client_ask(fd, "l LOGOUT"), "* BYE", "l OK", NULL);
	free(client_rest(fd));
	(void)close(fd);
}

static void
selecting(void **state)
{
	int fd = login();

	check(client_ask(fd, "a SELECT INBOX"),
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]",
	    "* 0 EXISTS\r\n", "* 0 RECENT\r\n", "* OK [UIDVALIDITY ", "* OK [UIDNEXT 1]",
	    "* OK [HIGHESTMODSEQ ", "a OK [READ-WRITE] SELECT completed", NULL);
	append(fd, "INBOX", "", message);
	check(client_ask(fd, "b NOOP"), "b OK", NULL);
	check(client_ask(fd, "c EXAMINE inbox"), "PERMANENTFLAGS ()", "* 1 EXISTS",
	    "* OK [UNSEEN 1]", "* OK [UIDNEXT 2]", "c OK [READ-ONLY]", NULL);
	check(client_ask(fd, "d STORE 1 +FLAGS (\\Seen)"), "d NO [NOPERM]", NULL);
	check(client_ask(fd, "e SELECT nothing"), "e NO [NONEXISTENT]", NULL);
	check(client_ask(fd, "f FETCH 1 FLAGS"), "f BAD", NULL);
	check(client_ask(fd, "g SELECT INBOX (CONDSTORE)"), "g OK", NULL);
	check(client_ask(fd, "h STORE 1 +FLAGS.SILENT (\\Deleted)"), "h OK", NULL);
	check(client_ask(fd, "i UNSELECT"), "i OK", NULL);
	check(client_ask(fd, "j SELECT INBOX"), "* 1 EXISTS", NULL);
	check(client_ask(fd, "k CLOSE"), "k OK", NULL);
	check(client_ask(fd, "l SELECT INBOX"), "* 0 EXISTS", "[UIDNEXT 2]", NULL);
	(void)close(fd);
}

static void
folders(void **state)
{
	int fd = login();

	check(client_ask(fd, "a CREATE Work.2024.Q1"), "a OK", NULL);
	check(client_ask(fd, "b CREATE Work.2024.Q1"), "b NO [ALREADYEXISTS]", NULL);
	check(client_ask(fd, "c CREATE Sent (USE (\\Sent))"), "c OK", NULL);
	check(client_ask(fd, "d CREATE x (USE (\\Foo))"), "d NO [USEATTR]", NULL);
	check(client_ask(fd, "e CREATE ../x"), "e NO [CANNOT]", NULL);
	check(client_ask(fd, "f CREATE &AOQ-rger."), "f OK", NULL);
	check(client_ask(fd, "g CREATE &AGE-"), "g NO [CANNOT]", NULL);
	check(client_ask(fd, "h LIST \"\" *"), "(\\HasNoChildren) \".\" INBOX\r\n",
	    "(\\HasNoChildren \\Sent) \".\" Sent\r\n", "(\\HasNoChildren) \".\" Work.2024.Q1\r\n",
	    "&AOQ-rger", "h OK", NULL);
	check(client_ask(fd, "i LIST \"\" %%"), "(\\Noselect \\HasChildren) \".\" Work\r\n", NULL);
	check_not(client_ask(fd, "j LIST \"\" %%"), "Q1");
	check(client_ask(fd, "k LIST Work. %%"), "(\\Noselect \\HasChildren) \".\" Work.2024\r\n",
	    NULL);
	check(client_ask(fd, "l LIST \"\" \"\""), "* LIST (\\Noselect) \".\" \"\"\r\nl OK", NULL);
	check(client_ask(fd, "m SUBSCRIBE Work.2024.Q1"), "m OK", NULL);
	check(client_ask(fd, "n SUBSCRIBE Gone.Away"), "n OK", NULL);
	check(client_ask(fd, "o LSUB \"\" *"), "* LSUB () \".\" Gone.Away\r\n",
	    "* LSUB () \".\" Work.2024.Q1\r\n", NULL);
	check(client_ask(fd, "p LSUB \"\" %%"), "* LSUB (\\Noselect) \".\" Gone\r\n",
	    "* LSUB (\\Noselect) \".\" Work\r\n", NULL);
	check(client_ask(fd, "q LIST (SUBSCRIBED) \"\" *"), "\\NonExistent", "\\Subscribed",
	    "Gone.Away", NULL);
	check(client_ask(fd, "r LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %%"),
	    "\".\" Work (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", NULL);
	check(client_ask(fd, "s LIST (RECURSIVEMATCH) \"\" %%"), "s BAD", NULL);
	check(client_ask(fd, "t LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE STATUS (MESSAGES))"),
	    "* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n* STATUS Sent (MESSAGES 0)\r\n", NULL);
	check(client_ask(fd, "u LIST \"\" (INBOX Work.%%) RETURN (CHILDREN)"), "INBOX",
	    "Work.2024\r\n", NULL);
	check(client_ask(fd, "v RENAME Work Play"), "v NO", NULL);
	check(client_ask(fd, "w RENAME Work.2024.Q1 Play.Q1"), "w OK", NULL);
	check(client_ask(fd, "x RENAME Sent INBOX"), "x NO [ALREADYEXISTS]", NULL);
	check(client_ask(fd, "x1 CREATE inbox.sub"), "x1 OK", NULL);
	check(client_ask(fd, "x2 SELECT InBox.sub"), "x2 OK", NULL);
	check(client_ask(fd, "x3 RENAME INBOX.sub INBOX.other"), "x3 OK", NULL);
	check(client_ask(fd, "x4 CHECK"), "x4 BAD", NULL);
	check(client_ask(fd, "x5 DELETE INBOX.other"), "x5 OK", NULL);
	check(client_ask(fd, "y DELETE Play.Q1"), "y OK", NULL);
	check(client_ask(fd, "z DELETE Play.Q1"), "z NO [NONEXISTENT]", NULL);
	check(client_ask(fd, "a1 DELETE INBOX"), "a1 NO [CANNOT]", NULL);
	check(client_ask(fd, "a2 UNSUBSCRIBE Gone.Away"), "a2 OK", NULL);
	check_not(client_ask(fd, "a3 LSUB \"\" *"), "Gone");
	check(client_ask(
		  fd, "a4 STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)"),
	    "* STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY ",
	    " UNSEEN 0 HIGHESTMODSEQ ", "a4 OK", NULL);
	check(client_ask(fd, "a5 STATUS nothing (MESSAGES)"), "a5 NO [NONEXISTENT]", NULL);
	(void)close(fd);
}

static void
appending(void **state)
{
	int fd = login();

	check(client_ask(fd,
		  "a APPEND INBOX (\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" {4+}\r\nx\r\ny"),
	    "a OK [APPENDUID ", " 1] APPEND completed", NULL);
	client_send(fd, STR("b APPEND INBOX {3}\r\n"));
	check(client_read(fd, "+"), "+ OK", NULL);
	client_send(fd, STR("abc\r\n"));
	check(client_read(fd, "b "), "b OK [APPENDUID ", NULL);
	check(client_ask(fd, "c APPEND nothing {3}"), "c NO [TRYCREATE]", NULL);
	check(client_ask(fd, "d APPEND INBOX {99857989632}"), "d NO [TOOBIG]", NULL);
	check(client_ask(fd, "e APPEND INBOX {0}"), "e NO", NULL);
	check(client_ask(fd, "f APPEND nothing {3+}\r\nabc"), "f NO [TRYCREATE]", NULL);
	check(client_ask(fd, "g NOOP"), "g OK", NULL);
	client_send(fd, STR("h APPEND INBOX {3+}\r\na\0c\r\n"));
	check(client_read(fd, "h "), "h NO", NULL);
	check(client_ask(fd, "i APPEND INBOX (\\Recent) {3+}\r\nabc"), "i BAD", NULL);
	check(client_ask(fd, "j SELECT INBOX"), "* 2 EXISTS", NULL);
	check(client_ask(fd, "k FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE RFC822)"), "\\Seen",
	    "$Work", "INTERNALDATE \"17-Jul-1996 09:44:25 +0000\"", "RFC822.SIZE 4",
	    "RFC822 {4}\r\nx\r\ny)\r\n", NULL);
	check(client_ask(fd, "l APPEND INBOX {3+}\r\nnew"), "* 3 EXISTS", "l OK", NULL);
	client_send(fd, STR("m APPEND INBOX {2000000+}\r\n"));
	check(client_rest(fd), "* BYE", NULL);
	(void)close(fd);
}

static void
fetching(void **state)
{
	int fd = inbox(2);
	char size[64];

	(void)snprintf(size, sizeof(size), "RFC822.SIZE %zu", strlen(message));
	check(client_ask(fd, "a FETCH 1:* (FLAGS UID RFC822.SIZE)"),
	    "* 1 FETCH (UID 1 FLAGS (\\Recent)", size, "* 2 FETCH (UID 2 ", "a OK FETCH completed",
	    NULL);
	check(client_ask(fd, "b FETCH 1 ENVELOPE"),
	    "ENVELOPE (\"Thu, 20 Nov 2025 11:09:00 +0100\" "
	    "\"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" ((\"Ann\" NIL \"ann\" \"example.test\"))",
	    NULL);
	check(client_ask(fd, "c UID FETCH 2 BODYSTRUCTURE"),
	    "* 2 FETCH (UID 2 BODYSTRUCTURE ((\"text\" \"plain\"", NULL);
	check(client_ask(fd, "d FETCH 1 BODY.PEEK[TEXT]<0.8>"), "BODY[TEXT]<0> {8}\r\npreamble)",
	    NULL);
	check(
	    client_ask(fd,
		"e FETCH 1 (BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT])"),
	    "BODY[1] {14}\r\ncaf=E9 au lait", "BODY[1.MIME] {",
	    "BODY[2.HEADER] {18}\r\nSubject: inner\r\n\r\n", "BODY[2.TEXT] {10}\r\ninner body",
	    NULL);
	check(client_ask(fd, "f FETCH 1 BODY.PEEK[HEADER.FIELDS (to SUBJECT)]"),
	    "BODY[HEADER.FIELDS (to SUBJECT)] {", "To: Bob", "Subject: =?utf-8", "\r\n\r\n)", NULL);
	check_not(client_ask(fd, "g FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (to)]"), "To: Bob");
	check(client_ask(fd, "h FETCH 1 BODY.PEEK[3]"), "BODY[3] NIL)", NULL);
	check(client_ask(fd, "i FETCH 1 (BODY[]<99999.10> FLAGS)"), "FLAGS (\\Seen \\Recent)",
	    "BODY[]<99999> {0}\r\n", NULL);
	check(client_ask(fd, "j FETCH 3 FLAGS"), "j BAD", NULL);
	check(client_ask(fd, "k FETCH 4294967297 FLAGS"), "k BAD", NULL);
	check(client_ask(fd, "l UID FETCH 7:9 FLAGS"), "l OK", NULL);
	check(
	    client_ask(fd, "m FETCH 2 BODY[]"), "FLAGS (\\Seen \\Recent) BODY[] {", "--b--", NULL);
	check(client_ask(fd, "n FETCH 1:2 (FLAGS) (CHANGEDSINCE 100000)"), "n OK", NULL);
	check(client_ask(fd, "o FETCH 1 ALL"), "INTERNALDATE", "ENVELOPE", NULL);
	check(client_ask(fd, "p FETCH 1 FULL"), " BODY ((\"text\"", NULL);
	(void)close(fd);
}

static void
bare_line_ends(void **state)
{
	int fd = login();

	append(fd, "INBOX", "", "Subject: x\n\nline 1\nline 2\r\nline 3");
	free(client_ask(fd, "s SELECT INBOX"));
	check(client_ask(fd, "a FETCH 1 (RFC822.SIZE BODY.PEEK[])"), "RFC822.SIZE 36",
	    "BODY[] {36}\r\nSubject: x\r\n\r\nline 1\r\nline 2\r\nline 3)", NULL);
	check(client_ask(fd, "b FETCH 1 BODY.PEEK[]<11.4>"), "{4}\r\n\n\r\nl)", NULL);
	(void)close(fd);
}

static void
storing(void **state)
{
	int fd = inbox(3);
	int other = login_again();

	free(client_ask(other, "s SELECT INBOX"));
	check(client_ask(fd, "a STORE 1:2 +FLAGS (\\Seen custom)"),
	    "* 1 FETCH (FLAGS (\\Seen \\Recent custom))",
	    "* 2 FETCH (FLAGS (\\Seen \\Recent custom))", "a OK", NULL);
	check_not(client_ask(fd, "b STORE 1 -FLAGS.SILENT (\\Seen)"), "FETCH");
	check(client_ask(fd, "c STORE 3 FLAGS (\\Deleted)"),
	    "* 3 FETCH (FLAGS (\\Deleted \\Recent))", NULL);
	check(client_ask(other, "d NOOP"), "* 1 FETCH (FLAGS (custom))",
	    "* 2 FETCH (FLAGS (\\Seen custom))", "* 3 FETCH (FLAGS (\\Deleted))", "d OK", NULL);
	check(client_ask(fd, "e UID STORE 2 +FLAGS (x)"),
	    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent custom x))", NULL);
	check(client_ask(fd, "f STORE 1 FLAGS"), "f BAD", NULL);
	check(client_ask(fd, "g STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)"),
	    "* OK [HIGHESTMODSEQ ", "g OK [MODIFIED 1]", NULL);
	check(client_ask(fd, "h STORE 1 (UNCHANGEDSINCE 999999) +FLAGS.SILENT (\\Flagged)"),
	    "* 1 FETCH (UID 1 MODSEQ (", "h OK STORE", NULL);
	check(client_ask(other, "i FETCH 1 (FLAGS MODSEQ)"), "\\Flagged", "MODSEQ (", NULL);
	/* EXPUNGE is not told during FETCH, but by NOOP. */
	check(client_ask(fd, "j EXPUNGE"), "* 3 EXPUNGE\r\n", "j OK", NULL);
	check_not(client_ask(other, "k FETCH 1:3 FLAGS"), "EXPUNGE");
	check(client_ask(other, "l FETCH 3 BODY.PEEK[]"), "l NO [EXPUNGEISSUED]", NULL);
	check(client_ask(other, "m NOOP"), "* 3 EXPUNGE\r\n", "m OK", NULL);
	check(client_ask(other, "n FETCH 3 FLAGS"), "n BAD", NULL);
	(void)close(fd);
	(void)close(other);
}

static void
searching(void **state)
{
	int fd = inbox(3);

	free(client_ask(fd, "x STORE 2 +FLAGS (\\Flagged word)"));
	check(client_ask(fd, "a SEARCH ALL"), "* SEARCH 1 2 3\r\na OK", NULL);
	check(client_ask(fd, "b SEARCH FLAGGED"), "* SEARCH 2\r\n", NULL);
	check(client_ask(fd, "c UID SEARCH NOT 2 UID 2:*"), "* SEARCH 3\r\n", NULL);
	check(client_ask(fd, "d SEARCH KEYWORD WORD"), "* SEARCH 2\r\n", NULL);
	check(client_ask(fd, "e SEARCH FROM ANN SUBJECT {7+}\r\ngr\xc3\xbc\xc3\x9f"
			     "e"),
	    "* SEARCH 1 2 3", NULL);
	check(client_ask(fd, "f SEARCH CHARSET UTF-8 BODY {5+}\r\ncaf\xc3\xa9"), "* SEARCH 1 2 3",
	    NULL);
	check(client_ask(fd, "g SEARCH BODY preamble-not"), "* SEARCH\r\n", NULL);
	check(client_ask(fd, "h SEARCH TEXT \"inner\" TO carl"), "* SEARCH 1 2 3", NULL);
	check(
	    client_ask(fd, "i SEARCH HEADER message-id <1@example.test>"), "* SEARCH 1 2 3", NULL);
	check(client_ask(fd, "j SEARCH HEADER mime-version \"\""), "* SEARCH 1 2 3", NULL);
	check(client_ask(fd, "k SEARCH SENTON 20-Nov-2025 SMALLER 100000"), "* SEARCH 1 2 3", NULL);
	check(client_ask(fd, "l SEARCH SENTBEFORE 20-Nov-2025"), "* SEARCH\r\n", NULL);
	check(client_ask(fd, "m SEARCH CHARSET KOI8-R ALL"), "m NO [BADCHARSET (US-ASCII UTF-8)]",
	    NULL);
	check(client_ask(fd, "n SEARCH RETURN (MIN MAX COUNT ALL) ALL"),
	    "* ESEARCH (TAG \"n\") MIN 1 MAX 3 ALL 1:3 COUNT 3\r\n", NULL);
	check(client_ask(fd, "o UID SEARCH RETURN () FLAGGED"),
	    "* ESEARCH (TAG \"o\") UID ALL 2\r\n", NULL);
	check(client_ask(fd, "p SEARCH RETURN (COUNT) SEEN"), "* ESEARCH (TAG \"p\") COUNT 0\r\n",
	    NULL);
	check(client_ask(fd, "q SEARCH MODSEQ 1"), "* OK [HIGHESTMODSEQ", "* SEARCH 1 2 3 (MODSEQ ",
	    NULL);
	check(client_ask(fd, "r SEARCH 7"), "r BAD", NULL);
	check(client_ask(fd, "s SEARCH NEW"), "* SEARCH 1 2 3\r\n", NULL);
	check(client_ask(fd, "t SEARCH OR FLAGGED 1"), "* SEARCH 1 2\r\n", NULL);
	(void)close(fd);
}

static void
copying(void **state)
{
	int fd = inbox(3);

	check(client_ask(fd, "a COPY 1:2 Other"), "a NO [TRYCREATE]", NULL);
	free(client_ask(fd, "b CREATE Other"));
	check(
	    client_ask(fd, "c COPY 1:2 Other"), "c OK [COPYUID ", " 1:2 1:2] COPY completed", NULL);
	check(client_ask(fd, "d UID COPY 77 Other"), "d OK UID COPY completed", NULL);
	check(client_ask(fd, "e MOVE 2 Other"), "* OK [COPYUID ", " 2 3] Moved", "* 2 EXPUNGE",
	    "e OK MOVE", NULL);
	check(client_ask(fd, "f UID MOVE 3 Other"), "* 2 EXPUNGE", "f OK", NULL);
	check(client_ask(fd, "g FETCH 1:* UID"), "* 1 FETCH (UID 1)\r\ng OK", NULL);
	check(client_ask(fd, "h SELECT Other"), "* 4 EXISTS", NULL);
	check(client_ask(fd, "i UID STORE 1:2 +FLAGS.SILENT (\\Deleted)"), "i OK", NULL);
	check(client_ask(fd, "j UID EXPUNGE 2:99"), "* 2 EXPUNGE\r\nj OK", NULL);
	(void)close(fd);
}

static void
idling(void **state)
{
	int fd = inbox(1);
	int other = login_again();

	free(client_ask(other, "s SELECT INBOX"));
	client_send(fd, STR("a IDLE\r\n"));
	check(client_read(fd, "+"), "+ idling", NULL);
	append(other, "INBOX", "\\Flagged", message);
	check(client_read(fd, "* 2 EXISTS"), "* 2 EXISTS", NULL);
	free(client_ask(other, "b UID STORE 1 +FLAGS.SILENT (\\Deleted)"));
	check(client_read(fd, "* 1 FETCH"), "\\Deleted", NULL);
	free(client_ask(other, "c EXPUNGE"));
	check(client_read(fd, "* 1 EXPUNGE"), "* 1 EXPUNGE", NULL);
	client_send(fd, STR("DONE\r\nd NOOP\r\n"));
	check(client_read(fd, "d "), "a OK IDLE completed", "d OK", NULL);
	client_send(fd, STR("e IDLE\r\nf NOOP\r\n"));
	check(client_read(fd, "e "), "e BAD", NULL);
	(void)close(fd);
	(void)close(other);
}

static void
deleted_folder(void **state)
{
	int fd = login();
	int other = login_again();

	free(client_ask(fd, "a CREATE Gone"));
	free(client_ask(other, "a SELECT Gone"));
	free(client_ask(fd, "b DELETE Gone"));
	client_send(other, STR("c NOOP\r\n"));
	check(client_rest(other), "* BYE", NULL);
	(void)close(fd);
	(void)close(other);
}

static void
quota(void **state)
{
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "user%u", ++people);
	fd = harness_login(&h, name, (struct quota_limit){ .octets = 1024, .messages = 100 });
	free(client_read(fd, "login OK"));
	check(client_ask(fd, "a GETQUOTAROOT INBOX"), "* QUOTAROOT INBOX \"User quota\"\r\n",
	    "* QUOTA \"User quota\" (STORAGE 0 1 MESSAGE 0 100)\r\n", "a OK", NULL);
	append(fd, "INBOX", "", message);
	check(client_ask(fd, "b GETQUOTA \"User quota\""), "(STORAGE 1 1 MESSAGE 1 100)", NULL);
	append(fd, "INBOX", "", message);
	check(client_ask(fd, "c APPEND INBOX {1000}"), "c NO [OVERQUOTA]", NULL);
	free(client_ask(fd, "d SELECT INBOX"));
	check(client_ask(fd, "e COPY 1:2 INBOX"), "e NO [OVERQUOTA]", NULL);
	check(client_ask(fd, "f GETQUOTA other"), "f NO", NULL);
	check(client_ask(fd, "g SETQUOTA \"\" ()"), "g NO [NOPERM]", NULL);
	(void)close(fd);
}

static void
mistakes(void **state)
{
	int fd = login();

	client_send(fd, STR("\r\n"));
	check(client_read(fd, "* BAD"), "* BAD", NULL);
	client_send(fd, STR("a NO\0OP\r\n"));
	check(client_read(fd, "* BAD"), "NUL", NULL);
	check(client_ask(fd, "b CREATE {4294967295}"), "b BAD", NULL);
	check(client_ask(fd, "c CREATE {18446744073709551617}"), "c BAD", NULL);
	check(client_ask(fd, "d NOOP"), "d OK", NULL);
	for (int i = 0; i < 40; i++)
		client_send(fd, STR("e FOO\r\n"));
	check(client_rest(fd), "* BYE Too many mistakes", NULL);
	(void)close(fd);
	fd = login();
	client_send(fd, STR("a CREATE {4294967295+}\r\n"));
	check(client_rest(fd), "* BYE", NULL);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_commands),
		cmocka_unit_test(selecting),
		cmocka_unit_test(folders),
		cmocka_unit_test(appending),
		cmocka_unit_test(fetching),
		cmocka_unit_test(bare_line_ends),
		cmocka_unit_test(storing),
		cmocka_unit_test(searching),
		cmocka_unit_test(copying),
		cmocka_unit_test(idling),
		cmocka_unit_test(deleted_folder),
		cmocka_unit_test(quota),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
