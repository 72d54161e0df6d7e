"""Bad input after login: rows 15 to 17, 20 to 26 and 43 of the threats. A clear error, bounded memory,
and the next client not disturbed."""

import time
import unittest

from imap.raw import Raw, pr


class BadInput(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("bad")
        self.c = Raw(self.user)
        self.addCleanup(self.c.close)

    def test_endless_line(self):
        self.c.send(b"a " + b"x" * 100_000 + b"\r\n")
        self.assertIn(b"BAD", self.c.line())
        self.c.ok("NOOP")

    def test_ten_megabytes_in_a_line(self):
        self.c.send(b"a " + b"x" * 10_000_000 + b"\r\nb NOOP\r\n")
        self.assertTrue(self.c.until(b"b ")[-1].startswith(b"b OK"))

    def test_literals_nobody_could_mean(self):
        for literal in ("4294967295", "18446744073709551617", "9223372036854775808", "-1", ""):
            with self.subTest(literal):
                self.c.bad(f"CREATE {{{literal}}}")
        self.c.ok("NOOP")

    def test_a_literal_that_is_sent_unasked_and_too_large(self):
        self.c.send(b"a CREATE {4294967295+}\r\n")
        self.assertTrue(self.c.line().startswith(b"* BYE"))
        self.assertEqual(self.c.line(), b"")

    def test_append_of_93_gib(self):
        self.c.no("APPEND INBOX {99857989632}", b"[TOOBIG]")

    def test_aborted_append_keeps_nothing(self):
        with Raw(self.user) as other:
            other.send(b"a APPEND INBOX {1000+}\r\nSubject: half\r\n")
            time.sleep(0.2)
        time.sleep(0.3)
        self.assertIn(b"* 0 EXISTS", b"".join(self.c.ok("SELECT INBOX")))

    def test_deep_searches(self):
        self.c.ok("SELECT INBOX")
        for text in ("(" * 20000, "NOT " * 15000 + "ALL", "OR ALL " * 8000 + "ALL", "ALL " * 16000):
            began = time.monotonic()
            got = self.c.ask(f"SEARCH {text}")
            self.assertRegex(got[-1], rb"t\d+ (BAD|OK)")
            self.assertLess(time.monotonic() - began, 2)

    def test_deep_sections(self):
        self.c.append("INBOX")
        self.c.ok("SELECT INBOX")
        self.c.bad("FETCH 1 BODY[" + "1." * 20000 + "1]")

    def test_numbers_do_not_wrap(self):
        self.c.append("INBOX")
        self.c.ok("SELECT INBOX")
        for command in ("FETCH 4294967297 FLAGS", "UID FETCH 4294967297 FLAGS", "FETCH 0 FLAGS",
                        "FETCH 1 BODY[]<18446744073709551615.1>", "FETCH 1 BODY[]<0.18446744073709551617>",
                        "FETCH 18446744073709551617 FLAGS"):
            with self.subTest(command):
                self.c.bad(command)

    def test_names_that_lead_out(self):
        for name in ("../x", "/etc", "a/b", "..", "a..b", ".a", "&AC8-etc", "&AC4ALg-", "&2AA-", "&AGE-",
                     "x&", "&AAA-", '"a\x01b"', "&ABs-", '"' + "x" * 300 + '"'):
            with self.subTest(name):
                self.c.no(f"CREATE {name}")
                self.c.no(f"SELECT {name}")

    def test_eight_bit_name(self):
        self.assertRegex(self.c.ask('CREATE "\u00e4"')[-1], rb"t\d+ (NO|BAD)")

    def test_nul(self):
        self.c.send(b"a NO\0OP\r\n")
        self.assertIn(b"BAD", self.c.line())
        self.c.send(b"b CREATE {3+}\r\nx\0y\r\n")
        self.assertIn(b"BAD", self.c.line())
        self.c.send(b"c APPEND INBOX {3+}\r\nx\0y\r\n")
        self.assertTrue(self.c.line().startswith(b"c NO"))

    def test_mistakes_without_end(self):
        self.c.send(b"a FOO\r\n" * 100)
        self.assertTrue(self.c.until(b"* BYE")[-1].startswith(b"* BYE"))

    def test_another_home_is_out_of_reach(self):
        other = pr.new_user("other")
        for name in (f"user.{other.local}", f"{other.address}", f"~{other.local}"):
            self.assertRegex(self.c.ask(f"SELECT {name}")[-1], rb"t\d+ (NO|BAD)")
        self.c.bad(f"GETACL {other.local}")

    def test_an_octet_at_a_time(self):
        for octet in b"slow NOOP\r\n":
            self.c.send(bytes([octet]))
            time.sleep(0.01)
        self.assertTrue(self.c.until(b"slow ")[-1].startswith(b"slow OK"))


if __name__ == "__main__":
    unittest.main()
