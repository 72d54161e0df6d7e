# check: alone timeout=300
"""What runs out or gets stuck: the disk of the mail, of the queue, descriptors, the log, a daemon that hangs
(faults.md section 2). On an instance of its own, whose mail and queue lie on small file systems."""

import contextlib
import os
import signal
import subprocess
import time
import unittest

from accept.test_faults import codes_of, until_accepted
from lib import env
from lib.smtpwire import Closed, Wire

MEGABYTE = 1 << 20


class SmallDisk:
    """An ext4 of so many megabytes, mounted where it is wanted."""

    def __init__(self, image, where, size, owner):
        with open(image, "wb") as f:
            f.truncate(size * MEGABYTE)
        env.run("mkfs.ext4", "-q", "-F", "-m", "0", image)
        self.where, self.image = where, image
        done = self.mount()
        if done.returncode != 0:
            raise unittest.SkipTest(f"no loop device: {done.stdout}")
        env.run("chown", owner, where)
        env.run("chmod", "700", where)

    def mount(self):
        return env.run("mount", "-o", "loop,errors=remount-ro", self.image, self.where, check=False)

    def break_it(self):
        """As after a bad sector: the kernel makes it read-only under whoever writes."""
        device = os.path.basename(env.run("findmnt", "-n", "-o", "SOURCE", self.where).stdout.strip())
        try:
            with open(f"/sys/fs/ext4/{device}/trigger_fs_error", "w", encoding="ascii") as f:
                f.write("test")
        except OSError as e:
            raise unittest.SkipTest(f"no way to make it read-only: {e}") from None

    def mend(self):
        env.run("umount", self.where)
        env.run("e2fsck", "-fy", self.image, check=False)
        self.mount()

    def room(self):
        s = os.statvfs(self.where)
        return s.f_bavail * s.f_frsize

    def fill(self, leave=0):
        """A file of root's takes all but this; its path."""
        path = os.path.join(self.where, "ballast")
        with contextlib.suppress(OSError), open(path, "ab", buffering=0) as f:
            while self.room() > leave:
                f.write(b"x" * max(min(self.room() - leave, MEGABYTE), 4096))
        with contextlib.suppress(OSError), open(path, "ab", buffering=0) as f:
            while leave == 0:
                f.write(b"x" * 1024)
        return path

    def unmount(self):
        env.run("umount", "-l", self.where, check=False)


class Resources(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        env.get()
        env.program("mkfs.ext4", "e2fsprogs")
        cls.disks = []
        cls.instance = env.Instance()
        try:
            cls.pr = cls.instance.start()
            cls.instance.stop()
            state = cls.pr.STATE
            for name, size in (("mail", 24), ("queue", 8)):
                env.run("rm", "-rf", os.path.join(state, name))
                os.mkdir(os.path.join(state, name))
                cls.disks.append(SmallDisk(os.path.join(state, f"{name}.image"), os.path.join(state, name), size,
                                           "vmail:vmail"))
            cls.mail, cls.queue = cls.disks
            cls.pr = cls.instance.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        with contextlib.suppress(Exception):
            cls.instance.stop()
        for disk in cls.disks:
            disk.unmount()
        cls.instance.__exit__()

    def setUp(self):
        self.user = self.pr.new_user("res")
        self.assertEqual(codes_of(self.pr, self.user.address)[0], 250)

    def check_daemons_live(self, before):
        self.assertEqual(self.pr.daemons(), before, "a daemon has ended")

    def test_mail_disk_full(self):
        pr, before = self.pr, self.pr.daemons()
        big = b"Subject: big\r\n\r\n" + (b"y" * 70 + b"\r\n") * 3000 + b".\r\n"
        ballast = self.mail.fill()
        accepted = 1
        try:
            for text in (big, b"Subject: x\r\n\r\nx\r\n.\r\n") * 3:
                code, said = codes_of(pr, self.user.address, text)
                if code == 250:
                    accepted += 1
                else:
                    self.assertEqual(code // 100, 4, said)
            self.assertLess(accepted, 7, "the disk was not full")
            with pr.imap(self.user) as imap:
                self.assertEqual(imap.select("INBOX")[1], [b"%d" % accepted])
                self.assertEqual(imap.fetch("1", "(BODY.PEEK[])")[0], "OK")
                self.assertEqual(imap.append("INBOX", None, None, big)[0], "NO")
                # Deleting works on a full disk.
                self.assertEqual(imap.store("1", "+FLAGS", r"(\Deleted)")[0], "OK")
                status, data = imap.expunge()
                self.assertEqual((status, data), ("OK", [b"1"]))
                accepted -= 1
        finally:
            os.unlink(ballast)
        took, seen = until_accepted(pr, self.user.address, 10)
        self.assertLess(took, 5, seen)
        self.assertEqual(pr.count(self.user), accepted + 1)
        self.check_daemons_live(before)

    def test_queue_disk_full(self):
        """Local mail goes on; mail for elsewhere and for several is for later, and never lost."""
        pr, before = self.pr, self.pr.daemons()
        other = pr.new_user("res")
        ballast = self.queue.fill()
        try:
            self.assertEqual(codes_of(pr, self.user.address)[0], 250)
            with pr.smtp(self.user) as smtp:
                smtp.mail(self.user.address)
                code, said = smtp.rcpt("someone@elsewhere.example")
                if code == 250:
                    code, said = smtp.data(b"Subject: x\r\n\r\n" + b"x" * 20000)
                self.assertEqual(code // 100, 4, said)
            with Wire(pr) as w:
                w.ehlo()
                w.ok("MAIL FROM:<s@example.net>")
                w.ok(f"RCPT TO:<{self.user.address}>")
                w.ok(f"RCPT TO:<{other.address}>")
                w.ok("DATA", 354)
                w.send(b"Subject: two\r\n\r\n" + b"x" * 20000 + b"\r\n.\r\n")
                two = w.reply()[0]
            self.assertIn(two // 100, (2, 4))
        finally:
            os.unlink(ballast)
        self.assertEqual(pr.count(other), int(two == 250))
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<s@example.net>")
            w.ok(f"RCPT TO:<{self.user.address}>")
            w.ok(f"RCPT TO:<{other.address}>")
            w.ok("DATA", 354)
            w.send(b"Subject: two\r\n\r\nx\r\n.\r\n")
            w.want(250)
        self.check_daemons_live(before)

    def test_read_only(self):
        pr, before = self.pr, self.pr.daemons()
        with pr.imap(self.user) as open_session:
            open_session.select("INBOX")
            self.mail.break_it()
            try:
                code, said = codes_of(pr, self.user.address)
                self.assertEqual(code // 100, 4, said)
                self.assertEqual(open_session.fetch("1", "(BODY.PEEK[])")[0], "OK")
                self.assertEqual(open_session.append("INBOX", None, None, b"Subject: x\r\n\r\nx")[0], "NO")
                with pr.imap(self.user) as imap:
                    self.assertEqual(imap.select("INBOX")[0], "OK")
                    self.assertEqual(imap.fetch("1", "(BODY.PEEK[])")[0], "OK")
            finally:
                self.check_daemons_live(before)
                self.instance.stop()
                self.mail.mend()
                type(self).pr = self.instance.start()
        self.assertGreaterEqual(self.pr.count(self.user), 1)
        self.assertEqual(codes_of(self.pr, self.user.address)[0], 250)

    def test_descriptors_run_out(self):
        """With hardly any: who is in is served, the rest waits or is sent away; no spinning; and it recovers."""
        self.instance.stop()
        env.run("prlimit", "--nofile=120:120", os.path.join(env.TOP, "run"), "--background", env=self.instance.env)
        pr = type(self).pr = env.Postroom(os.path.join(self.instance.state, "env"))
        try:
            before = pr.daemons()
            with pr.imap(self.user) as open_session:
                open_session.select("INBOX")
                for name, port in (("smtpd", pr.SMTP_PORT), ("login", pr.IMAP_PORT)):
                    held, pid = [], before[name]
                    try:
                        for _ in range(150):
                            held.append(Wire(pr, port, greet=False, timeout=5))
                        cpu = cpu_of(pid)
                        time.sleep(1)
                        self.assertLess(cpu_of(pid) - cpu, 0.3, f"{name} spins")
                        self.assertEqual(open_session.noop()[0], "OK")
                    finally:
                        for w in held:
                            w.close()
                    began = time.monotonic()
                    while True:
                        try:
                            with Wire(pr, port, greet=False, timeout=3) as w:
                                if w.line().startswith((b"220", b"* OK")):
                                    break
                        except (Closed, OSError):
                            pass
                        self.assertLess(time.monotonic() - began, 5, name)
            until_accepted(pr, self.user.address, 5)
            self.assertEqual(pr.daemons(), before)
        finally:
            self.instance.stop()
            type(self).pr = self.instance.start()

    def test_the_log_is_full(self):
        """Nobody reads the log, or its disk is full: mail goes on."""
        pr = self.pr
        fifo = os.path.join(pr.STATE, "log-fifo")
        os.mkfifo(fifo)
        with open(pr.POSTROOM_CONF, encoding="utf-8") as f:
            keep = f.read()
        for sink in ("/dev/full", fifo):
            with self.subTest(sink):
                with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                    f.write("".join(f"log_file = {sink}\n" if line.startswith("log_file") else line
                                    for line in keep.splitlines(True)))
                reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    pr.postroom("reload", check=False)
                    for _ in range(50):
                        with Wire(pr) as w:
                            w.ehlo()
                            for _ in range(20):
                                w.cmd("XYZZY " + "x" * 500)
                    self.assertEqual(codes_of(pr, self.user.address)[0], 250)
                    self.assertGreaterEqual(pr.count(self.user), 2)
                finally:
                    os.close(reader)
                    with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                        f.write(keep)
                    pr.postroom("reload")
        self.assertEqual(codes_of(pr, self.user.address)[0], 250)

    def test_a_daemon_that_hangs(self):
        """authd or deliver stopped: a temporary answer within its time limit, others are greeted at once, then it goes on."""
        pr, before = self.pr, self.pr.daemons()
        for name, limit in (("authd", 15), ("deliver", 20)):
            with self.subTest(name):
                os.kill(before[name], signal.SIGSTOP)
                try:
                    began = time.monotonic()
                    if name == "authd":
                        code, said = codes_of(pr, pr.new_address("unseen"), timeout=limit + 5)
                        self.assertEqual(code, 451, said)
                        self.assertLess(time.monotonic() - began, limit)
                    began = time.monotonic()
                    with Wire(pr) as w:
                        w.ehlo()
                    self.assertLess(time.monotonic() - began, 1)
                finally:
                    os.kill(before[name], signal.SIGCONT)
                took, seen = until_accepted(pr, self.user.address, 10)
                self.assertLess(took, 2, seen)
                with pr.imap(self.user):
                    pass


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
