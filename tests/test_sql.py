# check: no-instance
# check: alone
# check: timeout=600
"""sql/ against a real MariaDB: the schema, the guides' statements, and a server in trouble.

Run by ./check, or with POSTROOM_BUILD naming a build folder.
"""
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SQL = os.path.join(HERE, "..", "sql")
sys.path.insert(0, os.path.join(HERE, "lib"))
from mariadb import MariaDB  # noqa: E402

TRY = os.path.join(os.environ.get("POSTROOM_BUILD", os.path.join(HERE, "..", "build")), "sql", "sql-try")
EXTRA = """
-- name: sleep
SELECT SLEEP(:seconds) AS slept;
-- name: count_up
UPDATE counter SET n = n + 1 WHERE id = 1;
-- name: latin
SELECT email FROM latin_users WHERE email = :address;
-- name: latin_in
SELECT email FROM latin_users WHERE email IN (:address, :address);
-- name: missing_table
SELECT 1 FROM nowhere;
"""


def text(path):
    with open(os.path.join(SQL, path), encoding="utf-8") as f:
        return f.read()


class Try:
    def __init__(self, db, user="root", database="postroom"):
        sockets = db if isinstance(db, str) else db.socket
        self.profile = tempfile.NamedTemporaryFile("w", suffix=".sql")
        self.profile.write(text("profiles/postroom.sql") + EXTRA)
        self.profile.flush()
        self.log = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen(
            [TRY, sockets, database, user, self.profile.name, os.path.join(SQL, "schema")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        return self.p.stdout.readline().rstrip("\n")

    def run(self, line):
        """(outcome, rows, affected, refusal, ms, text)"""
        o, rows, affected, refusal, ms, text = (self.ask("run " + line) + " ").split(" ", 5)
        return o, int(rows), int(affected), int(refusal), int(ms), text.strip()

    def close(self):
        self.p.stdin.close()
        code = self.p.wait(20)
        self.p.stdout.close()
        self.log.seek(0)
        log = self.log.read()
        self.log.close()
        self.profile.close()
        assert code == 0, log


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = MariaDB()
        cls.db.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.db.__exit__(None, None, None)

    def setUp(self):
        self.db.sql("CREATE DATABASE postroom CHARACTER SET utf8mb4")
        self.opened = []

    def tearDown(self):
        for t in self.opened:
            t.close()
        if self.db.process is None:
            self.db.start()
        self.db.sql("DROP DATABASE postroom")

    def migrated(self, **kw):
        t = Try(self.db, **kw)
        self.opened.append(t)
        self.assertEqual(t.ask("migrate"), "done 2 ")
        return t

    def q(self, text, user=None):
        return self.db.sql(text, "postroom", user)


class Schema(Server):
    def test_repeated_migration_does_nothing(self):
        t = self.migrated()
        self.assertEqual(t.ask("migrate"), "done 0 ")
        self.assertEqual(t.ask("status"), "done 0 ")
        # One that was cut before it was noted is run again.
        self.q("DELETE FROM pr_migrations WHERE number = 1")
        self.assertEqual(t.ask("status"), "done 1 ")
        self.assertEqual(t.ask("migrate"), "done 1 ")

    def test_statements_of_the_guides(self):
        self.migrated()
        self.q("REPLACE INTO virtual_domains (id,name) VALUES ('1','Example.org')")
        self.q("INSERT INTO virtual_users (id,domain_id,password,email) VALUES "
               "('1','1','{SHA256-CRYPT}$5$M/GWzmtjsLroRWIf$0qDt7IgXCoCQyvQZrpdVt4Bj3fJ8KJ6wG','John@Example.ORG ')")
        self.q("INSERT INTO virtual_aliases (id, domain_id, source, destination) VALUES "
               "('1', '1', 'Jack@example.org', 'john@example.org')")
        self.assertEqual(self.q("SELECT email, quota, enabled FROM virtual_users WHERE email='john@example.org'"),
                         [["john@example.org", "0", "1"]])
        self.assertEqual(self.q("SELECT 1 FROM virtual_domains WHERE name='example.org'"), [["1"]])
        self.assertEqual(self.q("SELECT destination FROM virtual_aliases WHERE source='jack@example.org'"),
                         [["john@example.org"]])
        self.q("UPDATE virtual_users SET email='JOHNNY@example.org' WHERE id=1")
        self.assertEqual(self.q("SELECT email FROM virtual_users"), [["johnny@example.org"]])
        self.q("DELETE FROM virtual_domains WHERE id=1")
        self.assertEqual(self.q("SELECT COUNT(*) FROM virtual_users"), [["0"]])

    def test_addresses_differ_by_octets(self):
        self.migrated()
        self.q("INSERT INTO virtual_domains (id,name) VALUES (1,'example.org')")
        self.q("INSERT INTO virtual_users (domain_id,password,email) VALUES (1,'x','anna@example.org'),(1,'x','änna@example.org')")
        self.q("INSERT INTO virtual_users (domain_id,password,email) VALUES (1,'x','ÄNNE@example.org')")
        self.assertEqual(self.q("SELECT email FROM virtual_users ORDER BY id"),
                         [["anna@example.org"], ["änna@example.org"], ["änne@example.org"]])

    def test_old_tables_are_widened(self):
        self.q("""
            CREATE TABLE virtual_domains (id int(11) NOT NULL auto_increment, name varchar(50) NOT NULL,
                PRIMARY KEY (id)) ENGINE=InnoDB DEFAULT CHARSET=latin1;
            CREATE TABLE virtual_users (id int(11) NOT NULL auto_increment, domain_id int(11) NOT NULL,
                password varchar(106), email varchar(100) NOT NULL, PRIMARY KEY (id), UNIQUE KEY email (email),
                FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=latin1;
            CREATE TABLE virtual_aliases (id int(11) NOT NULL auto_increment, domain_id int(11) NOT NULL,
                source varchar(100) NOT NULL, destination varchar(100) NOT NULL, PRIMARY KEY (id),
                FOREIGN KEY (domain_id) REFERENCES virtual_domains(id) ON DELETE CASCADE) ENGINE=InnoDB DEFAULT CHARSET=latin1;
            INSERT INTO virtual_domains VALUES (1,'Example.org');
            INSERT INTO virtual_users VALUES (1,1,NULL,'Ann@Example.org'),(2,1,'$1$x','jörg@example.org');
            INSERT INTO virtual_aliases VALUES (1,1,'Info@Example.org','Ann@Example.org');
        """)
        t = self.migrated()
        self.assertEqual(self.q("SELECT email,password,quota,enabled,quota_messages FROM virtual_users ORDER BY id"),
                         [["ann@example.org", "", "0", "1", "0"], ["jörg@example.org", "$1$x", "0", "1", "0"]])
        self.assertEqual(t.run("login address=jörg@example.org")[:2], ("done", 1))
        self.assertEqual(t.run("route address=info@example.org base=info@example.org "
                               "catchall=@example.org domain=example.org")[:2], ("done", 2))

    def test_name_beyond_the_character_set_is_nobody(self):
        t = self.migrated()
        self.q("CREATE TABLE latin_users (email VARCHAR(100) PRIMARY KEY) DEFAULT CHARSET=latin1")
        self.q("INSERT INTO latin_users VALUES ('anna@example.org')")
        for name in ("latin", "latin_in"):
            self.assertEqual(t.run(name + " address=anna@example.org")[:2], ("done", 1))
            for address in ("änna@example.org", "ほ@example.org", "\U0001f600@example.org", "п@example.org"):
                self.assertEqual(t.run(name + " address=" + address)[:2], ("done", 0), address)
        for address in ("ほ@example.org", "\U0001f600@example.org"):
            self.assertEqual(t.run("login address=" + address)[:2], ("done", 0))

    def test_metacharacters_are_only_characters(self):
        t = self.migrated()
        for evil in ("'", '"', "\\", "%", "_", "#", "';DROP/**/TABLE/**/virtual_users;--", "x'OR'1'='1",
                     "sleep(5)", "`", "--", "/*"):
            r = t.run("login address=%s@example.org" % evil)
            self.assertEqual(r[:2], ("done", 0), evil)
            self.assertLess(r[4], 1000)
        self.assertEqual(self.q("SELECT COUNT(*) FROM virtual_users"), [["0"]])

    def test_update_passwd(self):
        t = self.migrated()
        self.q(text("grants.sql"))
        self.q("INSERT INTO virtual_domains (id,name) VALUES (1,'example.org')")
        self.q("INSERT INTO virtual_users (domain_id,password,email) VALUES (1,'old','ann@example.org')")
        self.assertEqual(self.q("SELECT update_passwd('$6$abc$defghi', 'Ann@Example.org')"), [["1"]])
        self.assertEqual(self.q("SELECT password FROM virtual_users"), [["$6$abc$defghi"]])
        for bad in ("SELECT update_passwd('$6$abc$defghi', 'bob@example.org')",
                    "SELECT update_passwd('', 'ann@example.org')",
                    "SELECT update_passwd('not-hashed-at-all', 'ann@example.org')", "SELECT update_passwd(NULL, 'ann@example.org')"):
            with self.assertRaises(RuntimeError):
                self.q(bad)
        self.assertEqual(t.run("login address=ann@example.org")[5].split("|")[1], "$6$abc$defghi")

    def test_refusals_have_names(self):
        t = self.migrated()
        self.assertEqual(t.run("domain_add name=example.org alias_of description=")[:3], ("done", 0, 1))
        self.assertEqual(t.run("domain_add name=EXAMPLE.org alias_of description=")[:4], ("permfail", 0, 0, 1))
        self.assertEqual(t.run("domain_add name=%s alias_of description=" % ("x" * 300))[3], 4)
        self.assertEqual(t.run("missing_table")[:4], ("tempfail", 0, 0, 0))
        self.assertEqual(t.run("domain_list")[:2], ("done", 1))

    def test_accounts_can_only_do_their_part(self):
        self.migrated()
        grants = text("grants.sql")
        self.q(grants)
        self.q(grants)
        # Let anybody in as these accounts; their rights are what is tested.
        for user in ("postroom-auth", "www-data"):
            self.db.sql("ALTER USER '%s'@'localhost' IDENTIFIED BY ''" % user)
        self.q("SELECT password FROM virtual_users", user="postroom-auth")
        self.q("INSERT INTO pr_last_login (address, service) VALUES ('a', 'imap')", user="postroom-auth")
        self.q("SELECT email, name FROM virtual_users", user="www-data")
        for user, words in (("postroom-auth", "UPDATE virtual_users SET password=''"),
                           ("postroom-auth", "DELETE FROM virtual_domains"),
                           ("postroom-auth", "SELECT * FROM mysql.user"),
                           ("postroom-auth", "CREATE TABLE x (i INT)"),
                           ("www-data", "SELECT password FROM virtual_users"),
                           ("www-data", "SELECT * FROM pr_scram"),
                           ("www-data", "UPDATE virtual_users SET name=''")):
            with self.assertRaises(RuntimeError, msg=words):
                self.q(words, user=user)


class Documentation(Server):
    def test_examples(self):
        self.migrated()
        with open(os.path.join(HERE, "..", "docs", "schema.md"), encoding="utf-8") as f:
            blocks = re.findall(r"```sql\n(.*?)```", f.read(), re.S)
        self.assertGreaterEqual(len(blocks), 6)
        for block in blocks:
            self.q(block)
        self.assertEqual(self.q("SELECT email, quota FROM virtual_users ORDER BY id"),
                         [["ann@example.org", "0"], ["bob@example.org", str(2 << 30)]])


class Trouble(Server):
    def test_down_is_tempfail_at_once_and_up_is_seen_within_two_seconds(self):
        t = self.migrated()
        self.assertEqual(t.run("ping")[0], "done")
        self.db.kill()
        self.assertEqual(t.run("ping")[0], "tempfail")
        end = time.monotonic() + 3
        asked = 0
        while time.monotonic() < end:
            o, _, _, _, ms, _ = t.run("ping")
            self.assertEqual(o, "tempfail")
            self.assertLess(ms, 100)
            asked += 1
        self.assertGreater(asked, 100)
        connects = int(t.ask("count").split()[6])
        self.assertLess(connects, 20)
        self.db.start()
        began = time.monotonic()
        while t.run("ping")[0] != "done":
            self.assertLess(time.monotonic() - began, 2)
            time.sleep(0.02)

    def test_restart_between_statements_costs_nothing(self):
        t = self.migrated()
        self.q("CREATE TABLE counter (id INT PRIMARY KEY, n INT); INSERT INTO counter VALUES (1, 0)")
        for i in range(3):
            self.assertEqual(t.run("ping")[0], "done")
            self.db.restart()
            self.assertEqual(t.run("ping")[:2], ("done", 1))
            self.db.restart()
            self.assertEqual(t.run("count_up")[:3], ("done", 0, 1))
        self.assertEqual(self.q("SELECT n FROM counter"), [["3"]])

    def test_connections_killed_by_the_server(self):
        t = self.migrated()
        self.assertTrue(t.ask("many 8 ping").startswith("done=40 temp=0 perm=0"))
        for (i,) in self.db.sql("SELECT id FROM information_schema.processlist WHERE db='postroom'"):
            self.db.sql("KILL " + i)
        self.assertTrue(t.ask("many 8 ping").startswith("done=40 temp=0 perm=0"))

    def test_hanging_server_opens_the_circuit(self):
        t = self.migrated()
        self.assertEqual(t.run("ping")[0], "done")
        self.db.freeze()
        time.sleep(0.2)
        try:
            o, _, _, _, ms, _ = t.run("ping")
            self.assertEqual(o, "tempfail")
            self.assertLess(ms, 7000)
            t.ask("many 8 ping")
            self.assertEqual(t.ask("count").split()[2], "1")
        finally:
            self.db.thaw()
        began = time.monotonic()
        while t.run("ping")[0] != "done":
            self.assertLess(time.monotonic() - began, 5)
            time.sleep(0.02)

    def test_slow_statement_is_cut(self):
        t = self.migrated()
        o, _, _, _, ms, _ = t.run("sleep seconds=20")
        self.assertEqual(o, "tempfail")
        self.assertLess(ms, 4000)
        self.assertEqual(t.run("ping")[0], "done")

    def test_deadlock_victim_tries_again(self):
        t = self.migrated()
        self.q("CREATE TABLE counter (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO counter VALUES (1, 0)")
        # A trigger that plays the victim twice in two tries, once in a second run.
        self.q("CREATE TABLE tries (n INT) ENGINE=MyISAM; INSERT INTO tries VALUES (0)")
        self.q("""DELIMITER //
            CREATE TRIGGER victim BEFORE UPDATE ON counter FOR EACH ROW BEGIN
                UPDATE tries SET n = n + 1;
                IF (SELECT n FROM tries) IN (1, 3, 4) THEN
                    SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found';
                END IF;
            END//""")
        self.assertEqual(t.run("count_up")[:3], ("done", 0, 1))
        self.assertEqual(t.run("count_up")[0], "tempfail")
        self.assertEqual(self.q("SELECT n FROM counter"), [["1"]])

    def test_read_only_server_is_tempfail_for_writes(self):
        t = self.migrated()
        self.q(text("grants.sql"))
        self.db.sql("ALTER USER 'postroom-auth'@'localhost' IDENTIFIED BY ''")
        u = Try(self.db, user="postroom-auth")
        self.opened.append(u)
        self.db.sql("SET GLOBAL read_only = 1")
        try:
            write = "login_count address=a@b service=imap remote=::1"
            self.assertEqual(u.run(write)[0], "tempfail")
            self.assertEqual(u.run("ping")[0], "done")
        finally:
            self.db.sql("SET GLOBAL read_only = 0")
        self.assertEqual(u.run(write)[0], "done")

    def test_fails_over_to_the_next_server(self):
        self.migrated()
        t = Try(self.db.folder + "/none.sock," + self.db.socket)
        self.opened.append(t)
        self.assertEqual(t.run("ping")[:2], ("done", 1))
        self.assertEqual(t.ask("count").split()[2], "0")

    def test_wrong_account_is_tempfail(self):
        t = Try(self.db, user="nobody-knows")
        self.opened.append(t)
        self.assertEqual(t.run("ping")[0], "tempfail")

    def test_restarting_server_under_load(self):
        t = self.migrated()
        stop = threading.Event()

        def restarts():
            while not stop.is_set():
                self.db.restart()
                stop.wait(1)
        th = threading.Thread(target=restarts)
        th.start()
        try:
            got = [t.run("ping")[0] for _ in range(3000)]
        finally:
            stop.set()
            th.join()
        self.assertEqual(got.count("permfail"), 0)
        self.assertGreater(got.count("done"), 0)
        time.sleep(1.1)
        self.assertEqual(t.run("ping")[0], "done")


if __name__ == "__main__":
    unittest.main(verbosity=2)
