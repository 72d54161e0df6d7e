"""Line ends, dots and limits of lines: faults.md 1, 2, 17, 20."""

import time
import unittest

from lib import env
from lib.smtpwire import Wire

pr = env.get()

# What some server somewhere has taken for the end of a message.
FALSE_ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CRLF.CR": b"\r\n.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.NUL CRLF": b"\r\n.\0\r\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CRLF.blank CRLF": b"\r\n. \r\n",
    "CRLF blank.CRLF": b"\r\n .\r\n",
    "CRCRLF.CRCRLF": b"\r\r\n.\r\r\n",
    "LFCR.LFCR": b"\n\r.\n\r",
}
SMUGGLED = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"


class Smuggling(unittest.TestCase):
    """RFC 5321 4.1.1.4, 2.3.8: CRLF.CRLF and nothing else ends a message."""

    def test_only_crlf_dot_crlf_ends_a_message(self):
        user = pr.new_user()
        kept = 0
        for name, end in FALSE_ENDS.items():
            with self.subTest(name), Wire(pr) as w:
                w.open(user.address)
                w.ok("DATA", 354)
                w.send(f"Subject: {name}\r\n\r\ntext".encode() + end + SMUGGLED % user.address.encode())
                self.assertTrue(w.quiet(0.2), "something was taken for the end")
                w.send(b"\r\n.\r\n")
                code, text = w.reply()
                self.assertIn(code, (250, 550), text)
                self.assertTrue(w.quiet(0.1), "more than one reply")
                w.ok("NOOP", 250)
                kept += code == 250
        pr.wait_for_count(user, kept)
        for message in pr.fetch_all(user):
            self.assertNotIn(b"Return-Path: <evil", message)

    def test_a_bare_lf_is_refused_with_its_reason(self):
        user = pr.new_user()
        with Wire(pr) as w:
            code, text = w.data(user.address, b"Subject: x\r\n\r\na\nb\r\n.\r\n")
            self.assertEqual(code, 550)
            self.assertIn("5.6.11", text)
        self.assertEqual(pr.count(user), 0)

    def test_a_bare_cr_is_data(self):
        user = pr.new_user()
        with Wire(pr) as w:
            self.assertEqual(w.data(user.address, b"Subject: cr\r\n\r\na\rb\r\n.\r\n")[0], 250)
        self.assertIn(b"a\rb", pr.wait_for_message(user, subject="cr"))

    def test_bare_line_ends_end_no_command(self):
        with Wire(pr) as w:
            w.ehlo()
            for end in (b"\n", b"\r"):
                w.send(b"NOOP x" + end + b"MAIL FROM:<evil@example.net>\r\n")
                self.assertEqual(w.reply()[0], 500)
                w.ok("RCPT TO:<x@example.test>", 503)


class Dots(unittest.TestCase):
    """RFC 5321 4.5.2, and that no cut of the stream makes a line start."""

    def send_in_pieces(self, w, octets, size):
        for at in range(0, len(octets), size):
            w.send(octets[at:at + size])
            if size < 100:
                time.sleep(0.0005)

    def test_dots_at_every_boundary(self):
        user = pr.new_user()
        for i, fill in enumerate((16379, 16380, 16381, 16382, 16383, 16384, 16385, 131000)):
            head = f"Subject: fill {i}\r\n\r\n".encode()
            body = b"x" * fill + b"\r\n..\r\n...two\r\nend.\r\n.\rx\r\n"
            with self.subTest(fill), Wire(pr) as w:
                w.open(user.address)
                w.ok("DATA", 354)
                self.send_in_pieces(w, head + body + b".\r\n", 4096 + i)
                self.assertEqual(w.reply()[0], 250)
            got = pr.wait_for_message(user, subject=f"fill {i}")
            self.assertTrue(got.endswith(b"x" * fill + b"\r\n.\r\n..two\r\nend.\r\n\rx\r\n"), got[-60:])

    def test_octet_by_octet(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.open(user.address)
            w.ok("DATA", 354)
            self.send_in_pieces(w, b"Subject: slow\r\n\r\n..a\r\n.\r.b\r\n..\r\n.\r\n", 1)
            self.assertEqual(w.reply()[0], 250)
        self.assertTrue(pr.wait_for_message(user, subject="slow").endswith(b"\r\n.a\r\n\r.b\r\n.\r\n"))

    def test_a_message_of_nothing(self):
        user = pr.new_user()
        with Wire(pr) as w:
            self.assertEqual(w.data(user.address, b".\r\n")[0], 250)
        pr.wait_for_count(user, 1)


class Lines(unittest.TestCase):
    """faults.md 17 and 20."""

    def test_nul_is_never_the_end_of_a_text(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            for line in (b"NO\0OP", b"MAIL FROM:<a@b.example\0>", b"MAIL FROM:<a\0@b.example>", b"EHLO a\0b"):
                self.assertIn(w.cmd(line)[0], (500, 501), line)
            w.ok("MAIL FROM:<a@b.example>")
            line = f"RCPT TO:<{user.address}\0.evil.example>".encode()
            self.assertIn(w.cmd(line)[0], (500, 501))
            w.ok(f"RCPT TO:<{user.address}>")

    def test_control_characters(self):
        with Wire(pr) as w:
            w.ehlo()
            for octet in (1, 7, 8, 27, 127):
                line = b"MAIL FROM:<a" + bytes([octet]) + b"@b.example>"
                self.assertIn(w.cmd(line)[0], (500, 501), line)

    def test_long_lines_are_refused_and_the_session_goes_on(self):
        with Wire(pr) as w:
            w.ehlo()
            for n in (2049, 10_000, 100_000):
                self.assertEqual(w.cmd("NOOP " + "x" * n)[0], 500)
            w.ok("NOOP")

    def test_a_line_without_end_is_cut_off(self):
        with Wire(pr) as w:
            w.ehlo()
            for _ in range(100):
                w.send(b"x" * 100_000)
            self.assertEqual(w.reply()[0], 500)
            self.assertTrue(w.closed())
        with Wire(pr) as w:  # and nobody else noticed
            w.ehlo()

    def test_lines_of_ten_megabytes_in_a_message(self):
        user = pr.new_user()
        with Wire(pr) as w:
            code, _ = w.data(user.address, b"Subject: long\r\n\r\n" + b"y" * 10_000_000 + b"\r\n.\r\n")
            self.assertEqual(code, 250)
            code, text = w.data(user.address, b"Subject: " + b"y" * 10_000_000 + b"\r\n\r\nx\r\n.\r\n")
            self.assertEqual(code, 552, text)
        self.assertEqual(len(pr.wait_for_message(user, subject="long").split(b"\r\n")[-2]), 10_000_000)

    def test_the_longest_command_rfc_5321_allows(self):
        with Wire(pr) as w:
            w.ehlo()
            w.ok("NOOP " + "x" * 505)
            local, domain = "l" * 64, ".".join(["d" * 60] * 3) + ".example"
            w.ok(f"MAIL FROM:<{local}@{domain[:189]}> SIZE=1 BODY=8BITMIME RET=FULL ENVID={'e' * 100} "
                 f"AUTH=<>", 250, 501)


if __name__ == "__main__":
    unittest.main()
