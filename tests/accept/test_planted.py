"""Things that lie in a Maildir and should not: links, FIFOs, folders, odd names (faults.md 18), by a hand that can
write there; and mail that other programs bring, move and take away (a Maildir is for sharing)."""

import contextlib
import os
import pwd
import re
import socket
import threading
import time
import unittest

from imap.raw import Raw
from lib import env

pr = env.get()
SECRET = b"root only, and no mail"


class Planted(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("planted")
        pr.send("Subject: real\n\nthe real one\n", "someone@example.net", [self.user.address])
        self.dir = pr.maildir(self.user)
        self.vmail = pwd.getpwnam("vmail")
        self.secret = os.path.join(pr.STATE, f"secret-{self.user.local}")
        with open(self.secret, "wb") as f:
            f.write(b"Subject: secret\r\n\r\n" + SECRET)
        os.chmod(self.secret, 0o644)
        self.addCleanup(os.unlink, self.secret)

    def put(self, name, text=b"Subject: put\n\nby hand\n"):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text)
        os.chown(path, self.vmail.pw_uid, self.vmail.pw_gid)
        return path

    def all_text(self, client=None):
        with contextlib.ExitStack() as stack:
            c = client or stack.enter_context(Raw(self.user))
            c.ok("SELECT INBOX")
            return b"".join(c.ask("FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[])"))

    def test_links_and_pipes_are_no_mail(self):
        for place in ("new", "cur"):
            base = os.path.join(self.dir, place)
            suffix = ":2," if place == "cur" else ""
            os.symlink(self.secret, os.path.join(base, f"1.link{suffix}"))
            os.symlink("/dev/zero", os.path.join(base, f"2.zero{suffix}"))
            os.symlink("/nowhere", os.path.join(base, f"3.dangling{suffix}"))
            os.mkfifo(os.path.join(base, f"4.fifo{suffix}"))
            os.mkdir(os.path.join(base, f"5.dir{suffix}"))
            s = socket.socket(socket.AF_UNIX)
            s.bind(os.path.join(base, "6.sock"))
            s.close()
            for name in os.listdir(base):
                with contextlib.suppress(OSError):
                    os.lchown(os.path.join(base, name), self.vmail.pw_uid, self.vmail.pw_gid)
        began = time.monotonic()
        text = self.all_text()
        self.assertLess(time.monotonic() - began, 5)
        self.assertNotIn(SECRET, text)
        self.assertIn(b"the real one", text)
        with pr.pop3(self.user) as pop:
            self.assertGreaterEqual(pop.stat()[0], 1)
            for i in range(1, pop.stat()[0] + 1):
                with contextlib.suppress(Exception):
                    self.assertNotIn(SECRET, b"\n".join(pop.retr(i)[1]))
        pr.send("Subject: after\n\nstill works\n", "someone@example.net", [self.user.address])
        self.assertIn(b"still works", self.all_text())

    def test_a_message_that_becomes_a_link(self):
        with Raw(self.user) as c:
            self.all_text(c)
            cur = os.path.join(self.dir, "cur")
            name, = (n for n in os.listdir(cur))
            os.unlink(os.path.join(cur, name))
            os.symlink(self.secret, os.path.join(cur, name))
            got = b"".join(c.ask("FETCH 1 BODY.PEEK[]"))
            self.assertNotIn(SECRET, got)
            os.unlink(os.path.join(cur, name))
            os.mkfifo(os.path.join(cur, name))
            began = time.monotonic()
            got = c.ask("FETCH 1 BODY.PEEK[]")
            self.assertLess(time.monotonic() - began, 5)

    def test_folders_that_are_links(self):
        os.symlink(pr.STATE, os.path.join(self.dir, ".Out"))
        os.mkdir(os.path.join(self.dir, ".Half"))
        os.symlink("/etc", os.path.join(self.dir, ".Half", "cur"))
        with Raw(self.user) as c:
            c.ok('LIST "" *')
            for name in ("Out", "Half", "Out.log"):
                got = b"".join(c.ask(f"SELECT {name}") + c.ask("FETCH 1:* BODY.PEEK[]"))
                self.assertNotIn(b"root:", got)
                self.assertRegex(c.ask(f"APPEND {name} {{3+}}\r\nabc")[-1], rb"t\d+ (NO|OK)")
            self.assertFalse([n for n in os.listdir("/etc") if ":2," in n])
            c.ok("NOOP")

    def test_index_files_that_are_links(self):
        """Nothing is written through a link that stands where ours should."""
        target = os.path.join(pr.STATE, f"victim-{self.user.local}")
        with open(target, "wb") as f:
            f.write(b"untouched")
        os.chmod(target, 0o666)
        self.addCleanup(os.unlink, target)
        for folder, _, names in os.walk(os.path.dirname(self.dir)):
            for name in names:
                if "/cur" not in folder and "/new" not in folder:
                    os.unlink(os.path.join(folder, name))
                    os.symlink(target, os.path.join(folder, name))
        with contextlib.suppress(Exception):
            self.all_text()
        with contextlib.suppress(Exception):
            pr.send("Subject: x\n\nx\n", "someone@example.net", [self.user.address])
        with open(target, "rb") as f:
            self.assertEqual(f.read(), b"untouched")

    def test_other_programs_bring_mail(self):
        """maildrop, mutt, rsync: into new, into cur with flags, without CR, with foreign names."""
        self.put("new/1700000000.M1P1.host")
        self.put("cur/1700000001.M1P1.host:2,FS")
        self.put("cur/1700000002.M1P1.host")
        self.put("cur/1700000003.M1P1.host,S=5,W=7:2,RTD")
        self.put("new/weird name \xe4 (1)")
        self.put("new/.hidden")
        self.put("tmp/1700000009.tmp")
        with Raw(self.user) as c:
            text = self.all_text(c)
            self.assertEqual(text.count(b"by hand\r\n"), 5)
            self.assertIn(b"\\Flagged", text)
            c.ok("STORE 1:* +FLAGS (\\Answered)")
            # One is taken away and one renamed by another program.
            os.unlink(os.path.join(self.dir, "cur", next(n for n in os.listdir(os.path.join(self.dir, "cur")) if "1700000002" in n)))
            env.wait_until(lambda: b"EXPUNGE" in b"".join(c.ok("NOOP")), 10, "the expunge of a message that went away")
        self.assertEqual(self.all_text().count(b"by hand\r\n"), 4)

    def test_a_store_that_cannot_be_read(self):
        """Of one message, or of a folder: that is refused and the rest is served."""
        self.put("cur/1700000001.M1P1.host:2,")
        with Raw(self.user) as c:
            self.all_text(c)
            name = next(n for n in os.listdir(os.path.join(self.dir, "cur")) if n.startswith("1700000001"))
            os.chown(os.path.join(self.dir, "cur", name), 0, 0)
            os.chmod(os.path.join(self.dir, "cur", name), 0)
            got = c.ask("FETCH 1:* BODY.PEEK[]")
            self.assertIn(b"the real one", b"".join(got))
            c.ok("NOOP")


class Sharing(unittest.TestCase):
    def test_two_sessions_see_the_same(self):
        user = pr.new_user("two")
        with Raw(user) as a, Raw(user) as b:
            a.ok("SELECT INBOX")
            b.ok("SELECT INBOX")
            for i in range(20):
                a.append("INBOX", b"Subject: %d\r\n\r\nx\r\n" % i)
            self.assertIn(b"* 20 EXISTS", b"".join(b.ok("NOOP")))
            a.ok("STORE 1:10 +FLAGS (\\Deleted \\Seen)")
            got = b"".join(b.ok("NOOP"))
            self.assertEqual(got.count(b"\\Deleted"), 10)
            a.ok("EXPUNGE")
            # RFC 3501 7.4.1: no EXPUNGE during FETCH, STORE, SEARCH; numbers stay until then.
            got = b"".join(b.ask("FETCH 1:20 FLAGS"))
            self.assertNotIn(b"EXPUNGE", got)
            got = b"".join(b.ok("NOOP"))
            self.assertEqual(got.count(b"EXPUNGE"), 10)
            uids_a = a.ok("UID SEARCH ALL")
            uids_b = b.ok("UID SEARCH ALL")
            self.assertEqual(uids_a[0], uids_b[0])

    def test_uids_never_come_back(self):
        user = pr.new_user("uids")
        with Raw(user) as c:
            seen = set()
            for _ in range(5):
                c.append("INBOX")
                c.ok("SELECT INBOX")
                uid = c.ok("UID SEARCH ALL")[0]
                self.assertNotIn(uid, seen)
                seen.add(uid)
                c.ok("STORE 1 +FLAGS (\\Deleted)")
                c.ok("EXPUNGE")

    def test_uids_have_no_gaps(self):
        """Deliver and imapd agree which boot this is: within one, each takes up where the other left off."""
        user = pr.new_user("gaps")
        for _ in range(3):
            pr.send("Subject: d\n\nx\n", "someone@example.net", [user.address])
            with Raw(user) as c:
                c.append("INBOX")
        with Raw(user) as c:
            c.ok("SELECT INBOX")
            self.assertEqual(c.ok("UID SEARCH ALL")[0], b"* SEARCH 1 2 3 4 5 6\r\n")

    def test_two_sessions_move_the_same(self):
        """As two clients with the same filter rule do: each message is in one place, once."""
        user = pr.new_user("move")
        with Raw(user) as c:
            c.ok("CREATE There")
            for i in range(100):
                c.append("INBOX", b"Subject: m%d.\r\n\r\nx\r\n" % i)
        until = time.monotonic() + 2

        def mover(there, back):
            with Raw(user) as c:
                while time.monotonic() < until:
                    for here, to in ((there, back), (back, there)):
                        c.ok(f"SELECT {here}")
                        c.ask(f"MOVE 1:* {to}")
        threads = [threading.Thread(target=mover, args=names)
                   for names in (("INBOX", "There"), ("INBOX", "There"), ("There", "INBOX"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        found = [re.search(rb"Subject: (\S+)", text).group(1) for folder in ("INBOX", "There")
                 for text in pr.fetch_all(user, folder)]
        self.assertEqual((len(found), len(set(found))), (100, 100))

    def test_twenty_at_once(self):
        """Deliveries, appends, flags and expunges at the same time: every message accounted for."""
        user = pr.new_user("busy")
        failures = []

        def deliver():
            try:
                for i in range(10):
                    pr.send(f"Subject: d{i}\n\nx\n", "someone@example.net", [user.address])
            except Exception as e:  # told below
                failures.append(e)

        def append(number):
            try:
                with Raw(user) as c:
                    c.ok("SELECT INBOX")
                    for i in range(10):
                        c.append("INBOX", b"Subject: a%d-%d\r\n\r\nx\r\n" % (number, i))
                        c.ok("STORE 1:* +FLAGS (k%d)" % number)
            except Exception as e:
                failures.append(e)
        threads = [threading.Thread(target=deliver) for _ in range(4)]
        threads += [threading.Thread(target=append, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        with Raw(user) as c:
            self.assertIn(b"* 80 EXISTS", b"".join(c.ok("SELECT INBOX")))
            got = b"".join(c.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            self.assertEqual(got.count(b"Subject: d"), 40)
            self.assertEqual(got.count(b"Subject: a"), 40)
        self.assertEqual(len([n for n in os.listdir(os.path.join(pr.maildir(user), "cur"))]), 80)


if __name__ == "__main__":
    unittest.main()
