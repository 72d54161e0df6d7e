"""curl: smtp, smtps, imap, imaps, pop3, pop3s, with STARTTLS required and certificates checked."""

import os
import tempfile
import unittest

from lib import env, mailgen

pr = env.get()
env.program("curl")


def curl(*words, user=None, check=True):
    login = ["--user", f"{user.address}:{user.password}"] if user else []
    return env.run("curl", "--silent", "--show-error", "--max-time", "30", "--cacert", pr.CAFILE, *login, *words,
                   check=check)


class Curl(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("curl")
        self.file = tempfile.NamedTemporaryFile(suffix=".eml")
        self.addCleanup(self.file.close)

    def put(self, subject):
        message = mailgen.plain(subject, "by curl\n.\n", sender=self.user.address)
        self.file.seek(0)
        self.file.truncate()
        self.file.write(message)
        self.file.flush()
        return message

    def send(self, url, subject, *words):
        message = self.put(subject)
        curl("--url", url, *words, "--mail-from", self.user.address, "--mail-rcpt", self.user.address,
             "--upload-file", self.file.name, user=self.user)
        self.assertIn(message, pr.wait_for_message(self.user, subject=subject))

    def test_smtp_submission_with_starttls(self):
        self.send(f"smtp://localhost:{pr.SUBMISSION_PORT}/client.example.net", "curl starttls", "--ssl-reqd")

    def test_smtp_submission_over_tls(self):
        self.send(f"smtps://localhost:{pr.SUBMISSIONS_PORT}/client.example.net", "curl tls")

    def test_login_mechanisms(self):
        for mechanism in ("PLAIN", "LOGIN"):
            with self.subTest(mechanism):
                self.send(f"smtps://localhost:{pr.SUBMISSIONS_PORT}", f"curl {mechanism}",
                          "--login-options", f"AUTH={mechanism}")

    def test_imap(self):
        message = self.put("curl append")
        for url, words in ((f"imap://localhost:{pr.IMAP_PORT}", ["--ssl-reqd"]),
                           (f"imaps://localhost:{pr.IMAPS_PORT}", [])):
            with self.subTest(url):
                curl(*words, url + "/INBOX", "--upload-file", self.file.name, user=self.user)
                self.assertIn('INBOX', curl(*words, url + "/", user=self.user).stdout)
                self.assertIn("EXISTS", curl(*words, url + "/", "--request", "EXAMINE INBOX",
                                             user=self.user).stdout)
                got = curl(*words, url + "/INBOX;MAILINDEX=1", user=self.user).stdout
                self.assertEqual(got.replace("\r\n", "\n"), message.decode().replace("\r\n", "\n"))
                self.assertIn("* SEARCH 1", curl(*words, url + "/INBOX?SUBJECT%20append", user=self.user).stdout)

    def test_pop3(self):
        pr.send(mailgen.plain("curl pop"), "someone@example.net", [self.user.address])
        pr.wait_for_message(self.user, subject="curl pop")
        for url, words in ((f"pop3://localhost:{pr.POP3_PORT}", ["--ssl-reqd"]),
                           (f"pop3s://localhost:{pr.POP3S_PORT}", [])):
            with self.subTest(url):
                self.assertRegex(curl(*words, url + "/", user=self.user).stdout, r"^1 \d+")
                self.assertIn("Subject: curl pop", curl(*words, url + "/1", user=self.user).stdout)

    def test_wrong_password_is_a_login_failure(self):
        bad = env.User(self.user.address, "wrong")
        for url in (f"imaps://localhost:{pr.IMAPS_PORT}/", f"pop3s://localhost:{pr.POP3S_PORT}/"):
            self.assertEqual(curl(url, user=bad, check=False).returncode, 67, url)

    def test_the_certificate_is_checked(self):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as empty:
            done = env.run("curl", "--silent", "--max-time", "10", "--cacert", "/etc/ssl/certs/ca-certificates.crt",
                           f"imaps://localhost:{pr.IMAPS_PORT}/", check=False)
            self.assertEqual(done.returncode, 60, empty.name)
            self.assertTrue(os.path.exists(pr.CAFILE))


if __name__ == "__main__":
    unittest.main()
