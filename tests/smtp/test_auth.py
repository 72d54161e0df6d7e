"""Logging in and sending as oneself: faults.md 12, 34, 36, 37, 38."""

import base64
import time
import unittest

from lib import env
from lib.smtpwire import Wire, submission

pr = env.get()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Login(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user()

    def plain(self, octets):
        with submission(pr) as w:
            return w.cmd("AUTH PLAIN " + b64(octets))[0]

    def test_mechanisms(self):
        a, p = self.user.address, self.user.password
        with submission(pr) as w:
            w.ok("AUTH PLAIN", 334)
            w.ok(b64(f"\0{a}\0{p}"), 235)
        with submission(pr) as w:
            w.ok("AUTH LOGIN", 334)
            w.ok(b64(a), 334)
            w.ok(b64(p), 235)
        with submission(pr) as w:
            w.ok("AUTH LOGIN " + b64(a), 334)
            w.ok(b64(p), 235)
            w.ok("AUTH LOGIN", 503)

    def test_refusals(self):
        a, p = "ADDRESS", "PASSWORD"
        for name, octets in {
                "wrong password": f"\0{a}\0{p}x", "prefix of the password": f"\0{a}\0PREFIX",
                "no password": f"\0{a}\0", "nobody": f"\0nobody-{a}\0{p}",
                "extra NUL": f"\0{a}\0{p}\0", "password behind a NUL": f"\0{a}\0{p}\0more",
                "authzid of another": f"{pr.ann.address}\0{a}\0{p}", "two fields": f"{a}\0{p}",
                "quote": f"\0{a}' or '1'='1\0{p}", "sleep": f"\0{a}'+sleep(5)+'\0x", "percent": "\0%\0%",
                "long": f"\0{a}\0" + "x" * 2000}.items():
            with self.subTest(name):
                user = pr.new_user()  # authd waits longer with each failure of one
                octets = octets.replace("ADDRESS", user.address).replace("PASSWORD", user.password)
                octets = octets.replace("PREFIX", user.password[:-1])
                began = time.monotonic()
                self.assertIn(self.plain(octets), (535, 501, 500))
                self.assertLess(time.monotonic() - began, 20)

    def test_a_password_of_a_megabyte(self):
        """faults.md 37: no hash is computed, no memory taken."""
        with submission(pr) as w:
            w.ok("AUTH PLAIN", 334)
            w.send(b64(f"\0{self.user.address}\0" + "x" * 1_000_000) + "\r\n")
            self.assertIn(w.reply()[0], (500, 501, 535))

    def test_only_offered_mechanisms(self):
        with submission(pr) as w:
            for name in ("CRAM-MD5", "DIGEST-MD5", "NTLM", "ANONYMOUS", "GSSAPI", "X" * 30, "EXTERNAL"):
                self.assertIn(w.cmd(f"AUTH {name}")[0], (504, 535), name)

    def test_cancel_and_nonsense(self):
        with submission(pr) as w:
            w.ok("AUTH LOGIN", 334)
            w.ok("*", 501)
            w.ok("AUTH PLAIN !!!", 501)
            w.ok("AUTH PLAIN =", 501, 535, 334)
        with submission(pr) as w:
            w.ok("AUTH PLAIN", 334)
            w.ok("not base64", 501)
            w.ok("AUTH", 501)
            w.login(self.user)

    def test_not_on_port_25(self):
        with Wire(pr) as w:
            self.assertNotIn("AUTH", w.ehlo())
            w.ok("AUTH PLAIN " + b64("\0a\0b"), 502, 503)

    def test_nothing_before_it(self):
        """RFC 6409 4.3, RFC 4954 6."""
        with submission(pr) as w:
            for line in ("MAIL FROM:<a@b.example>", "VRFY a", "RCPT TO:<a@b.example>", "DATA"):
                w.ok(line, 530)
            w.send(b"BDAT 6 LAST\r\nQUIT\r\n")
            w.want(530)
            w.ok("NOOP")

    def test_five_guesses_are_enough(self):
        with submission(pr) as w:
            w.sock.settimeout(60)
            codes = []
            for i in range(6):
                w.send("AUTH PLAIN " + b64(f"\0{self.user.address}\0guess{i}") + "\r\n")
                code = w.reply()[0]
                codes.append(code)
                if code == 421:
                    break
            self.assertEqual(set(codes[:-1]), {535})
            self.assertTrue(w.closed())


class Senders(unittest.TestCase):
    """faults.md 38; RFC 6409 6.1."""

    def test_only_own_addresses(self):
        user, other = pr.new_user(), pr.new_user()
        with submission(pr, user) as w:
            w.ok(f"MAIL FROM:<{user.address}>")
            w.ok("RSET")
            w.ok("MAIL FROM:<>")
            w.ok("RSET")
            for sender in (other.address, other.address.upper(), f'"{other.local}"@{other.domain}',
                           f'"\\{other.local}"@{other.domain}', f"@{user.domain}:{other.address}", "a@elsewhere.example.org",
                           f"{user.local}@elsewhere.example.org", f"{user.local}%{user.domain}@elsewhere.example.org"):
                code, text = w.cmd(f"MAIL FROM:<{sender}>")
                self.assertIn(code, (553, 501), f"{sender}: {code} {text}")

    def test_an_alias_is_his_too(self):
        user = pr.new_user()
        alias = pr.new_address("alias")
        pr.postroom("alias", "add", alias, user.address)
        with submission(pr, user) as w:
            w.ok(f"MAIL FROM:<{alias}>")

    def test_what_is_missing_is_added(self):
        """RFC 6409 8.2, 8.3; and where the user sits stays his."""
        user = pr.new_user()
        with submission(pr, user) as w:
            w.ehlo("laptop.at-home.example")
            w.ok(f"MAIL FROM:<{user.address}>")
            w.ok(f"RCPT TO:<{user.address}>")
            w.ok("DATA", 354)
            w.send(f"From: {user.address}\r\nSubject: bare\r\n\r\nx\r\n.\r\n")
            w.want(250)
        got = pr.wait_for_message(user, subject="bare")
        self.assertRegex(got, rb"(?m)^Message-ID: <[^>]+@[^>]+>\r$")
        self.assertRegex(got, rb"(?m)^Date: ")
        self.assertRegex(got, rb"with ESMTPSA")
        self.assertNotIn(b"laptop", got)
        self.assertNotIn(b"127.0.0.1", got)

    def test_not_added_on_port_25(self):
        user = pr.new_user()
        with Wire(pr) as w:
            self.assertEqual(w.data(user.address, b"Subject: from outside\r\n\r\nx\r\n.\r\n")[0], 250)
        got = pr.wait_for_message(user, subject="from outside")
        self.assertNotIn(b"Message-ID", got)
        self.assertNotIn(b"\nDate:", got)


if __name__ == "__main__":
    unittest.main()
