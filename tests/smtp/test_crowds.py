# check: alone timeout=400
"""Strangers who come in crowds or dawdle: faults.md 20, 42. An instance of its own, where we are one."""

import time
import unittest

from lib import env
from lib.smtpwire import Closed, Wire, submission

SETTINGS = """
trusted_networks = 192.0.2.0/24
smtp_command_time = 3s
login_time = 4s
smtp_errors = 10
submission_check_from = yes
"""


class Crowds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        env.get()  # skips where no instance can be
        cls.instance = env.Instance(settings=SETTINGS)
        cls.pr = cls.instance.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.instance.__exit__()

    def settle(self):
        time.sleep(0.3)

    def test_twenty_from_one_address(self):
        held = [Wire(self.pr) for _ in range(20)]
        try:
            for _ in range(5):
                with Wire(self.pr, greet=False) as w:
                    self.assertEqual(w.reply()[0], 421)
                    self.assertTrue(w.closed())
        finally:
            for w in held:
                w.close()
        self.settle()
        with Wire(self.pr) as w:
            w.ehlo()

    def test_the_deadline_is_the_command_s_and_not_the_octet_s(self):
        with Wire(self.pr) as w:
            w.ehlo()
            began = time.monotonic()
            w.sock.settimeout(0.4)
            try:
                while time.monotonic() - began < 15:
                    w.send(b"x")
                    try:
                        w._more()
                        break
                    except TimeoutError:
                        pass
            except Closed:
                pass
            self.assertLess(time.monotonic() - began, 10)
            self.assertIn(b"421", w.buffer[:3])

    def test_submission_has_to_log_in_in_time(self):
        with Wire(self.pr, self.pr.SUBMISSION_PORT) as w:
            began = time.monotonic()
            code = 250
            while code == 250 and time.monotonic() - began < 15:
                time.sleep(0.5)
                w.send(b"NOOP\r\n")
                try:
                    code = w.reply()[0]
                except Closed:
                    code = 421
            self.assertEqual(code, 421)
            self.assertLess(time.monotonic() - began, 10)

    def test_slow_bodies_disturb_nobody(self):
        user = self.pr.new_user()
        held = []
        for _ in range(15):
            w = Wire(self.pr)
            w.open(user.address)
            w.ok("DATA", 354)
            w.send(b"Subject: slow\r\n\r\n")
            held.append(w)
        for _ in range(20):
            for w in held:
                w.send(b"x")
            began = time.monotonic()
            with Wire(self.pr) as w:
                self.assertEqual(w.data(user.address, b"Subject: quick\r\n\r\nx\r\n.\r\n")[0], 250)
            self.assertLess(time.monotonic() - began, 2)
        for w in held:
            w.close()
        self.assertEqual(self.pr.count(user), 20)
        self.settle()

    def test_errors_have_an_end(self):
        with Wire(self.pr) as w:
            w.ehlo()
            codes = [w.cmd("XYZZY")[0] for _ in range(10)]
            self.assertEqual(set(codes), {500})
            self.assertEqual(w.reply()[0], 421)
            self.assertTrue(w.closed())

    def test_the_from_field_where_it_is_checked(self):
        user, other = self.pr.new_user(), self.pr.new_user()
        with submission(self.pr, user) as w:
            for sender, code in ((other.address, 550), (user.address, 250)):
                said = w.data(user.address, f"From: Boss <{sender}>\r\nSubject: own\r\n\r\nx\r\n.\r\n".encode(),
                              user.address)
                self.assertEqual(said[0], code, said)
        self.pr.wait_for_message(user, subject="own")

    def test_silence_before_ehlo(self):
        with Wire(self.pr) as w:
            began = time.monotonic()
            self.assertTrue(w.closed(15))
            self.assertLess(time.monotonic() - began, 10)


if __name__ == "__main__":
    unittest.main()
