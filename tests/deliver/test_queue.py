"""Mail that leaves the house: exchangers by DNS, retries, reports, the postroom command's view.

# check: no-instance
# check: timeout=600
"""

import email
import email.policy
import itertools
import os
import signal
import time
import unittest

from lib import env, fakedns, peers

SETTINGS = """
dns_server = {dns}
relay_port = {port}
relay_to_loopback = yes
queue_retry_first = 1s
queue_retry_max = 2s
queue_expire = {expire}
"""

number = itertools.count(1)


def message(subject, body="x"):
    return f"From: ann@example.test\r\nSubject: {subject}\r\n\r\n{body}\r\n"


def sequence(*answers):
    """One answer after another, then the usual one."""
    rest = iter(answers)
    return lambda line: next(rest, None)


class Away(unittest.TestCase):
    EXPIRE = "30s"

    @classmethod
    def setUpClass(cls):
        cls.dns, cls.mx = fakedns.FakeDNS(), peers.Sink()
        cls.dns.mx("far.example", (20, "nobody.far.example"), (10, "mx.far.example"))
        cls.dns.a("mx.far.example", "127.0.0.1")
        cls.dns.a("implicit.example", "127.0.0.1")
        cls.dns.a("plain.example", "127.0.0.1")
        cls.dns.mx("null.example", (0, ""))
        cls.dns.mx("dead.example", (10, "dead.example"))
        cls.dns.a("dead.example", "127.0.0.2")
        cls.dns.fails.add("broken.example")
        cls.instance = env.Instance()
        try:
            cls.pr = cls.instance.start()
            with open(cls.pr.POSTROOM_CONF, "a", encoding="utf-8") as conf:
                conf.write(SETTINGS.format(dns=cls.dns.server, port=cls.mx.port, expire=cls.EXPIRE))
            cls.instance.stop()
            cls.pr = cls.instance.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.instance.__exit__()
        cls.mx.close()
        cls.dns.close()

    def setUp(self):
        self.subject = f"queue {next(number)}"
        self.mx.answers.clear()

    def tearDown(self):
        self.mx.answers.clear()

    def send(self, recipient, sender=None, body="x", mail_options=(), rcpt_options=()):
        sender = self.pr.ann if sender is None else sender
        text = message(self.subject, body).encode()
        if isinstance(sender, env.User):
            with self.pr.smtp(sender) as smtp:
                smtp.sendmail(sender.address, [recipient] if isinstance(recipient, str) else recipient, text,
                              mail_options, rcpt_options)
        else:
            self.pr.send(text, sender, [recipient])

    def arrived(self, count=1):
        def mine():
            return [m for m in self.mx.messages if self.subject.encode() in m[2]]
        env.wait_until(lambda: len(mine()) >= count, what=f"{self.subject} at the exchanger")
        return mine()

    def report(self, user=None, word="Undelivered"):
        """The report about this test's message, parsed."""
        def found():
            for raw in reversed(self.pr.fetch_all(user or self.pr.ann)):
                if self.subject.encode() in raw and word.encode() in raw.split(b"\r\n\r\n")[0]:
                    return raw
            return None
        env.wait_until(found, 40, f"a report on {self.subject}")
        return email.message_from_bytes(found(), policy=email.policy.default)

    def no_report(self, seconds=2):
        time.sleep(seconds)
        self.assertFalse([raw for raw in self.pr.fetch_all(self.pr.ann) if self.subject.encode() in raw])

    def queue(self):
        return self.pr.postroom_json("queue", "list")

    def empty(self):
        env.wait_until(lambda: not os.listdir(self.pr.QUEUE_DIR) or
                       all(not n.endswith((".e", ".m")) for n in os.listdir(self.pr.QUEUE_DIR)), 40, "an empty queue")


class Delivery(Away):
    def test_to_an_exchanger(self):
        self.send("someone@far.example", body=".dot\r\n..two")
        (sender, recipients, data), = self.arrived()
        self.assertEqual((sender, recipients), (self.pr.ann.address, ["someone@far.example"]))
        self.assertNotIn(b"Return-Path", data)
        self.assertTrue(data.startswith(b"Received: "), data[:100])
        self.assertTrue(data.endswith(b"\r\n\r\n.dot\r\n..two\r\n"), data)
        self.empty()

    def test_a_domain_is_its_own_exchanger(self):
        self.send("someone@implicit.example")
        self.arrived()

    def test_local_and_remote_together(self):
        user = self.pr.new_user()
        self.send([user.address, "one@far.example", "two@far.example"])
        got, = self.arrived()
        self.assertEqual(sorted(got[1]), ["one@far.example", "two@far.example"])
        raw = self.pr.wait_for_message(user, subject=self.subject)
        self.assertTrue(raw.startswith(b"Return-Path: <ann@example.test>\r\nReceived"), raw[:200])
        self.empty()

    def test_an_alias_that_leads_away(self):
        alias = self.pr.new_address("away")
        self.pr.postroom("alias", "add", alias, "elsewhere@far.example")
        self.send(alias, sender="stranger@client.example")
        self.assertEqual(self.arrived()[0][1], ["elsewhere@far.example"])

    def test_greylisted_then_taken(self):
        self.mx.answers["RCPT"] = sequence("451 4.7.1 Greylisted", "451 4.7.1 Greylisted")
        self.send("grey@far.example")
        self.arrived()
        self.empty()

    def test_one_of_two_is_tried_again(self):
        refused = iter(["450 4.2.1 later"])
        self.mx.answers["RCPT"] = lambda line: next(refused, None) if "slow" in line else None
        self.send(["quick@far.example", "slow@far.example"])
        one, two = self.arrived(2)
        self.assertEqual([one[1], two[1]], [["quick@far.example"], ["slow@far.example"]])

    def test_dsn_parameters_go_along(self):
        self.send("dsn@far.example", mail_options=["RET=HDRS", "ENVID=e+2B1"],
                  rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@far.example"])
        self.arrived()
        self.assertTrue(any("RET=HDRS" in c and "ENVID=e+2B1" in c for c in self.mx.commands))
        self.assertTrue(any("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@far.example" in c for c in self.mx.commands))
        # The next host knows DSN, so the confirmation is its duty.
        self.no_report()

    def test_a_kill_loses_nothing(self):
        self.mx.answers["RCPT"] = lambda line: "451 4.3.0 not yet"
        self.send("kill@far.example")
        env.wait_until(lambda: any(r["from"] == self.pr.ann.address and r["tries"] > 0 for r in self.queue()),
                       what="a try")
        pid = int(env.run("pgrep", "-P", str(self.pr.PID), "-x", "deliver").stdout)
        os.kill(pid, signal.SIGKILL)
        self.mx.answers.clear()
        self.arrived()
        self.empty()


class Reports(Away):
    def test_refused_for_good(self):
        self.mx.answers["RCPT"] = lambda line: "550 5.1.1 No such user"
        self.send("nobody@far.example", mail_options=["ENVID=mark"])
        report = self.report()
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report["Return-Path"], "<>")
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        status = report.get_payload()[1].get_payload()
        self.assertEqual(status[0]["Original-Envelope-Id"], "mark")
        self.assertEqual(status[1]["Action"], "failed")
        self.assertEqual(status[1]["Status"], "5.1.1")
        self.assertEqual(status[1]["Final-Recipient"], "rfc822; nobody@far.example")
        self.assertEqual(status[1]["Remote-MTA"], "dns; mx.far.example")
        self.assertIn("No such user", status[1]["Diagnostic-Code"])
        self.assertEqual(report.get_payload()[2].get_content_type(), "text/rfc822-headers")
        self.empty()

    def test_what_the_dns_says(self):
        for domain, status in (("null.example", "5.1.10"), ("missing.example", "5.1.2")):
            with self.subTest(domain):
                self.subject = f"queue {next(number)}"
                self.send(f"x@{domain}")
                self.assertEqual(self.report().get_payload()[1].get_payload()[1]["Status"], status)

    def test_the_whole_message_where_asked_for(self):
        self.mx.answers["."] = "554 5.7.1 We do not like it"
        self.send("x@far.example", body="the body", mail_options=["RET=FULL"])
        report = self.report()
        self.assertEqual(report.get_payload()[2].get_content_type(), "message/rfc822")
        self.assertIn("the body", report.as_string())

    def test_notify_never(self):
        self.mx.answers["RCPT"] = lambda line: "550 5.1.1 No such user"
        self.send("nobody@far.example", rcpt_options=["NOTIFY=NEVER"])
        self.empty()
        self.no_report()

    def test_notify_success_where_the_next_host_cannot(self):
        self.mx.answers["EHLO"] = "250 plain"
        self.send("x@plain.example", rcpt_options=["NOTIFY=SUCCESS"])
        status = self.report(word="handed on").get_payload()[1].get_payload()
        self.assertEqual(status[1]["Action"], "relayed")

    def test_notify_success_into_a_mailbox(self):
        user = self.pr.new_user()
        self.send(user.address, rcpt_options=["NOTIFY=SUCCESS"])
        status = self.report(word="was delivered").get_payload()[1].get_payload()
        self.assertEqual(status[1]["Action"], "delivered")

    def test_the_null_sender_is_never_told(self):
        self.mx.answers["RCPT"] = lambda line: "550 5.1.1 No such user"
        alias = self.pr.new_address("away")
        self.pr.postroom("alias", "add", alias, "elsewhere@far.example")
        self.send(alias, sender="")
        self.empty()
        self.no_report(1)

    def test_a_forwarder_tells_a_stranger(self):
        # A remote refusal of forwarded mail is told to its sender, through the same exchanger.
        refused = iter(["550 5.1.1 No such user"])
        self.mx.answers["RCPT"] = lambda line: next(refused, None) if "elsewhere" in line else None
        alias = self.pr.new_address("away")
        self.pr.postroom("alias", "add", alias, "elsewhere@far.example")
        self.send(alias, sender="stranger@far.example")
        sender, recipients, data = self.arrived()[0]
        self.assertEqual((sender, recipients), ("", ["stranger@far.example"]))
        self.assertIn(b"message/delivery-status", data)


class Expiry(Away):
    EXPIRE = "5s"

    def test_out_of_time(self):
        self.mx.answers["RCPT"] = lambda line: "451 4.7.1 Come back later"
        self.send("never@far.example")
        status = self.report().get_payload()[1].get_payload()
        self.assertEqual(status[1]["Action"], "failed")
        self.assertEqual(status[1]["Status"], "4.7.1")
        self.assertIn("Come back later", status[1]["Diagnostic-Code"])
        self.empty()

    def test_nobody_there(self):
        self.send("x@dead.example")
        self.report()
        self.empty()

    def test_no_dns(self):
        self.send("x@broken.example")
        self.assertEqual(self.report().get_payload()[1].get_payload()[1]["Status"], "4.4.3")


class Command(Away):
    EXPIRE = "1h"

    def waiting(self, address):
        self.mx.answers["RCPT"] = lambda line: "451 4.7.1 Later" if "hold" in line else None
        self.send(address)
        env.wait_until(lambda: any(r["to"] == address and r["reason"] for r in self.queue()), what="a first try")
        return next(r for r in self.queue() if r["to"] == address)

    def test_list_show_drop(self):
        row = self.waiting("hold-1@far.example")
        self.assertEqual(row["from"], self.pr.ann.address)
        self.assertIn("Later", row["reason"])
        self.assertIn("hold-1@far.example", self.pr.postroom("queue", "show", row["id"])[1])
        self.pr.postroom("queue", "drop", row["id"])
        self.assertNotIn(row["id"], [r["id"] for r in self.queue()])
        self.assertEqual(self.pr.postroom("queue", "show", row["id"], check=False)[0], 3)
        self.no_report(1)

    def test_retry(self):
        row = self.waiting("hold-2@far.example")
        self.mx.answers.clear()
        self.pr.postroom("queue", "retry", row["id"])
        self.arrived()
        env.wait_until(lambda: row["id"] not in [r["id"] for r in self.queue()], what="its leaving")

    def test_a_damaged_file_is_set_aside(self):
        row = self.waiting("hold-3@far.example")
        name = row["id"].rjust(16, "0")
        path = os.path.join(self.pr.QUEUE_DIR, name + ".e")
        with open(path, "r+b") as f:
            f.seek(40)
            octet = f.read(1)
            f.seek(40)
            f.write(bytes([octet[0] ^ 1]))
        env.wait_until(lambda: os.path.exists(os.path.join(self.pr.QUEUE_DIR, "bad", name + ".e")),
                       what="its being set aside")
        self.assertTrue(os.path.exists(os.path.join(self.pr.QUEUE_DIR, "bad", name + ".m")))


if __name__ == "__main__":
    unittest.main()
