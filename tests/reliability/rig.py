"""An instance of Postroom that is meant to be broken.

    rig = Rig(state, 0)      0: a free range of ports
    rig.prepare()            ./run builds it and makes the database, then only postroomd is ours
    rig.start(); rig.kill()  as often as wanted; MariaDB stays up

Its queue and mail store may be loop-mounted images (with_images), which cut() shuts down
as a power cut would: from that moment nothing more reaches the image.  A daemon may run
under the fault shim (with_shim).
"""
import fcntl
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))
from lib import env  # noqa: E402

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, the same number on XFS and F2FS
NOLOGFLUSH = 2


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw).stdout


class Shim:
    """The shared page of shim.c."""

    KILL, KILL_AFTER, FAIL, SHORT = 1, 2, 3, 4
    LIE_DIRECTORY_FSYNC, LIE_LINK, LIE_FILE_SYNC = 1, 2, 4
    NAMES, NAME_LEN, HEAD = 4000, 16, 32

    def __init__(self, folder):
        self.so = os.path.join(folder, "shim.so")
        self.path = os.path.join(folder, "shim.page")
        run("gcc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", self.so, os.path.join(HERE, "shim.c"), "-ldl")
        with open(self.path, "wb") as f:
            f.write(bytes(self.HEAD + self.NAMES * self.NAME_LEN))
        os.chmod(self.path, 0o666)
        self.fd = os.open(self.path, os.O_RDWR)
        self.page = mmap.mmap(self.fd, 0)

    def arm(self, at=0, action=0, error=0, files_only=False):
        self.disarm()
        struct.pack_into("IIiII", self.page, 8, at, action, error, 0, int(files_only))
        struct.pack_into("I", self.page, 4, 1)
        struct.pack_into("I", self.page, 0, 1)

    def disarm(self):
        struct.pack_into("I", self.page, 0, 0)

    def lie(self, lies):
        struct.pack_into("I", self.page, 28, lies)

    @property
    def counted(self):
        return struct.unpack_from("I", self.page, 4)[0] - 1

    @property
    def hit(self):
        return struct.unpack_from("I", self.page, 20)[0] != 0

    def name(self, n):
        at = self.HEAD + n * self.NAME_LEN
        return self.page[at : at + self.NAME_LEN].split(b"\0")[0].decode()


class Rig:
    def __init__(self, state, port_base):
        self.state, self.base = state, port_base or env.free_port_base()
        self.env = dict(os.environ, POSTROOM_STATE=state, POSTROOM_PORT_BASE=str(self.base))
        self.process = None
        self.images = {}
        self.shim = None
        self.libexec = None  # where the real daemons are

    # --- life ---

    def prepare(self, users=8):
        os.makedirs(self.state, exist_ok=True)
        subprocess.run([os.path.join(TOP, "run"), "--background"], env=self.env, check=True, stdin=subprocess.DEVNULL,
                       stdout=sys.stderr)
        self.vars = {}
        for line in open(os.path.join(self.state, "env")):
            name, sep, value = line.strip().partition("=")
            if sep:
                self.vars[name] = value.strip("'\"")
        pid = int(self.vars["PID"])
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            self.argv = [a.decode() for a in f.read().split(b"\0")[:-1]]
        with open(f"/proc/{pid}/environ", "rb") as f:
            self.daemon_env = dict(
                e.decode().split("=", 1) for e in f.read().split(b"\0") if b"=" in e)
        self.argv[0] = os.readlink(f"/proc/{pid}/exe")
        self.users = []
        for i in range(users):
            address = f"rig{i:02d}@example.test"
            r = subprocess.run([self.vars["POSTROOM"], "-c", self.vars["POSTROOM_CONF"], "mailbox", "add", address,
                                "--password-stdin"], input=b"rig-secret-1\n", stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
            if r.returncode not in (0, 4):
                raise SystemExit(f"mailbox add {address}: {r.stdout.decode()}")
            self.users.append(address)
        self.pids = self.family(pid)
        self.kill()

    def start(self, wait=30):
        log = open(os.path.join(self.state, "log", "rig.log"), "ab")
        self.process = subprocess.Popen(self.argv, env=self.daemon_env, stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True)
        log.close()
        return self.wait_greeting(wait)

    def wait_greeting(self, wait=30):
        """Seconds until the first 220."""
        began = time.monotonic()
        while time.monotonic() - began < wait:
            if self.process.poll() is not None:
                raise SystemExit("postroomd ended: see log/ in the state folder")
            try:
                with socket.create_connection(("127.0.0.1", self.smtp_port), 1) as s:
                    s.settimeout(2)
                    if s.recv(3) == b"220":
                        return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit("no greeting on the SMTP port")

    @property
    def smtp_port(self):
        return int(self.vars["SMTP_PORT"])

    @staticmethod
    def family(root):
        """root and all its descendants."""
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat") as f:
                        parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
                except OSError:
                    pass
        out, todo = [], [root]
        while todo:
            pid = todo.pop()
            out.append(pid)
            todo += parents.get(pid, [])
        return out

    def daemons(self):
        """{name: pids} of the running daemons."""
        out = {}
        for pid in self.family(self.process.pid):
            try:
                with open(f"/proc/{pid}/comm") as f:
                    out.setdefault(f.read().strip(), []).append(pid)
            except OSError:
                pass
        return out

    def kill(self):
        """SIGKILL to everything at once, the supervisor first."""
        pids = self.family(self.process.pid) if self.process else self.pids
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if self.process:
            self.process.wait()
            self.process = None
        end = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{p}") for p in pids) and time.monotonic() < end:
            time.sleep(0.01)

    def finish(self):
        if self.process:
            self.kill()
        subprocess.run([os.path.join(TOP, "run"), "--stop"], env=self.env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        for where in self.images:
            subprocess.run(["umount", "-l", where], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.state, ignore_errors=True)

    # --- the queue and what is delivered ---

    def postroom(self, *args):
        r = subprocess.run([self.vars["POSTROOM"], "-c", self.vars["POSTROOM_CONF"], *args], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        return r.returncode, r.stdout.decode()

    def queued(self):
        """How many files the queue has on disk, not counting what was set aside as torn."""
        n = 0
        for base, folders, files in os.walk(os.path.join(self.state, "queue")):
            folders[:] = [f for f in folders if f not in ("bad", "lost+found")]
            n += len(files)
        return n

    def drain(self, wait=60):
        """Until the queue is empty: on disk, since the daemon may still be reading it."""
        end, asked = time.monotonic() + wait, 0
        while self.queued():
            if time.monotonic() > end:
                return False
            if time.monotonic() - asked > 1:
                self.postroom("queue", "retry", "--all")
                asked = time.monotonic()
            time.sleep(0.02)
        return True

    @property
    def mail_root(self):
        return self.vars["MAILDIR_ROOT"]

    def wipe(self):
        """Forget all mail; the instance must be down."""
        for name in os.listdir(self.mail_root):
            if name not in ("lost+found", ".spool"):
                shutil.rmtree(os.path.join(self.mail_root, name))

    # --- images ---

    def with_images(self, fs, megabytes=400, options=""):
        for name in ("mail", "queue"):
            where, image = os.path.join(self.state, name), os.path.join(self.state, name + ".img")
            os.makedirs(where, exist_ok=True)
            with open(image, "wb") as f:
                f.truncate(megabytes << 20)
            run("mkfs." + fs, "-q", *(["-F"] if fs == "ext4" else ["-f"]), image)
            self.images[where] = (image, options)
            self.mount(where)

    def mount(self, where):
        image, options = self.images[where]
        run("mount", "-o", "loop" + ("," + options if options else ""), image, where)

    def cut(self, rnd):
        """The power fails: both file systems within a few milliseconds, in either order."""
        folders = [os.open(w, os.O_RDONLY) for w in self.images]
        rnd.shuffle(folders)
        for i, fd in enumerate(folders):
            if i:
                time.sleep(rnd.random() * 0.006)
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        for fd in folders:
            os.close(fd)

    def remount(self):
        for where in self.images:
            for _ in range(200):
                if subprocess.run(["umount", where], stderr=subprocess.DEVNULL).returncode == 0:
                    break
                time.sleep(0.02)
            else:
                raise SystemExit(f"cannot unmount {where}")
            self.mount(where)

    # --- the shim ---

    def with_shim(self, *daemons):
        """From the next start on these run with shim.c loaded."""
        self.shim = self.shim or Shim(self.state)
        if self.libexec is None:
            self.libexec = self.daemon_env.get("POSTROOM_LIBEXEC") or os.path.dirname(self.argv[0])
        real = self.libexec
        mine = os.path.join(self.state, "libexec-shim")
        shutil.rmtree(mine, ignore_errors=True)
        os.makedirs(mine)
        os.chmod(mine, 0o755)
        for name in os.listdir(real):
            target, link = os.path.realpath(os.path.join(real, name)), os.path.join(mine, name)
            if name in daemons:
                with open(link, "w") as f:
                    f.write(f'#!/bin/sh\nLD_PRELOAD={self.shim.so} SHIM_PAGE={self.shim.path} exec {target} "$@"\n')
                os.chmod(link, 0o755)
            else:
                os.symlink(target, link)
        self.daemon_env["POSTROOM_LIBEXEC"] = mine


def progress(text):
    sys.stderr.write("\r\x1b[K" + text if sys.stderr.isatty() else text + "\n")
    sys.stderr.flush()
