# check: timeout=600
"""mbsync: 500 varied messages and nested folders with UTF-8 names; nothing to do the second time."""

import glob
import os
import random
import shutil
import tempfile
import unittest

from lib import env, mailgen
from lib.env import expect_ok

pr = env.get()
env.program("mbsync", "isync")

FOLDERS = ["INBOX", "Sent", "Lists", "Lists.c", "Lists.c.gnu", "Grüße", "Grüße.Köln & Bonn", "日本語.メール",
           "Архив.2026.Январь", "a b.c d", "Emoji 📬.inner"]
COUNT = 500


def mutf7(name):
    """Modified UTF-7 (RFC 3501 5.1.3)."""
    out, pending = "", ""
    for ch in name + "\0":
        if 0x20 <= ord(ch) <= 0x7E or ch == "\0":
            if pending:
                import base64
                raw = base64.b64encode(pending.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
                out, pending = f"{out}&{raw}-", ""
            if ch != "\0":
                out += "&-" if ch == "&" else ch
        else:
            pending += ch
    return out


class Mbsync(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="postroom-mbsync-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.user = pr.new_user("mbsync")

    def config(self, name, tls="IMAPS", port=None):
        path = os.path.join(self.dir, name + ".rc")
        local = os.path.join(self.dir, name)
        os.makedirs(local, exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"""\
IMAPAccount pr
Host localhost
Port {port or pr.IMAPS_PORT}
User {self.user.address}
Pass {self.user.password}
SSLType {tls}
CertificateFile {pr.CAFILE}
PipelineDepth 50

IMAPStore far
Account pr

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")
        return path, local

    def mbsync(self, path):
        return env.run("mbsync", "-c", path, "-V", "all", timeout=400).stdout

    def fill(self):
        """All messages by APPEND, spread over the folders, with flags."""
        rnd = random.Random(5)
        where = {name: [] for name in FOLDERS}
        with pr.imap(self.user) as imap:
            for name in FOLDERS[1:]:
                expect_ok(imap.create(f'"{mutf7(name)}"'))
            for message in mailgen.messages(COUNT, seed=2026):
                name = rnd.choice(FOLDERS)
                flags = "".join(f for f in ("S", "F", "R", "D", "T") if rnd.random() < 0.2 and f != "T")
                words = " ".join({"S": r"\Seen", "F": r"\Flagged", "R": r"\Answered", "D": r"\Draft"}[f]
                                 for f in flags)
                expect_ok(imap.append(f'"{mutf7(name)}"', f"({words})", None, message))
                where[name].append((message, flags))
        return where

    def local_files(self, local):
        return sorted(glob.glob(os.path.join(glob.escape(local), "**", "cur", "*"), recursive=True)
                      + glob.glob(os.path.join(glob.escape(local), "**", "new", "*"), recursive=True))

    def folder_of(self, local, name):
        return os.path.join(local, *mutf7(name).split("."))

    def read(self, folder):
        found = []
        for path in glob.glob(os.path.join(glob.escape(folder), "cur", "*")) + glob.glob(
                os.path.join(glob.escape(folder), "new", "*")):
            with open(path, "rb") as f:
                flags = path.rpartition(":2,")[2] if ":2," in path else ""
                found.append((f.read().replace(b"\r\n", b"\n"), "".join(sorted(flags))))
        return found

    def test_500_messages_and_a_second_run_that_does_nothing(self):
        where = self.fill()
        path, local = self.config("first")
        self.mbsync(path)
        for name, messages in where.items():
            got = self.read(self.folder_of(local, name))
            want = [(strip_tuid(m).replace(b"\r\n", b"\n"), "".join(sorted(f))) for m, f in messages]
            self.assertCountEqual([(strip_tuid(m), f) for m, f in got], want, name)
        before = {p: os.stat(p).st_mtime_ns for p in self.local_files(local)}
        self.assertEqual(len(before), COUNT)

        said = self.mbsync(path)
        self.assertEqual({p: os.stat(p).st_mtime_ns for p in self.local_files(local)}, before)
        self.assertNotRegex(said, r"(?m)^(Near|Far)?:? *\+[1-9]")

        # Changes travel both ways: a flag from here, an expunge from there, a new message from here.
        victim = self.read_paths(self.folder_of(local, "INBOX"))[0]
        new = victim.rpartition(":2,")[0] + ":2,FS"
        os.rename(victim, new)
        extra = os.path.join(self.folder_of(local, "Grüße"), "cur", "12345.x.local:2,")
        message = mailgen.plain("from the laptop")
        with open(extra, "wb") as f:
            f.write(message.replace(b"\r\n", b"\n"))
        with pr.imap(self.user) as imap:
            imap.select('"Lists"')
            imap.store("1", "+FLAGS", r"(\Deleted)")
            imap.expunge()
        self.mbsync(path)
        with pr.imap(self.user) as imap:
            imap.select(f'"{mutf7("Grüße")}"')
            self.assertTrue(expect_ok(imap.search(None, "SUBJECT", '"from the laptop"'))[0])
            imap.select("INBOX")
            self.assertTrue(expect_ok(imap.search(None, "FLAGGED"))[0])
        self.assertEqual(len(self.local_files(local)), COUNT)

        # A second laptop gets the same from the beginning, over STARTTLS.
        path, other = self.config("second", "STARTTLS", pr.IMAP_PORT)
        self.mbsync(path)
        self.assertEqual(len(self.local_files(other)), COUNT)

    def read_paths(self, folder):
        return [p for p in glob.glob(os.path.join(glob.escape(folder), "cur", "*")) if ":2," in p]


def strip_tuid(message):
    return b"".join(line for line in message.splitlines(True) if not line.startswith(b"X-TUID:"))


if __name__ == "__main__":
    unittest.main()
