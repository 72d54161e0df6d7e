"""swaks: every way in that it knows, and the transcript it shows."""

import unittest

from lib import env

pr = env.get()
env.program("swaks")


def swaks(*words, check=True):
    return env.run("swaks", "--server", pr.HOST, "--timeout", "20", *words, check=check)


class Swaks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.user = pr.new_user("swaks")

    def test_port_25_with_and_without_tls(self):
        for words in ((), ("--tls",)):
            subject = " ".join(("swaks 25", *words))
            swaks("--port", str(pr.SMTP_PORT), "--from", "a@example.net", "--to", self.user.address,
                  "--header", f"Subject: {subject}", *words)
            pr.wait_for_message(self.user, subject=subject)

    def test_pipelining(self):
        swaks("--port", str(pr.SMTP_PORT), "--pipeline", "--from", "a@example.net", "--to", self.user.address,
              "--header", "Subject: swaks pipeline")
        pr.wait_for_message(self.user, subject="swaks pipeline")

    def test_every_way_to_log_in(self):
        for mechanism in ("PLAIN", "LOGIN"):
            for how in (("--port", str(pr.SUBMISSION_PORT), "--tls"),
                        ("--port", str(pr.SUBMISSIONS_PORT), "--tls-on-connect")):
                subject = f"swaks {mechanism} {how[-1]}"
                with self.subTest(subject):
                    swaks(*how, "--auth", mechanism, "--auth-user", self.user.address, "--auth-password",
                          self.user.password, "--from", self.user.address, "--to", self.user.address,
                          "--header", f"Subject: {subject}")
                    pr.wait_for_message(self.user, subject=subject)

    def test_strangers_do_not_submit(self):
        done = swaks("--port", str(pr.SUBMISSION_PORT), "--tls", "--from", "a@example.net", "--to",
                     self.user.address, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"<~\* 530 5\.7\.0")

    def test_no_relaying(self):
        done = swaks("--port", str(pr.SMTP_PORT), "--from", "a@example.net", "--to", "b@example.org", check=False)
        self.assertEqual(done.returncode, 24)  # no recipient was taken
        self.assertRegex(done.stdout, r"<\*\* 55[04] 5\.7\.")

    def test_unknown_recipient(self):
        done = swaks("--port", str(pr.SMTP_PORT), "--from", "a@example.net", "--to", pr.new_address("nobody"),
                     check=False)
        self.assertEqual(done.returncode, 24)
        self.assertRegex(done.stdout, r"<\*\* 550 5\.1\.1")

    def test_lmtp(self):
        done = env.run("swaks", "--protocol", "LMTP", "--socket", pr.LMTP_SOCKET, "--from", "a@example.net",
                       "--to", self.user.address, "--header", "Subject: swaks lmtp")
        self.assertIn("250", done.stdout)
        pr.wait_for_message(self.user, subject="swaks lmtp")

    def test_an_attachment(self):
        swaks("--port", str(pr.SMTP_PORT), "--from", "a@example.net", "--to", self.user.address,
              "--header", "Subject: swaks attach", "--attach", "@/etc/services", "--body", "see attachment")
        got = pr.wait_for_message(self.user, subject="swaks attach")
        self.assertIn(b"multipart/mixed", got)


if __name__ == "__main__":
    unittest.main()
