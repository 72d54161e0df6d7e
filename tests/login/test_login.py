"""Logging in, by IMAP and POP3, against the whole platform."""

import base64
import imaplib
import socket
import ssl
import time
import unittest

from lib import env, mailgen
from lib.scram import Scram

pr = env.get()


class Raw:
    """A connection that does what it is told."""

    def __init__(self, port, tls=False, instance=pr):
        self.instance = instance
        self.s = socket.create_connection((instance.HOST, port), 10)
        if tls:
            self.secure()
        self.f = self.s.makefile("rb")

    def secure(self):
        self.s = self.instance.tls.wrap_socket(self.s, server_hostname="localhost")
        self.f = self.s.makefile("rb")

    def line(self):
        return self.f.readline().decode("latin-1").rstrip("\r\n")

    def ask(self, text):
        self.s.sendall((text + "\r\n").encode())
        return self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.f.close()
        self.s.close()


def b64(octets):
    return base64.b64encode(octets).decode()


class ImapScram(unittest.TestCase):
    """On an instance of its own: SCRAM is offered only where every mailbox has verifiers."""

    @classmethod
    def setUpClass(cls):
        cls.instance = env.Instance()
        cls.pr = cls.instance.__enter__()
        cls.addClassCleanup(cls.instance.__exit__)
        cls.user = cls.pr.new_user("scram")

    def test_scram(self):
        for digest, name in [("sha256", "SCRAM-SHA-256"), ("sha1", "SCRAM-SHA-1")]:
            with Raw(self.pr.IMAPS_PORT, True, self.pr) as c:
                self.assertIn("AUTH=" + name, c.line())
                scram = Scram(self.user.address, self.user.password, digest)
                answer = c.ask("a AUTHENTICATE %s %s" % (name, b64(scram.first())))
                self.assertTrue(answer.startswith("+ "), answer)
                answer = c.ask(b64(scram.final(base64.b64decode(answer[2:]))))
                if answer.startswith("+ "):
                    self.assertTrue(scram.check(base64.b64decode(answer[2:])))
                    answer = c.ask("")
                self.assertTrue(answer.startswith("a OK"), answer)

    def test_scram_plus(self):
        with Raw(self.pr.IMAPS_PORT, True, self.pr) as c:
            greeting = c.line()
            if "AUTH=SCRAM-SHA-256-PLUS" not in greeting:
                self.skipTest("not offered")
            # tls-server-end-point: the hash of the certificate, which Python can compute (RFC 5929 4).
            import hashlib
            binding = hashlib.sha256(c.s.getpeercert(True)).digest()
            scram = Scram(self.user.address, self.user.password, "sha256",
                          ("tls-server-end-point", binding))
            answer = c.ask("a AUTHENTICATE SCRAM-SHA-256-PLUS " + b64(scram.first()))
            if not answer.startswith("+ "):
                self.skipTest("only tls-exporter is taken: " + answer)
            answer = c.ask(b64(scram.final(base64.b64decode(answer[2:]))))
            if answer.startswith("+ "):
                answer = c.ask("")
            self.assertTrue(answer.startswith("a OK"), answer)


class Imap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.user = pr.new_user("login")

    def test_password_of_every_form(self):
        for n, password in enumerate(["simple", "with space", 'qu"ote\\back', "pässwörd", "a" * 200]):
            user = pr.new_user("pw%d" % n, password=password)
            with Raw(pr.IMAPS_PORT, True) as c:
                c.line()
                octets = password.encode()
                c.s.sendall(b"a LOGIN %s {%d+}\r\n%s\r\n" % (user.address.encode(), len(octets), octets))
                self.assertTrue(c.line().startswith("a OK"), password)
            with pr.pop3(user) as pop:
                self.assertEqual(pop.stat(), (0, 0))

    def test_wrong_password_and_unknown_user_look_alike(self):
        answers = set()
        for user, password in [(self.user.address, "wrong"), ("nobody@example.test", "wrong"),
                               ("nobody@nowhere.invalid", "x"), ("'; DROP TABLE x; --", "' OR '1'='1")]:
            with Raw(pr.IMAPS_PORT, True) as c:
                c.line()
                answers.add(c.ask('a LOGIN "%s" "%s"' % (user, password)))
        self.assertEqual(len(answers), 1, answers)
        self.assertTrue(answers.pop().startswith("a NO [AUTHENTICATIONFAILED]"))

    def test_commands_behind_login_are_served(self):
        with Raw(pr.IMAPS_PORT, True) as c:
            c.line()
            c.s.sendall(("a LOGIN %s %s\r\nb SELECT INBOX\r\nc LOGOUT\r\n" %
                         (self.user.address, self.user.password)).encode())
            rest = c.f.read().decode()
        for tag in "abc":
            self.assertIn("\r\n%s OK" % tag, "\r\n" + rest)

    def test_starttls_drops_what_came_before(self):
        with Raw(pr.IMAP_PORT) as c:
            c.line()
            c.s.sendall(("a STARTTLS\r\nb LOGIN %s %s\r\n" %
                         (self.user.address, self.user.password)).encode())
            self.assertTrue(c.line().startswith("a OK"))
            c.secure()
            self.assertTrue(c.ask("c SELECT INBOX").startswith("c BAD"))

    def test_in_clear_from_a_trusted_address(self):
        """webmail on the same host: login is gone, imapd has the client's own descriptor."""
        with imaplib.IMAP4(pr.HOST, pr.IMAP_PORT, timeout=10) as imap:
            imap.login(self.user.address, self.user.password)
            self.assertEqual(imap.select()[0], "OK")

    def test_a_big_body_through_the_proxy(self):
        user = pr.new_user("big")
        message = b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 200000
        with pr.imap(user) as imap:
            imap.append("INBOX", None, None, message)
            imap.select()
            start = time.monotonic()
            body = imap.fetch("1", "(BODY.PEEK[])")[1][0][1]
            took = time.monotonic() - start
        self.assertEqual(len(body), len(message))
        self.assertLess(took, 5)

    def test_alpn_of_another_protocol(self):
        context = ssl.create_default_context(cafile=pr.CAFILE)
        context.set_alpn_protocols(["http/1.1"])
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(socket.create_connection((pr.HOST, pr.IMAPS_PORT), 5),
                                server_hostname="localhost")


class Pop3(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("pop")
        for n in range(3):
            pr.send(mailgen.plain("number %d" % n), "someone@example.net", [self.user.address])
        pr.wait_for_count(self.user, 3)

    def test_read_and_delete(self):
        with pr.pop3(self.user) as pop:
            self.assertEqual(pop.stat()[0], 3)
            self.assertEqual(len(pop.list()[1]), 3)
            ids = pop.uidl()[1]
            self.assertEqual(len(set(x.split()[1] for x in ids)), 3)
            lines = pop.retr(2)[1]
            self.assertTrue(any(b"number 1" in x for x in lines))
            self.assertEqual(sum(len(x) + 2 for x in lines), int(pop.list(2).split()[2]))
            self.assertLess(len(pop.top(2, 0)[1]), len(lines))
            pop.dele(1)
            pop.quit()
        with pr.pop3(self.user) as pop:
            self.assertEqual(pop.uidl()[1], [b"1 " + ids[1].split()[1], b"2 " + ids[2].split()[1]])
        self.assertEqual(pr.count(self.user), 2)

    def test_nothing_is_deleted_without_quit(self):
        with pr.pop3(self.user) as pop:
            pop.dele(1)
            pop.close()
        self.assertEqual(pr.count(self.user), 3)

    def test_one_session_at_a_time(self):
        with pr.pop3(self.user) as pop:
            pop.stat()
            with Raw(pr.POP3S_PORT, True) as c:
                c.line()
                c.ask("USER " + self.user.address)
                self.assertTrue(c.ask("PASS " + self.user.password).startswith("-ERR [IN-USE]"))
            self.assertEqual(pr.count(self.user), 3)  # IMAP beside it
            pop.quit()

    def test_stls_and_sasl(self):
        with Raw(pr.POP3_PORT) as c:
            c.line()
            c.s.sendall(b"STLS\r\nUSER eve\r\n")
            self.assertTrue(c.line().startswith("+OK"))
            c.secure()
            plain = b64(b"\0%s\0%s" % (self.user.address.encode(), self.user.password.encode()))
            c.s.sendall(("AUTH PLAIN %s\r\nSTAT\r\nQUIT\r\n" % plain).encode())
            self.assertTrue(c.line().startswith("+OK"))
            self.assertTrue(c.line().startswith("+OK 3 "))
            self.assertTrue(c.line().startswith("+OK"))

    def test_wrong_password(self):
        with Raw(pr.POP3S_PORT, True) as c:
            c.line()
            c.ask("USER " + self.user.address)
            self.assertTrue(c.ask("PASS wrong").startswith("-ERR [AUTH]"))
