"""mutt in batch mode: sends by its own SMTP, reads and files over IMAP."""

import os
import shutil
import tempfile
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

    def mutt(self, *words, stdin=None, settings="", timeout=60):
        path = os.path.join(self.dir, "muttrc")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"""\
set from="{self.user.address}" realname="Mutt User" use_from=yes envelope_from=yes
set smtp_url="smtp://{self.user.address}@localhost:{pr.SUBMISSION_PORT}/" smtp_pass="{self.user.password}"
set imap_user="{self.user.address}" imap_pass="{self.user.password}"
set folder="imaps://localhost:{pr.IMAPS_PORT}/" spoolfile="+INBOX" record="+Sent" postponed="+Drafts"
set certificate_file="{pr.CAFILE}" ssl_ca_certificates_file="{pr.CAFILE}" ssl_verify_host=no
set ssl_force_tls=yes ssl_starttls=yes quit=yes wait_key=no confirmcreate=no confirmappend=no delete=yes
set move=no mark_old=no sleep_time=0 header_cache="" charset="utf-8" copy=yes
{settings}
""")
        return env.run("mutt", "-F", path, *words, stdin=stdin, timeout=timeout, cwd=self.dir,
                       env={"HOME": self.dir, "TERM": "dumb", "LC_ALL": "C.UTF-8"})

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
        # Batch: limit, tag, save and delete by the commands a person would type, then sync and leave.
        self.mutt("-e", 'push "<tag-pattern>~s \\"mutt [12]$\\"<enter><tag-prefix><save-message>=Kept<enter>'
                        '<delete-pattern>~s \\"mutt 5\\"<enter><sync-mailbox><exit>"', stdin="")
        with pr.imap(self.user) as imap:
            self.assertEqual(expect_ok(imap.select("Kept"))[0], b"2")
            self.assertEqual(expect_ok(imap.select("INBOX"))[0], b"2")


if __name__ == "__main__":
    unittest.main()
