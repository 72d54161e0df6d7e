"""Debian's Roundcube for an instance: the settings of docs/webmail/roundcube.inc.php, PHP's own
web server as www-data, SQLite for Roundcube's own tables."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import unittest

from lib import env, peers

PUBLIC = "/var/lib/roundcube/public_html"
SETTINGS = os.path.join(env.TOP, "docs", "webmail", "roundcube.inc.php")


class Roundcube:
    def __init__(self, pr):
        if not os.path.isdir(PUBLIC):
            raise unittest.SkipTest("Roundcube is not installed (package roundcube-core)")
        env.program("php", "php-cli")
        self.pr = pr
        self.dir = tempfile.mkdtemp(prefix="postroom-roundcube-", dir="/var/tmp")
        self.port = env.free_port()
        self.process = None

    def settings(self):
        """The snippet that the documentation shows, with this instance's places in it."""
        with open(SETTINGS, encoding="utf-8") as f:
            text = f.read()
        for was, now in (("mail.example.test:143", f"localhost:{self.pr.IMAP_PORT}"),
                         ("mail.example.test:587", f"localhost:{self.pr.SUBMISSION_PORT}"),
                         ("/run/mysqld/mysqld.sock)/postroom", f"{self.pr.DB_SOCKET})/{self.pr.DB_NAME}"),
                         ("/etc/postroom/ca.pem", os.path.join(self.dir, "ca.pem"))):
            if was not in text:
                raise AssertionError(f"{SETTINGS} no longer has {was}")
            text = text.replace(was, now)
        return text

    def start(self):
        config = os.path.join(self.dir, "config")
        shutil.copytree("/etc/roundcube", config, symlinks=True)
        shutil.copy(self.pr.CAFILE, os.path.join(self.dir, "ca.pem"))
        for name in ("logs", "temp", "db"):
            os.mkdir(os.path.join(self.dir, name))
        own = (f"$config['db_dsnw'] = 'sqlite:///{self.dir}/db/roundcube.sqlite?mode=0640';\n"
               f"$config['log_dir'] = '{self.dir}/logs';\n$config['temp_dir'] = '{self.dir}/temp';\n"
               f"$config['des_key'] = '{secrets.token_hex(12)}';\n$config['skin'] = 'elastic';\n"
               "$config['enable_installer'] = false;\n$config['language'] = 'en_US';\n"
               "$config['session_samesite'] = 'Lax';\n")
        with open(os.path.join(config, "config.inc.php"), "w", encoding="utf-8") as f:
            f.write("<?php\n$config = [];\n" + own + re.sub(r"^<\?php", "", self.settings()))
        env.run("chown", "-R", "www-data:www-data", self.dir)
        os.chmod(self.dir, 0o755)
        log = open(os.path.join(self.dir, "logs", "server"), "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", "php",
             "-d", "session.save_path=" + os.path.join(self.dir, "temp"), "-d", "display_errors=0",
             "-S", f"127.0.0.1:{self.port}", "-t", PUBLIC],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.dir,
            env={"PATH": "/usr/bin:/bin", "ROUNDCUBE_CONFIG_DIR": config, "PHP_CLI_SERVER_WORKERS": "4",
                 "HOME": self.dir})
        log.close()
        peers.wait_port(self.port, self.logs)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def logs(self):
        out = []
        for name in ("errors.log", "errors", "sendmail.log", "server"):
            path = os.path.join(self.dir, "logs", name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    out.append(f"--- {name}\n" + f.read()[-3000:])
        return "\n".join(out)

    def stop(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc):
        self.stop()
