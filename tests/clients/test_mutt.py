"""mutt: sends by its own SMTP in batch mode, reads and files over IMAP on a terminal."""

import os
import pty
import select
import shutil
import signal
import tempfile
import time
import unittest

from lib import env, mailgen
from lib.env import expect_ok

pr = env.get()
env.program("mutt")


class Mutt(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="postroom-mutt-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.user = pr.new_user("mutt")

    def settings(self):
        path = os.path.join(self.dir, "muttrc")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"""\
set from="{self.user.address}" realname="Mutt User" use_from=yes envelope_from=yes
set smtp_url="smtp://{self.user.address}@localhost:{pr.SUBMISSION_PORT}/" smtp_pass="{self.user.password}"
set imap_user="{self.user.address}" imap_pass="{self.user.password}"
set folder="imaps://localhost:{pr.IMAPS_PORT}/" spoolfile="+INBOX" record="+Sent" postponed="+Drafts"
set certificate_file="{pr.CAFILE}" ssl_ca_certificates_file="{pr.CAFILE}" ssl_verify_host=no
set ssl_force_tls=yes ssl_starttls=yes quit=yes wait_key=no confirmcreate=no confirmappend=no delete=yes
# Left to itself Debian's mutt takes SCRAM-SHA-256-PLUS wherever it is offered, then finds that it has
# no channel binding data, and gives up.
set smtp_authenticators="scram-sha-256:scram-sha-1:plain"
set tmpdir="{self.dir}" move=no mark_old=no sleep_time=0 header_cache="" charset="utf-8" copy=yes
""")
        return path

    def mutt(self, *words, stdin):
        return env.run("mutt", "-F", self.settings(), *words, stdin=stdin, timeout=60, cwd=self.dir,
                       env={"HOME": self.dir, "TERM": "dumb", "LC_ALL": "C.UTF-8"})

    def mutt_on_terminal(self, keys, timeout=60):
        """With a terminal of its own, pressing these keys."""
        words = ["mutt", "-F", self.settings(), "-e", f"push '{keys}'"]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execvpe("mutt", words, {**os.environ, "HOME": self.dir, "TERM": "xterm", "LC_ALL": "C.UTF-8",
                                       "LINES": "40", "COLUMNS": "120"})
        screen = b""
        until = time.monotonic() + timeout
        try:
            while time.monotonic() < until:
                if select.select([terminal], [], [], 0.5)[0]:
                    try:
                        screen += os.read(terminal, 65536)
                    except OSError:  # it has ended
                        break
            else:
                os.kill(pid, signal.SIGKILL)
        finally:
            status = os.waitpid(pid, 0)[1]
            os.close(terminal)
        self.assertEqual(status, 0, screen.decode("utf-8", "replace")[-3000:])

    def test_sends_and_keeps_a_copy_over_imap(self):
        with pr.imap(self.user) as imap:
            imap.create("Sent")
        attachment = os.path.join(self.dir, "Grüße.txt")
        with open(attachment, "w", encoding="utf-8") as f:
            f.write("Köln\n")
        self.mutt("-s", "Grüße von mutt", "-a", attachment, "--", self.user.address, stdin="Hallo 📬\n")
        with pr.imap(self.user) as imap:
            for folder in ("INBOX", "Sent"):
                env.wait_until(lambda f=folder: expect_ok(imap.select(f))[0] == b"1", 20, folder)
                structure = expect_ok(imap.fetch("1", "(BODYSTRUCTURE)"))[0]
                self.assertIn(b'"MIXED"', structure.upper())

    def test_reads_files_and_deletes(self):
        for n in range(1, 6):
            pr.send(mailgen.plain(f"for mutt {n}", f"body {n}\n", number=n), "someone@example.net",
                    [self.user.address])
        pr.wait_for_count(self.user, 5)
        with pr.imap(self.user) as imap:
            imap.create("Kept")
        # Tag, save and delete by the keys a person would press, then sync and leave.
        self.mutt_on_terminal('<tag-pattern>~s "mutt [12]$"<enter><tag-prefix><save-message>=Kept<enter>'
                              '<delete-pattern>~s "mutt 5"<enter><sync-mailbox><quit>')
        with pr.imap(self.user) as imap:
            self.assertEqual(expect_ok(imap.select("Kept"))[0], b"2")
            self.assertEqual(expect_ok(imap.select("INBOX"))[0], b"2")


if __name__ == "__main__":
    unittest.main()
