# check: no-instance, timeout=400
"""./run itself: first and second start, two instances side by side, what a killed one leaves behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from lib import env, mailgen

RUN = os.path.join(env.TOP, "run")
NAMES = ("HOST SMTP_PORT SUBMISSION_PORT SUBMISSIONS_PORT IMAP_PORT IMAPS_PORT POP3_PORT POP3S_PORT SIEVE_PORT "
         "LMTP_SOCKET USER_A PASS_A USER_B PASS_B CAFILE MAILDIR_ROOT DB_SOCKET DB_NAME POSTROOM_CONF POSTROOM "
         "PID").split()


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class Run(unittest.TestCase):
    def instance(self, state=None):
        one = env.Instance(state=state)
        self.addCleanup(env.remove_state, one.state)
        self.addCleanup(lambda: one.run("--stop", check=False))
        return one

    def test_second_start_keeps_the_data_and_is_quick(self):
        one = self.instance()
        out = one.run("--background").stdout
        self.assertIn("The first message", out)
        pr = env.Postroom(os.path.join(one.state, "env"))
        for name in NAMES:
            self.assertIn(name, pr.env)
        user = pr.new_user("kept")
        pr.send(mailgen.plain("before the stop"), "a@example.net", [user.address])
        with open(pr.POSTROOM_CONF, "a", encoding="utf-8") as f:
            f.write("message_size = 3M\n")

        began = time.monotonic()
        self.assertIn("running already", one.run("--background").stdout)
        self.assertEqual(env.read_env(pr.env_file)["PID"], str(pr.PID))
        one.run("--stop")
        self.assertFalse(os.path.exists(pr.env_file))
        self.assertFalse(env.alive(pr.PID))
        self.assertIn("not running", one.run("--stop").stdout)
        began = time.monotonic()
        out = one.run("--background").stdout
        self.assertLess(time.monotonic() - began, 10)
        self.assertNotIn("The first message", out)
        again = env.Postroom(pr.env_file)
        self.assertEqual((again.PASS_A, again.PASS_B), (pr.PASS_A, pr.PASS_B))
        again.wait_for_message(user, subject="before the stop")
        with again.smtp() as smtp:
            self.assertEqual(smtp.esmtp_features["size"], str(3 << 20))

    def test_two_side_by_side(self):
        one, two = self.instance(), self.instance()
        a = one.start()
        b = two.start()
        self.assertNotEqual(a.SMTP_PORT, b.SMTP_PORT)
        user = a.new_user("only-in-one")
        a.send(mailgen.plain("to one"), "x@example.net", [user.address])
        a.wait_for_message(user, subject="to one")
        with self.assertRaises(Exception), b.imap(user):
            pass
        one.stop()
        with b.imap(b.ann):
            pass
        b.send(mailgen.plain("the other goes on"), "x@example.net", [b.ben.address])
        b.wait_for_message(b.ben, subject="the other goes on")

    def test_after_everything_was_killed(self):
        one = self.instance()
        pr = one.start()
        pr.send(mailgen.plain("before the kill"), "x@example.net", [pr.ben.address])
        with open(os.path.join(one.state, "mariadb.pid"), encoding="utf-8") as f:
            database = int(f.read())
        for pid in (database, pr.PID):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        pr = one.start()
        self.assertLess(time.monotonic() - began, 10)
        pr.wait_for_message(pr.ben, subject="before the kill")

    def test_a_first_start_that_was_cut_short(self):
        one = self.instance()
        child = subprocess.Popen([RUN, "--background"], env={**os.environ, **one.env}, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        for line in child.stdout:
            if "making a private MariaDB" in line:
                break
        time.sleep(0.3)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        pr = one.start()
        with pr.imap(pr.ann):
            pass

    def test_a_pid_that_belongs_to_somebody_else_is_left_alone(self):
        one = self.instance()
        one.start()
        one.stop()
        other = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        for name in ("postroomd.pid", "mariadb.pid"):
            with open(os.path.join(one.state, name), "w", encoding="utf-8") as f:
                f.write(f"{other.pid}\n")
        one.run("--stop")
        self.assertIsNone(other.poll())
        one.start()
        self.assertIsNone(other.poll())

    def test_in_the_foreground_until_interrupted(self):
        one = self.instance()
        with tempfile.TemporaryFile("w+") as out:
            child = subprocess.Popen([RUN], env={**os.environ, **one.env}, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, start_new_session=True)
            self.addCleanup(lambda: child.poll() is None and child.kill())
            path = os.path.join(one.state, "env")
            env.wait_until(lambda: os.path.exists(path) or child.poll() is not None, 120, "ready")
            pr = env.Postroom(path)
            env.wait_until(lambda: out.seek(0) == 0 and "Postroom is running" in out.read(), 30, "its last words")
            self.assertIsNone(child.poll())
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(60), 0)
        self.assertFalse(env.alive(pr.PID))

    def test_a_state_below_root_s_closed_folder_with_a_long_path(self):
        folder = tempfile.mkdtemp(prefix="postroom-", dir="/root")
        self.addCleanup(shutil.rmtree, folder, True)
        state = os.path.join(folder, "a" * 60, "b" * 60)
        os.makedirs(state)
        one = self.instance(state)
        pr = one.start()
        self.assertLess(len(pr.LMTP_SOCKET), 108)
        env.run("swaks", "--protocol", "LMTP", "--socket", pr.LMTP_SOCKET, "--from", "a@example.net", "--to",
                pr.USER_A, "--header", "Subject: long way")
        pr.wait_for_message(pr.ann, subject="long way")

    def test_mistakes_are_told(self):
        for words, settings, wanted in ((["--frob"], {}, "unknown option"),
                                        (["--background"], {"POSTROOM_PORT_BASE": "x"}, "number"),
                                        (["--background"], {"POSTROOM_STATE": "/tmp/a b"}, "POSTROOM_STATE")):
            done = env.run(RUN, *words, check=False, env=settings)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(wanted, done.stdout)
        one = self.instance()
        import socket
        with contextlib.closing(socket.create_server(("127.0.0.1", int(one.env["POSTROOM_PORT_BASE"]) + 143))):
            done = one.run("--background", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is taken", done.stdout)


if __name__ == "__main__":
    unittest.main()
