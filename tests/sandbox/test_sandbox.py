# check: alone
"""Each running daemon tries what its row of the process table forbids, and is refused.

The daemons are the real ones of the running instance, under their real filters: gdb stops
one for a moment and has it call open(), socket(), connect() and so on in its own name.
docs/overview.md has the table; lib/run/confine_test.c sweeps the mechanism itself.
"""
import os
import re
import socket
import subprocess
import time
import unittest

from lib import env

# What may succeed, by daemon.  Everything else in ATTEMPTS has to fail in each of them.
MAY = {
    "authd": {"unix socket"},
    "smtpd": set(),
    "login": set(),
    "imapd": {"open a mail directory"},
    "deliver": {"open a mail directory"},
    "relay": {"TCP socket"},
}


def family():
    """{daemon: [pid, ...]} below the instance's supervisor."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    comm, rest = f.read().rsplit(")", 1)
                parents.setdefault(int(rest.split()[1]), []).append((int(name), comm.split("(", 1)[1]))
            except OSError:
                pass
    out = {}
    for pid, comm in parents.get(env.get().PID, []):
        out.setdefault(comm, []).append(pid)
    return out


def call(pid, expressions):
    """The results of these C expressions, evaluated by the process itself."""
    argv = ["gdb", "-nx", "-batch", "-p", str(pid), "-ex", "set confirm off"]
    for e in expressions:
        argv += ["-ex", f"print (long)({e})"]
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    values = re.findall(r"^\$\d+ = (-?\d+)", r.stdout.decode(errors="replace"), re.M)
    if len(values) != len(expressions):
        raise AssertionError(f"gdb on {pid}: {r.stdout.decode(errors='replace')[-1500:]}")
    return [int(v) for v in values]


OPEN = '((int(*)(const char*,int,int))open)("%s",%d,0)'
SOCKET = "((int(*)(int,int,int))socket)(%d,%d,0)"


def attempts():
    v = env.get().env
    return {
        "open /etc/passwd": OPEN % ("/etc/passwd", os.O_RDONLY),
        "open the configuration": OPEN % (v["POSTROOM_CONF"], os.O_RDONLY),
        "make a file in /tmp": OPEN % ("/tmp/postroom-sandbox-proof", os.O_RDWR | os.O_CREAT),
        "open a mail directory": OPEN % (v["MAILDIR_ROOT"], os.O_RDONLY | os.O_DIRECTORY),
        "unix socket": SOCKET % (socket.AF_UNIX, socket.SOCK_STREAM),
        "TCP socket": SOCKET % (socket.AF_INET, socket.SOCK_STREAM),
        "raw socket": SOCKET % (socket.AF_INET, socket.SOCK_RAW),
        "netlink socket": SOCKET % (socket.AF_NETLINK, socket.SOCK_RAW),
        "executable memory": "((void*(*)(void*,unsigned long,int,int,int,long))mmap)(0,4096,7,0x22,-1,0)",
        "a process": "((int(*)(void))fork)()",
        "a link in /tmp": '((int(*)(const char*,const char*))symlink)("/etc/passwd","/tmp/postroom-sandbox-proof")',
    }


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.family = family()

    def test_every_daemon_is_confined(self):
        for daemon in MAY:
            pids = self.family.get(daemon, [])
            self.assertTrue(pids, f"{daemon} is not running")
            for pid in pids:
                with open(f"/proc/{pid}/status") as f:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
                with self.subTest(daemon=daemon, pid=pid):
                    self.assertNotIn("0", status["Uid"].split(), "runs as root")
                    self.assertEqual(status["NoNewPrivs"], "1")
                    self.assertEqual(status["Seccomp"], "2")
                    for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                        self.assertEqual(int(status[caps], 16), 0, f"{caps} is not empty")

    def test_network_daemons_hold_no_named_file(self):
        # Spool files (unnamed) and memfds are theirs; nothing with a path in the file system is.
        for daemon in ("smtpd", "login", "relay"):
            for pid in self.family.get(daemon, []):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    try:
                        target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    except OSError:
                        continue
                    if int(fd) <= 2 or not target.startswith("/") or target.endswith("(deleted)"):
                        continue
                    self.assertTrue(target.startswith(("/dev/null", "/memfd:", "/dev/urandom")), f"{daemon} holds {target}")

    def test_users_differ(self):
        uids = {}
        for daemon, pids in self.family.items():
            if daemon in MAY:
                uids.setdefault(os.stat(f"/proc/{pids[0]}").st_uid, set()).add(daemon)
        for uid, daemons in uids.items():
            self.assertTrue(len(daemons) == 1 or daemons == {"imapd", "deliver"}, f"uid {uid} is shared by {daemons}")


def row_test(daemon):
    def test(self):
        pid = self.family[daemon][0]
        tries = attempts()
        got = dict(zip(tries, call(pid, tries.values())))
        for name, value in got.items():
            with self.subTest(attempt=name):
                if name in MAY[daemon]:
                    self.assertGreaterEqual(value, 0, "is needed for its work")
                else:
                    self.assertEqual(value, -1, "was not refused")
        # What the attempts opened is closed again, so the daemon goes on as it was.
        opened = [v for n, v in got.items() if v > 2 and "memory" not in n]
        if opened:
            call(pid, [f"((int(*)(int))close)({fd})" for fd in opened])
        self.assertTrue(os.path.exists(f"/proc/{pid}"), "survived the attempts")
    test.__doc__ = f"{daemon} is refused what its row forbids"
    return test


for _daemon in MAY:
    setattr(Rows, f"test_row_of_{_daemon}", row_test(_daemon))


class Deadly(unittest.TestCase):
    def until(self, holds, what):
        end = time.monotonic() + 10
        while not holds():
            self.assertLess(time.monotonic(), end, f"waited for {what}")
            time.sleep(0.05)

    def test_exec_ends_a_daemon_and_the_supervisor_starts_another(self):
        pid = family()["smtpd"][0]
        argv = ["gdb", "-nx", "-batch", "-p", str(pid), "-ex",
                'call ((int(*)(const char*,void*,void*))execve)("/bin/true",0,0)']
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        self.until(lambda: family().get("smtpd", [pid]) != [pid], "a new smtpd")
        self.until(lambda: greets(env.get().SMTP_PORT), "a greeting of the new smtpd")


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
