"""BDAT: faults.md 9, RFC 3030."""

import unittest

from lib import env
from lib.smtpwire import Wire

pr = env.get()


class Chunks(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user()

    def test_a_message_in_chunks(self):
        for sizes in ((1, 1, 1, 500), (7,), (100_000, 200_000, 5)):
            text = (f"Subject: {sizes[0]}\r\n\r\n" + ".x\r\n" * (sum(sizes) // 4)).encode()
            with Wire(pr) as w:
                w.open(self.user.address)
                at = 0
                for size in sizes:
                    piece = text[at:at + size]
                    w.send(f"BDAT {len(piece)}\r\n".encode() + piece)
                    w.want(250)
                    at += size
                w.send(f"BDAT {len(text) - at} LAST\r\n".encode() + text[at:])
                w.want(250)
            self.assertTrue(pr.wait_for_message(self.user, subject=str(sizes[0])).endswith(text))

    def test_pipelined(self):
        text = b"Subject: p\r\n\r\nx\r\n"
        with Wire(pr) as w:
            w.ehlo()
            w.send(f"MAIL FROM:<>\r\nRCPT TO:<{self.user.address}>\r\nBDAT 3\r\n".encode() + text[:3] +
                   f"BDAT {len(text) - 3} LAST\r\n".encode() + text[3:] + b"QUIT\r\n")
            self.assertEqual([w.reply()[0] for _ in range(5)], [250, 250, 250, 250, 221])
        pr.wait_for_message(self.user, subject="p")

    def test_refused_octets_are_no_commands(self):
        """CVE-2017-16943: what follows the failed command is text, whatever it looks like."""
        evil = f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{self.user.address}>\r\n".encode()
        with Wire(pr) as w:
            w.ehlo()
            w.send(f"BDAT {len(evil)}\r\n".encode() + evil)
            self.assertEqual(w.reply()[0], 503)
            w.ok("DATA", 503)  # no transaction was opened
            w.ok("MAIL FROM:<a@b.example>")
            w.send(f"BDAT {len(evil)} LAST\r\n".encode() + evil)
            self.assertEqual(w.reply()[0], 554)
            w.ok(f"RCPT TO:<{self.user.address}>", 503)  # only RSET mends it
            w.ok("RSET")
            w.ok("MAIL FROM:<a@b.example>")
            self.assertTrue(w.quiet(0.1))

    def test_too_large_is_drained(self):
        with Wire(pr) as w:
            w.open(self.user.address)
            limit = int(next(x for x in w.ehlo().split("\n") if x.startswith("SIZE ")).split()[1])
            w.open(self.user.address)
            piece = b"x" * 998 + b"\r\n"
            w.send(f"BDAT {limit + 1000}\r\n".encode())
            for _ in range((limit + 1000) // 1000):
                w.send(piece)
            w.send(b"x" * ((limit + 1000) % 1000))
            self.assertEqual(w.reply()[0], 552)
            w.send(b"BDAT 4 LAST\r\nabcd")
            self.assertEqual(w.reply()[0], 503)
            w.ok("RSET")

    def test_sizes(self):
        for words in ("", " ", " x", " -1", " 1x", " 1 FIRST", " 99999999999999999999", " 9223372036854775808",
                      " 0x10", " 1,000"):
            with self.subTest(words), Wire(pr) as w:
                w.open(self.user.address)
                w.send(f"BDAT{words}\r\nNOOP\r\nNOOP\r\n")
                self.assertIn(w.reply()[0], (501, 552))
                self.assertTrue(w.closed(), "nobody can know where the next command begins")

    def test_no_mixing(self):
        """RFC 3030 2: DATA after BDAT is 503; 3: BINARYMIME needs BDAT."""
        with Wire(pr) as w:
            w.open(self.user.address)
            w.send(b"BDAT 1\r\nx")
            w.want(250)
            w.ok("DATA", 503)
            w.ok(f"RCPT TO:<{self.user.address}>", 503)
            w.ok("MAIL FROM:<>", 503)
            w.ok("NOOP")
            w.ok("RSET")
            w.open(self.user.address, "a@b.example", "BODY=BINARYMIME")
            w.ok("DATA", 503)

    def test_binary(self):
        body = bytes(range(256)) * 4 + b"\r\n"
        text = b"Subject: binary\r\nContent-Transfer-Encoding: binary\r\nMIME-Version: 1.0\r\n\r\n" + body
        with Wire(pr) as w:
            w.open(self.user.address, "a@b.example", "BODY=BINARYMIME")
            w.send(f"BDAT {len(text)} LAST\r\n".encode() + text)
            w.want(250)
        pr.wait_for_count(self.user, 1)

    def test_a_bare_lf_is_refused_here_too(self):
        with Wire(pr) as w:
            w.open(self.user.address)
            w.send(b"BDAT 6 LAST\r\na: b\n\n")
            self.assertEqual(w.reply()[0], 550)


if __name__ == "__main__":
    unittest.main()
