"""lib/rpc's frames from Python: for tests that play one of our daemons.

    w = Wire(sock)
    outcome, body, why = w.call(AUTH_ROUTE, put(Str("ann@example.org"), U8(1)))
"""
import socket
import struct

MAGIC = 0x52435250
HEADER = struct.Struct("<IBBHQIBBh8s")
DONE, TEMPFAIL, PERMFAIL, GONE = range(4)


def U8(v):
    return struct.pack("<B", v)


def U32(v):
    return struct.pack("<I", v)


def U64(v):
    return struct.pack("<Q", v)


def Str(s):
    s = s.encode() if isinstance(s, str) else s
    return struct.pack("<I", len(s)) + s


def put(*parts):
    return b"".join(parts)


class Body:
    """Takes an answer apart."""

    def __init__(self, octets):
        self.octets = octets

    def _take(self, n):
        if len(self.octets) < n:
            raise ValueError("answer too short")
        out, self.octets = self.octets[:n], self.octets[n:]
        return out

    def u8(self):
        return self._take(1)[0]

    def u32(self):
        return struct.unpack("<I", self._take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self._take(8))[0]

    def str(self):
        return self._take(self.u32())

    def text(self):
        return self.str().decode()

    def done(self):
        if self.octets:
            raise ValueError("%d octets left over" % len(self.octets))


class Closed(Exception):
    pass


class Wire:
    def __init__(self, sock, seconds=20):
        self.sock = sock
        self.sock.settimeout(seconds)
        self.next = 1

    @classmethod
    def connect(cls, path):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        return cls(s)

    def send(self, kind, body=b"", flags=0):
        number = self.next
        self.next += 1
        self.sock.send(HEADER.pack(MAGIC, 1, flags, kind, number, len(body), 0, 0, 0, b"") + body)
        return number

    def receive(self):
        """(number, outcome, body, (code, enhanced, text))"""
        try:
            packet = self.sock.recv(128 * 1024)
        except ConnectionResetError:
            packet = b""
        if not packet:
            raise Closed()
        _, _, _, _, number, length, outcome, _, code, enhanced = HEADER.unpack(packet[:HEADER.size])
        body = packet[HEADER.size:]
        assert len(body) == length
        why = (code, enhanced.rstrip(b"\0").decode(), body.decode()) if outcome != DONE else None
        return number, outcome, Body(body), why

    def call(self, kind, body=b""):
        number = self.send(kind, body)
        while True:
            got, outcome, answer, why = self.receive()
            if got == number:
                return outcome, answer, why

    def close(self):
        self.sock.close()
