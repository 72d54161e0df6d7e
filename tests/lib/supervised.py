"""An instance of postroomd in a temporary directory, with stand-ins for daemons that are not
what is tested."""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.environ.get("POSTROOM_BUILD", "build")
# Memory is not measured in builds that keep what was freed.
SANITIZED = bool(os.environ.get("POSTROOM_SANITIZED"))
DAEMONS = ["authd", "deliver", "relay", "imapd", "smtpd", "login"]
BASE = 27000 + os.getpid() % 400 * 10
PORTS = {n: BASE + i for i, n in enumerate(
    ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "extra"])}
CERT = """-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
AAAA
-----END PRIVATE KEY-----
"""


def have_users():
    try:
        for u in ["auth", "smtp", "login", "relay"]:
            pwd.getpwnam("postroom-" + u)
        pwd.getpwnam("vmail")
    except KeyError:
        return False
    return os.getuid() == 0


def wait_for(what, seconds=10.0):
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("did not happen: %s" % what.__name__)
        time.sleep(0.02)


class Instance:
    """programs: which build file stands for a daemon, others are dummyd."""

    def __init__(self, programs=None, **more):
        self.dir = tempfile.mkdtemp(prefix="postroomd-test-")
        os.chmod(self.dir, 0o755)
        self.libexec = self.path("libexec")
        os.mkdir(self.libexec)
        for d in DAEMONS:
            program = (programs or {}).get(d, "postroomd/dummyd")
            os.symlink(os.path.join(os.path.abspath(BUILD), program),
                       os.path.join(self.libexec, d))
        self.write("cert.pem", CERT)
        self.write("key.pem", KEY)
        self.write("password", "hunter2\n")
        self.options = {
            "hostname": "test.example", "run_dir": self.path("run"),
            "mail_dir": self.path("mail"), "queue_dir": self.path("queue"),
            "log_file": self.path("log"), "tls_certificate": self.path("cert.pem"),
            "tls_key": self.path("key.pem"), "database_password_file": self.path("password"),
            "drain_time": "1s", **more}
        for n, p in PORTS.items():
            if n != "extra":
                self.options.setdefault("listen_" + n, "localhost:%d" % p)
        self.configure()
        self.process = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def configure(self, **changes):
        self.options.update(changes)
        self.write("conf", "".join("%s = %s\n" % kv for kv in self.options.items()))

    def start(self, ready=True):
        env = dict(os.environ, POSTROOM_LIBEXEC=self.libexec)
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "postroomd/postroomd"), "-c", self.path("conf")], env=env,
            stderr=subprocess.PIPE, text=True)
        if ready:
            wait_for(self.ready)
        return self

    def log(self):
        try:
            with open(self.path("log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def ready(self):
        return " ready " in self.log()

    def signal(self, n):
        self.process.send_signal(n)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self.process:
            self.process.stderr.close()

    def remove(self, crashes=True):
        """crashes: daemons may have ended in this test."""
        self.stop()
        log = self.log()
        shutil.rmtree(self.dir)
        for line in log.splitlines():
            if ("Sanitizer" in line or "runtime error" in line or "Assertion" in line or
                    (not crashes and "daemon.ended" in line)):
                raise AssertionError(line)

    def ask(self, door, family=socket.AF_INET):
        """What the daemon behind a door says, as a dict; None: refused."""
        if door in PORTS:
            where = ("127.0.0.1" if family == socket.AF_INET else "::1", PORTS[door])
        else:
            family, where = socket.AF_UNIX, os.path.join(self.path("run"), door)
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(5)
            try:
                s.connect(where)
                with s.makefile() as f:
                    line = f.readline()
            except OSError:
                return None
        return dict(re.findall(r"(\w+)=(\S*)", line)) or None
