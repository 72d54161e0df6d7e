#!/usr/bin/env python3
"""login alone: the real daemon under the real supervisor, with imapd/login/fakes.c for authd and
imapd.  Needs root and openssl; says so and skips without."""
import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from supervised import PORTS, SANITIZED, Instance, have_users, wait_for  # noqa: E402

FAKES = "imapd/login/login-fakes"


def make_certificate(i):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=test.example", "-keyout", i.path("key.pem"), "-out",
                    i.path("cert.pem")], check=True, stderr=subprocess.DEVNULL)


def tls(alpn=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not the default one: that reads every authority there is
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if alpn:
        c.set_alpn_protocols([alpn])
    return c


class Client:
    def __init__(self, door, secure=False, alpn=None, source=None):
        self.s = socket.create_connection(("127.0.0.1", PORTS[door]), 10,
                                          (source, 0) if source else None)
        if secure:
            self.s = tls(alpn).wrap_socket(self.s)
        self.f = self.s.makefile("rb")

    def start_tls(self):
        self.f.close()
        self.s = tls().wrap_socket(self.s)
        self.f = self.s.makefile("rb")

    def send(self, text):
        self.s.sendall(text.encode() if isinstance(text, str) else text)

    def line(self):
        return self.f.readline().decode("latin-1").rstrip("\r\n")

    def ask(self, text):
        self.send(text + "\r\n")
        return self.line()

    def login(self, tag="a"):
        return self.ask(tag + " LOGIN ann secret")

    def closed(self):
        try:
            return self.f.read(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.f.close()
        self.s.close()


def rss_kib(pid, field="Rss"):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return sum(int(x.split()[1]) for x in f if x.startswith(field + ":"))


@unittest.skipUnless(have_users() and shutil.which("openssl"), "needs root and openssl")
class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.i = Instance({"authd": FAKES, "imapd": FAKES, "login": "imapd/login/login"},
                         trusted_networks="", connections_per_address="50")
        make_certificate(cls.i)
        cls.i.start()
        # The mechanisms have come from authd.

        def knows():
            with Client("imaps", True) as c:
                return "X-CHALLENGE" in c.line()
        wait_for(knows)

        cls.slow = Client("imap", source="127.0.99.1")
        cls.slow_since = time.monotonic()
        cls.slow.line()

    @classmethod
    def tearDownClass(cls):
        cls.i.remove(crashes=False)

    def pid(self):
        import re
        return int(re.findall(r"daemon.ready daemon=login pid=(\d+)", self.i.log())[-1])

    def test_greetings(self):
        with Client("imap") as c:
            self.assertRegex(c.line(), r"^\* OK \[CAPABILITY IMAP4rev1 .*STARTTLS LOGINDISABLED "
                             r"AUTH=X-CHALLENGE\] test.example")
        with Client("imaps", True) as c:
            self.assertRegex(c.line(), r"^\* OK \[CAPABILITY IMAP4rev1 .*AUTH=PLAIN")
        with Client("pop3") as c:
            self.assertRegex(c.line(), r"^\+OK")
        with Client("pop3s", True) as c:
            self.assertRegex(c.line(), r"^\+OK")

    def test_imap_over_tls(self):
        with Client("imaps", True, "imap") as c:
            c.line()
            self.assertTrue(c.ask('i ID ("name" "tester")').startswith("* ID"))
            c.line()
            self.assertRegex(c.login(), r"^tag OK by imapd-0, tls=TLSv1.3 TLS_\w+ "
                             r"client=127.0.0.1 id=name=tester")
            self.assertEqual(c.ask("hello"), "* hello")
            self.assertEqual(c.ask("bye"), "* BYE")
            self.assertTrue(c.closed())

    def test_imap_starttls_and_injection(self):
        with Client("imap") as c:
            c.line()
            c.send("a STARTTLS\r\nb LOGIN ann secret\r\nc NOOP\r\n")
            self.assertEqual(c.line(), "a OK Begin TLS negotiation now.")
            c.start_tls()
            # Nothing of b and c is answered.
            self.assertEqual(c.ask("d NOOP"), "d OK Nothing done.")
            self.assertTrue(c.login().startswith("tag OK"))

    def test_pop3(self):
        with Client("pop3") as c:
            c.line()
            self.assertTrue(c.ask("USER ann").startswith("-ERR [AUTH]"))
            c.send("STLS\r\nUSER eve\r\n")
            self.assertTrue(c.line().startswith("+OK"))
            c.start_tls()
            self.assertTrue(c.ask("USER ann").startswith("+OK"))
            self.assertTrue(c.ask("PASS secret").startswith("+OK OK by imapd-0"))
        with Client("pop3s", True) as c:
            c.line()
            c.send("AUTH PLAIN %s\r\nhello\r\n" % base64.b64encode(b"\0ann\0secret").decode())
            self.assertTrue(c.line().startswith("+OK OK by"))
            self.assertEqual(c.line(), "* hello")

    def test_sasl_with_challenge(self):
        with Client("imaps", True) as c:
            c.line()
            self.assertEqual(c.ask("a AUTHENTICATE X-CHALLENGE"), "+ d2hvPw==")
            self.assertTrue(c.ask("c2VjcmV0").startswith("tag OK"))
        with Client("imaps", True) as c:
            c.line()
            self.assertEqual(c.ask("a AUTHENTICATE X-CHALLENGE"), "+ d2hvPw==")
            self.assertEqual(c.ask("*"), "a BAD Authentication cancelled")
            self.assertTrue(c.login().startswith("tag OK"))

    def test_refusal_is_held_back_and_five_are_enough(self):
        with Client("imaps", True) as c:
            c.line()
            for n in range(5):
                start = time.monotonic()
                self.assertTrue(c.ask("a LOGIN ann wrong").startswith(
                    "a NO [AUTHENTICATIONFAILED]"))
                self.assertGreater(time.monotonic() - start, 0.19)
            self.assertTrue(c.line().startswith("* BYE"))
            self.assertTrue(c.closed())

    def test_pipelined_behind_login(self):
        with Client("imaps", True) as c:
            c.line()
            c.send("a LOGIN ann secret\r\none\r\ntwo\r\n")
            self.assertTrue(c.line().startswith("tag OK"))
            self.assertEqual((c.line(), c.line()), ("* one", "* two"))

    def test_handover_that_fails(self):
        with Client("imaps", True) as c:
            c.line()
            self.assertEqual(c.login("fail"), "fail NO [UNAVAILABLE] Not today")
            self.assertTrue(c.login().startswith("tag OK"))

    def test_alpn(self):
        for door, name in [("imaps", "http/1.1"), ("imaps", "pop3"), ("pop3s", "imap")]:
            with self.assertRaises((ssl.SSLError, ConnectionResetError)):
                Client(door, True, name)

    def test_garbage(self):
        for octets in [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100 + b"\r\n",
                       b"A" * 100000, b"a LOGIN {9999999999+}\r\n", b"\x16\x03\x01" + b"\xff" * 500 + b"\r\n"]:
            with Client("imap") as c:
                c.line()
                try:
                    c.send(octets)
                except OSError:
                    continue
                self.assertTrue(c.line()[:5] in ("* BYE", "* BAD", ""), octets[:20])
        with Client("imap") as c:
            self.assertTrue(c.line().startswith("* OK"))

    def test_old_tls_is_refused(self):
        context = tls()
        try:
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.minimum_version = ssl.TLSVersion.TLSv1
        except ValueError:
            self.skipTest("the client cannot either")
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(socket.create_connection(("127.0.0.1", PORTS["imaps"]), 5))

    def test_address_limit(self):
        held = [Client("imap", source="127.0.0.9") for _ in range(50)]
        for c in held:
            self.assertTrue(c.line().startswith("* OK"))
        with Client("imap", source="127.0.0.9") as c:
            self.assertTrue(c.line().startswith("* BYE Too many connections"))
        with Client("imap", source="127.0.0.10") as c:
            self.assertTrue(c.line().startswith("* OK"))
        for c in held:
            c.__exit__()

        def free_again():
            with Client("imap", source="127.0.0.9") as c:
                return c.line().startswith("* OK")
        wait_for(free_again)

    def test_octet_by_octet(self):
        with Client("imaps", True) as c:
            c.line()
            for octet in "a LOGIN {3+}\r\nann \"secret\"\r\n":
                c.send(octet)
            self.assertTrue(c.line().startswith("tag OK"))

    def test_big_answers_and_slow_readers(self):
        n = 64 << 20
        with Client("imaps", True) as c:
            c.line()
            c.login()
            start = time.monotonic()
            c.send("send %d\r\n" % n)
            got = 0
            while got < n:
                got += len(c.f.read(min(1 << 20, n - got)))
            took = time.monotonic() - start
            print("\n    down %d MB/s" % (n / took / 1e6), end=" ", file=sys.stderr)
            self.assertEqual(c.line(), "")
            self.assertEqual(c.ask("still"), "* still")
        # Who does not take his answers does not fill our memory, nor stop others.
        before = rss_kib(self.pid())
        lazy = []
        for _ in range(20):
            c = Client("imaps", True)
            c.line()
            c.login()
            c.send("send %d\r\n" % n)
            lazy.append(c)
        with Client("imaps", True) as c:
            c.line()
            start = time.monotonic()
            self.assertTrue(c.login().startswith("tag OK"))
            self.assertLess(time.monotonic() - start, 1)
        if not SANITIZED:
            self.assertLess(rss_kib(self.pid()) - before, 20 * 128)
        for c in lazy:
            c.__exit__()

    def test_upload(self):
        n = 64 << 20
        with Client("imaps", True) as c:
            c.line()
            c.login()
            line = b"swallow " + b"x" * 4000 + b"\r\n"
            start = time.monotonic()
            for _ in range(n // len(line)):
                c.s.sendall(line)
            self.assertEqual(c.ask("done"), "* done")
            print("\n    up %d MB/s" % (n / (time.monotonic() - start) / 1e6), end=" ",
                  file=sys.stderr)

    def test_client_that_vanishes(self):
        for _ in range(20):
            with Client("imaps", True) as c:
                c.line()
                c.login()
                c.send("send 1000000\r\n")

        def all_gone():
            return len(os.listdir("/proc/%d/fd" % self.pid())) < 60
        wait_for(all_gone)

    def test_idle_sessions_are_small(self):
        held = []
        for _ in range(20):
            c = Client("imaps", True)
            c.line()
            c.login()
            held.append(c)
        before = rss_kib(self.pid(), "Pss")
        for _ in range(300):
            c = Client("imaps", True)
            c.line()
            c.login()
            held.append(c)
        each = (rss_kib(self.pid(), "Pss") - before) / 300
        print("\n    parked TLS session in login: %.1f KiB" % each, end=" ", file=sys.stderr)
        if not SANITIZED:
            self.assertLess(each, 20)
        for c in held:
            self.assertEqual(c.ask("there"), "* there")
            c.__exit__()

    def test_zz_too_slow(self):
        """Sixty seconds for the login in all, however busily an octet comes now and then."""
        with self.slow as c:
            c.send("a")
            c.s.settimeout(70)
            self.assertEqual(c.line(), "* BYE Too slow")
            self.assertTrue(59 < time.monotonic() - self.slow_since < 63)

    def test_sandbox(self):
        with open("/proc/%d/status" % self.pid()) as f:
            status = dict(x.rstrip("\n").split(":\t", 1) for x in f if ":\t" in x)
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(int(status["CapBnd"], 16), 0)


@unittest.skipUnless(have_users() and shutil.which("openssl"), "needs root and openssl")
class Faults(unittest.TestCase):
    def setUp(self):
        self.i = Instance({"authd": FAKES, "imapd": FAKES, "login": "imapd/login/login"},
                          connections_per_address="500", imap_shards="1")
        make_certificate(self.i)
        self.i.start()

    def tearDown(self):
        self.i.remove()

    def pids(self, name):
        import re
        return int(re.findall(r"daemon.ready daemon=%s pid=(\d+)" % name, self.i.log())[-1])

    def test_many_strangers_in_clear(self):
        self.many_strangers("imap", False, 2000, 64)

    def test_many_strangers_with_tls(self):
        self.many_strangers("imaps", True, 500, 128)

    def many_strangers(self, door, secure, count, most):
        """faults.md S6, S7: what one costs who has not logged in, and whether others notice."""
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count * 2:
            self.skipTest("too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count * 2), hard))
        with Client(door, secure) as c:
            c.line()
        before = rss_kib(self.pids("login"), "Pss")
        held = []
        for k in range(count):
            c = Client(door, secure, source="127.0.%d.%d" % (1 + k // 200, 1 + k % 200))
            self.assertTrue(c.line().startswith("* OK"))
            held.append(c)
        each = (rss_kib(self.pids("login"), "Pss") - before) / count
        print("\n    stranger at %s: %.1f KiB," % (door, each), end=" ", file=sys.stderr)
        start = time.monotonic()
        with Client("imap", source="127.0.200.1") as c:
            self.assertTrue(c.line().startswith("* OK"))
        self.assertLess(time.monotonic() - start, 0.1)
        # Half a command each: what is kept is bounded too.
        for c in held:
            c.send("a LOGIN ann {2000+}\r\n" + "x" * 1000)
        time.sleep(0.5)
        half = (rss_kib(self.pids("login"), "Pss") - before) / count
        print("with half a command %.1f KiB" % half, end=" ", file=sys.stderr)
        if not SANITIZED:
            self.assertLess(max(each, half), most)
        for c in held:
            c.__exit__()

    def test_authd_killed_all_the_time(self):
        good = tries = 0
        for n in range(40):
            if n % 8 == 0:
                os.kill(self.pids("authd"), signal.SIGKILL)
            for attempt in range(2):
                tries += 1
                with Client("imaps", True) as c:
                    c.line()
                    answer = c.login()
                    if answer.startswith("tag OK"):
                        good += 1
                        break
                    self.assertTrue(answer.startswith("a NO [UNAVAILABLE]"), answer)
        self.assertEqual(good, 40)

    def test_imapd_killed(self):
        with Client("imaps", True) as c:
            c.line()
            c.login()
            os.kill(self.pids("imapd-0"), signal.SIGKILL)
            self.assertTrue(c.closed())
        with Client("imaps", True) as c:
            c.line()
            self.assertTrue(c.login().startswith("tag OK"))

    def test_certificate_reload(self):
        with Client("imaps", True) as old:
            old.line()
            old.login()
            first = old.s.getpeercert(True)
            make_certificate(self.i)
            self.i.signal(signal.SIGHUP)

            def changed():
                with Client("imaps", True) as c:
                    return c.s.getpeercert(True) != first
            wait_for(changed)
            self.assertEqual(old.ask("here"), "* here")
            # A broken one is refused and the good one stays.
            self.i.write("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                         "-----END CERTIFICATE-----\n")
            self.i.signal(signal.SIGHUP)
            wait_for(lambda: "daemon=login refused=" in self.i.log())
            with Client("imaps", True) as c:
                self.assertTrue(c.line().startswith("* OK"))

    def test_stop_says_bye(self):
        with Client("imap") as c:
            c.line()
            threading.Timer(0.2, lambda: self.i.signal(signal.SIGTERM)).start()
            self.assertTrue(c.line().startswith("* BYE"))

    def test_many_at_once(self):
        failures = []

        def one():
            try:
                with Client("imaps", True) as c:
                    c.line()
                    if not c.login().startswith("tag OK"):
                        failures.append("login")
            except Exception as e:  # noqa: BLE001
                failures.append(repr(e))
        threads = [threading.Thread(target=one) for _ in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"] + sys.argv[1:])
