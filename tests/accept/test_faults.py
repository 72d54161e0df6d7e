# check: alone timeout=400
"""What breaks around Postroom, on an instance of its own: daemons killed, the database gone, stuck and back,
a certificate replaced, strangers who dawdle by the thousand (faults.md 42 and section 2)."""

import contextlib
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from lib import env
from lib.smtpwire import Closed, Wire, unchecked

SETTINGS = "smtp_connections = 4000\n"


def codes_of(pr, recipient, text=b"Subject: x\r\n\r\nx\r\n.\r\n", timeout=20):
    """The first reply of a transaction that is not 250 or 354, or its last."""
    with Wire(pr, timeout=timeout) as w:
        w.ehlo()
        for line in ("MAIL FROM:<someone@example.net>", f"RCPT TO:<{recipient}>", "DATA"):
            code, said = w.cmd(line)
            if code not in (250, 354):
                return code, said
        w.send(text)
        return w.reply()


def until_accepted(pr, recipient, limit):
    """Tries until a message is taken; (seconds, the replies before)."""
    began = time.monotonic()
    seen = []
    while True:
        try:
            code, said = codes_of(pr, recipient, timeout=5)
        except (Closed, OSError) as e:
            code, said = 0, repr(e)
        took = time.monotonic() - began
        if code == 250:
            return took, seen
        seen.append((code, said))
        if took > limit:
            raise AssertionError(f"nothing was accepted within {limit} s: {seen[-3:]}")
        time.sleep(0.02)


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        env.get()
        cls.instance = env.Instance(settings=SETTINGS)
        cls.pr = cls.instance.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.instance.__exit__()

    def setUp(self):
        self.user = self.pr.new_user("fault")

    def database_pid(self):
        with open(os.path.join(self.pr.STATE, "mariadb.pid"), encoding="ascii") as f:
            return int(f.read())

    def database_stop(self, how=signal.SIGTERM):
        pid = self.database_pid()
        os.kill(pid, how)

        def gone():
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                    return f.read().rpartition(")")[2].split()[0] == "Z"
            except FileNotFoundError:
                return True
        env.wait_until(gone, 30, "the end of the database")

    def database_start(self):
        with open(os.path.join(self.pr.STATE, "log", "mariadb.log"), "ab") as log:
            child = subprocess.Popen(
                ["mariadbd", f"--defaults-file={self.pr.STATE}/conf/mariadb.cnf"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        with open(os.path.join(self.pr.STATE, "mariadb.pid"), "w", encoding="ascii") as f:
            f.write(f"{child.pid}\n")

        def answers():
            with contextlib.suppress(AssertionError):
                return self.pr.sql("SELECT 1")
        env.wait_until(answers, 30, "the database")
        threading.Thread(target=child.wait, daemon=True).start()

    # --- daemons ---

    def test_kill_9_of_each_daemon(self):
        """Mail flows again, in and out of the mailbox, within 2 seconds."""
        slow = {}
        for name in sorted(self.pr.daemons()):
            with self.subTest(name):
                pid = self.pr.daemons()[name]
                if not pid or name in ("postroomd", "filterd"):
                    continue
                user = self.pr.new_user("kill")
                os.kill(pid, signal.SIGKILL)
                began = time.monotonic()
                until_accepted(self.pr, user.address, 10)
                while True:
                    try:
                        if self.pr.count(user) >= 1:
                            break
                    except Exception:  # any way of not yet
                        time.sleep(0.02)
                    self.assertLess(time.monotonic() - began, 15, "no login")
                took = time.monotonic() - began
                if took > 2:
                    slow[name] = round(took, 2)
        self.assertEqual(slow, {})

    # --- the database ---

    def test_database_stopped(self):
        pr = self.pr
        known = pr.new_user("known")
        with pr.imap(known) as open_session:
            open_session.select("INBOX")
            self.database_stop()
            try:
                for _ in range(3):
                    began = time.monotonic()
                    code, said = codes_of(pr, self.user.address)
                    self.assertEqual((code, said[:5]), (451, "4.3.0"), said)
                    self.assertLess(time.monotonic() - began, 5)
                with Wire(pr, pr.SUBMISSION_PORT) as w:
                    w.starttls()
                    import base64
                    token = base64.b64encode(f"\0{known.address}\0{known.password}".encode()).decode()
                    code, said = w.cmd(f"AUTH PLAIN {token}")
                    self.assertEqual((code, said[:5]), (454, "4.7.0"), said)
                with self.assertRaisesRegex(Exception, "UNAVAILABLE"), pr.imap(known):
                    pass
                with self.assertRaisesRegex(Exception, "SYS/TEMP"), pr.pop3(known):
                    pass
                self.assertEqual(open_session.noop()[0], "OK")
                self.assertEqual(open_session.append("INBOX", None, None, b"Subject: a\r\n\r\nb")[0], "OK")
                status, _, said = pr.postroom("domain", "list", check=False)
                self.assertEqual(status, 6, said)
                self.assertNotIn("Traceback", said)
            finally:
                self.database_start()
            took, seen = until_accepted(pr, self.user.address, 10)
            self.assertLess(took, 2, seen)
            self.assertTrue(all(code in (0, 451) for code, _ in seen), seen)
            with pr.imap(known):
                pass
            self.assertEqual(open_session.fetch("1", "(FLAGS)")[0], "OK")

    def test_database_killed_while_sending(self):
        """Under load: 451 and never 5xx; what was accepted is there."""
        pr, stop = self.pr, threading.Event()
        accepted, others, lock = [0], [], threading.Lock()

        def sender():
            while not stop.is_set():
                try:
                    code, said = codes_of(pr, self.user.address)
                except (Closed, OSError) as e:
                    code, said = -1, repr(e)
                with lock:
                    if code == 250:
                        accepted[0] += 1
                    else:
                        others.append((code, said))
                time.sleep(0.01)

        threads = [threading.Thread(target=sender) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            for how in (signal.SIGKILL, signal.SIGTERM):
                time.sleep(0.5)
                self.database_stop(how)
                time.sleep(1)
                self.database_start()
                before = accepted[0]
                began = time.monotonic()
                while accepted[0] == before and time.monotonic() - began < 10:
                    time.sleep(0.02)
                self.assertLess(time.monotonic() - began, 2)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual({code for code, _ in others} - {451}, set(), others[-5:])
        self.assertEqual(pr.count(self.user), accepted[0])

    def test_database_stuck(self):
        """It takes connections and does not answer: a time limit, and sessions that need no database go on."""
        pr = self.pr
        known = pr.new_user("stuck")
        pid = self.database_pid()
        with pr.imap(known) as open_session:
            open_session.select("INBOX")
            os.kill(pid, signal.SIGSTOP)
            try:
                answers = []

                def ask():
                    began = time.monotonic()
                    code, said = codes_of(pr, pr.new_address("nobody"), timeout=30)
                    answers.append((code, said, time.monotonic() - began))
                threads = [threading.Thread(target=ask) for _ in range(20)]
                for t in threads:
                    t.start()
                worst = 0
                while any(t.is_alive() for t in threads):
                    began = time.monotonic()
                    with Wire(pr) as w:
                        w.ehlo()
                    self.assertEqual(open_session.noop()[0], "OK")
                    worst = max(worst, time.monotonic() - began)
                    time.sleep(0.02)
                self.assertLess(worst, 1)
                self.assertEqual({code for code, _, _ in answers}, {451}, answers)
                self.assertLess(max(took for _, _, took in answers), 12)
            finally:
                os.kill(pid, signal.SIGCONT)
            took, seen = until_accepted(pr, self.user.address, 10)
            self.assertLess(took, 2, seen)
            self.assertTrue(all(code in (0, 451) for code, _ in seen), seen)
            with pr.imap(known):
                pass

    # --- the certificate ---

    def test_certificate_replaced_under_open_sessions(self):
        pr, tls = self.pr, os.path.join(self.pr.STATE, "tls")

        def serial(port, greet=None):
            with socket.create_connection((pr.HOST, port), timeout=10) as s:
                with unchecked().wrap_socket(s) as t:
                    return t.getpeercert(binary_form=True)

        old = {port: serial(port) for port in (pr.IMAPS_PORT, pr.SUBMISSIONS_PORT, pr.POP3S_PORT)}
        with pr.imap(self.user) as imap, pr.smtp(self.user) as smtp:
            imap.select("INBOX")
            keep = {}
            for name in ("cert.pem", "key.pem"):
                with open(os.path.join(tls, name), "rb") as f:
                    keep[name] = f.read()
            try:
                env.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", os.path.join(tls, "key.pem"), "-out", os.path.join(tls, "cert.pem"))
                pr.postroom("reload")
                for port, before in old.items():
                    env.wait_until(lambda p=port, b=before: serial(p) != b, 5, f"the new certificate on {port}")
                self.assertEqual(imap.noop()[0], "OK")
                self.assertEqual(smtp.noop()[0], 250)
                # One that cannot be read: told, and the old stays.
                new = serial(pr.IMAPS_PORT)
                with open(os.path.join(tls, "cert.pem"), "wb") as f:
                    f.write(b"rubbish\n")
                status, _, said = pr.postroom("reload", check=False)
                self.assertEqual(status, 5 if status == 5 else 1, said)
                self.assertNotEqual(said, "")
                self.assertEqual(serial(pr.IMAPS_PORT), new)
                self.assertEqual(imap.noop()[0], "OK")
            finally:
                for name, octets in keep.items():
                    with open(os.path.join(tls, name), "wb") as f:
                        f.write(octets)
                pr.postroom("reload")
            self.assertEqual(smtp.noop()[0], 250)

    # --- crowds ---

    def test_a_thousand_slow_senders(self):
        """An octet now and then from each of a thousand; a good client's 99th percentile stays below 500 ms."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        held = []
        try:
            pr = self.pr
            for i in range(1000):
                s = socket.create_connection((pr.HOST, (pr.SMTP_PORT, pr.IMAP_PORT, pr.POP3_PORT)[i % 3]), timeout=10)
                s.setblocking(False)
                held.append((s, (b"EHLO slow.example.net\r\n", b"a LOGIN someone@example.test x", b"USER someone")[i % 3]))
            took, at = [], 0
            until = time.monotonic() + 8
            while time.monotonic() < until:
                for s, text in held[at % 10::10]:
                    with contextlib.suppress(OSError):
                        s.send(text[at // 10 % len(text):][:1])
                at += 1
                began = time.monotonic()
                code, said = codes_of(pr, self.user.address)
                self.assertEqual(code, 250, said)
                took.append(time.monotonic() - began)
                if at % 10 == 0:
                    began = time.monotonic()
                    self.assertGreaterEqual(pr.count(self.user), 1)
                    took.append(time.monotonic() - began)
            took.sort()
            self.assertGreater(len(took), 50)
            self.assertLess(took[int(len(took) * 0.99)], 0.5, f"{len(took)} clients")
        finally:
            for s, _ in held:
                s.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    # --- starting ---

    def test_a_second_start(self):
        """Ends, begins again within 10 seconds, and the mail is there; an env for two instances differs."""
        codes_of(self.pr, self.user.address)
        self.instance.stop()
        began = time.monotonic()
        self.instance.start()
        self.assertLess(time.monotonic() - began, 10)
        type(self).pr = self.instance.pr
        self.assertEqual(self.pr.count(self.user), 1)
        other = env.get()
        self.assertNotEqual(other.SMTP_PORT, self.pr.SMTP_PORT)
        stranger = other.new_user("next-door")
        self.assertEqual(codes_of(self.pr, stranger.address)[0], 550)
        self.assertEqual(codes_of(other, stranger.address)[0], 250)


if __name__ == "__main__":
    unittest.main()
