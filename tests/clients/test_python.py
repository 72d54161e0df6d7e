"""Python's smtplib, imaplib and poplib: what scripts and small programs use."""

import imaplib
import poplib
import re
import smtplib
import time
import unittest

from lib import env, mailgen
from lib.env import expect_ok

pr = env.get()


class Smtp(unittest.TestCase):
    def test_submission_by_starttls_and_by_tls(self):
        user = pr.new_user()
        for tls in ("starttls", "implicit"):
            with pr.smtp(user, tls) as smtp:
                smtp.sendmail(user.address, [user.address], mailgen.plain(f"by {tls}", "x\n", user.address))
            got = pr.wait_for_message(user, subject=f"by {tls}")
            self.assertIn(b"\r\n\r\nx\r\n", got)

    def test_the_message_is_kept_octet_by_octet(self):
        user = pr.new_user()
        sent = list(mailgen.messages(24, seed=11))
        with pr.smtp() as smtp:
            for message in sent:
                smtp.sendmail("someone@example.net", [user.address], message, ["BODY=8BITMIME"])
        pr.wait_for_count(user, len(sent))
        got = pr.fetch_all(user)
        for message in sent:
            body = message if message.endswith(b"\r\n") else message + b"\r\n"
            self.assertTrue(any(g.endswith(body) for g in got), f"changed: {message[:200]!r}")

    def test_trace_lines_lead(self):
        user = pr.new_user()
        pr.send(mailgen.plain("trace"), "bounce@example.net", [user.address])
        got = pr.wait_for_message(user, subject="trace")
        self.assertTrue(got.startswith(b"Return-Path: <bounce@example.net>\r\n"), got[:200])
        self.assertIn(f"\r\nDelivered-To: {user.address}\r\n".encode(), b"\r\n" + got)
        self.assertRegex(got, rb"\r\nReceived: from client\.example\.net")

    def test_the_client_address_is_kept_out_of_submitted_mail(self):
        user = pr.new_user()
        pr.send(mailgen.plain("private", sender=user.address), user, [user.address])
        head = pr.wait_for_message(user, subject="private").split(b"\r\n\r\n")[0]
        self.assertNotIn(b"127.0.0.1", head)

    def test_refusals_come_at_rcpt_with_the_right_codes(self):
        user = pr.new_user()
        with pr.smtp() as smtp:
            smtp.mail("someone@example.net")
            self.assertEqual(smtp.rcpt(pr.new_address("nobody"))[0], 550)
            self.assertIn(smtp.rcpt("someone@elsewhere.example.org")[0], (550, 554))
            self.assertEqual(smtp.rcpt(user.address)[0], 250)

    def test_nobody_sends_as_somebody_else(self):
        user, other = pr.new_user(), pr.new_user()
        with pr.smtp(user) as smtp:
            code = smtp.mail(other.address)[0]
            if code == 250:
                code = smtp.rcpt(user.address)[0]
            self.assertEqual(code, 553)

    def test_wrong_passwords_and_unknown_users_look_the_same(self):
        user = pr.new_user()
        answers = []
        for name, password in ((user.address, "wrong-password"), (pr.new_address("nobody"), "wrong-password")):
            with smtplib.SMTP(pr.HOST, pr.SUBMISSION_PORT, timeout=30) as smtp:
                smtp.starttls(context=pr.tls)
                with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
                    smtp.login(name, password)
                answers.append((caught.exception.smtp_code, caught.exception.smtp_error))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0][0], 535)

    def test_no_login_is_offered_in_clear(self):
        with smtplib.SMTP(pr.HOST, pr.SMTP_PORT, timeout=30) as smtp:
            smtp.ehlo()
            self.assertFalse(smtp.has_extn("auth"), "port 25 offers AUTH")

    def test_extensions_offered(self):
        with pr.smtp() as smtp:
            for name in ("pipelining", "size", "8bitmime", "smtputf8", "chunking", "enhancedstatuscodes",
                         "starttls"):
                self.assertTrue(smtp.has_extn(name), name)

    def test_a_message_by_chunks(self):
        user = pr.new_user()
        message = mailgen.plain("chunked", "line\n.\n..\nlast without end")
        with pr.smtp() as smtp:
            smtp.mail("someone@example.net")
            smtp.rcpt(user.address)
            for at in range(0, len(message), 50):
                chunk = message[at:at + 50]
                last = " LAST" if at + 50 >= len(message) else ""
                smtp.send(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
                self.assertEqual(smtp.getreply()[0], 250)
        self.assertIn(message, pr.wait_for_message(user, subject="chunked"))

    def test_internationalised_addresses(self):
        domain = pr.new_domain("utf")
        user = pr.new_user(address=f"grüße@{domain}")
        with pr.smtp() as smtp:
            smtp.sendmail("jürgen@example.net", [user.address], mailgen.plain("utf8").decode(),
                          ["SMTPUTF8", "BODY=8BITMIME"])
        pr.wait_for_message(user, subject="utf8")

    def test_the_odd_ones_arrive(self):
        user = pr.new_user()
        for name, message in mailgen.ODD.items():
            with self.subTest(name), pr.smtp() as smtp:
                smtp.sendmail("someone@example.net", [user.address], message)
        pr.wait_for_count(user, len(mailgen.ODD), timeout=30)
        with pr.imap(user) as imap:
            imap.select("INBOX")
            data = expect_ok(imap.fetch("1:*", "(UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)"))
            self.assertEqual(sum(b"ENVELOPE" in (d if isinstance(d, bytes) else d[0]) for d in data),
                             len(mailgen.ODD))


class Imap(unittest.TestCase):
    def test_capabilities(self):
        with pr.imap(pr.ann) as imap:
            have = " ".join(c.decode() for c in expect_ok(imap.capability())).split()
        for name in ("IMAP4rev1", "LITERAL+", "IDLE", "NAMESPACE", "CHILDREN", "UNSELECT", "UIDPLUS", "MOVE",
                     "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "ESEARCH", "CONDSTORE", "QUOTA", "ENABLE",
                     "ID"):
            self.assertIn(name, have)

    def test_no_login_in_clear_is_offered_to_strangers_but_tls_is(self):
        imap = imaplib.IMAP4(pr.HOST, pr.IMAP_PORT, timeout=30)
        self.assertIn("STARTTLS", imap.capabilities)
        imap.starttls(pr.tls)
        self.assertNotIn("STARTTLS", imap.capabilities)
        imap.login(pr.ann.address, pr.ann.password)
        imap.logout()

    def test_a_folder_from_birth_to_death(self):
        user = pr.new_user()
        with pr.imap(user) as imap:
            expect_ok(imap.create("Projects.2026"))
            expect_ok(imap.subscribe("Projects.2026"))
            names = [n.split()[-1] for n in expect_ok(imap.list())]
            self.assertIn(b"Projects.2026", [n.strip(b'"') for n in names])
            for message in mailgen.messages(5, seed=3):
                expect_ok(imap.append("Projects.2026", r"(\Seen)", imaplib.Time2Internaldate(1_700_000_000),
                                      message))
            self.assertEqual(expect_ok(imap.select("Projects.2026")), [b"5"])
            self.assertEqual(expect_ok(imap.search(None, "SEEN")), [b"1 2 3 4 5"])
            expect_ok(imap.store("2", "+FLAGS", r"(\Deleted $Later)"))
            expect_ok(imap.copy("1", "INBOX"))
            self.assertEqual(expect_ok(imap.expunge()), [b"2"])
            expect_ok(imap.uid("MOVE", "1", "INBOX"))
            expect_ok(imap.close())
            expect_ok(imap.rename("Projects.2026", "Archive.2026"))
            expect_ok(imap.delete("Archive.2026"))
            self.assertEqual(expect_ok(imap.select("INBOX")), [b"2"])

    def test_appended_messages_come_back_octet_by_octet(self):
        user = pr.new_user()
        sent = list(mailgen.messages(24, seed=4)) + list(mailgen.ODD.values())
        with pr.imap(user) as imap:
            for message in sent:
                expect_ok(imap.append("INBOX", None, None, message))
            imap.select("INBOX")
            for number, message in enumerate(sent, 1):
                got = expect_ok(imap.fetch(str(number), "(BODY.PEEK[] RFC822.SIZE)"))[0]
                self.assertEqual(got[1], message)
                self.assertIn(f"RFC822.SIZE {len(message)}".encode(), got[0] + b" ")

    def test_idle_hears_of_new_mail_at_once(self):
        user = pr.new_user()
        with pr.imap(user) as imap:
            imap.select("INBOX")
            tag = imap._new_tag()
            imap.send(tag + b" IDLE\r\n")
            self.assertTrue(imap.readline().startswith(b"+"))
            pr.send(mailgen.plain("wake up"), "someone@example.net", [user.address])
            began = time.monotonic()
            line = imap.readline()
            while b"EXISTS" not in line:
                line = imap.readline()
            self.assertLess(time.monotonic() - began, 2.0)
            imap.send(b"DONE\r\n")
            while not imap.readline().startswith(tag):
                pass

    def test_searching(self):
        user = pr.new_user()
        with pr.imap(user) as imap:
            for n, body in enumerate(("the harbour ledger", "Grüße vom Hafen", "nothing"), 1):
                expect_ok(imap.append("INBOX", None, None, mailgen.plain(f"number {n}", body + "\n", number=n)))
            imap.select("INBOX")
            self.assertEqual(expect_ok(imap.search(None, 'BODY', '"harbour"')), [b"1"])
            self.assertEqual(expect_ok(imap.search(None, 'SUBJECT', '"number 2"')), [b"2"])
            imap.literal = "grüße".encode()
            self.assertEqual(expect_ok(imap.search("UTF-8", "TEXT")), [b"2"])
            self.assertEqual(expect_ok(imap.search(None, "OR", "1", "NOT", "1:2")), [b"1 3"])


class Pop3(unittest.TestCase):
    def test_all_of_it(self):
        user = pr.new_user()
        sent = [mailgen.plain(f"pop {n}", "a line\n.\n..dots\n", number=n) for n in (1, 2, 3)]
        for message in sent:
            pr.send(message, "someone@example.net", [user.address])
        pr.wait_for_count(user, 3)
        for tls in ("implicit", "stls"):
            with pr.pop3(user, tls) as pop:
                for name in ("UIDL", "TOP", "PIPELINING"):
                    self.assertIn(name, pop.capa())
                self.assertEqual(pop.stat()[0], 3)
                whole = b"\r\n".join(pop.retr(1)[1]) + b"\r\n"
                self.assertTrue(whole.endswith(sent[0]), whole)
                self.assertEqual(len(pop.uidl()[1]), 3)
                head = b"\r\n".join(pop.top(2, 1)[1])
                self.assertTrue(head.endswith(b"\r\n\r\na line"), head)
        with pr.pop3(user) as pop:
            uids = {line.split()[1] for line in pop.uidl()[1]}
            pop.dele(2)
            pop.rset()
            pop.dele(3)
        with pr.pop3(user) as pop:
            left = {line.split()[1] for line in pop.uidl()[1]}
        self.assertEqual(len(left), 2)
        self.assertTrue(left < uids)

    def test_a_wrong_password(self):
        pop = poplib.POP3_SSL(pr.HOST, pr.POP3S_PORT, context=pr.tls, timeout=30)
        pop.user(pr.ann.address)
        with self.assertRaisesRegex(poplib.error_proto, re.compile("-ERR")):
            pop.pass_("wrong")
        pop.close()


if __name__ == "__main__":
    unittest.main()
