"""Commands that come before TLS, literals nobody could mean, and other things said before a login
(faults.md 3, 4, 16, 17, 20, 21), on IMAP and POP3 of a whole platform."""

import socket
import ssl
import time
import unittest

from lib import env
from lib.smtpwire import unchecked

pr = env.get()


class Line:
    """A connection in clear that can turn to TLS."""

    def __init__(self, port, tls=False):
        self.sock = socket.create_connection((pr.HOST, port), timeout=20)
        if tls:
            self.start_tls()
        self.file = self.sock.makefile("rb")

    def start_tls(self):
        self.sock = unchecked().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def send(self, octets):
        try:
            self.sock.sendall(octets)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass

    def line(self):
        try:
            return self.file.readline()
        except (ConnectionResetError, ssl.SSLError):
            return b""

    def until(self, start):
        while True:
            line = self.line()
            if line == b"" or line.startswith(start):
                return line

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.file.close()
        self.sock.close()


class Imap(unittest.TestCase):
    def test_commands_behind_starttls(self):
        user = pr.new_user("inj")
        with Line(pr.IMAP_PORT) as c:
            c.line()
            c.send(f'a STARTTLS\r\nb LOGIN "{user.address}" "{user.password}"\r\nc NOOP\r\n'.encode())
            self.assertTrue(c.line().startswith(b"a OK"))
            try:
                c.start_tls()
            except (ssl.SSLError, OSError):
                return  # closed: as good
            c.send(b"d SELECT INBOX\r\n")
            line = c.line()
            # Neither b nor c was run.
            self.assertTrue(line == b"" or line.startswith((b"d NO", b"d BAD")), line)

    def test_replies_before_a_pipelined_login(self):
        user = pr.new_user("pipe")
        for port, tls in ((pr.IMAPS_PORT, True), (pr.IMAP_PORT, False)):
            with self.subTest(port), Line(port, tls) as c:
                c.line()
                c.send(f'a NOOP\r\nb CAPABILITY\r\nc LOGIN "{user.address}" "{user.password}"\r\nd NOOP\r\n'.encode())
                self.assertTrue(c.line().startswith(b"a OK"))
                self.assertTrue(c.until(b"b ").startswith(b"b OK"))
                self.assertTrue(c.until(b"c ").startswith(b"c OK"))
                self.assertTrue(c.until(b"d ").startswith(b"d OK"))

    def test_literals(self):
        for text in (b"a LOGIN {9223372036854775807}\r\n", b"a LOGIN {9223372036854775808}\r\n",
                     b"a LOGIN {18446744073709551617}\r\n", b"a LOGIN {4294967295}\r\n", b"a LOGIN {-1}\r\n",
                     b"a LOGIN {9223372036854775808+}\r\n", b"a LOGIN {4294967296+}\r\n", b"a LOGIN {100000}\r\n"):
            with self.subTest(text), Line(pr.IMAPS_PORT, tls=True) as c:
                c.line()
                c.send(text)
                line = c.line()
                self.assertTrue(line.startswith((b"a BAD", b"a NO", b"* BYE")), line)

    def test_an_endless_line(self):
        with Line(pr.IMAPS_PORT, tls=True) as c:
            c.line()
            c.send(b"a LOGIN " + b"x" * 10_000_000)
            self.assertTrue(c.line().startswith((b"a BAD", b"* BAD", b"* BYE")))

    def test_nul(self):
        user = pr.new_user("nul")
        for text in (f'a LOGIN "{user.address}\0x" "{user.password}"\r\n', f'a LOGIN "{user.address}" "{user.password}\0"\r\n',
                     f"a LOGIN {{{len(user.address) + 2}+}}\r\n{user.address}\0x {user.password}\r\n"):
            with Line(pr.IMAPS_PORT, tls=True) as c:
                c.line()
                c.send(text.encode())
                line = c.line()
                self.assertTrue(line.startswith((b"a BAD", b"a NO", b"* BAD", b"* BYE")), line)

    def test_sql_in_every_login(self):
        user = pr.new_user("sql")
        for name in ("' OR '1'='1", f"{user.address}' -- ", f"{user.address}%", user.address.replace("@", "_"), "%", "_@%",
                     "\\' OR 1=1 #", "sleep(5)", f"{user.address}'+sleep(5)+'", "a'; DROP TABLE virtual_users; --"):
            for password in (user.password, "' OR ''='"):
                with self.subTest(name=name, password=password), Line(pr.IMAPS_PORT, tls=True) as c:
                    c.line()
                    name_literal = b"{%d+}\r\n%s" % (len(name), name.encode())
                    pass_literal = b"{%d+}\r\n%s" % (len(password), password.encode())
                    c.send(b"a LOGIN " + name_literal + b" " + pass_literal + b"\r\n")
                    line = c.line()
                    self.assertTrue(line.startswith(b"a NO"), line)
                    self.assertNotIn(b"UNAVAILABLE", line)
                break  # the refusals are delayed: one password of the two will do
        with pr.imap(user):
            pass


class Pop3(unittest.TestCase):
    def test_commands_behind_stls(self):
        user = pr.new_user("inj")
        with Line(pr.POP3_PORT) as c:
            c.line()
            c.send(f"STLS\r\nUSER {user.address}\r\nPASS {user.password}\r\nSTAT\r\n".encode())
            self.assertTrue(c.line().startswith(b"+OK"))
            try:
                c.start_tls()
            except (ssl.SSLError, OSError):
                return
            c.send(b"STAT\r\n")
            line = c.line()
            self.assertTrue(line == b"" or line.startswith(b"-ERR"), line)

    def test_what_strangers_say(self):
        for text in (b"x" * 10_000_000 + b"\r\n", b"USER a\0b\r\n", b"\r\n", b"PASS x\r\n", b"RETR 1\r\n", b"AUTH\r\n",
                     b"USER " + b"x" * 100_000 + b"\r\n", b"TOP 1 99999999999999999999\r\n", b"\xff\xfe\r\n"):
            with self.subTest(text[:20]), Line(pr.POP3S_PORT, tls=True) as c:
                c.line()
                c.send(text)
                line = c.line()
                self.assertTrue(line == b"" or line.startswith((b"-ERR", b"+OK")), line)

    def test_numbers(self):
        user = pr.new_user("num")
        pr.send("Subject: a\n\n.\n..\nx\n", "s@example.net", [user.address])
        with Line(pr.POP3S_PORT, tls=True) as c:
            c.line()
            c.send(f"USER {user.address}\r\nPASS {user.password}\r\n".encode())
            self.assertEqual([c.line()[:3], c.line()[:3]], [b"+OK", b"+OK"])
            for text in (b"RETR 0", b"RETR 2", b"RETR 4294967297", b"RETR 18446744073709551617", b"RETR -1", b"RETR 1 2", b"RETR",
                         b"DELE x", b"TOP 1", b"TOP 1 -1", b"UIDL 2", b"LIST 99999999999999999999999", b"RETR 1x", b"FOO"):
                c.send(text + b"\r\n")
                self.assertTrue(c.line().startswith(b"-ERR"), text)
            c.send(b"RETR 1\r\n")
            self.assertTrue(c.until(b"\r\n"))
            self.assertEqual([c.line() for _ in range(4)], [b"..\r\n", b"...\r\n", b"x\r\n", b".\r\n"])


class HttpAndOthers(unittest.TestCase):
    def test_http(self):
        for port, tls in ((pr.IMAP_PORT, False), (pr.IMAPS_PORT, True), (pr.POP3_PORT, False), (pr.POP3S_PORT, True),
                          (pr.SMTP_PORT, False), (pr.SUBMISSIONS_PORT, True)):
            with self.subTest(port), Line(port, tls) as c:
                c.line()
                c.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40\r\n\r\na LOGIN a b\r\nHELO x\r\nQUIT\r\n")
                began = time.monotonic()
                while c.line():
                    pass
                self.assertLess(time.monotonic() - began, 10)


if __name__ == "__main__":
    unittest.main()
