"""Messages that can be counted: each has an id, its length and a checksum of its body.

A Sender keeps one SMTP session busy until told to stop or until the server is gone, and
notes the ids of the messages whose final dot was answered with 250: those must never be
lost.  Ids that were sent but not answered may be there once, or not at all.
"""
import os
import random
import socket
import threading
import time
import zlib


def body(ident, octets):
    rnd = random.Random(ident)
    lines, have = [], 0
    while have < octets:
        line = "".join(rnd.choice("abcdefghijklmnopqrstuvwxyz .") for _ in range(rnd.randrange(1, 76)))
        lines.append(line)
        have += len(line) + 2
    return "".join(line + "\r\n" for line in lines).encode()


def message(ident, octets):
    text = body(ident, octets)
    head = (
        f"From: rig@sender.test\r\nTo: someone@example.test\r\nSubject: {ident}\r\n"
        f"X-Rig-Id: {ident}\r\nX-Rig-Sum: {len(text)} {zlib.crc32(text):08x}\r\n\r\n"
    )
    return head.encode() + text


def judge(path):
    """(id, whole?) of a stored message; (None, False) when not even the header is there."""
    with open(path, "rb") as f:
        data = f.read()
    data = data.replace(b"\r\n", b"\n")
    head, sep, text = data.partition(b"\n\n")
    ident = total = None
    for line in head.split(b"\n"):
        if line.startswith(b"X-Rig-Id: "):
            ident = line[10:].decode()
        elif line.startswith(b"X-Rig-Sum: "):
            total = line[11:].decode()
    if not sep or ident is None or total is None:
        return None, False
    text = text.replace(b"\n", b"\r\n")
    return ident, total == f"{len(text)} {zlib.crc32(text):08x}"


class Lost(Exception):
    """The connection is gone or the server said 421."""


class Smtp:
    def __init__(self, host, port, timeout=10):
        try:
            self.sock = socket.create_connection((host, port), timeout)
            self.file = self.sock.makefile("rb")
            self.expect("2")
            self.command("EHLO rig.test", "2")
        except OSError as e:
            raise Lost(str(e)) from None

    def expect(self, first):
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise Lost("connection ended")
            if line[3:4] != b"-":
                break
        if not line.startswith(first.encode()):
            if line.startswith(b"421"):
                raise Lost(line.decode(errors="replace"))
            return False, line.decode(errors="replace").strip()
        return True, line.decode(errors="replace").strip()

    def command(self, text, first):
        try:
            self.sock.sendall(text.encode() + b"\r\n")
            return self.expect(first)
        except OSError as e:
            raise Lost(str(e)) from None

    def send(self, rcpts, data):
        """(acknowledged?, last answer).  Lost when the connection went."""
        ok, line = self.command("MAIL FROM:<rig@sender.test>", "2")
        for rcpt in rcpts:
            if ok:
                ok, line = self.command(f"RCPT TO:<{rcpt}>", "2")
        if ok:
            ok, line = self.command("DATA", "3")
        if not ok:
            self.command("RSET", "2")
            return False, line
        data = data.replace(b"\r\n.", b"\r\n..")
        try:
            self.sock.sendall(data + b".\r\n")
            return self.expect("2")
        except OSError as e:
            raise Lost(str(e)) from None

    def close(self):
        for thing in (self.file, self.sock):
            try:
                thing.close()
            except OSError:
                pass


class Sender(threading.Thread):
    """Sends until stop is set.  acked: ids; tried: every id of which the final dot may have left."""

    def __init__(self, host, port, rcpts, seed, stop, per_message=1):
        super().__init__(daemon=True)
        self.args = (host, port)
        self.rcpts, self.stop, self.per = rcpts, stop, per_message
        self.rnd = random.Random(seed)
        self.name = f"sender-{seed}"
        self.acked, self.tried, self.refused, self.permanent = {}, {}, 0, []
        self.answers = {}

    def run(self):
        serial, smtp = 0, None
        while not self.stop.is_set():
            try:
                if smtp is None:
                    smtp = Smtp(*self.args)
                serial += 1
                ident = f"{self.name}-{os.getpid()}-{serial}"
                rcpts = self.rnd.sample(self.rcpts, self.per)
                octets = int(400 * 50 ** self.rnd.random())  # 0.4 to 20 kB
                data = message(ident, octets)
                self.tried[ident] = rcpts
                ok, line = smtp.send(rcpts, data)
                if ok:
                    self.acked[ident] = rcpts
                    self.answers[ident] = f"{time.time():.3f} {line}"
                else:
                    self.refused += 1
                    if line.startswith("5"):
                        self.permanent.append(line)
                    self.stop.wait(0.02)
            except Lost:
                if smtp is not None:
                    smtp.close()
                smtp = None
                self.stop.wait(0.02)
        if smtp is not None:
            smtp.close()


def census(mail_root):
    """What is in all Maildirs: {id: {mailbox: copies}}, and the paths of broken files."""
    found, broken = {}, []
    for base, dirs, files in os.walk(mail_root):
        if os.path.basename(base) not in ("cur", "new"):
            continue
        mailbox = os.path.relpath(base, mail_root).split("/Maildir")[0]
        if not os.path.basename(mailbox).startswith("rig"):
            continue  # the first message of ./run
        for name in files:
            path = os.path.join(base, name)
            ident, whole = judge(path)
            if not whole:
                broken.append(path)
            if ident is not None:
                boxes = found.setdefault(ident, {})
                boxes[mailbox] = boxes.get(mailbox, 0) + 1
    return found, broken


def mailbox_of(address):
    local, _, domain = address.partition("@")
    return f"{domain}/{local}"


def account(acked, found):
    """(lost, extra): pairs (id, mailbox) that are missing; copies beyond the one that is due."""
    lost, extra = [], 0
    for ident, rcpts in acked.items():
        boxes = found.get(ident, {})
        for rcpt in rcpts:
            if boxes.get(mailbox_of(rcpt), 0) == 0:
                lost.append((ident, rcpt))
    for boxes in found.values():
        extra += sum(n - 1 for n in boxes.values())
    return lost, extra
