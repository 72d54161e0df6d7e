# check: timeout=240
"""Hostile messages, all the way: in on port 25, stored, read over IMAP and POP3 (faults.md 1, 25, 26, 30, 39).

A clear answer at SMTP, or a message that can be read within seconds; and the memory of the daemons stays bounded."""

import poplib
import re
import time
import unittest

from imap.raw import Raw
from lib import env
from lib.smtpwire import Wire

pr = env.get()
poplib._MAXLINE = 20_000_000


def memory_of(name):
    """The resident memory of all processes of a daemon, in MiB."""
    total = 0
    for daemon, pid in pr.daemons().items():
        if daemon.startswith(name):
            with open(f"/proc/{pid}/status", encoding="ascii") as lines:
                total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1024


class Mail(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("hostile")

    def deliver(self, text, *codes):
        with Wire(pr, timeout=60) as w:
            w.open(self.user.address)
            w.ok("DATA", 354)
            w.send(text + b"\r\n.\r\n")
            code, said = w.reply()
        self.assertIn(code, codes or (250,), said)
        return code

    def read(self, limit=5):
        """Everything a client asks of a message, each within the limit."""
        took = {}
        with Raw(self.user, timeout=60) as c:
            c.ok("SELECT INBOX")
            for item in ("FULL", "BODYSTRUCTURE", "ENVELOPE", "BODY.PEEK[HEADER.FIELDS (To Subject)]", "BODY.PEEK[1]",
                         "BODY.PEEK[1.1.1.MIME]", "RFC822.SIZE", "BODY.PEEK[]"):
                began = time.monotonic()
                got = c.ok(f"FETCH * {item}")
                took[item] = time.monotonic() - began
                self.assertTrue(any(b"FETCH" in line for line in got), item)
            for key in ('SUBJECT "x"', 'FROM "x"', 'BODY "nowhere"', 'TEXT "nowhere"', 'HEADER X-A "b"'):
                began = time.monotonic()
                c.ok(f"SEARCH {key}")
                took[key] = time.monotonic() - began
            c.ok("FETCH * BODYSTRUCTURE")
        with pr.pop3(self.user, timeout=60) as pop:
            pop.top(pop.stat()[0], 1)
        slow = {item: seconds for item, seconds in took.items() if seconds > limit}
        self.assertEqual(slow, {})

    def test_ten_thousand_parts(self):
        parts = b"".join(b"--b\r\nContent-Type: text/plain\r\n\r\npart %d\r\n" % i for i in range(10_000))
        self.deliver(b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--")
        self.read()

    def test_ten_thousand_parts_in_each_other(self):
        head = b"Subject: x\r\n"
        opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(10_000))
        self.deliver(head + opening + b"\r\nthe innermost\r\n")
        self.read()

    def test_messages_in_messages(self):
        self.deliver(b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"Subject: x\r\n\r\nx")
        self.read()

    def test_one_boundary_for_all(self):
        self.deliver(b"Subject: x\r\n" + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 5_000 + b"\r\nx\r\n--b--")
        self.read()

    def test_a_line_of_ten_megabytes(self):
        self.deliver(b"Subject: x\r\n\r\n" + b"x" * 10_000_000)
        self.read()

    def test_a_header_line_of_ten_megabytes(self):
        self.deliver(b"Subject: " + b"x" * 10_000_000 + b"\r\n\r\nx", 250, 552, 554)

    def test_header_of_ten_megabytes(self):
        self.deliver(b"".join(b"X-%d: %s\r\n" % (i, b"y" * 90) for i in range(100_000)) + b"\r\nx", 250, 552, 554)

    def test_twenty_thousand_fields(self):
        self.deliver(b"X: y\r\n" * 20_000 + b"\r\nx", 250, 552, 554)
        self.deliver(b"Subject: x\r\n" + b"X:\r\n" * 20_000 + b"\r\nx")
        self.read()

    def test_a_hundred_kilobytes_of_addresses(self):
        self.deliver(b"Subject: x\r\nTo: " + b",\r\n ".join(b"a%d@b.c" % i for i in range(8_000)) + b"\r\n\r\nx")
        self.read()

    def test_comments_and_groups(self):
        self.deliver(b"Subject: x\r\nFrom: " + b"(" * 50_000 + b"\r\nTo: " + b"g:" * 30_000 + b"\r\n\r\nx")
        self.read()

    def test_rfc2231_without_end(self):
        text = b"Subject: x\r\nContent-Type: text/plain" + b"".join(b";\r\n n*%d*=a" % i for i in range(8_000))
        self.deliver(text + b"\r\nContent-Disposition: attachment" + b";a=b" * 2_000 + b"\r\n\r\nx")
        self.read()

    def test_encoded_words_are_data(self):
        """Mailsploit: an encoded NUL and line end stay encoded."""
        word = b"=?utf-8?b?cG90dXNAd2hpdGVob3VzZS5nb3YACkJjYzogYUBiLmMNCi4NCg==?="
        self.deliver(b"From: " + word + b" <a@b.c>\r\nFrom: <second@b.c>\r\nSubject: " + word * 50 + b"\r\n\r\nx")
        self.read()
        with Raw(self.user) as c:
            c.ok("SELECT INBOX")
            envelope = b"".join(c.ok("FETCH 1 ENVELOPE"))
        self.assertIn(word, envelope)
        self.assertNotIn(b"\nBcc", envelope)

    def test_nul_and_eight_bits_in_the_header(self):
        code = self.deliver(b"Subject: a\0b\xff\xfe\r\nFrom: \"\0\" <a@b.c>\r\nContent-Type: te\0xt/plain; a=\"\0\"\r\n\r\nx\0y",
                            250, 550, 554)
        if code == 250:
            self.read()
            # RFC 3501 9: NUL must not be in what is not binary; line ends are where they were.
            with Raw(self.user) as c:
                c.ok("SELECT INBOX")
                self.assertNotIn(b"\0", b"".join(c.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)")))

    def test_memory_stays_bounded(self):
        self.deliver(b"Subject: x\r\n" + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(10_000)))
        with Raw(self.user, timeout=60) as c:
            c.ok("SELECT INBOX")
            before = memory_of("imapd")
            for _ in range(30):
                c.ok("FETCH 1 (BODYSTRUCTURE ENVELOPE)")
            self.assertLess(memory_of("imapd") - before, 50)

    def test_structure_is_well_formed(self):
        """Parentheses balance, however odd the message."""
        for text in (b'Content-Type: multipart/mixed; boundary="\r\n\r\nx', b"Content-Type: multipart/mixed\r\n\r\nx",
                     b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b", b"Content-Type: ;;;=\r\n\r\nx", b": x\r\n\r\nx",
                     b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n--b\r\n\r\nx",
                     b"Content-Type: message/rfc822\r\n\r\n", b"\r\n", b"x", b"Content-Type: text/plain; a=\"\\\"\\\\(\"\r\n\r\nx",
                     b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b\r\n--b--"):
            self.deliver(text)
        with Raw(self.user) as c:
            c.ok("SELECT INBOX")
            for line in c.ok("FETCH 1:* (BODYSTRUCTURE BODY ENVELOPE)"):
                if b" FETCH " in line:
                    line = re.sub(rb"\{(\d+)\}\r\n", lambda m: b"", line)
                    line = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", line)
                    self.assertEqual(line.count(b"("), line.count(b")"), line)


class Recipients(unittest.TestCase):
    def test_a_hundred_thousand(self):
        """Beyond the limit each is told to come again, the message goes to those before; and it ends."""
        user = pr.new_user("many")
        domain = pr.new_domain("crowd")
        pr.postroom("alias", "add", f"@{domain}", user.address)
        began = time.monotonic()
        with Wire(pr, timeout=60) as w:
            w.ehlo()
            w.ok("MAIL FROM:<someone@example.net>")
            codes = {}
            try:
                for batch in range(100):
                    w.send("".join(f"RCPT TO:<a-{batch}-{i}@{domain}>\r\n" for i in range(1000)))
                    for _ in range(1000):
                        code, _ = w.reply()
                        codes[code] = codes.get(code, 0) + 1
                        if code == 421:
                            raise EOFError
                w.ok("DATA", 354)
                w.send(b"Subject: once\r\n\r\nx\r\n.\r\n")
                w.want(250)
                self.assertEqual(pr.count(user), 1)
            except EOFError:
                pass
        self.assertGreaterEqual(codes[250], 100, codes)
        self.assertLessEqual(codes[250], 1000, codes)
        self.assertLessEqual(set(codes), {250, 452, 421, 552}, codes)  # 552 to one who never stops
        self.assertLess(time.monotonic() - began, 60)

    def test_a_hundred_thousand_unknown(self):
        with Wire(pr, timeout=60) as w:
            w.ehlo()
            w.ok("MAIL FROM:<someone@example.net>")
            codes = set()
            for batch in range(100):
                w.send("".join(f"RCPT TO:<nobody-{batch}-{i}@{env.DOMAIN}>\r\n" for i in range(1000)))
                for _ in range(1000):
                    code, _ = w.reply()
                    codes.add(code)
                    if code == 421:
                        self.assertTrue(w.closed())
                        self.assertEqual(codes, {421, 550})
                        return
        self.fail("nobody stopped it")


if __name__ == "__main__":
    unittest.main()
