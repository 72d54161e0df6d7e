"""The postroom command against an instance: what it does, what it says, and with which exit status."""

import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

from lib import env, mailgen

pr = env.get()
DONE, FAILED, USAGE, NOT_FOUND, EXISTS, REFUSED, UNREACHABLE = range(7)


class Case(unittest.TestCase):
    def status(self, wanted, *words, stdin=None):
        status, out, err = pr.postroom(*words, check=False, stdin=stdin)
        self.assertEqual(status, wanted, f"postroom {' '.join(words)}\n{out}{err}")
        return out + err


class Domains(Case):
    def test_from_birth_to_death(self):
        name = pr.new_domain("adm")
        self.status(EXISTS, "domain", "add", name.upper())
        self.assertIn(name, self.status(DONE, "domain", "list"))
        self.status(DONE, "domain", "set", name, "--description", "A society")
        shown = pr.postroom_json("domain", "show", name)
        self.assertEqual((shown["description"], shown["enabled"], shown["mailboxes"]), ("A society", True, 0))
        self.status(DONE, "domain", "disable", name)
        self.assertFalse(pr.postroom_json("domain", "show", name)["enabled"])
        self.status(DONE, "domain", "enable", name)
        self.status(DONE, "domain", "remove", name)
        self.status(NOT_FOUND, "domain", "show", name)
        self.status(NOT_FOUND, "domain", "remove", name)

    def test_rules(self):
        name = pr.new_domain("adm")
        user = pr.new_user(address=f"ann@{name}")
        self.assertIn("1 mailboxes", self.status(REFUSED, "domain", "remove", name))
        self.status(REFUSED, "domain", "set", name, "--alias-of", env.DOMAIN)
        self.status(DONE, "mailbox", "remove", user.address)
        self.status(DONE, "alias", "add", f"x@{name}", pr.ann.address)
        self.status(REFUSED, "domain", "remove", name)
        self.status(DONE, "domain", "remove", name, "--with-aliases")
        for bad in ("", "nodot", "a b.test", "-x.test", "x..test", "x.test.", "a'b.test"):
            self.status(USAGE, "domain", "add", bad)

    def test_alias_domains(self):
        name, other = pr.new_domain("adm"), "alias-" + pr.new_domain("adm")
        user = pr.new_user(address=f"ann@{name}")
        self.status(DONE, "domain", "add", other, "--alias-of", name)
        self.status(REFUSED, "mailbox", "add", f"x@{other}", "--generate")
        tested = pr.postroom_json("alias", "test", f"ann@{other}")
        self.assertEqual(tested["targets"], [f"mailbox {user.address}"])
        self.status(NOT_FOUND, "domain", "add", "new-" + other, "--alias-of", "nowhere.example.test")
        self.status(REFUSED, "domain", "add", "new-" + other, "--alias-of", other)

    def test_names_beyond_ascii(self):
        name = f"bücher-{pr.prefix}.test"
        self.status(DONE, "domain", "add", name)
        self.status(EXISTS, "domain", "add", name.encode("idna").decode())
        self.status(DONE, "domain", "show", name)


class Mailboxes(Case):
    def test_from_birth_to_death(self):
        address = pr.new_address("adm")
        made = pr.postroom_json("mailbox", "add", address, "--generate", "--name", "Änne", "--quota", "2G")
        user = env.User(address, made["password"])
        with pr.imap(user):
            pass
        shown = pr.postroom_json("mailbox", "show", address)
        self.assertEqual((shown["mailbox"], shown["name"], shown["quota"], shown["enabled"]),
                         (address, "Änne", 2 << 30, True))
        self.assertFalse(shown["password_weak"])
        self.status(DONE, "mailbox", "set", address, "--quota", "none", "--quota-messages", "5")
        shown = pr.postroom_json("mailbox", "show", address)
        self.assertEqual((shown["name"], shown["quota"], shown["quota_messages"]), ("Änne", 0, 5))
        self.status(EXISTS, "mailbox", "add", address.upper(), "--generate")
        self.assertIn(address, self.status(DONE, "mailbox", "list", env.DOMAIN))
        self.assertTrue(any(m["mailbox"] == address for m in pr.postroom_json("mailbox", "list")))
        self.status(DONE, "mailbox", "remove", address)
        self.status(NOT_FOUND, "mailbox", "show", address)
        with self.assertRaises(Exception), pr.imap(user):
            pass

    def test_passwords(self):
        user = pr.new_user("adm")
        self.status(DONE, "mailbox", "password", user.address, "--password-stdin", stdin="a second password\n")
        with pr.imap(env.User(user.address, "a second password")):
            pass
        with self.assertRaises(Exception), pr.imap(user):
            pass
        made = pr.postroom_json("mailbox", "password", user.address, "--generate")
        with pr.imap(env.User(user.address, made["password"])):
            pass
        self.status(USAGE, "mailbox", "password", user.address, "--password-stdin", stdin="")
        self.status(USAGE, "mailbox", "password", user.address, "--password-stdin", stdin="x" * 2000 + "\n")
        self.status(USAGE, "mailbox", "password", user.address, "--password-stdin", "--generate", stdin="x\n")
        self.status(NOT_FOUND, "mailbox", "password", pr.new_address("nobody"), "--generate")

    def test_the_prompt_shows_no_password_and_wants_it_twice(self):
        user = pr.new_user("adm")
        for second, wanted in (("typed on a terminal", DONE), ("typed otherwise", FAILED)):
            pid, terminal = pty.fork()
            if pid == 0:
                os.execv(pr.POSTROOM, [pr.POSTROOM, "mailbox", "password", user.address])
            seen = b""
            for line in ("typed on a terminal", second):
                until = time.monotonic() + 20
                while not seen.rstrip().endswith(b":") and time.monotonic() < until:
                    if select.select([terminal], [], [], 0.2)[0]:
                        seen += os.read(terminal, 4096)
                time.sleep(0.05)
                os.write(terminal, line.encode() + b"\n")
                seen += b"\n"
            while True:
                try:
                    part = os.read(terminal, 4096)
                except OSError:
                    break
                if not part:
                    break
                seen += part
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(terminal)
            self.assertEqual(status, wanted, seen)
            self.assertNotIn(b"typed", seen)
        with pr.imap(env.User(user.address, "typed on a terminal")):
            pass

    def test_disabled_means_no_mail_and_no_login(self):
        user = pr.new_user("adm")
        self.status(DONE, "mailbox", "disable", user.address)
        with self.assertRaises(Exception), pr.imap(user):
            pass
        env.wait_until(lambda: self.rcpt(user.address) == 550, 5, "mail refused")
        self.status(DONE, "mailbox", "enable", user.address)
        env.wait_until(lambda: self.rcpt(user.address) == 250, 5, "mail taken")
        with pr.imap(user):
            pass

    @staticmethod
    def rcpt(address):
        with pr.smtp() as smtp:
            smtp.mail("a@example.net")
            return smtp.rcpt(address)[0]

    def test_removed_and_brought_back_with_its_mail(self):
        user = pr.new_user("adm")
        pr.send(mailgen.plain("to be kept"), "a@example.net", [user.address])
        pr.wait_for_message(user, subject="to be kept")
        pr.postroom("alias", "add", pr.new_address("leads"), user.address)
        self.assertIn("kept aside", self.status(DONE, "mailbox", "remove", user.address))
        self.assertFalse(os.path.exists(pr.maildir(user)))
        for table, column in (("virtual_users", "email"), ("virtual_aliases", "destination"),
                              ("pr_scram", "address"), ("pr_last_login", "address")):
            self.assertEqual(pr.sql(f"SELECT COUNT(*) FROM {table} WHERE {column} = '{user.address}'"), [["0"]],
                             table)
        self.status(DONE, "mailbox", "restore", user.address)
        pr.wait_for_message(user, subject="to be kept")
        self.status(NOT_FOUND, "mailbox", "restore", pr.new_address("never"))

    def test_a_new_mailbox_of_an_old_name_begins_empty(self):
        user = pr.new_user("adm")
        pr.send(mailgen.plain("of the first owner"), "a@example.net", [user.address])
        pr.wait_for_message(user, subject="of the first owner")
        self.status(DONE, "mailbox", "remove", user.address)
        pr.new_user(address=user.address, password=user.password)
        self.assertEqual(pr.count(user), 0)

    def test_renamed_with_its_mail_and_aliases(self):
        user = pr.new_user("adm")
        alias, new = pr.new_address("alias"), pr.new_address("renamed")
        pr.postroom("alias", "add", alias, user.address)
        pr.send(mailgen.plain("moves along"), "a@example.net", [user.address])
        pr.wait_for_message(user, subject="moves along")
        self.status(DONE, "mailbox", "set", user.address, "--address", new)
        renamed = env.User(new, user.password)
        pr.wait_for_message(renamed, subject="moves along")
        self.assertEqual(pr.postroom_json("alias", "test", alias)["targets"], [f"mailbox {new}"])
        self.status(EXISTS, "mailbox", "set", new, "--address", pr.ann.address)

    def test_what_is_refused(self):
        self.status(NOT_FOUND, "mailbox", "add", "x@not-hosted.example.org", "--generate")
        for bad in ("", "x", "@example.test", "x@", "a b@example.test", "x@y@example.test", "x\n@example.test"):
            self.status(USAGE, "mailbox", "add", bad, "--generate")
        for bad in ("x", "-1", "10Q", "1e9", "99999999999999999999"):
            self.status(USAGE, "mailbox", "add", pr.new_address(), "--generate", "--quota", bad)

    def test_sql_in_every_place_is_only_text(self):
        evil = "'; DROP TABLE virtual_users; -- \\%_\"`"
        user = pr.new_user("adm", "--name", evil)
        self.assertEqual(pr.postroom_json("mailbox", "show", user.address)["name"], evil)
        quoted = pr.new_user(address=f"o'brien-{pr.prefix}@{env.DOMAIN}")
        with pr.imap(quoted):
            pass
        self.status(DONE, "mailbox", "remove", quoted.address)

    def test_control_characters_do_not_reach_the_terminal(self):
        user = pr.new_user("adm", "--name", "plain")
        pr.sql(f"UPDATE virtual_users SET name = CONCAT('x', CHAR(27), '[31m', CHAR(10), 'y', CHAR(226,128,174))"
               f" WHERE email = '{user.address}'")
        for words in (("show", user.address), ("list", env.DOMAIN)):
            out = self.status(DONE, "mailbox", *words)
            self.assertNotIn("\x1b", out)
            self.assertNotIn("\u202e", out)
            self.assertIn("x\\x1b[31m\\x0ay\\u{202e}", out)
        self.assertEqual(pr.postroom_json("mailbox", "show", user.address)["name"], "x\x1b[31m\ny\u202e")


class Aliases(Case):
    def test_from_birth_to_death(self):
        alias, a, b = pr.new_address("alias"), pr.new_user("adm"), pr.new_user("adm")
        self.status(DONE, "alias", "add", alias, a.address, b.address)
        self.status(EXISTS, "alias", "add", alias, a.address)
        self.assertCountEqual(pr.postroom_json("alias", "show", alias)["destinations"], [a.address, b.address])
        pr.send(mailgen.plain("for both"), "x@example.net", [alias])
        for user in (a, b):
            pr.wait_for_message(user, subject="for both")
        self.status(DONE, "alias", "remove", alias, b.address)
        self.status(NOT_FOUND, "alias", "remove", alias, b.address)
        self.assertEqual(pr.postroom_json("alias", "show", alias)["destinations"], [a.address])
        self.status(DONE, "alias", "set", alias, "--send-as", "no")
        self.assertFalse(pr.postroom_json("alias", "show", alias)["send_as"])
        self.status(DONE, "alias", "disable", alias)
        time.sleep(1.1)  # a route may be remembered for one second
        self.status(NOT_FOUND, "alias", "test", alias)
        self.status(DONE, "alias", "enable", alias)
        self.assertTrue(any(row["alias"] == alias for row in pr.postroom_json("alias", "list", env.DOMAIN)))
        self.status(DONE, "alias", "remove", alias)
        self.status(NOT_FOUND, "alias", "show", alias)
        self.status(NOT_FOUND, "alias", "add", "x@not-hosted.example.org", a.address)

    def test_all_destinations_or_none(self):
        alias, a = pr.new_address("alias"), pr.new_user("adm")
        self.status(USAGE, "alias", "add", alias, a.address, "not an address")
        self.status(NOT_FOUND, "alias", "show", alias)

    def test_catch_all(self):
        domain = pr.new_domain("adm")
        user = pr.new_user(address=f"all@{domain}")
        self.status(DONE, "alias", "add", f"@{domain}", user.address)
        tested = pr.postroom_json("alias", "test", f"whatever@{domain}")
        self.assertTrue(tested["accepted"])
        self.assertEqual(tested["targets"], [f"mailbox {user.address}"])
        self.assertTrue(tested["reasons"])

    def test_of_addresses_that_lead_nowhere(self):
        out = self.status(NOT_FOUND, "alias", "test", pr.new_address("nobody"))
        self.assertIn("550", out)
        self.assertFalse(pr.postroom_json("alias", "test", "x@elsewhere.example.org")["accepted"])

    def test_loops_are_told(self):
        a, b = pr.new_address("loop"), pr.new_address("loop")
        pr.postroom("alias", "add", a, b)
        pr.postroom("alias", "add", b, a)
        status, out, err = pr.postroom("alias", "test", a, check=False)
        self.assertIn(status, (NOT_FOUND, UNREACHABLE), out + err)


class Platform(Case):
    def test_status(self):
        out = self.status(DONE, "status")
        for name in ("authd", "smtpd", "login", "imapd-0", "deliver", "relay", "imaps"):
            self.assertIn(name, out)
        shown = pr.postroom_json("status")
        self.assertTrue(all(row["state"] == "ready" for row in shown["daemons"]), shown)
        self.assertGreater(shown["counts"]["logins"], 0)

    def test_queue_commands(self):
        self.status(DONE, "queue", "list")
        self.assertIsInstance(pr.postroom_json("queue", "list"), list)
        for command in (("show", "1234abc"), ("retry", "1234abc"), ("drop", "1234abc")):
            self.status(NOT_FOUND, "queue", *command)
        for bad in ("x", "-1", "0", "11112222333344445"):
            self.status(USAGE, "queue", "show", bad)
        self.status(DONE, "queue", "retry", "--all")
        self.status(USAGE, "queue", "retry")

    def test_config(self):
        self.assertIn("is right", self.status(DONE, "config", "check"))
        self.assertIn("port_base", self.status(DONE, "config", "show", "--changed"))
        self.assertIn("did you mean message_size", self.status(NOT_FOUND, "config", "show", "mesage_size"))
        rows = {row["setting"]: row for row in pr.postroom_json("config", "show")}
        self.assertRegex(rows["port_base"]["from"], r"postroom\.conf:\d+$")
        self.assertEqual(rows["message_size"]["from"], "default")
        bad = os.path.join("/tmp", f"postroom-bad-{pr.prefix}.conf")
        with open(bad, "w", encoding="utf-8") as f:
            f.write("mesage_size = 1M\nport_base = many\n")
        self.addCleanup(os.unlink, bad)
        out = self.status(FAILED, "config", "check", bad)
        self.assertIn(f"{bad}:1", out)
        self.assertIn(f"{bad}:2", out)

    def test_db(self):
        self.status(DONE, "db", "status")
        self.status(DONE, "db", "migrate")
        self.status(DONE, "db", "init")
        self.assertTrue(all(row["applied"] for row in pr.postroom_json("db", "status")))

    def test_what_cannot_be_reached(self):
        conf = os.path.join("/tmp", f"postroom-away-{pr.prefix}.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("database_socket = /nonexistent/sock\nrun_dir = /nonexistent\n")
        self.addCleanup(os.unlink, conf)
        for words in (("domain", "list"), ("status",), ("queue", "list"), ("alias", "test", "x@y.test"),
                      ("db", "status")):
            self.status(UNREACHABLE, "-c", conf, *words)
            failure = json.loads(pr.postroom("-c", conf, "--json", *words, check=False)[1])["error"]
            self.assertEqual(failure["status"], UNREACHABLE)
            self.assertTrue(failure["hint"])
        self.status(FAILED, "-c", "/nonexistent.conf", "domain", "list")

    def test_reload_refuses_what_is_wrong(self):
        self.status(DONE, "reload")
        with open(pr.POSTROOM_CONF, encoding="utf-8") as f:
            good = f.read()
        try:
            with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                f.write(good + "no_such_setting = 1\n")
            self.status(REFUSED, "reload")
            with pr.smtp(pr.ann):
                pass
        finally:
            with open(pr.POSTROOM_CONF, "w", encoding="utf-8") as f:
                f.write(good)
        self.status(DONE, "reload")


class Manners(Case):
    def commands(self):
        rows = re.findall(r"^  ((?:domain|mailbox|alias|queue|config|db) \w+|status|reload|stop)\b",
                          self.status(DONE, "--help"), re.M)
        self.assertGreater(len(rows), 35)
        return [row.split() for row in rows]

    def test_help_is_one_screen_with_examples(self):
        for command in self.commands():
            out = self.status(DONE, *command, "--help")
            self.assertLessEqual(len(out.splitlines()), 24, out)
            self.assertTrue(all(len(line) <= 100 for line in out.splitlines()), out)
            self.assertRegex(out, r"examples:\n  .*postroom " + " ".join(command))

    def test_usage(self):
        for words in ((), ("frob",), ("mailbox",), ("mailbox", "frob"), ("mailbox", "add"),
                      ("mailbox", "add", "a@b.test", "c@d.test"), ("mailbox", "add", "a@b.test", "--frob"),
                      ("mailbox", "add", "a@b.test", "--name"), ("domain", "list", "--x=y"), ("-c",)):
            self.status(USAGE, *words)

    def test_the_manual_page_knows_every_command_and_option(self):
        with open(os.path.join(env.TOP, "admin-cli", "postroom.8"), encoding="utf-8") as f:
            page = f.read().replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")
        for command in self.commands():
            self.assertRegex(page, r"(?m)^\.B " + " ".join(command) + r"\b", command)
            for option in re.findall(r"^  --([a-z-]+)", self.status(DONE, *command, "--help"), re.M):
                self.assertIn("--" + option, page, command)

    def test_completion(self):
        script = os.path.join(env.TOP, "admin-cli", "postroom.bash")
        for line, wanted in (("postroom mail", ["mailbox"]), ("postroom mailbox re", ["remove", "restore"]),
                             ("postroom mailbox add x --quo", ["--quota", "--quota-messages"]),
                             ("postroom queue retry --a", ["--all"]), ("postroom nothing x", [])):
            words = line.split(" ")
            done = subprocess.run(
                ["bash", "-c", f'. {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postroom; '
                 'printf "%s\\n" "${COMPREPLY[@]}"', "bash", pr.POSTROOM, *words[1:]],
                capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            self.assertEqual(done.stdout.split(), wanted, line)


if __name__ == "__main__":
    unittest.main()
