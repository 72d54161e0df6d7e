# check: alone
"""Installed as the README says, on a copy of this machine: meson install, users, the machine's own MariaDB,
a certificate, one message in and out."""

import os
import tempfile
import unittest

from lib import env

pr = env.get()
HERE = os.path.dirname(os.path.abspath(__file__))


class Installed(unittest.TestCase):
    def test_from_install_to_a_message(self):
        for name in ("unshare", "curl", "systemd-sysusers", "systemd-tmpfiles"):
            env.program(name)
        build = os.environ.get("POSTROOM_BUILD") or pr.BUILD
        with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
            os.chmod(scratch, 0o755)
            done = env.run("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
                           os.path.join(HERE, "installed.sh"), build, scratch, str(env.free_port_base()),
                           os.path.join(pr.STATE, "tls", "cert.pem"), os.path.join(pr.STATE, "tls", "key.pem"),
                           check=False, timeout=200)
        if done.returncode == 77:
            self.skipTest("no overlay file system here")
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])
        for text in ("/usr/bin/postroom", "/usr/sbin/postroomd", "status before the start: 6", "Subject: installed",
                     "Return-Path: <me@example.net>", "/usr/share/man/man8/postroom.8", "complete -", "--- all done"):
            self.assertIn(text, done.stdout)


if __name__ == "__main__":
    unittest.main()
