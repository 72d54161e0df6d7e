"""The order of commands, what is carried, and messages that break off: RFC 5321, faults.md 30, 43."""

import re
import unittest

from lib import env
from lib.smtpwire import Wire

pr = env.get()


class Order(unittest.TestCase):
    """RFC 5321 4.1.4."""

    def test_out_of_order(self):
        with Wire(pr) as w:
            for line, code in (("MAIL FROM:<>", 503), ("RCPT TO:<a@b.example>", 503), ("DATA", 503), ("NOOP", 250),
                               ("RSET", 250), ("HELP", 214), ("XYZZY", 500), ("", 500), ("EHLO", 501)):
                w.ok(line, code)
            w.ehlo()
            for line, code in (("RCPT TO:<a@b.example>", 503), ("DATA", 503), ("MAIL FROM:<a@b.example>", 250),
                               ("MAIL FROM:<a@b.example>", 503), ("DATA", 554), ("RSET", 250), ("DATA", 503),
                               ("MAIL a@b.example", 501), ("MAIL FROM:a@b.example", 501), ("MAIL", 501),
                               ("QUIT", 221)):
                w.ok(line, code)
            self.assertTrue(w.closed())

    def test_helo_has_no_extensions_and_works(self):
        user = pr.new_user()
        with Wire(pr) as w:
            self.assertNotIn("\n", w.ok("HELO client.example.net"))
            w.ok("MAIL FROM:<a@b.example>")
            w.ok(f"RCPT TO:<{user.address}>")
            w.ok("DATA", 354)
            w.send(b"Subject: helo\r\n\r\nx\r\n.\r\n")
            w.want(250)
        self.assertRegex(pr.wait_for_message(user, subject="helo"), rb"with SMTP\s")

    def test_offer(self):
        with Wire(pr) as w:
            words = {line.split()[0] for line in w.ehlo().split("\n")[1:]}
        self.assertLessEqual({"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME",
                              "ENHANCEDSTATUSCODES", "DSN", "STARTTLS"}, words)

    def test_every_reply_has_its_enhanced_code(self):
        """RFC 2034 4, and that the classes agree."""
        with Wire(pr) as w:
            w.ehlo()
            for line in ("NOOP", "RSET", "MAIL FROM:<>", "RCPT TO:<nobody-at-all@example.test>", "DATA", "VRFY a", "HELP",
                         "XYZZY", "MAIL FROM:<x", "RCPT TO:<@>"):
                code, text = w.cmd(line)
                self.assertRegex(text, rf"^{code // 100}\.\d{{1,3}}\.\d{{1,3}} ", line)

    def test_pipelining(self):
        """RFC 2920."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            n = 50
            w.send((f"MAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\nRCPT TO:<nobody-at-all@example.test>\r\n"
                    "RSET\r\n") * n)
            self.assertEqual([w.reply()[0] for _ in range(4 * n)], [250, 250, 550, 250] * n)

    def test_a_refused_data_with_text_behind_it(self):
        """Its lines are no commands."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            w.send("MAIL FROM:<>\r\nRCPT TO:<nobody-at-all@example.test>\r\nDATA\r\n"
                   f"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\n")
            self.assertEqual([w.reply()[0] for _ in range(3)], [250, 550, 554])
            self.assertEqual(w.reply()[0], 421)
            self.assertTrue(w.closed())


class Parameters(unittest.TestCase):
    def test_size(self):
        """RFC 1870."""
        with Wire(pr) as w:
            limit = int(re.search(r"SIZE (\d+)", w.ehlo()).group(1))
            w.ok(f"MAIL FROM:<> SIZE={limit}")
            w.ok("RSET")
            w.ok(f"MAIL FROM:<> SIZE={limit + 1}", 552)
            w.ok("MAIL FROM:<> SIZE=99999999999999999999", 552)
            for bad in ("SIZE=", "SIZE", "SIZE=-1", "SIZE=1x", "SIZE=1 SIZE=1"):
                w.ok(f"MAIL FROM:<> {bad}", 501)

    def test_dsn_and_the_rest(self):
        """RFC 3461, RFC 6152, RFC 6531, RFC 4954 5."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B1 BODY=8BITMIME SMTPUTF8 AUTH=<>")
            w.ok(f"RCPT TO:<{user.address}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@b.example")
            w.ok("RSET")
            for bad in ("RET=ALL", "RET=FULL RET=FULL", "ENVID=a+2b", "ENVID=" + "x" * 101, "BODY=", "SMTPUTF8=1"):
                w.ok(f"MAIL FROM:<a@b.example> {bad}", 501)
            w.ok("MAIL FROM:<a@b.example> FUTURE=1", 555)
            w.ok("MAIL FROM:<a@b.example>")
            for bad in ("NOTIFY=NEVER,DELAY", "NOTIFY=", "ORCPT=x", "ORCPT=rfc822;", "NOTIFY=NEVER NOTIFY=NEVER"):
                w.ok(f"RCPT TO:<{user.address}> {bad}", 501)
            w.ok(f"RCPT TO:<{user.address}> FUTURE=1", 555)


class Loops(unittest.TestCase):
    """faults.md 30, RFC 5321 6.3."""

    def test_hops(self):
        user = pr.new_user()
        hop = b"Received: from a.example by b.example; Thu, 20 Nov 2025 11:00:00 +0000\r\n"
        with Wire(pr) as w:
            self.assertEqual(w.data(user.address, hop * 30 + b"Subject: 30\r\n\r\nx\r\n.\r\n")[0], 250)
            code, text = w.data(user.address, hop * 150 + b"Subject: 150\r\n\r\nx\r\n.\r\n")
            self.assertEqual((code, text.split()[0]), (554, "5.4.6"))
        pr.wait_for_message(user, subject="30")


class BrokenOff(unittest.TestCase):
    """faults.md 43: nothing is kept of what did not end."""

    def test_at_every_step(self):
        user = pr.new_user()
        whole = (f"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\nDATA\r\n"
                 "Subject: half\r\n\r\ntext\r\n.\r\n").encode()
        for cut in range(0, len(whole) - 1, 3):
            w = Wire(pr, greet=False)
            w.send(whole[:cut])
            w.close()
        for sizes in ("BDAT 100\r\nabc", "BDAT 3\r\nabcBDAT 3 LAST\r\nab", "BDAT 3\r\nabc"):
            with Wire(pr) as w:
                w.open(user.address)
                w.send(sizes)
        with Wire(pr) as w:  # large, and so partly in a file
            w.open(user.address)
            w.ok("DATA", 354)
            w.send(b"Subject: half\r\n\r\n" + b"x" * 1_000_000)
        with Wire(pr) as w:
            self.assertEqual(w.data(user.address, b"Subject: whole\r\n\r\nx\r\n.\r\n")[0], 250)
        pr.wait_for_message(user, subject="whole")
        self.assertEqual(pr.count(user), 1)

    def test_many_recipients(self):
        """RFC 5321 4.5.3.1.8, .10: the first hundred at least, then 452, and never a memory without bound."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<>")
            taken = 0
            for start in range(0, 3000, 100):
                w.send("".join(f"RCPT TO:<{user.local}+{i}@{user.domain}>\r\n" for i in range(start, start + 100)))
                codes = [w.reply()[0] for _ in range(100)]
                self.assertLessEqual(set(codes), {250, 452, 550})
                taken += codes.count(250)
            if taken:  # with subaddressing; all of them are one mailbox
                self.assertGreaterEqual(taken, 100)
                self.assertLessEqual(taken, 1000)


if __name__ == "__main__":
    unittest.main()
