"""LMTP (RFC 2033) into Maildirs: one reply a recipient, one inode for all of them."""

import os
import smtplib
import socket
import unittest

from lib import env

pr = env.get()


def lmtp():
    client = smtplib.LMTP(pr.LMTP_SOCKET)
    client.lhlo = client.ehlo
    client.ehlo("mta.example.net")
    return client


class Raw:
    """A session octet by octet."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(pr.LMTP_SOCKET)
        self.file = self.sock.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.decode().rstrip("\r\n")

    def say(self, octets, replies=1):
        self.sock.sendall(octets if isinstance(octets, bytes) else octets.encode())
        return [self.reply() for _ in range(replies)]

    def close(self):
        self.file.close()
        self.sock.close()


def files(user):
    cur = os.path.join(pr.maildir(user), "cur")
    return sorted(os.path.join(cur, name) for name in os.listdir(cur)) if os.path.isdir(cur) else []


def octets(path):
    with open(path, "rb") as f:
        return f.read()


class LMTP(unittest.TestCase):
    def setUp(self):
        self.a, self.b = pr.new_user("lmtp"), pr.new_user("lmtp")

    def raw(self):
        raw = Raw()
        self.addCleanup(raw.close)
        return raw

    def test_one_recipient(self):
        body = b"Subject: one\r\n\r\n.dot\r\n..two\r\nend\r\n"
        with lmtp() as client:
            self.assertEqual(client.sendmail("from@example.net", [self.a.address], body), {})
        path, = files(self.a)
        text = octets(path)
        head = f"Return-Path: <from@example.net>\r\nDelivered-To: {self.a.address}\r\nReceived: "
        self.assertTrue(text.startswith(head.encode()), text[:300])
        self.assertTrue(text.endswith(b"\r\n" + body), text)
        self.assertRegex(text, rb"with\s+LMTP id")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertIn(f",S={len(text)}", os.path.basename(path))

    def test_several_recipients_share_one_file(self):
        raw = self.raw()
        raw.say(f"LHLO x\r\nMAIL FROM:<f@example.net>\r\nRCPT TO:<{self.a.address}>\r\n"
                f"RCPT TO:<{self.b.address}>\r\nDATA\r\n", 5)
        raw.say("Subject: two\r\n\r\nx\r\n.\r\n", 2)
        one, two = files(self.a)[0], files(self.b)[0]
        self.assertEqual(os.stat(one).st_ino, os.stat(two).st_ino)
        self.assertNotIn(b"Delivered-To", octets(one))

    def test_one_reply_for_each(self):
        raw = self.raw()
        self.assertEqual(raw.say("LHLO x\r\n")[0][:3], "250")
        got = raw.say(f"MAIL FROM:<>\r\nRCPT TO:<{self.a.address}>\r\nRCPT TO:<nobody@example.test>\r\n"
                      f"RCPT TO:<{self.b.address}>\r\nDATA\r\n", 5)
        self.assertEqual([g[:3] for g in got], ["250", "250", "550", "250", "354"])
        self.assertEqual([g[:3] for g in raw.say("Subject: y\r\n\r\ny\r\n.\r\n", 2)], ["250", "250"])
        self.assertEqual(raw.say("QUIT\r\n")[0][:3], "221")
        self.assertTrue(octets(files(self.a)[0]).startswith(b"Return-Path: <>\r\nReceived"))

    def test_chunks(self):
        raw = self.raw()
        raw.say(f"LHLO x\r\nMAIL FROM:<f@example.net> BODY=BINARYMIME\r\nRCPT TO:<{self.a.address}>\r\n", 3)
        self.assertEqual(raw.say(b"DATA\r\n")[0][:3], "503")
        self.assertEqual(raw.say(b"BDAT 13\r\nSubject: z\r\n\r")[0][:3], "250")
        self.assertEqual(raw.say(b"BDAT 7 LAST\r\n\nx\r\n.\r\n")[0][:3], "250")
        self.assertTrue(octets(files(self.a)[0]).endswith(b"Subject: z\r\n\r\nx\r\n.\r\n"))

    def test_octets_of_a_refused_chunk_are_no_commands(self):
        raw = self.raw()
        raw.say("LHLO x\r\n")
        self.assertEqual(raw.say(b"BDAT 6\r\nQUIT\r\nNOOP\r\n", 2)[1][:3], "250")
        self.assertEqual(raw.say(b"BDAT huge\r\n")[0][:3], "501")
        self.assertEqual(raw.sock.recv(1), b"")

    def test_only_crlf_dot_crlf_ends_a_message(self):
        raw = self.raw()
        raw.say(f"LHLO x\r\nMAIL FROM:<f@example.net>\r\nRCPT TO:<{self.a.address}>\r\nDATA\r\n", 4)
        body = b"Subject: s\r\n\r\na\n.\nb\r\n.\nc\r.\r\nd\n.\r\ne\r\n"
        self.assertEqual(raw.say(body + b".\r\n")[0][:3], "250")
        self.assertEqual(raw.say(b"NOOP\r\n")[0][:3], "250")
        self.assertEqual(len(files(self.a)), 1)
        self.assertIn(b"\r\ne\r\n", octets(files(self.a)[0]))

    def test_order_and_grammar(self):
        raw = self.raw()
        for line, want in (("EHLO x", "500"), ("HELO x", "500"), ("MAIL FROM:<a@b.test>", "503"),
                           ("LHLO", "500"), ("LHLO x", "250"), ("RCPT TO:<a@b.test>", "503"),
                           ("DATA", "503"), ("MAIL FROM:a@b.test", "501"), ("MAIL FROM:<a@b.test> X=1", "555"),
                           ("MAIL FROM:<a@b.test> SIZE=99999999999", "552"), ("MAIL FROM:<a@b.test>", "250"),
                           ("MAIL FROM:<a@b.test>", "503"), ("DATA", "503"),
                           (f"RCPT TO:<{self.a.address}> NOTIFY=NEVER", "555"),
                           ("RCPT TO:<x@other.example>", "550"), ("RCPT TO:<\x01@example.test>", "500"),
                           (f"RCPT TO:<{self.a.address}>", "250"), ("RSET", "250"), ("DATA", "503")):
            with self.subTest(line):
                self.assertEqual(raw.say(line + "\r\n")[0][:3], want)

    def test_a_broken_connection_leaves_nothing(self):
        raw = self.raw()
        raw.say(f"LHLO x\r\nMAIL FROM:<f@example.net>\r\nRCPT TO:<{self.a.address}>\r\nDATA\r\n", 4)
        raw.sock.sendall(b"Subject: half\r\n\r\nhalf")
        raw.close()
        with lmtp() as client:
            client.sendmail("f@example.net", [self.a.address], b"Subject: whole\r\n\r\nx\r\n")
        self.assertEqual(len(files(self.a)), 1)

    def test_alias_to_several(self):
        alias = pr.new_address("alias")
        pr.postroom("alias", "add", alias, self.a.address, self.b.address)
        with lmtp() as client:
            client.sendmail("f@example.net", [alias], b"Subject: both\r\n\r\nx\r\n")
        env.wait_until(lambda: files(self.a) and files(self.b), what="both copies")
        self.assertEqual(os.stat(files(self.a)[0]).st_ino, os.stat(files(self.b)[0]).st_ino)

    def test_a_full_mailbox_is_for_later(self):
        user = pr.new_user("full", "--quota", "64K")
        with lmtp() as client:
            client.sendmail("f@example.net", [user.address], b"Subject: 1\r\n\r\n" + b"x" * 60 * 1000 + b"\r\n")
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                client.sendmail("f@example.net", [user.address], b"Subject: 2\r\n\r\n" + b"x" * 60 * 1000 + b"\r\n")
        self.assertEqual(refused.exception.smtp_code, 452)
        self.assertIn(b"4.2.2", refused.exception.smtp_error)


if __name__ == "__main__":
    unittest.main()
