# check: timeout=400
"""Roundcube in a browser against an instance: what a person does in webmail on the first day."""

import os
import unittest

from browser import Browser
from lib import env, mailgen
from lib.env import expect_ok
from roundcube import Roundcube

pr = env.get()
env.program("chromium")
env.program("chromedriver", "chromium-driver")


class Webmail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.roundcube = Roundcube(pr)
        cls.addClassCleanup(cls.roundcube.stop)
        cls.roundcube.start()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.user = pr.new_user("web")
        self.page = self.browser
        self.page.call("DELETE", "/cookie")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(self.roundcube.logs())
            self.browser.picture(os.path.join("/var/tmp", f"webmail-{self._testMethodName}.png"))

    def open(self, query):
        self.page.go(self.roundcube.url + "?" + query)

    def login(self, password=None):
        self.open("_task=login")
        self.page.type("#rcmloginuser", self.user.address)
        self.page.type("#rcmloginpwd", password or self.user.password)
        self.page.click("#rcmloginsubmit")

    def logged_in(self):
        self.page.find("#messagelist-content")

    def test_reads_a_message(self):
        pr.send(mailgen.plain("Grüße an die Poststelle", "A body to read.\n"), "someone@example.net",
                [self.user.address])
        pr.wait_for_count(self.user, 1)
        self.login()
        self.logged_in()
        self.page.wait_text("#messagelist", "Grüße an die Poststelle")
        self.page.click("#messagelist tr.message td.subject span.subject")
        self.page.frame("#messagecontframe")
        self.page.wait_text("#messagebody", "A body to read.")
        self.page.frame()

    def test_sends_a_message_and_keeps_a_copy(self):
        other = pr.new_user("web")
        self.login()
        self.logged_in()
        self.open("_task=mail&_action=compose")
        self.page.type("#compose_to input", other.address + ",")
        self.page.type("#compose-subject", "From the browser")
        self.page.type("#composebody", "Typed in Chromium: Grüße.")
        self.page.click("a.button.send, button.send")
        got = pr.wait_for_message(other, subject="From the browser")
        self.assertIn(f"From: {self.user.address}".encode(), got)
        pr.wait_for_message(self.user, subject="From the browser", folder="Sent")

    def test_makes_a_folder(self):
        self.login()
        self.logged_in()
        self.open("_task=settings&_action=folders")
        self.page.click("a.create")
        self.page.frame("#preferences-frame")
        self.page.type("#_name", "Vereins-Post")
        self.page.click("button.submit")
        self.page.frame()
        self.page.wait_text("#subscription-table", "Vereins-Post")
        with pr.imap(self.user) as imap:
            self.assertTrue(any(b"Vereins-Post" in n for n in expect_ok(imap.list())))
            self.assertTrue(any(b"Vereins-Post" in n for n in expect_ok(imap.lsub())))

    def test_a_new_message_comes_in_while_the_page_is_open(self):
        self.login()
        self.logged_in()
        pr.send(mailgen.plain("Just in"), "someone@example.net", [self.user.address])
        pr.wait_for_count(self.user, 1)
        self.page.click("#mailboxlist li.inbox a")
        self.page.wait_text("#messagelist", "Just in")

    def test_changes_the_password_and_the_new_one_counts(self):
        self.login()
        self.logged_in()
        self.open("_task=settings&_action=plugin.password")
        self.page.type("#curpasswd", self.user.password)
        self.page.type("#newpasswd", "a-new-password-9")
        self.page.type("#confpasswd", "a-new-password-9")
        self.page.click("button.submit")
        self.page.wait_text("#messagestack", "Successfully saved")
        stored = pr.sql(f"SELECT password FROM virtual_users WHERE email = '{self.user.address}'")[0][0]
        self.assertTrue(stored.startswith("$argon2id$"), stored)

        with self.assertRaises(Exception):
            with pr.imap(self.user):
                pass
        with pr.imap(env.User(self.user.address, "a-new-password-9")):
            pass
        self.page.call("DELETE", "/cookie")
        self.login()
        self.page.wait_text("#messagestack", "Login failed")
        self.page.call("DELETE", "/cookie")
        self.login("a-new-password-9")
        self.logged_in()

    def test_a_wrong_password_is_told(self):
        self.login("wrong-password")
        self.page.wait_text("#messagestack", "Login failed")


if __name__ == "__main__":
    unittest.main()
