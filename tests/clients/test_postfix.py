# check: timeout=400
"""Postfix beside Postroom: as the MTA that sends to it, with authd for SASL and for its virtual maps."""

import smtplib
import unittest

from lib import env, mailgen, peers

pr = env.get()
env.program("postfix")


class Sending(unittest.TestCase):
    """A Postfix out in the world delivers to us."""

    @classmethod
    def setUpClass(cls):
        cls.user = pr.new_user("pf")
        cls.tls = f"smtp_tls_security_level = secure\nsmtp_tls_CAfile = {pr.CAFILE}\n" \
                  "smtp_tls_secure_cert_match = localhost\nsmtp_tls_loglevel = 1\n"

    def send_many(self, postfix, count=20, recipients=None):
        sent = list(mailgen.messages(count, seed=77))
        for message in sent:
            postfix.sendmail("sender@example.net", recipients or [self.user.address], message)
        postfix.wait_empty()
        return sent

    def test_in_clear_with_pipelining(self):
        user = pr.new_user("pf")
        with peers.Postfix(pr, "smtp_tls_security_level = none") as postfix:
            sent = self.send_many(postfix, 20, [user.address])
            pr.wait_for_count(user, len(sent))
            self.assertRegex(postfix.log(), r"status=sent \(250 2\.\d\.\d")
            self.assertNotRegex(postfix.log(), r"status=(deferred|bounced)")

    def test_starttls_with_the_certificate_verified(self):
        user = pr.new_user("pf")
        with peers.Postfix(pr, self.tls) as postfix:
            sent = self.send_many(postfix, 10, [user.address])
            pr.wait_for_count(user, len(sent))
            self.assertIn("Verified TLS connection established", postfix.log())
            self.assertRegex(postfix.log(), r"TLSv1\.3")

    def test_several_recipients_and_one_refused(self):
        users = [pr.new_user("pf") for _ in range(3)]
        nobody = pr.new_address("nobody")
        with peers.Postfix(pr, self.tls) as postfix:
            postfix.sendmail("sender@" + env.DOMAIN.replace("example", "unknown"), [u.address for u in users]
                             + [nobody], mailgen.plain("for several"))
            for user in users:
                pr.wait_for_message(user, subject="for several")
            env.wait_until(lambda: "status=bounced" in postfix.log(), 30, "the bounce")
            self.assertRegex(postfix.log(), r"550 5\.1\.1")

    def test_internationalised(self):
        domain = pr.new_domain("pfutf")
        user = pr.new_user(address=f"jürgen@{domain}")
        with peers.Postfix(pr, self.tls) as postfix:
            postfix.sendmail("anna@example.net", [user.address], mailgen.plain("pf utf8"), utf8=True)
            postfix.wait_empty()
        pr.wait_for_message(user, subject="pf utf8")

    def test_a_large_message(self):
        user = pr.new_user("pf")
        body = ("x" * 70 + "\n") * 100_000
        with peers.Postfix(pr, self.tls) as postfix:
            postfix.sendmail("sender@example.net", [user.address], mailgen.plain("large", body))
            postfix.wait_empty()
        got = pr.wait_for_message(user, subject="large")
        self.assertTrue(got.endswith(mailgen.crlf(body)))

    def test_too_large_is_refused_for_good(self):
        with pr.smtp() as smtp:
            limit = int(smtp.esmtp_features["size"])
            self.assertGreater(limit, 0)
            self.assertEqual(smtp.docmd("MAIL", f"FROM:<a@example.net> SIZE={limit + 1}")[0], 552)

    def test_lmtp(self):
        user, other = pr.new_user("pf"), pr.new_user("pf")
        with peers.Postfix(pr, "", next_hop=f"lmtp:unix:{pr.LMTP_SOCKET}") as postfix:
            sent = self.send_many(postfix, 10, [user.address, other.address])
            for u in (user, other):
                pr.wait_for_count(u, len(sent))
            self.assertRegex(postfix.log(), r"postfix/lmtp\[.*status=sent \(250 2\.")
            postfix.sendmail("sender@example.net", [pr.new_address("nobody"), user.address],
                             mailgen.plain("lmtp mixed"))
            pr.wait_for_message(user, subject="lmtp mixed")
            env.wait_until(lambda: "550 5.1.1" in postfix.log(), 20, "the refusal of one recipient")


class Before(unittest.TestCase):
    """Postfix in front, as in the ISPmail guides, asking authd in Dovecot's and MySQL's place."""

    @classmethod
    def setUpClass(cls):
        maps = f"socketmap:unix:{pr.SOCKETMAP_SOCKET}"
        cls.postfix = peers.Postfix(pr, f"""\
virtual_mailbox_domains = {maps}:virtual_mailbox_domains
virtual_mailbox_maps = {maps}:virtual_mailbox_maps
virtual_alias_maps = {maps}:virtual_alias_maps
smtpd_sender_login_maps = {maps}:smtpd_sender_login_maps
virtual_transport = lmtp:unix:{pr.LMTP_SOCKET}
default_transport = error:no other domain here
smtpd_relay_restrictions = reject_unauth_destination
smtpd_sasl_type = dovecot
smtpd_sasl_path = {pr.AUTH_SOCKET}
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cls.certificate()}
smtpd_tls_key_file = {cls.certificate().replace("cert.pem", "key.pem")}
smtpd_tls_auth_only = yes
""", submission=True)
        cls.postfix.start()
        cls.addClassCleanup(cls.postfix.stop)

    @staticmethod
    def certificate():
        return pr.CAFILE.replace("ca.pem", "cert.pem")

    def submit(self, user, password=None):
        smtp = smtplib.SMTP("127.0.0.1", self.postfix.submission_port, timeout=30)
        smtp.starttls(context=pr.tls)
        smtp.login(user.address, password or user.password)
        return smtp

    def test_recipients_are_known_by_socketmap(self):
        user = pr.new_user("pm")
        alias = pr.new_address("alias")
        pr.postroom("alias", "add", alias, user.address)
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as smtp:
            smtp.ehlo()
            smtp.mail("a@example.net")
            self.assertEqual(smtp.rcpt(user.address)[0], 250)
            self.assertEqual(smtp.rcpt(alias)[0], 250)
            self.assertEqual(smtp.rcpt(pr.new_address("nobody"))[0], 550)
            self.assertIn(smtp.rcpt("x@not-ours.example.org")[0], (550, 554))
        self.postfix.sendmail("a@example.net", [alias], mailgen.plain("by alias through postfix"))
        pr.wait_for_message(user, subject="by alias through postfix")

    def test_logins_are_asked_of_authd(self):
        user = pr.new_user("pm")
        with self.submit(user) as smtp:
            smtp.sendmail(user.address, [user.address], mailgen.plain("submitted to postfix", sender=user.address))
        pr.wait_for_message(user, subject="submitted to postfix")
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.submit(user, "wrong-password")

    def test_a_changed_password_counts_at_once(self):
        user = pr.new_user("pm")
        self.submit(user).quit()
        pr.postroom("mailbox", "password", user.address, "--password-stdin", stdin="another-password\n")
        self.submit(user, "another-password").quit()
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.submit(user)

    def test_mechanisms_offered(self):
        with smtplib.SMTP("127.0.0.1", self.postfix.submission_port, timeout=30) as smtp:
            smtp.starttls(context=pr.tls)
            smtp.ehlo()
            offered = smtp.esmtp_features["auth"].split()
        self.assertIn("PLAIN", offered)
        self.assertNotIn("CRAM-MD5", offered)
        self.assertNotIn("DIGEST-MD5", offered)


if __name__ == "__main__":
    unittest.main()
