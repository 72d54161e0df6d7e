# check: alone
"""Three sessions do at random what IMAP clients do, here and at a Dovecot: replies, flags and UIDs agree after
each step, and what a session was told adds up to what it then sees."""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from lib import env, peers

pr = env.get()
STEPS, SEEDS = 250, (1, 2, 3)
FOLDERS = ("INBOX", "one", "two")
FLAGS = ("\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "\\Draft", "k1", "$Junk")

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{dir}/mail/%u
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 100
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={dir}/mail/%u
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


class Dovecot:
    def __init__(self):
        env.program("dovecot", "dovecot-imapd")
        self.dir, self.port = tempfile.mkdtemp(prefix="postroom-dovecot-", dir="/var/tmp"), env.free_port()
        os.chmod(self.dir, 0o755)
        for name in ("run", "mail", "state"):
            os.mkdir(os.path.join(self.dir, name))
        shutil.chown(os.path.join(self.dir, "mail"), "vmail")
        self.config = os.path.join(self.dir, "dovecot.conf")
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=self.dir, port=self.port))
        try:
            # It keeps the outputs it is given.
            subprocess.run(["dovecot", "-c", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True, timeout=20)
            peers.wait_port(self.port)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        env.run("doveadm", "-c", self.config, "stop", check=False)
        time.sleep(0.2)
        shutil.rmtree(self.dir, ignore_errors=True)


class Client:
    def __init__(self, port, user, password):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.ask(f'LOGIN "{user}" "{password}"')
        self.count = 0

    def close(self):
        self.file.close()
        self.sock.close()

    def line(self):
        whole = b""
        while True:
            got = self.file.readline()
            if not got:
                raise EOFError(whole)
            whole += got
            literal = re.search(rb"\{(\d+)\}\r\n$", got)
            if not literal:
                return whole
            whole += self.file.read(int(literal.group(1)))

    def ask(self, command):
        self.sock.sendall(b"x " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        got = []
        while True:
            line = self.line()
            if line.startswith(b"x "):
                return got, line[2:]
            got.append(line)

    def told(self, lines):
        """Follow what the server says; False when it cannot be."""
        for line in lines:
            said = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)", line)
            if said is None:
                continue
            n, what = int(said.group(1)), said.group(2)
            if what == b"EXISTS" and n >= self.count:
                self.count = n
            elif what == b"EXPUNGE" and 1 <= n <= self.count:
                self.count -= 1
            elif not (what == b"FETCH" and 1 <= n <= self.count):
                return False
        return True

    def state(self):
        rows = {}
        for line in self.ask("UID FETCH 1:* (UID FLAGS)")[0]:
            uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
            if uid and flags:
                rows[int(uid.group(1))] = frozenset(flags.group(1).split()) - {b"\\Recent"}
        return rows


class LikeDovecot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dovecot = Dovecot()

    @classmethod
    def tearDownClass(cls):
        cls.dovecot.stop()

    @staticmethod
    def choose(rnd, selected, step):
        def some():
            return " ".join(rnd.sample(FLAGS, rnd.randint(0, 3)))

        def messages():
            return rnd.choice([str(rnd.randint(1, 12)), f"{rnd.randint(1, 12)}:{rnd.randint(1, 12)}", "1:*", "*",
                               f"{rnd.randint(1, 9)}:*", ",".join(str(rnd.randint(1, 14)) for _ in range(3))])
        folder = rnd.choice(FOLDERS)
        kinds = ["append"] * 3 + ["select"] * 2
        if selected:
            kinds += ["store"] * 7 + ["expunge", "expunge", "copy", "copy", "move", "close", "search", "fetch"]
        kind, uid = rnd.choice(kinds), rnd.choice(["", "UID "])
        if kind == "append":
            text = b"Subject: %d\r\n\r\nbody\r\n" % step
            return kind, b"APPEND %s (%s) {%d+}\r\n%s" % (folder.encode(), some().encode(), len(text), text)
        if kind == "select":
            return folder, f"SELECT {folder}"
        if kind == "store":
            return kind, f"{uid}STORE {messages()} {rnd.choice(['+', '-', ''])}FLAGS{rnd.choice(['', '.SILENT'])} ({some()})"
        if kind == "expunge":
            return kind, rnd.choice(["EXPUNGE", f"UID EXPUNGE {messages()}"])
        if kind in ("copy", "move"):
            if kind == "move" and folder == selected:
                return "noop", "NOOP"  # a matter of taste
            return kind, f"{uid}{kind.upper()} {messages()} {folder}"
        if kind == "close":
            return kind, rnd.choice(["CLOSE", "UNSELECT"])
        if kind == "search":
            return kind, rnd.choice(["UID SEARCH DELETED", "SEARCH UNSEEN", "UID SEARCH KEYWORD k1", "SEARCH UID 3:*"])
        return kind, f"UID FETCH {messages()} (BODY[])"

    def play(self, seed):
        rnd, user = random.Random(seed), pr.new_user("like")
        ours = [Client(pr.IMAP_PORT, user.address, user.password) for _ in range(3)]
        theirs = [Client(self.dovecot.port, f"{user.local}-{seed}", "x") for _ in range(3)]
        self.addCleanup(lambda: [c.close() for c in ours + theirs])
        for c in (ours[0], theirs[0]):
            c.ask("CREATE one")
            c.ask("CREATE two")
        selected, history = [None] * 3, []
        for step in range(STEPS):
            i = rnd.randrange(3)
            a, b = ours[i], theirs[i]
            if selected[i]:  # so that numbers mean the same in both
                self.assertTrue(a.told(a.ask("NOOP")[0]), history[-10:])
                b.ask("NOOP")
            kind, command = self.choose(rnd, selected[i], step)
            history.append(f"{i}: {command}")
            if kind in FOLDERS:
                a.count = 0
            (lines, said), (_, wanted) = a.ask(command), b.ask(command)
            if kind in FOLDERS or kind == "close":
                selected[i] = kind if kind in FOLDERS else None
            if selected[i]:
                self.assertTrue(a.told(lines), history[-10:])
            # A number without a message is BAD there, and nothing here.
            if not (said[:2] == b"OK" and wanted[:3] == b"BAD"):
                self.assertEqual(said[:3], wanted[:3], (said, wanted, history[-20:]))
            if selected[i]:
                self.assertTrue(a.told(a.ask("NOOP")[0]), history[-10:])
                b.ask("NOOP")
                mine = a.state()
                self.assertEqual(mine, b.state(), history[-20:])
                self.assertEqual(len(mine), a.count, history[-10:])

    def test_at_random(self):
        for seed in SEEDS:
            with self.subTest(seed):
                self.play(seed)


if __name__ == "__main__":
    unittest.main()
