"""One daemon by itself: this plays the supervisor on its control socket.

    d = Daemon("build/authd/authd", settings, wires=["smtpd", "imapd-0"],
               listeners={"socketmap": unix_listener(path)})
    d.wires["smtpd"]        our end of the wire: a socket for wire.py
    d.stop()
"""
import array
import os
import pwd
import socket
import struct
import subprocess

SETTINGS, CERTIFICATE, LISTENER, DIRECTORY, WIRE, SECRET, VALUE, START, RELOAD, STOP = range(1, 11)
READY, RELOADED = 11, 12
MAGIC = 0x43545231


def unix_listener(path, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind)
    if os.path.exists(path):
        os.unlink(path)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(128)
    s.setblocking(False)
    return s


def memfd(text):
    fd = os.memfd_create("settings")
    os.write(fd, text if isinstance(text, bytes) else text.encode())
    return fd


class Daemon:
    def __init__(self, binary, settings, wires=(), listeners=None, directories=None, values=None,
                 certificate=None, user=None, log=None, environment=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        self.log = log or open(os.devnull, "w")

        def become():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)
            if user is not None and os.geteuid() == 0:
                p = pwd.getpwnam(user)
                os.setgroups([])
                os.setresgid(p.pw_gid, p.pw_gid, p.pw_gid)
                os.setresuid(p.pw_uid, p.pw_uid, p.pw_uid)

        self.p = subprocess.Popen([binary], stdin=subprocess.DEVNULL, stderr=self.log,
                                  preexec_fn=become, close_fds=True, pass_fds=(3,),
                                  # The leak checker cannot trace a process in its sandbox.
                                  env=dict({"ASAN_OPTIONS": "detect_leaks=0"}, **dict(os.environ, **(environment or {}))))
        theirs.close()
        self.send_fd(SETTINGS, "", memfd(settings))
        if certificate is not None:
            self.send_fd(CERTIFICATE, "", memfd(certificate))
        for name, sock in (listeners or {}).items():
            self.send(LISTENER, name, fd=sock.fileno())
        for name, fd in (directories or {}).items():
            self.send(DIRECTORY, name, fd=fd)
        for name, text in (values or {}).items():
            self.send(VALUE, name, text)
        self.send(SECRET, "", os.urandom(32))
        self.wires = {}
        for name in wires:
            self.rewire(name)
        self.send(START)
        self.wait(READY)

    def rewire(self, name):
        """A new wire to this peer, as after its restart."""
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.send(WIRE, name, fd=b.fileno())
        b.close()
        self.wires[name] = a
        return a

    def send(self, kind, name="", text=b"", fd=None):
        name = name.encode()
        text = text.encode() if isinstance(text, str) else text
        packet = struct.pack("<IIII", MAGIC, kind, len(name), len(text)) + name + text
        rights = []
        if fd is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.control.sendmsg([packet], rights)

    def send_fd(self, kind, name, fd):
        self.send(kind, name, fd=fd)
        os.close(fd)

    def wait(self, kind, seconds=20):
        self.control.settimeout(seconds)
        while True:
            packet = self.control.recv(4096)
            if not packet:
                raise RuntimeError("the daemon ended with status %s" % self.p.wait(10))
            _, got, name_n, text_n = struct.unpack("<IIII", packet[:16])
            if got == kind:
                return packet[16 + name_n:16 + name_n + text_n].decode()

    def reload(self, settings, certificate=None):
        """Empty text, or why the daemon keeps the old settings."""
        self.send_fd(SETTINGS, "", memfd(settings))
        if certificate is not None:
            self.send_fd(CERTIFICATE, "", memfd(certificate))
        self.send(RELOAD)
        return self.wait(RELOADED)

    def stop(self, seconds=20):
        if self.p.poll() is None:
            self.send(STOP)
        status = self.p.wait(seconds)
        self.close()
        return status

    def kill(self):
        self.p.kill()
        self.p.wait()
        self.close()

    def close(self):
        self.control.close()
        for w in self.wires.values():
            w.close()
