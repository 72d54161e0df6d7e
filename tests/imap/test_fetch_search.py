"""FETCH items and SEARCH keys: RFC 3501 6.4.4, 6.4.5; ESEARCH; CONDSTORE."""

import unittest

from imap.raw import MESSAGE, Raw, pr


class Fetch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.user = pr.new_user("fetch")
        cls.c = Raw(cls.user)
        cls.c.append("INBOX")
        cls.c.ok("SELECT INBOX")

    @classmethod
    def tearDownClass(cls):
        cls.c.close()

    def fetch(self, items):
        return self.c.ok(f"FETCH 1 {items}")[0]

    def test_sections(self):
        head, _, text = MESSAGE.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        for section, want in (
                ("", MESSAGE), ("HEADER", head), ("TEXT", text), ("1", b"caf=E9 au lait"),
                ("2", b"Subject: inner\r\n\r\ninner body"), ("2.HEADER", b"Subject: inner\r\n\r\n"),
                ("2.TEXT", b"inner body"), ("2.1", b"inner body"),
                ("2.MIME", b"Content-Type: message/rfc822\r\n\r\n"),
                ("HEADER.FIELDS (message-id)", b"Message-ID: <1@example.test>\r\n\r\n")):
            with self.subTest(section):
                self.assertEqual(self.fetch(f"BODY.PEEK[{section}]"),
                                 b"* 1 FETCH (BODY[%s] {%d}\r\n%s)\r\n" % (section.encode(), len(want), want))

    def test_partials_put_together_give_the_whole(self):
        got = b""
        while True:
            line = self.fetch(f"BODY.PEEK[]<{len(got)}.50>")
            piece = line.split(b"\r\n", 1)[1][:-3]
            if not piece:
                break
            got += piece
        self.assertEqual(got, MESSAGE)

    def test_what_is_not_there_is_nil(self):
        self.assertIn(b"BODY[7] NIL", self.fetch("BODY.PEEK[7]"))
        self.assertIn(b"BODY[1.2.3.4] NIL", self.fetch("BODY.PEEK[1.2.3.4]"))

    def test_envelope_and_structure(self):
        self.assertIn(b'(("Ann" NIL "ann" "example.test"))', self.fetch("ENVELOPE"))
        self.assertIn(b'"message" "rfc822"', self.fetch("BODYSTRUCTURE").lower())
        self.assertIn(b"RFC822.SIZE %d" % len(MESSAGE), self.fetch("FAST"))

    def test_a_section_without_peek_sets_seen(self):
        with Raw(self.user) as c:
            c.append("INBOX")
            c.ok("SELECT INBOX")
            self.assertNotIn(rb"\Seen", c.ok("FETCH * (FLAGS BODY.PEEK[])")[0])
            self.assertIn(rb"\Seen", c.ok("FETCH * BODY[TEXT]")[0])
            c.ok(r"STORE * +FLAGS (\Deleted)")
            c.ok("EXPUNGE")

    def test_search_keys(self):
        for program in (
                "ALL", "FROM ann", "TO carl@", "SUBJECT {7+}\r\nGR\u00dcSSE",
                "BODY {5+}\r\ncaf\u00e9", "TEXT inner", "HEADER message-id 1@example", "NOT SEEN",
                "SENTON 20-Nov-2025", "SENTSINCE 1-Jan-2025 SENTBEFORE 1-Jan-2026", "LARGER 10 SMALLER 10000",
                "OR DELETED UNDELETED", "UID 1", "1:*", "(ALL (ALL))", "CHARSET UTF-8 UNDRAFT",
                "SINCE 1-Jan-2000", "NOT BEFORE 1-Jan-2000", "UNKEYWORD x"):
            with self.subTest(program):
                self.assertEqual(self.c.ok(f"SEARCH {program}")[0], b"* SEARCH 1\r\n")
        for program in ("DELETED", "FROM bob", "BCC x", "CC x", "KEYWORD x", "ON 1-Feb-1994", "NOT ALL",
                        "BODY Message-ID", "UID 2:3"):
            with self.subTest(program):
                self.assertEqual(self.c.ok(f"SEARCH {program}")[0], b"* SEARCH\r\n")
        self.c.no("SEARCH CHARSET X-NONE ALL", b"[BADCHARSET")

    def test_esearch(self):
        got = self.c.ok("SEARCH RETURN (MIN MAX COUNT ALL) ALL")
        self.assertIn(b" MIN 1 MAX 1 ALL 1 COUNT 1", got[0])


class Condstore(unittest.TestCase):
    def test_modseqs_grow_and_guard(self):
        user = pr.new_user("modseq")
        with Raw(user) as c:
            c.append("INBOX")
            c.append("INBOX")
            self.assertIn(b"HIGHESTMODSEQ", b"".join(c.ok("SELECT INBOX (CONDSTORE)")))
            first = int(c.ok("FETCH 1 MODSEQ")[0].split(b"(")[2].split(b")")[0])
            got = b"".join(c.ok(r"STORE 1 +FLAGS (\Flagged)"))
            self.assertIn(b"MODSEQ (", got)
            got = c.ok(f"FETCH 1:* FLAGS (CHANGEDSINCE {first})")
            self.assertIn(rb"\Flagged", b"".join(got))
            got = c.ok(rf"STORE 1 (UNCHANGEDSINCE {first}) +FLAGS (\Seen)")
            self.assertIn(b"[MODIFIED 1]", got[-1])
            self.assertIn(b"(MODSEQ ", c.ok("SEARCH MODSEQ 1")[0])


if __name__ == "__main__":
    unittest.main()
