#!/usr/bin/env python3
"""The supervisor, with postroomd/dummyd standing for every daemon.

Needs root (daemons run as users of their own); says so and skips without.
"""
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from supervised import BUILD, CERT, KEY, PORTS, Instance, have_users, wait_for  # noqa: E402


@unittest.skipUnless(have_users(), "needs root and the system users")
class Supervisor(unittest.TestCase):
    def setUp(self):
        self.i = Instance()

    def tearDown(self):
        self.i.remove()

    def test_everybody_gets_what_the_table_says(self):
        i = self.i.start()
        smtpd, login, deliver, authd = (i.ask(d) for d in ["smtp", "imaps", "lmtp", "socketmap"])
        self.assertEqual(int(smtpd["uid"]), pwd.getpwnam("postroom-smtp").pw_uid)
        self.assertEqual(int(login["uid"]), pwd.getpwnam("postroom-login").pw_uid)
        self.assertEqual(int(authd["uid"]), pwd.getpwnam("postroom-auth").pw_uid)
        self.assertEqual(int(deliver["uid"]), pwd.getpwnam("vmail").pw_uid)
        self.assertEqual((smtpd["mail"], smtpd["queue"], smtpd["password"]), ("0", "0", ""))
        self.assertEqual((deliver["mail"], deliver["queue"]), ("1", "1"))
        self.assertEqual(authd["password"], "hunter2")
        self.assertEqual(int(smtpd["certificate"]), len(CERT) + len(KEY) + 1)
        self.assertEqual((authd["certificate"], deliver["certificate"]), ("0", "0"))
        self.assertEqual(sorted(smtpd["wires"].split(",")), ["", "authd:up", "deliver:up"])
        self.assertEqual(sorted(login["wires"].split(",")),
                         ["", "authd:up", "imapd-0:up", "imapd-1:up"])
        self.assertEqual(sorted(authd["wires"].split(",")),
                         ["", "deliver:up", "imapd-0:up", "imapd-1:up", "login:up", "smtpd:up"])
        self.assertTrue(i.ask("smtp", socket.AF_INET6))
        self.assertEqual(os.stat(i.path("mail")).st_uid, pwd.getpwnam("vmail").pw_uid)

    def test_powers(self):
        i = self.i.start()
        for pid, uid in [(i.process.pid, 0), (int(i.ask("smtp")["pid"]), None)]:
            with open("/proc/%d/status" % pid) as f:
                status = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
            caps = int(status["CapPrm"], 16)
            if uid == 0:
                self.assertEqual(bin(caps).count("1"), 5)
            else:
                self.assertEqual((caps, int(status["CapBnd"], 16)), (0, 0))
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(status["Groups"].split(),
                                 [str(pwd.getpwnam("postroom-smtp").pw_gid)])
                fds = os.listdir("/proc/%d/fd" % pid)
                self.assertNotIn("/conf", "".join(
                    os.readlink("/proc/%d/fd/%s" % (pid, f)) for f in fds))

    def test_sockets_belong_to_whom_they_should(self):
        i = self.i.start()
        for n in ["lmtp", "auth-client", "socketmap", "postroomd.sock", "imapd-1.sock"]:
            st = os.stat(os.path.join(i.path("run"), n))
            self.assertEqual((st.st_mode & 0o777, st.st_uid), (0o660, 0), n)

    def test_kill_9_of_each_is_over_in_two_seconds(self):
        i = self.i.start()
        for door in ["socketmap", "lmtp", "smtp", "imap"]:
            before = i.ask(door)
            os.kill(int(before["pid"]), signal.SIGKILL)
            start = time.monotonic()

            def is_back():
                now = i.ask(door)
                return now and now["pid"] != before["pid"] and now
            now = wait_for(is_back, 2)
            self.assertLess(time.monotonic() - start, 1.0)

            def wires_up():
                return all(":down" not in i.ask(d)["wires"] and
                           i.ask(d)["wires"].count(":up") == i.ask(d)["wires"].count(",")
                           for d in ["smtp", "imap", "lmtp", "socketmap"])
            wait_for(wires_up, 2)
            self.assertEqual(sorted(now["wires"].replace("down", "up").split(",")),
                             sorted(before["wires"].split(",")))

    def test_kill_loop_stays_quick_and_alarms(self):
        i = self.i.start()
        for _ in range(6):
            pid = wait_for(lambda: i.ask("socketmap"), 2)["pid"]
            os.kill(int(pid), signal.SIGKILL)
            wait_for(lambda: (i.ask("socketmap") or {}).get("pid", pid) != pid, 1.5)
        self.assertIn("daemon.crashloop", i.log())

    def test_reload(self):
        i = self.i.start()
        before = i.ask("smtp")
        i.configure(message_size="1M")
        i.signal(signal.SIGHUP)
        wait_for(lambda: i.ask("smtp")["message_size"] == str(1 << 20))
        after = i.ask("smtp")
        self.assertEqual((after["pid"], after["reloads"]), (before["pid"], "1"))

    def test_bad_reload_changes_nothing(self):
        i = self.i.start()
        for bad in [{"message_size": "huge"}, {"tls_key": "/nonexistent"}, {"imap_shards": "3"},
                    {"listen_pop3": "192.0.2.1:%d" % PORTS["extra"]}]:
            keep = dict(i.options)
            n = i.log().count("reload.refused")
            i.configure(**bad)
            i.signal(signal.SIGHUP)
            wait_for(lambda: i.log().count("reload.refused") > n)
            i.options = keep
            self.assertEqual(i.ask("smtp")["reloads"], "0")
            self.assertTrue(i.ask("pop3"))

    def test_daemon_may_refuse(self):
        i = self.i.start()
        i.configure(hostname="refuse.me", message_size="1M")
        i.signal(signal.SIGHUP)
        wait_for(lambda: "will not be called refuse.me" in i.log())
        self.assertEqual(i.ask("smtp")["message_size"], str(50 << 20))

    def test_listeners_come_and_go(self):
        i = self.i.start()
        pid = i.ask("pop3")["pid"]
        i.configure(listen_pop3="off", listen_imap="localhost:%d localhost:%d" %
                    (PORTS["imap"], PORTS["extra"]))
        i.signal(signal.SIGHUP)
        wait_for(lambda: i.ask("extra"))
        self.assertIsNone(i.ask("pop3"))
        self.assertEqual(i.ask("imap")["pid"], pid)
        i.configure(listen_pop3="localhost:%d" % PORTS["pop3"])
        i.signal(signal.SIGHUP)
        wait_for(lambda: i.ask("pop3"))

    def test_reload_under_load_refuses_nobody(self):
        i = self.i.start()
        good, refused = 0, 0
        for n in range(30):
            i.configure(message_size="bad" if n % 3 == 2 else "%dM" % (n + 1))
            i.signal(signal.SIGHUP)
            for _ in range(20):
                if i.ask("smtp"):
                    good += 1
                else:
                    refused += 1
        self.assertEqual((good, refused), (600, 0))

    def test_log_rotation(self):
        i = self.i.start()
        os.rename(i.path("log"), i.path("log.1"))
        i.signal(signal.SIGUSR1)
        wait_for(lambda: "log.reopened" in i.log())
        i.configure(message_size="2M")
        i.signal(signal.SIGHUP)
        wait_for(lambda: re.search(r"smtpd.* daemon.reload", i.log()))

    def test_second_instance_is_refused(self):
        i = self.i.start()
        r = subprocess.run([os.path.join(BUILD, "postroomd/postroomd"), "-c", i.path("conf")],
                           stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("another postroomd runs in", r.stderr)
        self.assertTrue(i.ask("lmtp"))

    def test_stop_ends_everybody_and_leaves_nothing(self):
        i = self.i.start()
        pids = [int(i.ask(d)["pid"]) for d in ["smtp", "imap", "lmtp", "socketmap"]]
        start = time.monotonic()
        i.stop()
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(i.process.returncode, 0)
        for p in pids:
            self.assertFalse(os.path.exists("/proc/%d" % p))
        self.assertEqual(os.listdir(i.path("run")), [])

    def test_daemons_end_with_their_supervisor(self):
        i = self.i.start()
        pids = [int(i.ask(d)["pid"]) for d in ["smtp", "imap", "lmtp", "socketmap"]]
        i.process.kill()
        i.process.wait()
        wait_for(lambda: not any(os.path.exists("/proc/%d" % p) for p in pids), 5)
        i.process.stderr.close()
        os.unlink(i.path("log"))
        i.start()
        self.assertTrue(i.ask("lmtp"))

    def test_notify(self):
        path = self.i.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(5)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                self.i.start(ready=False)
                self.assertIn("READY=1", s.recv(512).decode())
                self.i.signal(signal.SIGHUP)
                self.assertIn("RELOADING=1", s.recv(512).decode())
                self.assertIn("READY=1", s.recv(512).decode())
                self.i.signal(signal.SIGTERM)
                self.assertIn("STOPPING=1", s.recv(512).decode())
            finally:
                del os.environ["NOTIFY_SOCKET"]

    def test_crashing_daemon_is_backed_off_and_the_rest_serves(self):
        os.unlink(os.path.join(self.i.libexec, "relay"))
        os.symlink("/bin/false", os.path.join(self.i.libexec, "relay"))
        i = self.i.start(ready=False)
        wait_for(lambda: i.ask("smtp"))
        wait_for(lambda: "again_ms=800" in i.log())
        self.assertTrue(i.ask("lmtp"))


@unittest.skipUnless(have_users(), "needs root and the system users")
class Refusals(unittest.TestCase):
    """Mistakes that are told at the start."""

    def refused(self, expected, **options):
        i = Instance(**options)
        try:
            r = subprocess.run([os.path.join(BUILD, "postroomd/postroomd"), "-c", i.path("conf")],
                               stderr=subprocess.PIPE, text=True, timeout=10)
            self.assertEqual(r.returncode, 1)
            self.assertIn(expected, r.stderr)
        finally:
            i.remove()

    def test_syntax(self):
        self.refused("conf:10: message_size: expected a size from 64K to 2G",
                     message_size="lots")

    def test_certificate(self):
        self.refused("tls_certificate: cannot open /nonexistent", tls_certificate="/nonexistent")

    def test_certificate_is_none(self):
        self.refused('expected "-----BEGIN CERTIFICATE-----"', tls_certificate="/etc/passwd")

    def test_user(self):
        self.refused('there is no system user "nobody-of-this-name"',
                     mail_user="nobody-of-this-name")

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", PORTS["extra"]))
            s.listen()
            self.refused("cannot listen on 127.0.0.1:%d" % PORTS["extra"],
                         listen_pop3="127.0.0.1:%d" % PORTS["extra"])

    def test_check_only(self):
        i = Instance(message_size="lots")
        run = [os.path.join(BUILD, "postroomd/postroomd"), "-n", "-c", i.path("conf")]
        self.assertEqual(subprocess.run(run, stderr=subprocess.DEVNULL).returncode, 1)
        i.configure(message_size="1M")
        self.assertEqual(subprocess.run(run).returncode, 0)
        i.remove()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
