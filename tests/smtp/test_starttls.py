"""STARTTLS, TLS and what is no SMTP: faults.md 3, 4, 7, 8."""

import contextlib
import base64
import socket
import ssl
import unittest
import warnings

from lib import env
from lib.smtpwire import Closed, Wire, unchecked

pr = env.get()


class Starttls(unittest.TestCase):
    """RFC 3207."""

    def test_offered_once(self):
        for port in (pr.SMTP_PORT, pr.SUBMISSION_PORT):
            with Wire(pr, port) as w:
                self.assertIn("STARTTLS", w.ehlo())
                w.starttls()
                self.assertNotIn("STARTTLS", w.ehlo())
                w.ok("STARTTLS", 503)

    def test_no_parameters(self):
        with Wire(pr) as w:
            w.ehlo()
            w.ok("STARTTLS now", 501)

    def test_commands_behind_it_are_dropped(self):
        """RFC 3207 4.2, CVE-2011-0411."""
        for port in (pr.SMTP_PORT, pr.SUBMISSION_PORT):
            with Wire(pr, port) as w:
                w.ehlo()
                w.send(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<evil@example.net>\r\nNOOP\r\n")
                w.want(220)
                try:
                    w.start_tls(unchecked())
                except (ssl.SSLError, ConnectionResetError):
                    continue  # refused and closed is as good
                self.assertTrue(w.quiet(0.3), "an injected command was answered")
                w.ok("MAIL FROM:<a@b.example>", 503)  # not even its EHLO counts

    def test_what_was_before_is_forgotten(self):
        """RFC 3207 4.2: no knowledge from before TLS is kept."""
        user = pr.new_user()
        with Wire(pr) as w:
            w.open(user.address)
            w.ok("STARTTLS", 220)
            w.start_tls(unchecked())
            w.ok(f"RCPT TO:<{user.address}>", 503)
            w.ehlo()
            w.ok(f"RCPT TO:<{user.address}>", 503)
            w.ok("DATA", 503)

    def test_received_says_so(self):
        user = pr.new_user()
        with Wire(pr) as w:
            w.starttls()
            self.assertEqual(w.data(user.address, b"Subject: s\r\n\r\nx\r\n.\r\n")[0], 250)
        self.assertRegex(pr.wait_for_message(user, subject="s"), rb"with ESMTPS\s+\(TLSv1\.3")


class Handshakes(unittest.TestCase):
    """faults.md 7 and 8: bad handshakes end their connection and nothing else."""

    def tearDown(self):
        with Wire(pr) as w:
            w.ehlo()

    def test_old_versions_are_refused(self):
        """RFC 8996."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
                context = unchecked()
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = version
                context.set_ciphers("ALL:@SECLEVEL=0")
                with Wire(pr, pr.SUBMISSIONS_PORT, greet=False) as w:
                    with self.assertRaises((ssl.SSLError, ConnectionResetError)):
                        w.start_tls(context)

    def test_garbage(self):
        for octets in (b"\x16\x03\x01" + b"\xff" * 3000, b"\0" * 500, b"EHLO a\r\n" * 50, b"\x80\x2e\x01\0\2"):
            with Wire(pr, pr.SUBMISSIONS_PORT, greet=False) as w:
                w.send(octets)
                with contextlib.suppress(OSError):  # it may have hung up already
                    w.sock.shutdown(socket.SHUT_WR)
                self.assertTrue(w.closed())
            with Wire(pr) as w:
                w.ehlo()
                w.ok("STARTTLS", 220)
                w.send(octets)
                with contextlib.suppress(OSError):  # it may have hung up already
                    w.sock.shutdown(socket.SHUT_WR)
                self.assertTrue(w.closed())

    def test_another_protocol_by_alpn(self):
        """RFC 7301 3.2; ALPACA."""
        for names in (["http/1.1"], ["h2", "http/1.1"], ["ftp"], ["imap"]):
            context = unchecked()
            context.set_alpn_protocols(names)
            with Wire(pr, pr.SUBMISSIONS_PORT, greet=False) as w:
                with self.assertRaises((ssl.SSLError, ConnectionResetError)):
                    w.start_tls(context)

    def test_smtp_in_clear_where_tls_is_due(self):
        with Wire(pr, pr.SUBMISSIONS_PORT, greet=False) as w:
            w.send(b"EHLO a\r\nMAIL FROM:<a@b.example>\r\n")
            self.assertTrue(w.closed())

    def test_tls_where_clear_is_due(self):
        with Wire(pr) as w:
            with self.assertRaises((ssl.SSLError, ConnectionResetError, Closed)):
                w.start_tls(unchecked())


class Http(unittest.TestCase):
    """faults.md 7: a browser that was sent here."""

    def test_verbs_close(self):
        user = pr.new_user()
        for verb in ("GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"):
            with self.subTest(verb), Wire(pr) as w:
                w.send(f"{verb} / HTTP/1.1\r\nHost: mail\r\n\r\nEHLO a\r\nMAIL FROM:<a@b.example>\r\n"
                       f"RCPT TO:<{user.address}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n")
                self.assertIn(w.reply()[0], (421, 500, 554))
                self.assertTrue(w.closed())
        self.assertEqual(pr.count(user), 0)

    def test_over_tls_too(self):
        with Wire(pr, pr.SUBMISSIONS_PORT, greet=False) as w:
            w.start_tls(unchecked())
            w.want(220)
            w.send(b"POST / HTTP/1.1\r\nHost: mail\r\n\r\n")
            self.assertTrue(w.closed())


class ChannelBinding(unittest.TestCase):
    def test_plus_only_over_tls(self):
        """RFC 5802 6."""
        with Wire(pr, pr.SUBMISSION_PORT) as w:
            self.assertNotIn("-PLUS", w.ehlo())
            w.starttls()
            offer = next(line for line in w.ehlo().split("\n") if line.startswith("AUTH "))
            # authd offers SCRAM when every account has what it needs.
            for name in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
                self.assertEqual(name in offer.split(), name + "-PLUS" in offer.split())

    def test_a_binding_that_does_not_match_is_refused(self):
        user = pr.new_user()
        with Wire(pr, pr.SUBMISSION_PORT) as w:
            w.starttls()
            first = f"p=tls-exporter,,n={user.address},r=abcdefgh"
            w.send(f"AUTH SCRAM-SHA-256-PLUS {base64.b64encode(first.encode()).decode()}\r\n")
            code, challenge = w.reply()
            if code == 334:
                nonce = dict(p.split("=", 1) for p in base64.b64decode(challenge).decode().split(","))["r"]
                bind = base64.b64encode(b"p=tls-exporter,," + b"\0" * 32).decode()
                final = f"c={bind},r={nonce},p={base64.b64encode(bytes(32)).decode()}"
                code, _ = w.cmd(base64.b64encode(final.encode()).decode())
            self.assertIn(code, (535, 534, 501))


if __name__ == "__main__":
    unittest.main()
