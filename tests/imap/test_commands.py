"""Every command of a logged-in session, as clients use it. The conversations in full are in
imapd/session_test.c; here they go through login, TLS and the real store."""

import imaplib
import unittest

from imap.raw import MESSAGE, Raw, pr


class Commands(unittest.TestCase):
    def setUp(self):
        self.user = pr.new_user("imap")
        self.c = Raw(self.user)
        self.addCleanup(self.c.close)

    def test_capabilities_are_those_of_the_issue(self):
        line = self.c.ok("CAPABILITY")[0]
        for name in ("IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE "
                     "SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH CONDSTORE QUOTA").split():
            self.assertIn(b" " + name.encode(), line)

    def test_imaplib_goes_through_everything(self):
        with pr.imap(self.user) as imap:
            self.assertEqual(imap.create("Work")[0], "OK")
            self.assertEqual(imap.append("Work", r"(\Seen)", imaplib.Time2Internaldate(0), MESSAGE)[0], "OK")
            self.assertEqual(imap.select("Work"), ("OK", [b"1"]))
            self.assertEqual(imap.fetch("1", "(RFC822)")[1][0][1], MESSAGE)
            self.assertEqual(imap.search(None, "SEEN")[1], [b"1"])
            self.assertEqual(imap.store("1", "+FLAGS", r"(\Deleted)")[0], "OK")
            self.assertEqual(imap.copy("1", "INBOX")[0], "OK")
            self.assertEqual(imap.expunge(), ("OK", [b"1"]))
            self.assertEqual(imap.status("INBOX", "(MESSAGES)")[1], [b"INBOX (MESSAGES 1)"])
            self.assertEqual(imap.subscribe("Work")[0], "OK")
            self.assertIn(b"Work", imap.lsub()[1][0])
            self.assertEqual(imap.check()[0], "OK")
            self.assertEqual(imap.close()[0], "OK")
            self.assertEqual(imap.rename("Work", "Play")[0], "OK")
            self.assertEqual(imap.delete("Play")[0], "OK")

    def test_names_are_carried_over_in_modified_utf7(self):
        self.c.ok("CREATE &AOQ-rger.&U,BTFw-")
        listed = b"".join(self.c.ok('LIST "" *'))
        self.assertIn(b"&AOQ-rger.&U,BTFw-", listed)
        self.c.ok("SELECT &AOQ-rger.&U,BTFw-")

    def test_uidplus_and_move(self):
        self.c.ok("CREATE To")
        self.c.append("INBOX")
        self.c.append("INBOX")
        self.c.ok("SELECT INBOX")
        self.assertRegex(self.c.ok("UID COPY 1:2 To")[-1], rb"\[COPYUID \d+ 1:2 1:2\]")
        got = b"".join(self.c.ok("UID MOVE 1 To"))
        self.assertRegex(got, rb"\[COPYUID \d+ 1 3\]")
        self.assertIn(b"* 1 EXPUNGE", got)
        self.c.no("UID COPY 2 Nowhere", b"[TRYCREATE]")

    def test_special_use(self):
        self.c.ok(r"CREATE Gone (USE (\Trash))")
        self.assertIn(rb"\Trash", b"".join(self.c.ok('LIST (SPECIAL-USE) "" *')))

    def test_list_status(self):
        self.c.append("INBOX")
        got = b"".join(self.c.ok('LIST "" * RETURN (STATUS (MESSAGES UNSEEN) CHILDREN)'))
        self.assertIn(b"* STATUS INBOX (MESSAGES 1 UNSEEN 1)", got)

    def test_quota(self):
        user = pr.new_user("quota", "--quota", "64K")
        with Raw(user) as c:
            self.assertIn(b"STORAGE 0 64", b"".join(c.ok("GETQUOTAROOT INBOX")))
            c.append("INBOX", MESSAGE + b"x" * 60000)
            c.no("APPEND INBOX {60000}", b"[OVERQUOTA]")

    def test_append_is_there_for_everybody_at_once(self):
        with Raw(self.user) as other:
            other.ok("SELECT INBOX")
            self.c.append("INBOX")
            self.assertIn(b"* 1 EXISTS", b"".join(other.ok("NOOP")))

    def test_pipelined_commands_are_answered_in_order(self):
        self.c.send(b"".join(b"p%d NOOP\r\n" % i for i in range(200)))
        for i in range(200):
            self.assertTrue(self.c.line().startswith(b"p%d OK" % i))


if __name__ == "__main__":
    unittest.main()
