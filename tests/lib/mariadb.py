"""A private MariaDB for tests: a unix socket in a folder of its own, and no port but by arguments.

    with MariaDB() as db:
        db.sql("CREATE DATABASE postroom")
        db.kill(); db.start()

Runs the server as the system user mysql when started by root.  Accounts are
matched by the unix socket (root here is root there), as with ./run.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import time

SERVER = shutil.which("mariadbd") or "/usr/sbin/mariadbd"


class MariaDB:
    def __init__(self, folder=None, arguments=()):
        self.folder = folder or tempfile.mkdtemp(prefix="postroom-db-")
        self.mine = folder is None
        self.socket = os.path.join(self.folder, "db.sock")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "db.log")
        self.arguments = list(arguments)
        self.process = None

    def __enter__(self):
        self.init()
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.mine:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _user(self):
        return ["--user=mysql"] if os.geteuid() == 0 else []

    def init(self):
        if os.path.isdir(self.data):
            return
        os.makedirs(self.data)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "mysql", "mysql")
            shutil.chown(self.data, "mysql", "mysql")
        os.chmod(self.folder, 0o755)
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--datadir=" + self.data, "--skip-test-db",
             "--auth-root-authentication-method=socket", "--skip-log-bin"] + self._user(),
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, arguments=(), wait=True):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "--no-defaults", "--datadir=" + self.data, "--socket=" + self.socket,
                 "--skip-log-bin", "--innodb-buffer-pool-size=32M",
                 "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=2",
                 "--plugin-load-add=auth_socket", "--skip-name-resolve",
                 "--pid-file=" + os.path.join(self.folder, "db.pid")]
                + ([] if any("--port" in a for a in self.arguments) else ["--skip-networking"])
                + self._user() + self.arguments + list(arguments),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("mariadbd ended: " + open(self.log, errors="replace").read()[-2000:])
            if self._client(b"SELECT 1", None).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("mariadbd does not answer")

    def stop(self):
        """An orderly end."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def freeze(self):
        """The server stops answering without closing anything."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def _client(self, text, database, user=None):
        command = ["mariadb", "--no-defaults", "--socket=" + self.socket, "--batch",
                   "--skip-column-names", "--default-character-set=utf8mb4"]
        if user is not None:
            command.append("--user=" + user)
        if database is not None:
            command.append(database)
        return subprocess.run(command, input=text, capture_output=True)

    def sql(self, text, database=None, user=None):
        """Rows as lists of text."""
        if isinstance(text, str):
            text = text.encode()
        r = self._client(text, database, user)
        if r.returncode != 0:
            raise RuntimeError(r.stderr.decode(errors="replace"))
        return [line.split("\t") for line in r.stdout.decode().splitlines()]
