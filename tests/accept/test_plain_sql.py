"""Accounts made by plain SQL, with the statements that the ISPmail guides teach, and what they do to mail."""

import crypt
import hashlib
import time
import unittest

from lib import env
from lib.smtpwire import Wire

pr = env.get()
ROUTE = 1.1  # what authd and smtpd know of an address may be a second old


class PlainSql(unittest.TestCase):
    """One domain, made by hand."""

    @classmethod
    def setUpClass(cls):
        cls.domain = f"sql-{pr.prefix}.test"
        pr.sql(f"INSERT INTO virtual_domains (name) VALUES ('{cls.domain}')")
        cls.domain_id = pr.sql(f"SELECT id FROM virtual_domains WHERE name = '{cls.domain}'")[0][0]

    def user(self, local, stored, password="summersun"):
        address = f"{local}@{self.domain}"
        pr.sql("INSERT INTO virtual_users (domain_id, password, email) VALUES "
               f"('{self.domain_id}', '{stored}', '{address}')")
        return env.User(address, password)

    def alias(self, source, destination):
        if "@" not in source:
            source = f"{source}@{self.domain}"
        pr.sql("INSERT INTO virtual_aliases (domain_id, source, destination) VALUES "
               f"('{self.domain_id}', '{source}', '{destination}')")
        return source

    def rcpt(self, *recipients):
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<someone@example.net>")
            return [w.cmd(f"RCPT TO:<{recipient}>") for recipient in recipients]

    def arrives(self, recipient, *users, sender="someone@example.net"):
        subject = f"to {recipient}"
        pr.send(f"From: {sender}\nTo: {recipient}\nSubject: {subject}\n\nx\n", sender, [recipient])
        for user in users:
            pr.wait_for_message(user, subject=subject)

    def test_passwords_as_they_are_stored(self):
        stored = {
            "bcrypt": "{BLF-CRYPT}" + crypt.crypt("summersun", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)),
            "sha256": "{SHA256-CRYPT}" + crypt.crypt("summersun", crypt.mksalt(crypt.METHOD_SHA256)),
            "sha512bare": crypt.crypt("summersun", crypt.mksalt(crypt.METHOD_SHA512)),
            "md5crypt": crypt.crypt("summersun", crypt.mksalt(crypt.METHOD_MD5)),
            "plainmd5": "{PLAIN-MD5}" + hashlib.md5(b"summersun").hexdigest(),
            "plain": "{PLAIN}summersun",
        }
        for local, text in stored.items():
            with self.subTest(local):
                user = self.user(local, text)
                self.arrives(user.address, user)
                with pr.pop3(user) as pop:
                    self.assertEqual(pop.stat()[0], 1)
                with pr.smtp(user):
                    pass
                with self.assertRaises(Exception), pr.imap(env.User(user.address, "winterrain")):
                    pass

    def test_a_changed_row_counts_at_the_next_login(self):
        user = self.user("changes", "{PLAIN}one", "one")
        with pr.imap(user):
            pass
        pr.sql(f"UPDATE virtual_users SET password = '{{PLAIN}}two' WHERE email = '{user.address}'")
        with self.assertRaises(Exception), pr.imap(user):
            pass
        with pr.imap(env.User(user.address, "two")):
            pass
        new = crypt.crypt("three-three", crypt.mksalt(crypt.METHOD_SHA512))
        self.assertEqual(pr.sql(f"SELECT update_passwd('{new}', '{user.address}')"), [["1"]])
        with self.assertRaises(Exception), pr.imap(env.User(user.address, "two")):
            pass
        with pr.imap(env.User(user.address, "three-three")):
            pass
        with self.assertRaises(AssertionError):
            pr.sql(f"SELECT update_passwd('{new}', 'nobody@{self.domain}')")

    def test_aliases(self):
        one, two, three = (self.user(f"al{i}", "{PLAIN}summersun") for i in range(3))
        self.arrives(self.alias("single", one.address), one)
        # To many: as many rows, or one row with commas.
        for user in (one, two, three):
            self.alias("rows", user.address)
        self.arrives(f"rows@{self.domain}", one, two, three)
        self.alias("commas", f"{one.address}, {two.address}")
        self.arrives(f"commas@{self.domain}", one, two)
        # Of an alias of an alias; and a loop is refused for good at RCPT, or for now, but never taken.
        self.alias("second", f"single@{self.domain}")
        self.arrives(f"second@{self.domain}", one)
        self.alias("ring1", f"ring2@{self.domain}")
        self.alias("ring2", f"ring1@{self.domain}")
        self.assertGreaterEqual(self.rcpt(f"ring1@{self.domain}")[0][0], 400)
        # A mailbox that is also the source of an alias to itself and another.
        self.alias("al2", three.address)
        self.alias("al2", one.address)
        time.sleep(ROUTE)
        self.arrives(three.address, three, one)
        # The subaddress leads where the address leads, and the mailbox has it.
        self.arrives(f"al0+lists@{self.domain}", one)
        self.arrives(f"single+x@{self.domain}", one)

    def test_catch_all(self):
        domain = f"catch-{pr.prefix}.test"
        pr.sql(f"INSERT INTO virtual_domains (name) VALUES ('{domain}')")
        number = pr.sql(f"SELECT id FROM virtual_domains WHERE name = '{domain}'")[0][0]
        pr.sql(f"INSERT INTO virtual_users (domain_id, password, email) VALUES "
               f"({number}, '{{PLAIN}}x', 'all@{domain}'), ({number}, '{{PLAIN}}x', 'own@{domain}')")
        pr.sql(f"INSERT INTO virtual_aliases (domain_id, source, destination) VALUES "
               f"({number}, '@{domain}', 'all@{domain}')")
        everybody, own = env.User(f"all@{domain}", "x"), env.User(f"own@{domain}", "x")
        self.arrives(f"whoever@{domain}", everybody)
        self.arrives(own.address, own)
        self.assertEqual(pr.count(everybody), 1)

    def test_alias_domain(self):
        user = self.user("aldom", "{PLAIN}summersun")
        other = f"alias-{pr.prefix}.test"
        pr.sql(f"INSERT INTO virtual_domains (name, alias_of) VALUES ('{other}', '{self.domain}')")
        self.arrives(f"aldom@{other}", user)
        self.assertEqual(self.rcpt(f"nobody@{other}")[0][0], 550)

    def test_disabled(self):
        user = self.user("off", "{PLAIN}summersun")
        source = self.alias("offalias", user.address)
        self.arrives(user.address, user)
        pr.sql(f"UPDATE virtual_users SET enabled = 0 WHERE email = '{user.address}'")
        time.sleep(ROUTE)
        for code, text in self.rcpt(user.address, source):
            self.assertEqual(code // 100, 5, text)
        with self.assertRaises(Exception), pr.imap(user):
            pass
        with self.assertRaises(Exception), pr.pop3(user):
            pass
        with self.assertRaises(Exception), pr.smtp(user):
            pass
        pr.sql(f"UPDATE virtual_users SET enabled = 1 WHERE email = '{user.address}'")
        time.sleep(ROUTE)
        self.assertEqual(pr.count(user), 1)

    def test_quota_of_a_row(self):
        user = self.user("small", "{PLAIN}summersun")
        pr.sql(f"UPDATE virtual_users SET quota = 20000 WHERE email = '{user.address}'")
        big = "Subject: fill\n\n" + ("x" * 70 + "\n") * 200
        pr.send(big, "someone@example.net", [user.address])
        with Wire(pr) as w:
            w.ehlo()
            w.ok("MAIL FROM:<someone@example.net> SIZE=14500")
            code, text = w.cmd(f"RCPT TO:<{user.address}>")
            if code == 250:
                w.ok("DATA", 354)
                w.send(big.replace("\n", "\r\n").encode() + b".\r\n")
                code, text = w.reply()
            self.assertEqual((code, text.split()[0]), (452, "4.2.2"))
        self.assertEqual(pr.count(user), 1)
        with pr.imap(user) as imap:
            status, data = imap.append("INBOX", None, None, b"Subject: a\r\n\r\n" + b"y" * 15000)
            self.assertEqual(status, "NO")
            self.assertIn(b"OVERQUOTA", data[0])
            # Deleting makes room.
            imap.select("INBOX")
            imap.store("1", "+FLAGS", r"(\Deleted)")
            imap.expunge()
        pr.send(big, "someone@example.net", [user.address])
        self.assertEqual(pr.count(user), 1)

    def test_bare_postmaster(self):
        """RFC 5321 4.5.1; where the settings name nobody, the reply says that."""
        code, text = self.rcpt("Postmaster")[0]
        if code != 250:
            self.assertEqual((code, text), (550, "5.1.1 No postmaster is named here"))

    def test_destination_elsewhere_and_rubbish(self):
        """What a hand may have typed into a row: an answer, and never a crash."""
        for i, destination in enumerate(["", " ", "no-at-sign", "@", "a@", ",,,", "a b@c.test", "<x@y.test>",
                                         "|/bin/sh", "/etc/passwd", ":include:/etc/passwd", "x" * 1000, "é@" + self.domain]):
            with self.subTest(destination):
                source = self.alias(f"rub{i}", destination.replace("'", "''"))
                code, text = self.rcpt(source)[0]
                self.assertGreaterEqual(code, 400, text)
        pr.sql(f"INSERT INTO virtual_users (domain_id, password, email) VALUES ({self.domain_id}, '', 'nopass@{self.domain}')")
        for password in ("", "x"):
            with self.assertRaises(Exception), pr.imap(env.User(f"nopass@{self.domain}", password)):
                pass

    def test_a_domain_that_is_deleted_takes_its_users_along(self):
        domain = f"gone-{pr.prefix}.test"
        pr.sql(f"INSERT INTO virtual_domains (name) VALUES ('{domain}')")
        number = pr.sql(f"SELECT id FROM virtual_domains WHERE name = '{domain}'")[0][0]
        pr.sql(f"INSERT INTO virtual_users (domain_id, password, email) VALUES ({number}, '{{PLAIN}}x', 'a@{domain}')")
        self.arrives(f"a@{domain}", env.User(f"a@{domain}", "x"))
        pr.sql(f"DELETE FROM virtual_domains WHERE id = {number}")
        time.sleep(ROUTE)
        code, _ = self.rcpt(f"a@{domain}")[0]
        self.assertIn(code, (550, 554))


if __name__ == "__main__":
    unittest.main()
