"""An IMAP client that hides nothing: it sends octets and returns lines, literals in them."""

import re
import socket
import time

from lib import env

pr = env.get()

MESSAGE = (b"From: Ann <ann@example.test>\r\nTo: Bob <bob@example.test>, carl@example.test\r\n"
           b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Thu, 20 Nov 2025 11:09:00 +0100\r\n"
           b"Message-ID: <1@example.test>\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
           b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
           b"Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9 au lait\r\n"
           b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n--b--\r\n")


class Raw:
    """One connection over TLS; logged in unless user is None."""

    def __init__(self, user=None, timeout=20):
        sock = socket.create_connection((pr.HOST, pr.IMAPS_PORT), timeout=timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = pr.tls.wrap_socket(sock, server_hostname=pr.HOST)
        self.file = self.sock.makefile("rb")
        self.tags = 0
        self.greeting = self.line()
        if user is not None:
            self.ok(f'LOGIN "{user.address}" "{user.password}"')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        """The next response with its literals; b'' at the end."""
        whole = b""
        while True:
            line = self.file.readline()
            whole += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return whole
            whole += self.file.read(int(literal.group(1)))

    def until(self, start):
        """Responses up to one that begins so."""
        got = []
        while True:
            line = self.line()
            got.append(line)
            if line == b"" or line.startswith(start):
                return got

    def ask(self, command):
        """All responses of a command, the tagged one last."""
        self.tags += 1
        tag = b"t%d " % self.tags
        self.send(tag + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return self.until(tag)

    def ok(self, command):
        got = self.ask(command)
        assert b" OK" in got[-1][:16], (command, got)
        return got

    def no(self, command, code=b""):
        got = self.ask(command)
        assert re.match(rb"t\d+ NO", got[-1]) and code in got[-1], (command, got)
        return got

    def bad(self, command):
        got = self.ask(command)
        assert re.match(rb"t\d+ BAD", got[-1]), (command, got)
        return got

    def append(self, folder, message=MESSAGE, flags=""):
        return self.ok(f"APPEND {folder} ({flags}) {{{len(message)}+}}\r\n".encode() + message)

    def wait(self, start, seconds=5):
        """While idling: the line that begins so, and how long it took."""
        began = time.monotonic()
        self.sock.settimeout(seconds)
        got = self.until(start)
        self.sock.settimeout(20)
        assert got[-1].startswith(start), got
        return got[-1], time.monotonic() - began
