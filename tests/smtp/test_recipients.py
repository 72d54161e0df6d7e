"""Who may send to whom: faults.md 10 to 14, 19, 44."""

import unittest

from lib import env
from lib.smtpwire import Wire

pr = env.get()

FAR = "victim@elsewhere.example.org"


class Relay(unittest.TestCase):
    """faults.md 10: never an open relay (RFC 5321 F.2, C; RFC 2505)."""

    def forms(self, user):
        local, domain = user.local, user.domain
        return [
            FAR, f"victim%elsewhere.example.org@{domain}", f"elsewhere.example.org!victim@{domain}",
            f"{domain}!victim@elsewhere.example.org", f"@{domain}:{FAR}", f"@{domain},@elsewhere.example.org:{FAR}",
            f'"{FAR}"@{domain}', f'"{FAR}"', f"{FAR}@{domain}", f"victim@[127.0.0.1]", "victim@[192.0.2.1]",
            "victim@[IPv6:::1]", "victim@127.0.0.1", f"{local}@{domain}.", f"{local}@{domain}.elsewhere.example.org",
            f"{local}@", "@", f"@{domain}", f"{local}@{domain}@elsewhere.example.org", f"victim@elsewhere.example.org%00@{domain}",
            f"victim+{domain}@elsewhere.example.org", f"{local}@{domain},{FAR}", f"{local}@{domain} {FAR}",
            f"<{FAR}>", f"{local}@localhost", f"{local}@.{domain}", f"{local}@-{domain}",
        ]

    def test_no_form_gets_through(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            for sender in ("someone@example.net", "", user.address):
                w.ok(f"MAIL FROM:<{sender}>", 250)
                for form in self.forms(user):
                    code, text = w.cmd(f"RCPT TO:<{form}>")
                    self.assertTrue(500 <= code < 600, f"{form}: {code} {text}")
                w.ok("RSET")

    def test_local_senders_are_no_licence(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo("localhost")
            w.ok(f"MAIL FROM:<{user.address}>")
            self.assertEqual(w.cmd(f"RCPT TO:<{FAR}>")[0], 550)


class Recipients(unittest.TestCase):
    def test_unknown_ones_are_refused_at_once(self):
        """faults.md 11, RFC 5321 6.1: no backscatter."""
        user = pr.new_user()
        with Wire(pr) as w:
            for sender in ("", "someone@example.net"):
                w.ehlo()
                w.ok(f"MAIL FROM:<{sender}>")
                code, text = w.cmd(f"RCPT TO:<{pr.new_address('nobody')}>")
                self.assertEqual((code, text.split()[0]), (550, "5.1.1"))
                w.ok("DATA", 554)
                w.ok(f"RCPT TO:<{user.address}>")
                w.ok("RSET")

    def test_postmaster(self):
        """RFC 5321 4.5.1: without a domain too; refused only where nobody was named in the settings."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<>")
            self.assertIn(w.cmd("RCPT TO:<Postmaster>")[0], (250, 550))
            w.ok(f"RCPT TO:<{user.address}>")

    def test_case(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<>")
            w.ok(f"RCPT TO:<{user.address.upper()}>")

    def test_odd_characters_are_compared_and_not_run(self):
        """faults.md 12, 13, 14: SQL, shells and formats find nothing to say to."""
        domain = env.DOMAIN
        locals_ = ["'", "''", "a'b", "'or'1'='1", '"\'; DROP TABLE virtual_users; --"', '"\\""', '"a\\\\"', "%", "_", "%%",
                   "a#b", "'/*", '"sleep(5)"', "'+sleep(5)+'", "`id`", "$(id)", "${run{id}}", "|/bin/sh", '"|/bin/sh"',
                   "/etc/passwd", '":include:/etc/passwd"', "-bs", "--help", "%s%n%s%n", "%{a}", "%n" * 20, "{1}", "..",
                   '"../../etc"', ".a", "a.", "a..b", '"a b"', "\\", "a\\b", "~root", "*", "?", '"\t"']
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<someone@example.net>")
            for local in locals_:
                code, text = w.cmd(f"RCPT TO:<{local}@{domain}>")
                self.assertTrue(500 <= code < 600, f"{local}: {code} {text}")
            for local in locals_:
                w.cmd("RSET")
                code, text = w.cmd(f"MAIL FROM:<{local}@example.net>")
                self.assertIn(code // 100, (2, 5), f"{local}: {text}")
            w.ok("RSET")

    def test_eight_bits_need_smtputf8(self):
        with Wire(pr) as w:
            w.ehlo()
            self.assertEqual(w.cmd("MAIL FROM:<änna@example.net>")[0], 553)
            w.ok("MAIL FROM:<änna@example.net> SMTPUTF8")
            self.assertEqual(w.cmd(f"RCPT TO:<änna-nobody@{env.DOMAIN}>")[0], 550)
            w.ok("RSET")
            for bad in (b"MAIL FROM:<\xff@example.net> SMTPUTF8", b"MAIL FROM:<\xc0\xaf@example.net> SMTPUTF8"):
                self.assertIn(w.cmd(bad)[0], (500, 501, 553))


class Peers(unittest.TestCase):
    def test_what_they_say_is_escaped(self):
        """faults.md 19: in the Received line and in the log."""
        user = pr.new_user()
        names = ["a;b", "a(b)c", "<a>", 'a"b', "a\\b", "[192.0.2.1]", "%s%n", "a" * 255]
        for i, name in enumerate(names):
            with Wire(pr) as w:
                code, _ = w.cmd(f"EHLO {name}")
                if code != 250:
                    self.assertEqual(code, 501)
                    continue
                w.ok("MAIL FROM:<>")
                w.ok(f"RCPT TO:<{user.address}>")
                w.ok("DATA", 354)
                w.send(f"Subject: name {i}\r\n\r\nx\r\n.\r\n")
                w.want(250)
            got = pr.wait_for_message(user, subject=f"name {i}")
            received = got[got.index(b"Received:"):].split(b"\r\nSubject", 1)[0]
            self.assertNotRegex(received, rb"(?m)^[^\tR]")
            self.assertNotIn(b'"', received)
        for bad in (b"EHLO a\x1b[31m", b"EHLO \xc3\xa4", b"EHLO a\rb", b"EHLO a b", b"EHLO"):
            with Wire(pr) as w:
                self.assertIn(w.cmd(bad)[0], (500, 501))

    def test_what_strangers_must_not_say(self):
        """faults.md 44."""
        with Wire(pr) as w:
            offer = w.ehlo()
            for word in ("XCLIENT", "XFORWARD", "ETRN", "ATRN", "BURL"):
                self.assertNotIn(word, offer)
            for line in ("XCLIENT ADDR=192.0.2.1 LOGIN=ann@example.test", "XFORWARD ADDR=192.0.2.1", "ETRN example.test",
                         "TURN", "ATRN", "DEBUG", "WIZ", "SEND FROM:<a@b.example>", "SOML FROM:<a@b.example>",
                         "SAML FROM:<a@b.example>", "BURL imap://x LAST", "EXPN root"):
                self.assertIn(w.cmd(line)[0], (252, 500, 502), line)
        with Wire(pr) as w:
            w.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO a\r\n")
            self.assertIn(w.reply()[0], (421, 500, 554))

    def test_vrfy_tells_nothing(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.ehlo()
            self.assertEqual(w.cmd(f"VRFY {user.address}"), w.cmd("VRFY nobody-at-all@example.test"))


if __name__ == "__main__":
    unittest.main()
