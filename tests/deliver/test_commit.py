"""deliver alone, with this test as smtpd, authd, relay and imapd: what a commit does, and what it refuses.

# check: no-instance
"""

import array
import os
import pwd
import shutil
import socket
import struct
import tempfile
import threading
import time
import unittest

from lib import env
from lib.daemon import Daemon, unix_listener
from lib.wire import (DONE, HEADER, MAGIC, PERMFAIL, TEMPFAIL, Body, Closed, Str, U8, U32, U64, Wire, put)

SPOOL, COMMIT, DISCARD, QUOTA = range(1, 5)
LIST, COUNTS = 16, 20
MAILBOX, REMOTE = 1, 2
HOME = 8
SEND = 1
DELIVERED, QUEUED = 1, 2

BUILD = os.environ.get("POSTROOM_BUILD", os.path.join(env.TOP, "build", "release"))


def answer(sock, number, outcome, body, code=0, enhanced=b""):
    sock.send(HEADER.pack(MAGIC, 1, 1, 0, number, len(body), outcome, 0, code, enhanced) + body)


class Player(threading.Thread):
    """Answers requests on one wire by a function (kind, body) -> (outcome, octets)."""

    def __init__(self, sock, play):
        super().__init__(daemon=True)
        self.sock, self.play, self.got = sock, play, []
        self.start()

    def run(self):
        while True:
            try:
                packet, rights, _, _ = socket.recv_fds(self.sock, 256 * 1024, 4)
            except OSError:
                return
            if not packet:
                return
            _, _, flags, kind, number, *_ = HEADER.unpack(packet[:HEADER.size])
            body = packet[HEADER.size:]
            self.got.append((kind, body))
            if flags & 2 == 0:
                outcome, octets = self.play(kind, Body(body), rights)
                answer(self.sock, number, outcome, octets, 550 if outcome == PERMFAIL else 451 if outcome else 0,
                       b"5.1.1" if outcome == PERMFAIL else b"4.3.0" if outcome else b"")
            for fd in rights:
                os.close(fd)


class Spool:
    def __init__(self, number, fd):
        self.number, self.fd = number, fd

    def write(self, octets):
        os.write(self.fd, octets)
        return self

    def close(self):
        os.close(self.fd)
        return self


class Smtpd(Wire):
    def spool(self):
        self.send(SPOOL, U32(1))
        packet, rights, _, _ = socket.recv_fds(self.sock, 65536, 4)
        outcome = HEADER.unpack(packet[:HEADER.size])[6]
        assert outcome == DONE, packet
        body = Body(packet[HEADER.size:])
        assert body.u32() == 1
        return Spool(body.u64(), rights[0])

    def commit(self, spool, recipients, size, sender="from@client.example", number=None, auth=""):
        rows = b"".join(Str(address) + Str("") + U8(0) + U32(len(targets)) +
                        b"".join(U8(kind) + Str(where) for kind, where in targets)
                        for address, targets in recipients)
        envelope = put(U64(number or struct.unpack("<Q", os.urandom(8))[0] | 1), Str("client.example"),
                       Str("192.0.2.1"), Str("client.example"), Str("ESMTP"), Str(auth), Str(sender), Str(""),
                       U8(0), U32(0), U64(size), U32(len(recipients)), rows)
        return self.call(COMMIT, U64(spool.number) + envelope)


def one(box):
    return [(box, [(MAILBOX, box)])]


def head(box=None, sender="from@client.example"):
    return f"Return-Path: <{sender}>\r\n".encode() + (f"Delivered-To: {box}\r\n".encode() if box else b"")


TEXT = b"Received: by test\r\nSubject: x\r\n\r\nbody\r\n"


class Alone(unittest.TestCase):
    def setUp(self):
        try:
            vmail = pwd.getpwnam("vmail")
        except KeyError:
            raise unittest.SkipTest("no user vmail") from None
        if os.getuid() != 0:
            raise unittest.SkipTest("needs root")
        self.dir = tempfile.mkdtemp(prefix="deliver-test-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o755)
        fds = {}
        for name in ("mail", "queue"):
            os.mkdir(os.path.join(self.dir, name), 0o700)
            os.chown(os.path.join(self.dir, name), vmail.pw_uid, vmail.pw_gid)
            fds[name] = os.open(os.path.join(self.dir, name), os.O_RDONLY | os.O_DIRECTORY)
        program = os.path.join(self.dir, "deliver")
        shutil.copy(os.path.join(BUILD, "deliver", "deliver"), program)
        self.log = open(os.path.join(self.dir, "log"), "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.prepare(vmail)
        with unix_listener(self.dir + "/sock", socket.SOCK_SEQPACKET) as listener:
            began = time.monotonic()
            self.daemon = Daemon(program, f"hostname = mail.example.test\nmail_dir = {self.dir}/mail\n"
                                 "queue_retry_first = 1s\n", wires=["authd", "relay", "imapd-0", "smtpd"],
                                 listeners={"deliver.sock": listener}, directories=fds, user="vmail", log=self.log)
            self.ready_s = time.monotonic() - began
        for fd in fds.values():
            os.close(fd)
        self.addCleanup(self.daemon.kill)
        self.authd = Player(self.daemon.wires["authd"], self.play_authd)
        self.relay = Player(self.daemon.wires["relay"], self.play_relay)
        self.imapd = Player(self.daemon.wires["imapd-0"], None)
        self.smtpd = Smtpd(self.daemon.wires["smtpd"])
        self.no_authd = False
        self.relay_says = lambda n: [(DONE, "2.0.0", "250 taken")] * n

    def prepare(self, vmail):
        """What lies in the directories before the daemon starts."""

    def play_authd(self, kind, body, rights):
        if self.no_authd:
            return TEMPFAIL, b"database down"
        self.assertEqual(kind, HOME)
        user = body.text()
        if user.startswith("nobody"):
            return PERMFAIL, b"No such user"
        quota = 100_000 if user.startswith("small") else 0
        return DONE, put(Str(user), Str("example.test/" + user.split("@")[0]), Str(""), Str(""), U64(quota), U64(0))

    def play_relay(self, kind, body, rights):
        body.u64()
        skip, size, domain = body.u64(), body.u64(), body.text()
        for _ in range(2):
            body.text()
        body.u8(), body.u32()
        n = body.u32()
        self.relayed = (domain, n, os.pread(rights[0], size, skip))
        # Not even a descriptor's owner may write to a message.
        with self.assertRaises(OSError):
            os.write(rights[0], b"x")
        rows = self.relay_says(n)
        return DONE, U32(n) + b"".join(U8(o) + U8(0) + Str(status) + Str(reply) + Str("mx") for o, status, reply in rows)

    def files(self, box):
        cur = os.path.join(self.dir, "mail", "example.test", box.split("@")[0], "Maildir", "cur")
        names = os.listdir(cur) if os.path.isdir(cur) else []
        return [os.path.join(cur, name) for name in sorted(names)]

    def content(self, box):
        with open(self.files(box)[0], "rb") as f:
            return f.read()

    def logged(self, word):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as f:
            return [line for line in f if word in line]

    def queued(self):
        return [n for n in os.listdir(os.path.join(self.dir, "queue")) if n.endswith(".e")]

    def counts(self):
        wire = Wire.connect(self.dir + "/sock")
        outcome, body, _ = wire.call(COUNTS)
        wire.close()
        self.assertEqual(outcome, DONE)
        return dict(zip(("messages", "recipients", "active", "oldest", "spools", "set_aside", "delivered"),
                        iter(body.u64, None)))


class Commit(Alone):
    # --- the direct way ---

    def test_written_once(self):
        octets = head("ann@example.test") + TEXT
        spool = self.smtpd.spool().write(octets)
        inode = os.fstat(spool.fd).st_ino
        outcome, body, _ = self.smtpd.commit(spool.close(), one("ann@example.test"), len(octets))
        self.assertEqual((outcome, body.u8()), (DONE, DELIVERED))
        self.assertEqual(self.content("ann@example.test"), octets)
        self.assertEqual(os.stat(self.files("ann@example.test")[0]).st_ino, inode)
        env.wait_until(lambda: any(b"INBOX" in b and b"example.test/ann" in b for _, b in self.imapd.got),
                       what="a notice to imapd")
        self.assertFalse(self.logged("commit.copied"))

    def test_a_writer_that_is_not_done_writes_to_nothing(self):
        octets = head("ann@example.test") + TEXT
        spool = self.smtpd.spool().write(octets)
        outcome, _, _ = self.smtpd.commit(spool, one("ann@example.test"), len(octets))
        self.assertEqual(outcome, DONE)
        spool.write(b"added after 250").close()
        self.assertEqual(self.content("ann@example.test"), octets)
        self.assertTrue(self.logged("commit.copied"))

    def test_a_mapping_is_a_writer_too(self):
        import mmap
        octets = head("ann@example.test") + TEXT
        spool = self.smtpd.spool().write(octets)
        mapping = mmap.mmap(spool.fd, len(octets))
        spool.close()
        outcome, _, _ = self.smtpd.commit(spool, one("ann@example.test"), len(octets))
        self.assertEqual(outcome, DONE)
        mapping[0:6] = b"FORGED"
        self.assertEqual(self.content("ann@example.test"), octets)

    def test_missing_lines_are_put_before_it(self):
        for octets in (TEXT, head(sender="other@x.example") + TEXT, b""):
            with self.subTest(octets):
                box = f"b{len(octets)}@example.test"
                spool = self.smtpd.spool()
                if octets:
                    spool.write(octets)
                outcome, _, _ = self.smtpd.commit(spool.close(), one(box), len(octets))
                self.assertEqual(outcome, DONE)
                self.assertEqual(self.content(box), head(box) + octets)

    def test_refusals_keep_nothing(self):
        octets = head("nobody@example.test") + TEXT
        outcome, _, why = self.smtpd.commit(self.smtpd.spool().write(octets).close(), one("nobody@example.test"),
                                            len(octets))
        self.assertEqual((outcome, why[0]), (PERMFAIL, 550))
        outcome, _, why = self.smtpd.commit(self.smtpd.spool().write(octets).close(), one("nobody@example.test"),
                                            len(octets) + 1)
        self.assertEqual((outcome, why[0]), (TEMPFAIL, 451))
        self.no_authd = True
        octets = head("ann@example.test") + TEXT
        outcome, _, why = self.smtpd.commit(self.smtpd.spool().write(octets).close(), one("ann@example.test"),
                                            len(octets))
        self.assertEqual((outcome, why[0]), (TEMPFAIL, 451))
        self.assertEqual(self.queued(), [])
        self.assertFalse(os.path.exists(os.path.join(self.dir, "mail", "example.test")))

    def test_quota(self):
        octets = head("small@example.test") + TEXT + b"x" * 70_000
        outcomes = [self.smtpd.commit(self.smtpd.spool().write(octets).close(), one("small@example.test"),
                                      len(octets)) for _ in range(2)]
        self.assertEqual([o[0] for o in outcomes], [DONE, TEMPFAIL])
        self.assertEqual(outcomes[1][2][:2], (452, "4.2.2"))
        self.assertEqual(self.smtpd.call(QUOTA, Str("small@example.test") + U64(70_000))[0], TEMPFAIL)
        self.assertEqual(self.smtpd.call(QUOTA, Str("small@example.test") + U64(10))[0], DONE)
        self.assertEqual(self.smtpd.call(QUOTA, Str("new@example.test") + U64(10))[0], DONE)

    # --- spools ---

    def test_a_spool_is_used_once_and_only_by_its_wire(self):
        octets = head("ann@example.test") + TEXT
        spool = self.smtpd.spool().write(octets).close()
        other = Smtpd(self.daemon.rewire("smtpd"))
        self.assertEqual(other.commit(spool, one("ann@example.test"), len(octets))[0], TEMPFAIL)
        self.assertEqual(self.smtpd.commit(spool, one("ann@example.test"), len(octets))[0], DONE)
        self.assertEqual(self.smtpd.commit(spool, one("ann@example.test"), len(octets))[0], TEMPFAIL)
        self.assertEqual(len(self.files("ann@example.test")), 1)

    def test_a_lost_wire_takes_its_spools_along(self):
        for _ in range(20):
            self.smtpd.spool().close()
        self.assertEqual(self.counts()["spools"], 20)
        self.smtpd.close()
        env.wait_until(lambda: self.counts()["spools"] == 0, what="their going")

    def test_discarded(self):
        spool = self.smtpd.spool().close()
        self.assertEqual(self.smtpd.call(DISCARD, U64(spool.number))[0], DONE)
        self.assertEqual(self.counts()["spools"], 0)

    def test_there_is_an_end_to_spools(self):
        kept = [self.smtpd.spool() for _ in range(2048)]
        outcome, _, why = self.smtpd.call(SPOOL, U32(1))
        self.assertEqual((outcome, why[:2]), (TEMPFAIL, (451, "4.3.1")))
        for spool in kept:
            spool.close()

    def test_malformed(self):
        spool = self.smtpd.spool().close()
        self.assertEqual(self.smtpd.call(COMMIT, U64(spool.number) + b"\xff" * 40)[0], PERMFAIL)
        self.assertEqual(self.smtpd.call(SPOOL, b"")[0], PERMFAIL)
        with self.assertRaises(Closed):
            self.smtpd.call(LIST, U64(0) + U32(1))  # not smtpd's to ask

    # --- the queue ---

    def test_several_targets_share_one_file(self):
        octets = head() + TEXT
        recipients = one("ann@example.test") + [("all@example.test", [(MAILBOX, "ben@example.test"),
                                                                     (REMOTE, "cid@far.example")])]
        outcome, body, _ = self.smtpd.commit(self.smtpd.spool().write(octets).close(), recipients, len(octets))
        self.assertEqual((outcome, body.u8()), (DONE, QUEUED))
        env.wait_until(lambda: not self.queued(), what="an empty queue")
        ann, ben = self.files("ann@example.test")[0], self.files("ben@example.test")[0]
        self.assertEqual(os.stat(ann).st_ino, os.stat(ben).st_ino)
        self.assertEqual(self.relayed, ("far.example", 1, TEXT))

    def test_again_after_a_crash(self):
        octets = head() + TEXT
        box = ["ann@example.test", "ben@example.test"]
        self.relay_says = lambda n: [(TEMPFAIL, "4.0.0", "450 later")] * n
        recipients = one(box[0]) + one(box[1]) + [("x@far.example", [(REMOTE, "x@far.example")])]
        self.smtpd.commit(self.smtpd.spool().write(octets).close(), recipients, len(octets))
        # Both are delivered, none of it is noted: what a kill at the worst moment leaves.
        env.wait_until(lambda: all(self.files(b) for b in box) and self.logged("queue.relay"), what="deliveries")
        path = os.path.join(self.dir, "queue", self.queued()[0])
        with open(path, "r+b") as f:
            length = struct.unpack("<I", f.read()[16:20])[0]
            f.truncate(16 + 16 + length)
        self.relay_says = lambda n: [(DONE, "2.0.0", "250 taken")] * n
        env.wait_until(lambda: not self.queued(), what="an empty queue")
        self.assertEqual([len(self.files(b)) for b in box], [1, 1])

    def test_the_same_id_twice(self):
        octets = head() + TEXT
        self.relay_says = lambda n: [(TEMPFAIL, "4.0.0", "450 later")] * n
        far = [("x@far.example", [(REMOTE, "x@far.example")])]
        self.assertEqual(self.smtpd.commit(self.smtpd.spool().write(octets).close(), far, len(octets), number=77)[0], DONE)
        self.assertEqual(self.smtpd.commit(self.smtpd.spool().write(octets).close(), far, len(octets), number=77)[0],
                         TEMPFAIL)

    def test_a_stranger_is_not_told_of_a_full_mailbox(self):
        big = head("small@example.test") + TEXT + b"x" * 90_000
        self.smtpd.commit(self.smtpd.spool().write(big).close(), one("small@example.test"), len(big))
        octets = head() + TEXT + b"y" * 30_000
        outcome, _, _ = self.smtpd.commit(self.smtpd.spool().write(octets).close(),
                                          one("small@example.test") + one("ann@example.test"), len(octets))
        self.assertEqual(outcome, DONE)
        env.wait_until(lambda: self.files("ann@example.test"), what="the other's copy")
        time.sleep(2)
        self.assertEqual(len(self.queued()), 1)
        self.assertFalse(self.logged(" report "))


TABLE = [0] * 256
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    TABLE[_i] = _c


def crc32c(octets):
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = TABLE[(crc ^ octet) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def envelope_file(number, size, recipients):
    """An envelope file as deliver/envfile.h describes it, of a message that waits for an hour."""
    ident = U64(number)

    def record(kind, index, payload):
        first = U32(len(payload)) + struct.pack("<HH", kind, index)
        return first + U32(crc32c(ident + first)) + U32(crc32c(ident + payload)) + payload

    rows = b"".join(Str(a) + Str("") + U8(0) + U32(1) + U8(kind) + Str(a) for kind, a in recipients)
    now = int(time.time())
    envelope = put(U64(now), U64(0), U32(0), ident, *[Str("")] * 7, U8(0), U32(0), U64(size),
                   U32(len(recipients)), rows)
    schedule = put(U64(now), U64(10), U64(3600), U32(1), U8(0))
    return b"PRQUEUE1" + ident + record(1, 0, envelope) + record(3, 1, schedule)


class Start(Alone):
    """With a long queue from an earlier life: new mail at once, the rest by and by (faults.md R5)."""

    COUNT = int(os.environ.get("POSTROOM_TEST_QUEUED", "10000"))

    def prepare(self, vmail):
        queue = os.path.join(self.dir, "queue")
        for number in range(1, self.COUNT + 1):
            for suffix, octets in (("m", TEXT), ("e", envelope_file(number, len(TEXT), [(REMOTE, "x@far.example")]))):
                path = os.path.join(queue, f"{number:016x}.{suffix}")
                with open(path, "wb") as f:
                    f.write(octets)
                os.chown(path, vmail.pw_uid, vmail.pw_gid)
        # A message without an envelope, and a file half made: nobody was promised them.
        for name in ("00000000ffffffff.m", "00000000fffffffe.t"):
            with open(os.path.join(queue, name), "wb") as f:
                f.write(b"orphan")
            os.chown(os.path.join(queue, name), vmail.pw_uid, vmail.pw_gid)

    def test_new_mail_at_once(self):
        octets = head("ann@example.test") + TEXT
        outcome, _, _ = self.smtpd.commit(self.smtpd.spool().write(octets).close(), one("ann@example.test"),
                                          len(octets))
        self.assertEqual(outcome, DONE)
        self.assertLess(self.ready_s, 2 + self.COUNT / 50_000)
        env.wait_until(lambda: self.logged("queue.scanned"), 60, "the whole queue's being read")
        self.assertEqual(self.counts()["messages"], self.COUNT)
        self.assertEqual(self.counts()["recipients"], self.COUNT)
        self.assertEqual([n for n in os.listdir(self.dir + "/queue") if "ffffff" in n], [])
        print(f"{self.COUNT} queued: ready after {self.ready_s:.2f} s, {self.logged('queue.scanned')[0].strip()}")


if __name__ == "__main__":
    unittest.main()
