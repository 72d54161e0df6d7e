"""An SMTP client that says exactly what it is told, octet by octet.

    with Wire(pr) as w:                       port 25, greeted
        w.ehlo()
        w.ok("MAIL FROM:<a@b.example>", 250)  send with CRLF, want this code
        code, text = w.cmd("RCPT TO:<x>")     send with CRLF, read the reply
        w.send(b"raw"); w.reply()             octets as they are
        w.closed()                            True when the server hangs up

smtplib mends what it is given; here nothing is mended.
"""

import base64
import socket
import ssl
import time


class Closed(Exception):
    """The server has hung up."""


class Wire:
    def __init__(self, pr, port=None, greet=True, tls=False, timeout=20, rcvbuf=None):
        self.pr = pr
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((pr.HOST, port or pr.SMTP_PORT))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if tls:
            self.start_tls()
        if greet:
            self.greeting = self.want(220)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.sock.close()

    # --- octets ---

    def send(self, octets):
        try:
            self.sock.sendall(octets if isinstance(octets, bytes) else octets.encode())
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # what the server said before is still to be read

    def _more(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            got = b""
        if not got:
            raise Closed(self.buffer)
        self.buffer += got

    def line(self):
        while b"\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            raise AssertionError(f"a reply does not end with CRLF: {line!r}")
        return line[:-1]

    def reply(self):
        """(code, text): the lines of one reply, joined."""
        text = []
        while True:
            line = self.line()
            text.append(line[4:].decode(errors="replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(text)

    def quiet(self, seconds=0.5):
        """True when nothing comes for so long."""
        if self.buffer:
            return False
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self._more()
            return False
        except (TimeoutError, socket.timeout):
            return True
        except Closed:
            return False
        finally:
            self.sock.settimeout(before)

    def closed(self, seconds=10):
        """True when the server hangs up within so long; what it says before is dropped."""
        until = time.monotonic() + seconds
        self.sock.settimeout(seconds)
        try:
            while time.monotonic() < until:
                self.buffer = b""
                self._more()
        except Closed:
            return True
        except (TimeoutError, socket.timeout):
            pass
        return False

    # --- commands ---

    def want(self, *codes):
        code, text = self.reply()
        if code not in codes:
            raise AssertionError(f"wanted {codes}, got {code} {text}")
        return text

    def cmd(self, text):
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.reply()

    def ok(self, text, *codes):
        code, said = self.cmd(text)
        if code not in (codes or (250,)):
            raise AssertionError(f"{text!r}: wanted {codes or (250,)}, got {code} {said}")
        return said

    def ehlo(self, name="client.example.net"):
        return self.ok(f"EHLO {name}", 250)

    def start_tls(self, context=None):
        context = context or self.pr.tls
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost"
                                        if context.check_hostname else None)

    def starttls(self):
        self.ehlo()
        self.ok("STARTTLS", 220)
        self.start_tls(unchecked())
        self.ehlo()

    def login(self, user):
        token = base64.b64encode(f"\0{user.address}\0{user.password}".encode()).decode()
        self.ok(f"AUTH PLAIN {token}", 235)

    def open(self, recipient, sender="someone@example.net", *params):
        """EHLO, MAIL and RCPT: DATA may come."""
        self.ehlo()
        self.ok(" ".join([f"MAIL FROM:<{sender}>", *params]), 250)
        self.ok(f"RCPT TO:<{recipient}>", 250)

    def data(self, recipient, octets, sender="someone@example.net", params=()):
        """A transaction with this text, as it is; (code, text) of the last reply."""
        self.open(recipient, sender, *params)
        self.ok("DATA", 354)
        self.send(octets)
        return self.reply()


def unchecked(**options):
    """TLS without a look at the certificate: what is tested is something else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context


def submission(pr, user=None):
    """A session on the submission port, over TLS, logged in where a user is given."""
    wire = Wire(pr, pr.SUBMISSION_PORT)
    wire.starttls()
    if user is not None:
        wire.login(user)
    return wire
