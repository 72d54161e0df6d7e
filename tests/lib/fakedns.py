"""A small authoritative DNS server for tests: what is not in its table does not exist.

    with FakeDNS() as dns:
        dns.mx("far.example", (10, "mx.far.example"))
        dns.a("mx.far.example", "127.0.0.1")
        dns.fails.add("broken.example")         SERVFAIL
        dns.silent.add("slow.example")          no answer at all
        ... dns.server is "127.0.0.1@PORT" for the option dns_server ...
"""

import socket
import struct
import threading

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 2, 5, 6, 12, 15, 16, 28


def wire_name(name):
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += packet[at] + 1
    return ".".join(labels).lower(), at + 1


class FakeDNS:
    def __init__(self):
        self.records = {}
        self.fails, self.silent = set(), set()
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.server = f"127.0.0.1@{self.port}"
        self.ending = False
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def add(self, name, kind, data, ttl=1):
        self.records.setdefault(name.lower(), []).append((kind, data, ttl))

    def mx(self, name, *hosts):
        for preference, host in hosts:
            self.add(name, MX, struct.pack(">H", preference) + wire_name(host))

    def a(self, name, *addresses):
        for address in addresses:
            self.add(name, A, socket.inet_aton(address))

    def aaaa(self, name, *addresses):
        for address in addresses:
            self.add(name, AAAA, socket.inet_pton(socket.AF_INET6, address))

    def cname(self, name, target):
        self.add(name, CNAME, wire_name(target))

    def txt(self, name, *texts):
        for text in texts:
            raw = text.encode()
            pieces = [raw[i:i + 255] for i in range(0, len(raw), 255)] or [b""]
            self.add(name, TXT, b"".join(bytes([len(p)]) + p for p in pieces))

    def drop(self, name):
        self.records.pop(name.lower(), None)

    def answer(self, packet):
        """The answer to a question, or None to say nothing."""
        number, flags, count = struct.unpack(">HHH", packet[:6])
        name, at = read_name(packet, 12)
        kind = struct.unpack(">H", packet[at:at + 2])[0]
        question = packet[12:at + 4]
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        found = self.records.get(name, [])
        rows = [row for row in found if row[0] in (kind, CNAME)]
        code = 2 if name in self.fails else 0
        if not found and code == 0 and not any(known.endswith("." + name) for known in self.records):
            code = 3
        body = b"".join(wire_name(name) + struct.pack(">HHIH", row[0], 1, row[2], len(row[1])) + row[1]
                        for row in rows)
        authority = b""
        if not rows and code in (0, 3):
            soa = wire_name("ns.test") + wire_name("root.test") + struct.pack(">IIIII", 1, 60, 60, 60, 1)
            authority = b"\0" + struct.pack(">HHIH", SOA, 1, 1, len(soa)) + soa
        head = struct.pack(">HHHHHH", number, 0x8580 | (flags & 0x0100) | code, 1, len(rows),
                           1 if authority else 0, 0)
        return head + question + body + authority

    def _serve_udp(self):
        while not self.ending:
            try:
                packet, peer = self.sock.recvfrom(4096)
                reply = self.answer(packet)
                if reply is not None and len(reply) > 1200:
                    reply = reply[:2] + struct.pack(">H", struct.unpack(">H", reply[2:4])[0] | 0x0200) + reply[4:]
                    reply = reply[:12] + reply[12:1200]
                if reply is not None:
                    self.sock.sendto(reply, peer)
            except OSError:
                return
            except (IndexError, struct.error):
                continue

    def _serve_tcp(self):
        while not self.ending:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                try:
                    head = connection.recv(2)
                    packet = connection.recv(struct.unpack(">H", head)[0])
                    reply = self.answer(packet)
                    if reply is not None:
                        connection.sendall(struct.pack(">H", len(reply)) + reply)
                except (OSError, IndexError, struct.error):
                    continue

    def close(self):
        self.ending = True
        self.sock.close()
        self.tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()
