# check: no-instance
"""SCRAM with clients that know it.  On an instance of its own, since it is offered only when every
mailbox has what it needs for it."""

import os
import smtplib
import tempfile
import unittest

from lib import env, mailgen, peers

env.program("curl")


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Scram(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = env.Instance()
        cls.addClassCleanup(cls.instance.__exit__)
        cls.pr = cls.instance.start()
        cls.user = cls.pr.new_user("scram")

    def curl(self, mechanism, url, *words, check=True):
        return env.run("curl", "--silent", "--show-error", "--max-time", "30", "--cacert", self.pr.CAFILE, "--user",
                       f"{self.user.address}:{self.user.password}", "--login-options", f"AUTH={mechanism}",
                       *words, url, check=check)

    def test_curl_sends_and_reads(self):
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
            with self.subTest(mechanism), tempfile.NamedTemporaryFile() as file:
                file.write(mailgen.plain(f"by {mechanism}", sender=self.user.address))
                file.flush()
                self.curl(mechanism, f"smtps://localhost:{self.pr.SUBMISSIONS_PORT}", "--mail-from",
                          self.user.address, "--mail-rcpt", self.user.address, "--upload-file", file.name)
                self.pr.wait_for_message(self.user, subject=f"by {mechanism}")
                got = self.curl(mechanism, f"imaps://localhost:{self.pr.IMAPS_PORT}/INBOX?ALL").stdout
                self.assertIn("* SEARCH 1", got)
                self.assertIn("1 ", self.curl(mechanism, f"pop3s://localhost:{self.pr.POP3S_PORT}/").stdout)
        log = self.pr.log_text()
        for service in ("smtp", "imap", "pop"):
            self.assertRegex(log, f"service={service}[^ ]* mech=SCRAM-SHA-256 .*o=done")

    def test_postfix_offers_it_for_authd(self):
        env.program("postfix")
        tls = os.path.dirname(self.pr.CAFILE)
        with peers.Postfix(self.pr, f"""\
smtpd_sasl_type = dovecot
smtpd_sasl_path = {self.pr.AUTH_SOCKET}
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_cert_file = {tls}/cert.pem
smtpd_tls_key_file = {tls}/key.pem
smtpd_tls_auth_only = yes""", submission=True) as postfix:
            with smtplib.SMTP("127.0.0.1", postfix.submission_port, timeout=30) as smtp:
                smtp.starttls(context=self.pr.tls)
                smtp.ehlo()
                self.assertIn("SCRAM-SHA-256", smtp.esmtp_features["auth"].split())
            env.run("curl", "--silent", "--show-error", "--max-time", "30", "--cacert", self.pr.CAFILE, "--ssl-reqd",
                    "--user", f"{self.user.address}:{self.user.password}", "--login-options", "AUTH=SCRAM-SHA-256",
                    f"smtp://localhost:{postfix.submission_port}/x", "--request", "NOOP")

    def test_it_goes_away_with_a_password_that_only_has_a_hash_and_comes_back_when_that_is_seen(self):
        pr, user = self.pr, self.pr.new_user("hash")
        other = self.pr.new_user("donor")
        stored = pr.sql(f"SELECT password FROM virtual_users WHERE email = '{other.address}'")[0][0]
        pr.sql(f"UPDATE virtual_users SET password = '{stored}' WHERE email = '{user.address}'")
        with pr.imap(env.User(user.address, other.password)):
            pass
        self.assertEqual(pr.sql("SELECT COUNT(*) FROM pr_scram s JOIN virtual_users u ON u.email = s.address WHERE "
                                f"u.email = '{user.address}' AND s.made_for = UNHEX(SHA2(u.password, 256))"), [["2"]])


if __name__ == "__main__":
    unittest.main()
