"""kill -9 of each daemon and reloads, while mail flows (faults.md section 2)."""

import os
import signal
import threading
import time
import unittest

from lib import env, mailgen


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = env.Instance()
        cls.pr = cls.instance.__enter__()
        cls.user = cls.pr.new_user("kill")

    @classmethod
    def tearDownClass(cls):
        cls.instance.__exit__(None, None, None)

    def pids(self):
        return self.pr.daemons()

    def mail_flows(self, subject):
        """A message goes in by submission and is read over IMAP."""
        pr = self.pr
        pr.send(mailgen.plain(subject, sender=pr.ann.address), pr.ann, [self.user.address])
        pr.wait_for_message(self.user, subject=subject, timeout=2)
        return True

    def test_mail_flows_again_within_two_seconds(self):
        for name, pid in self.pids().items():
            with self.subTest(name):
                self.mail_flows("before " + name)
                os.kill(pid, signal.SIGKILL)
                start = time.monotonic()
                n = 0
                while True:
                    n += 1
                    try:
                        self.mail_flows("after %s %d" % (name, n))
                        break
                    except Exception:  # noqa: BLE001
                        if time.monotonic() - start > 2:
                            raise
                        time.sleep(0.02)
                self.assertLess(time.monotonic() - start, 2)
                self.assertNotEqual(self.pids()[name], pid)

    def test_idle_session_survives_the_others(self):
        with self.pr.imap(self.user) as imap:
            imap.select()
            for name in ["smtpd", "authd", "deliver", "relay"]:
                os.kill(self.pids()[name], signal.SIGKILL)
                self.assertEqual(imap.noop()[0], "OK")
                env.wait_until(lambda name=name: self.pids().get(name, 0) > 0, 5, name)
            self.assertEqual(imap.noop()[0], "OK")

    def test_reload_under_load(self):
        """Every reload is taken by running sessions without notice; one in three is broken."""
        pr, failures, done = self.pr, [], threading.Event()

        def load():
            n = 0
            while not done.is_set():
                n += 1
                try:
                    pr.send(mailgen.plain("load %d" % n, sender=pr.ann.address), pr.ann,
                            [self.user.address])
                    with pr.imap(self.user) as imap:
                        imap.noop()
                except Exception as e:  # noqa: BLE001
                    failures.append(repr(e))
        threads = [threading.Thread(target=load) for _ in range(3)]
        for t in threads:
            t.start()
        with open(pr.POSTROOM_CONF, encoding="utf-8") as f:
            good = f.read()
        before = self.pids()
        with pr.imap(self.user) as held:
            try:
                for n in range(12):
                    with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                        f.write(good + ("message_size = nonsense\n" if n % 3 == 2 else ""))
                    os.kill(pr.PID, signal.SIGHUP)
                    time.sleep(0.3)
            finally:
                with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                    f.write(good)
                done.set()
                for t in threads:
                    t.join()
            self.assertEqual(held.noop()[0], "OK")
        self.assertEqual(failures, [])
        self.assertEqual(self.pids(), before)
