"""Several sessions change one folder at the same time. Each keeps its own account of sequence numbers from
EXISTS and EXPUNGE alone, as a client does; whatever the others do, number and UID must always agree, and
in the end all see the same. What mox and imaptest call the stress."""
# check: timeout=200

import random
import re
import threading
import unittest

from imap.raw import MESSAGE, Raw, pr

SESSIONS = 5
COMMANDS = 300


class Client:
    def __init__(self, user, seed):
        self.raw = Raw(user)
        self.random = random.Random(seed)
        self.uids = []  # by sequence number; None: not seen yet
        self.flags = {}
        self.read(self.raw.ok("SELECT INBOX"))

    def read(self, lines, expunge_allowed=True):
        for line in lines:
            if m := re.match(rb"\* (\d+) EXISTS", line):
                n = int(m[1])
                assert n >= len(self.uids), (line, len(self.uids))
                self.uids += [None] * (n - len(self.uids))
            elif m := re.match(rb"\* (\d+) EXPUNGE", line):
                assert expunge_allowed, line
                self.uids.pop(int(m[1]) - 1)
            elif m := re.match(rb"\* (\d+) FETCH \((.*)\)\r\n", line):
                n = int(m[1]) - 1
                assert n < len(self.uids), (line, len(self.uids))
                if u := re.search(rb"UID (\d+)", m[2]):
                    uid = int(u[1])
                    assert self.uids[n] in (None, uid), (line, self.uids[n])
                    self.uids[n] = uid
                if (f := re.search(rb"FLAGS \((.*?)\)", m[2])) and self.uids[n]:
                    self.flags[self.uids[n]] = frozenset(f[1].split()) - {rb"\Recent"}
        known = [u for u in self.uids if u]
        assert known == sorted(set(known)), known

    def step(self):
        kind = self.random.choice("append store delete expunge noop fetch search uidfetch idle move".split())
        raw, n = self.raw, len(self.uids)
        which = self.random.randint(1, n) if n else 0
        if kind == "append":
            self.read(raw.append("INBOX", MESSAGE))
        elif kind == "noop":
            self.read(raw.ok("NOOP"))
        elif kind == "idle":
            raw.send(b"i IDLE\r\nDONE\r\n")
            self.read(raw.until(b"i "))
        elif kind == "expunge":
            self.read(raw.ok("EXPUNGE"))
        elif kind == "search":
            got = raw.ok("SEARCH ALL")
            self.read(got, expunge_allowed=False)
            numbers = [int(x) for x in next(g for g in got if g.startswith(b"* SEARCH")).split()[2:]]
            assert numbers == sorted(numbers) and (not numbers or numbers[-1] <= n), (numbers, n)
        elif kind == "uidfetch":
            self.read(raw.ok("UID FETCH 1:* FLAGS"))
        elif n and kind == "fetch":
            self.read(raw.ask("FETCH 1:* (UID FLAGS)"), expunge_allowed=False)
        elif n and kind == "store":
            flag = self.random.choice([r"\Seen", r"\Flagged", "word"])
            self.read(raw.ask(f"STORE {which} {self.random.choice('+-')}FLAGS ({flag})"), expunge_allowed=False)
        elif n and kind == "delete":
            self.read(raw.ask(rf"STORE {which} +FLAGS.SILENT (\Deleted)"), expunge_allowed=False)
        elif n and kind == "move":
            self.read(raw.ask(f"MOVE {which} Other"))


class ManySessions(unittest.TestCase):
    def test_numbers_and_uids_agree(self):
        user = pr.new_user("stress")
        with Raw(user) as first:
            first.ok("CREATE Other")
            for _ in range(20):
                first.append("INBOX")
        clients = [Client(user, seed) for seed in range(SESSIONS)]
        failures = []

        def run(client):
            try:
                for _ in range(COMMANDS):
                    client.step()
            except Exception as error:  # told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=run, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        for c in clients:
            c.read(c.raw.ok("NOOP"))
            c.read(c.raw.ok("FETCH 1:* (UID FLAGS)") if c.uids else [])
        for c in clients:
            self.assertEqual(c.uids, clients[0].uids)
            for uid in c.uids:
                self.assertEqual(c.flags[uid], clients[0].flags[uid])
            c.raw.close()


if __name__ == "__main__":
    unittest.main()
