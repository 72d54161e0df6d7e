"""A running instance of Postroom, as a test sees it.

    from lib import env
    pr = env.get()                          the instance that ./check started ($POSTROOM_ENV, or var/env)
    user = pr.new_user()                    a mailbox of its own: user.address, user.password
    with pr.imap(user) as imap: ...         imaplib, over TLS, logged in
    pr.send(msg, sender, [user.address])    smtplib, by submission, or on port 25 where sender is foreign
    pr.wait_for_message(user, subject=...)  polls until it is there

A test that breaks things starts an instance of its own:

    with env.Instance() as pr: ...          own state, own ports, the same build
"""

import contextlib
import imaplib
import itertools
import json
import os
import poplib
import secrets
import shlex
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVICES = [25, 587, 465, 143, 993, 110, 995, 4190]
WAIT = 20.0
DOMAIN = "example.test"

imaplib._MAXLINE = 10_000_000


class User:
    def __init__(self, address, password):
        self.address = address
        self.password = password
        self.local, _, self.domain = address.partition("@")

    def __repr__(self):
        return f"User({self.address})"


def read_env(path):
    with open(path, encoding="utf-8") as lines:
        return dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line)


class Postroom:
    """Everything of var/env is an attribute too: pr.SMTP_PORT, a number where it is one."""

    _count = itertools.count(1)

    def __init__(self, env_file):
        self.env_file = env_file
        self.env = read_env(env_file)
        for key, value in self.env.items():
            setattr(self, key, int(value) if key.endswith("PORT") or key == "PID" else value)
        self.ann = User(self.env["USER_A"], self.env["PASS_A"])
        self.ben = User(self.env["USER_B"], self.env["PASS_B"])
        self.tls = ssl.create_default_context(cafile=self.env["CAFILE"])
        # Names are unique over all tests that run against this instance.
        self.prefix = f"{os.getpid():x}{secrets.token_hex(2)}"

    # --- provisioning ---

    def postroom(self, *words, check=True, stdin=None):
        """Run the postroom command; (status, standard output, standard error)."""
        done = subprocess.run([self.env["POSTROOM"], *words], input=stdin, text=True, check=False,
                              stdin=None if stdin is not None else subprocess.DEVNULL,
                              capture_output=True, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"postroom {' '.join(words)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def postroom_json(self, *words, stdin=None):
        return json.loads(self.postroom("--json", *words, stdin=stdin)[1])

    def new_address(self, name="t"):
        return f"{name}-{self.prefix}-{next(self._count)}@{DOMAIN}"

    def new_user(self, name="t", *options, password=None, address=None):
        user = User(address or self.new_address(name), password or secrets.token_urlsafe(12))
        self.postroom("mailbox", "add", user.address, "--password-stdin", *options,
                      stdin=user.password + "\n")
        return user

    def new_domain(self, name="d"):
        domain = f"{name}-{self.prefix}-{next(self._count)}.test"
        self.postroom("domain", "add", domain)
        return domain

    def sql(self, text):
        """Run SQL as the database's root; rows as lists of text."""
        done = subprocess.run(["mariadb", "--no-defaults", "--socket", self.env["DB_SOCKET"], "-uroot",
                               "--batch", "--skip-column-names", self.env["DB_NAME"], "-e", text],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    # --- talking ---

    def smtp(self, user=None, tls="starttls", port=None, timeout=WAIT):
        """Submission, logged in as user; without a user port 25."""
        if user is None:
            client = smtplib.SMTP(self.HOST, port or self.SMTP_PORT, timeout=timeout)
            client.ehlo("client.example.net")
            return client
        if tls == "implicit":
            client = smtplib.SMTP_SSL(self.HOST, port or self.SUBMISSIONS_PORT, context=self.tls,
                                      timeout=timeout)
        else:
            client = smtplib.SMTP(self.HOST, port or self.SUBMISSION_PORT, timeout=timeout)
            client.starttls(context=self.tls)
        client.login(user.address, user.password)
        return client

    @contextlib.contextmanager
    def imap(self, user, tls="implicit", timeout=WAIT):
        if tls == "implicit":
            client = imaplib.IMAP4_SSL(self.HOST, self.IMAPS_PORT, ssl_context=self.tls, timeout=timeout)
        else:
            client = imaplib.IMAP4(self.HOST, self.IMAP_PORT, timeout=timeout)
            client.starttls(self.tls)
        try:
            if (user.address + user.password).isascii():
                client.login(user.address, user.password)
            else:  # imaplib's LOGIN knows ASCII only
                client.authenticate("PLAIN", lambda _: f"\0{user.address}\0{user.password}".encode())
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.logout()

    @contextlib.contextmanager
    def pop3(self, user, tls="implicit", timeout=WAIT):
        if tls == "implicit":
            client = poplib.POP3_SSL(self.HOST, self.POP3S_PORT, context=self.tls, timeout=timeout)
        else:
            client = poplib.POP3(self.HOST, self.POP3_PORT, timeout=timeout)
            client.stls(self.tls)
        try:
            client.user(user.address)
            client.pass_(user.password)
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.quit()

    def send(self, message, sender, recipients):
        """A str, bytes or email message, from a User (submission) or an address (port 25)."""
        data = message if isinstance(message, (str, bytes)) else message.as_bytes()
        if isinstance(data, str):
            data = data.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        user = sender if isinstance(sender, User) else None
        with self.smtp(user) as smtp:
            return smtp.sendmail(user.address if user else sender, recipients, data)

    # --- waiting and looking ---

    def fetch_all(self, user, folder="INBOX"):
        """The messages of a folder, whole, in the order of their UIDs."""
        with self.imap(user) as imap:
            expect_ok(imap.select(f'"{folder}"', readonly=True))
            if imap.response("EXISTS")[1] == [b"0"]:
                return []
            parts = expect_ok(imap.fetch("1:*", "(BODY.PEEK[])"))
            return [part[1] for part in parts if isinstance(part, tuple)]

    def count(self, user, folder="INBOX"):
        with self.imap(user) as imap:
            return int(expect_ok(imap.select(f'"{folder}"', readonly=True))[0])

    def wait_for_message(self, user, subject=None, message_id=None, folder="INBOX", timeout=WAIT):
        """The raw message with this subject or Message-ID, as soon as it is there."""
        key, value = ("SUBJECT", subject) if subject else ("HEADER Message-ID", message_id)
        until = time.monotonic() + timeout
        with self.imap(user) as imap:
            while True:
                expect_ok(imap.select(f'"{folder}"', readonly=True))
                found = expect_ok(imap.search(None, *key.split(), f'"{value}"'))[0].split()
                if found:
                    return expect_ok(imap.fetch(found[-1], "(BODY.PEEK[])"))[0][1]
                if time.monotonic() > until:
                    raise AssertionError(f"no message with {key} {value} in {folder} of {user.address} "
                                         f"within {timeout} s")
                time.sleep(0.05)

    def wait_for_count(self, user, count, folder="INBOX", timeout=WAIT):
        return wait_until(lambda: self.count(user, folder) >= count, timeout,
                          f"{count} messages in {folder} of {user.address}")

    def maildir(self, user):
        return os.path.join(self.MAILDIR_ROOT, user.domain, user.local, "Maildir")

    def log_text(self):
        with open(os.path.join(self.LOG_DIR, "postroom.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def daemons(self):
        """Name to process id, as the supervisor says."""
        status = self.postroom("--json", "status", check=False)[1]
        return {row["daemon"]: row["pid"] for row in json.loads(status)["daemons"]}


def expect_ok(answer):
    status, data = answer
    if status != "OK":
        raise AssertionError(f"the server said {status} {data}")
    return data


def wait_until(true, timeout=WAIT, what="it"):
    until = time.monotonic() + timeout
    while True:
        result = true()
        if result:
            return result
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.05)


def alive(pid):
    """Does the process run?  One that has ended but was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


_shared = None


def get():
    """The instance that was started for the tests; skips the test where there is none."""
    global _shared
    if _shared is None:
        path = os.environ.get("POSTROOM_ENV") or os.path.join(TOP, "var", "env")
        if not os.path.exists(path):
            raise unittest.SkipTest("no instance is running (./run --background starts one)")
        _shared = Postroom(path)
    return _shared


def program(name, package=None):
    """The path of a program the test needs; skips the test without it."""
    path = shutil.which(name)
    if path is None:
        raise unittest.SkipTest(f"{name} is not installed (package {package or name})")
    return path


def run(*command, check=True, timeout=120, stdin=None, env=None, cwd=None):
    """Run a program; its CompletedProcess with both outputs joined as text."""
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=None if stdin is not None else subprocess.DEVNULL, text=True,
                          errors="replace", timeout=timeout, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})})
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done


_ports_lock = threading.Lock()
_ports_given = set()


def free_port():
    """Below the range from which the kernel takes ports for outgoing connections."""
    with _ports_lock:
        for _ in range(1000):
            port = 28000 + secrets.randbelow(4700)
            if port in _ports_given:
                continue
            with contextlib.suppress(OSError), socket.socket() as s:
                s.bind(("127.0.0.1", port))
                _ports_given.add(port)
                return port
    raise RuntimeError("no free port")


def free_port_base():
    """Like check.py's; starts somewhere else, since several tests look at the same time."""
    first = 11000 + secrets.randbelow(30) * 500
    for base in [*range(first, 28000, 500), *range(11000, first, 500)]:
        with contextlib.ExitStack() as held:
            try:
                for service in SERVICES:
                    s = held.enter_context(socket.socket())
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", base + service))
            except OSError:
                continue
            return base
    raise RuntimeError("no free range of ports")


class Instance:
    """An instance of the test's own.  As a context manager it is a started Postroom."""

    def __init__(self, build=None, settings="", state=None):
        self.mine = state is None
        self.state = state or tempfile.mkdtemp(prefix="postroom-test-", dir="/var/tmp")
        os.chmod(self.state, 0o755)
        self.settings = settings
        self.env = {"POSTROOM_STATE": self.state, "POSTROOM_PORT_BASE": str(free_port_base())}
        build = build or os.environ.get("POSTROOM_BUILD")
        if build:
            self.env["POSTROOM_BUILD"] = build
        self.pr = None

    def run(self, *words, check=True, timeout=240):
        return run(os.path.join(TOP, "run"), *words, env=self.env, timeout=timeout, check=check)

    def start(self):
        self.run("--background")
        self.pr = Postroom(os.path.join(self.state, "env"))
        if self.settings:
            self.set(self.settings)
            self.settings = ""  # a later start finds them in the file
        return self.pr

    def set(self, text):
        """Add settings and put them in force (listeners and paths need a restart)."""
        with open(self.pr.POSTROOM_CONF, "a", encoding="utf-8") as f:
            f.write(text.rstrip() + "\n")
        self.pr.postroom("reload")

    def stop(self):
        self.run("--stop")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_exc):
        with contextlib.suppress(Exception):
            self.run("--stop", check=False, timeout=120)
        if self.mine:
            remove_state(self.state)


def remove_state(state):
    """Also what ./run put elsewhere, for states whose path is long or closed."""
    for name in ("db", "run", "programs"):
        link = os.path.join(state, name)
        if os.path.islink(link):
            shutil.rmtree(os.readlink(link), ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)
