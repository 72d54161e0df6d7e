"""Other programs that talk to an instance: a private Postfix, and a server that takes mail.

    with peers.Postfix(pr) as postfix:                 sends by SMTP to pr on port 25
        postfix.sendmail("from@x", ["to@y"], data)
        postfix.wait_empty()

Each has its folder, its ports and its own processes, and ends with them.
"""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import threading
import time

from lib import env

MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
{submission}
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log/postfix.log
maillog_file_prefixes = {dir}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example.net
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
biff = no
append_dot_mydomain = no
message_size_limit = 104857600
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
in_flow_delay = 0
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
smtputf8_enable = yes
{settings}
"""


class Postfix:
    """A Postfix of its own.  It needs the Debian package, not its running service."""

    def __init__(self, pr, settings="", submission=False, next_hop=None):
        env.program("postfix")
        self.pr = pr
        self.dir = tempfile.mkdtemp(prefix="postroom-postfix-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        self.port = env.free_port()
        self.submission_port = env.free_port() if submission else None
        self.settings = settings
        self.next_hop = next_hop or f"smtp:[127.0.0.1]:{pr.SMTP_PORT}"

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), 0o644)

    def start(self):
        for name in ("etc", "spool", "log"):
            os.mkdir(self.path(name), 0o755)
        os.mkdir(self.path("data"), 0o755)
        shutil.chown(self.path("data"), "postfix")
        submission = ""
        if self.submission_port:
            submission = (f"127.0.0.1:{self.submission_port} inet n - n - - smtpd\n"
                          "  -o smtpd_sasl_auth_enable=yes\n"
                          "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject")
        self.write("etc/master.cf", MASTER.format(smtp=self.port, submission=submission))
        settings = self.settings
        if "transport_maps" not in settings and "default_transport" not in settings:
            settings += f"\ndefault_transport = {self.next_hop}\nrelay_transport = {self.next_hop}"
        self.write("etc/main.cf", MAIN.format(dir=self.dir, settings=settings))
        env.run("postfix", "-c", self.path("etc"), "check", check=False)
        env.run("postfix", "-c", self.path("etc"), "start")
        wait_port(self.port, self.log)

    def log(self):
        with contextlib.suppress(OSError), open(self.path("log", "postfix.log"), encoding="utf-8",
                                                errors="replace") as f:
            return f.read()
        return ""

    def sendmail(self, sender, recipients, data, utf8=False):
        """Give a message to it by SMTP, as another host would."""
        import smtplib
        with smtplib.SMTP("127.0.0.1", self.port, timeout=env.WAIT) as smtp:
            smtp.sendmail(sender, recipients, data, mail_options=["SMTPUTF8"] if utf8 else [])

    def queue(self):
        return env.run("postqueue", "-c", self.path("etc"), "-p", check=False).stdout

    def wait_empty(self, timeout=60):
        def empty():
            return "Mail queue is empty" in self.queue()
        try:
            env.wait_until(empty, timeout, "Postfix's queue empty")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.queue()}\n{self.log()[-3000:]}") from None

    def stop(self):
        pid = None
        with contextlib.suppress(OSError, ValueError), open(self.path("spool/pid/master.pid"),
                                                            encoding="utf-8") as f:
            pid = int(f.read())
        env.run("postfix", "-c", self.path("etc"), "stop", check=False)
        if pid:
            with contextlib.suppress(AssertionError):
                env.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 20)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException as e:
            log = self.log()
            self.stop()
            raise AssertionError(f"Postfix did not start: {e}\n{log[-3000:]}") from None
        return self

    def __exit__(self, *_exc):
        self.stop()


class Sink:
    """An SMTP server that keeps what it is given: the rest of the world.

    answers: a reply for a command word ("RCPT": "451 4.7.1 later"), or a function of its line.
    """

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.messages = []  # (sender, recipients, bytes)
        self.commands = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            client.settimeout(60)
            lines = client.makefile("rb")
            client.sendall(b"220 sink.example.net ESMTP\r\n")
            sender, recipients = None, []
            while True:
                line = lines.readline()
                if not line:
                    return
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self.commands.append(text)
                word = text.split(" ")[0].split(":")[0].upper()
                answer = self.answers.get(word)
                if callable(answer):
                    answer = answer(text)
                if word == "QUIT":
                    client.sendall(b"221 2.0.0 bye\r\n")
                    return
                if answer is None and word == "DATA":
                    client.sendall(b"354 go on\r\n")
                    data = b""
                    while not data.endswith(b"\r\n.\r\n") and data != b".\r\n":
                        data += lines.readline()
                    data = data[:-3].replace(b"\r\n..", b"\r\n.")
                    self.messages.append((sender, recipients, data))
                    sender, recipients = None, []
                    answer = self.answers.get(".") or "250 2.0.0 taken"
                elif answer is None:
                    answer = {"EHLO": "250-sink.example.net\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
                                      "250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"}.get(word, "250 2.0.0 ok")
                    if word == "MAIL":
                        sender = text[10:].split(">")[0].lstrip("<")
                    elif word == "RCPT":
                        recipients.append(text[8:].split(">")[0].lstrip("<"))
                    elif word == "RSET":
                        sender, recipients = None, []
                client.sendall(answer.encode() + b"\r\n")

    def wait(self, count=1, timeout=env.WAIT):
        env.wait_until(lambda: len(self.messages) >= count, timeout, f"{count} messages at the sink")
        return self.messages

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()


def wait_port(port, log=None, timeout=20):
    until = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise AssertionError(f"nothing answers on port {port}\n{log() if log else ''}") from None
            time.sleep(0.05)
