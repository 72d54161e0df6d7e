# check: no-instance
"""SCRAM with clients that know it.  On an instance of its own, since it is offered only when every
mailbox has what it needs for it."""

import os
import smtplib
import tempfile
import unittest

from lib import env, peers

env.program("mutt")


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Scram(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = env.Instance()
        cls.addClassCleanup(cls.instance.__exit__)
        cls.pr = cls.instance.start()
        cls.user = cls.pr.new_user("scram")

    def mutt(self, mechanism, host, port, subject, record=True):
        """Sends by SMTP and keeps a copy by IMAP, both logged in by this mechanism alone."""
        pr, user = self.pr, self.user
        with tempfile.TemporaryDirectory(prefix="postroom-scram-") as home:
            path = os.path.join(home, "muttrc")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"""\
set from="{user.address}" use_from=yes envelope_from=yes
set smtp_url="smtp://{user.address}@{host}:{port}/" smtp_pass="{user.password}"
set smtp_authenticators="{mechanism}" imap_authenticators="{mechanism}"
set imap_user="{user.address}" imap_pass="{user.password}"
set folder="imaps://localhost:{pr.IMAPS_PORT}/" spoolfile="+INBOX" record="+INBOX" copy={"yes" if record else "no"}
set certificate_file="{pr.CAFILE}" ssl_ca_certificates_file="{pr.CAFILE}" ssl_verify_host=no
set ssl_force_tls=yes ssl_starttls=yes tmpdir="{home}"
""")
            env.run("mutt", "-F", path, "-s", subject, "--", user.address, stdin="x\n", cwd=home,
                    env={"HOME": home, "TERM": "dumb"})

    def test_mutt_sends_and_keeps_a_copy(self):
        for mechanism in ("scram-sha-256", "scram-sha-1"):
            with self.subTest(mechanism):
                self.mutt(mechanism, "localhost", self.pr.SUBMISSION_PORT, f"by {mechanism}")
                self.pr.wait_for_message(self.user, subject=f"by {mechanism}")
                log = self.pr.log_text()
                for service in ("smtp", "imap"):
                    self.assertRegex(log, f"service={service}[^ ]* mech={mechanism.upper()}[^ ]* .*o=done")

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
            self.mutt("scram-sha-256", "localhost", postfix.submission_port, "through postfix", record=False)
            env.wait_until(lambda: "sasl_method=SCRAM-SHA-256" in postfix.log(), 10, "the login at Postfix")

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
