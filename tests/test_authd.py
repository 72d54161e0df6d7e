# check: no-instance
# check: alone
# check: timeout=600
"""authd by itself against a real MariaDB: logins, routes, homes, maps, and trouble.

Run by ./check, or with POSTROOM_BUILD naming a build folder.
"""
import base64
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SQL = os.path.join(HERE, "..", "sql")
sys.path.insert(0, os.path.join(HERE, "lib"))
from daemon import Daemon, unix_listener  # noqa: E402
from mariadb import MariaDB  # noqa: E402
from scram import Scram  # noqa: E402
from wire import Closed, Str, U32, U64, U8, Wire, put  # noqa: E402

BUILD = os.environ.get("POSTROOM_BUILD", os.path.join(HERE, "..", "build"))
AUTHD = os.path.join(BUILD, "authd", "authd")
TRY = os.path.join(BUILD, "sql", "sql-try")
ROUTE, SEND_AS, MECHANISMS, START, STEP, ABORT, REDEEM, HOME = range(1, 9)
COUNTS = 16
DONE, TEMPFAIL, PERMFAIL = range(3)
MORE, LOGGED_IN, REFUSED = 1, 2, 3
TLS, INITIAL = 1, 2
EXPORTER = ("tls-exporter", b"e" * 32)


class Answer:
    """What START and STEP say."""

    def __init__(self, body):
        self.verdict = body.u8()
        self.code, self.enhanced, self.text = 0, "", ""
        if self.verdict != DONE:
            self.code, self.enhanced, self.text = body.u32(), body.text(), body.text()
        self.state = body.u8()
        self.exchange = body.u64()
        self.challenge = body.str()
        self.user = body.text()
        self.cookie = body.str()
        self.shard = body.u32()
        self.host = body.text()
        self.delay_ms = body.u32()
        body.done()

    def bytes(self):
        return (self.verdict, self.code, self.enhanced, self.text, self.state, self.challenge)


class Peer(Wire):
    service = "smtp"

    def start(self, mechanism, initial=None, client="192.0.2.1", flags=TLS, bindings=()):
        body = put(Str(self.service), Str(mechanism), Str(initial or b""), Str(client), Str("192.0.2.25"),
                   U64(0x77), U32(flags | (INITIAL if initial is not None else 0)), U32(len(bindings)),
                   *[Str(t) + Str(d) for t, d in bindings])
        outcome, answer, why = self.call(START, body)
        assert outcome == DONE, why
        return Answer(answer)

    def step(self, exchange, response):
        outcome, answer, why = self.call(STEP, put(U64(exchange), Str(response)))
        assert outcome == DONE, why
        return Answer(answer)

    def plain(self, user, password, authzid="", **kw):
        enc = [x.encode() if isinstance(x, str) else x for x in (authzid, user, password)]
        return self.start("PLAIN", b"\0".join(enc), **kw)

    def login(self, user, password, **kw):
        a = self.start("LOGIN", **kw)
        assert a.challenge == b"Username:", a.challenge
        a = self.step(a.exchange, user.encode())
        assert a.challenge == b"Password:", a.challenge
        return self.step(a.exchange, password.encode())

    def scram(self, user, password, digest="sha256", binding=None, server_binding=None, flag="n",
              authzid="", client="192.0.2.1", sasl_ir=True):
        s = Scram(user, password, digest, binding, flag, authzid)
        name = "SCRAM-SHA-" + ("1" if digest == "sha1" else "256") + ("-PLUS" if binding else "")
        bindings = [server_binding] if server_binding else []
        if sasl_ir:
            a = self.start(name, s.first(), client=client, bindings=bindings)
        else:
            a = self.start(name, client=client, bindings=bindings)
            a = self.step(a.exchange, s.first())
        self.exchange = s
        if a.state != MORE:
            return a
        a = self.step(a.exchange, s.final(a.challenge))
        if a.state != MORE:
            return a
        assert s.check(a.challenge), "the server's signature is wrong"
        return self.step(a.exchange, b"")

    def route(self, address):
        _, b, _ = self.call(ROUTE, put(Str(address), U8(1)))
        verdict = b.u8()
        code = b.u32() if verdict else 0
        enhanced, text = (b.text(), b.text()) if verdict else ("", "")
        kind, canonical = b.u8(), b.text()
        targets = [(b.u8(), b.text(), b.text(), b.text(), b.text(), b.u64(), b.u64())
                   for _ in range(b.u32())]
        reasons = [b.text() for _ in range(b.u32())]
        b.done()
        return verdict, code, kind, [(t[0], t[1]) for t in targets], reasons

    def send_as(self, user, sender):
        outcome, _, why = self.call(SEND_AS, put(Str(user), Str(sender)))
        return outcome, why[0] if why else 0

    def mechanisms(self, flags=TLS, bindings=0):
        _, b, _ = self.call(MECHANISMS, put(Str(self.service), U32(flags), U8(bindings)))
        return b.text().split()

    def home(self, kind, body):
        outcome, b, why = self.call(kind, body)
        if outcome != DONE:
            return outcome, why[0]
        return [b.text(), b.text(), b.text(), b.text(), b.u64(), b.u64()]

    def counts(self):
        _, b, _ = self.call(COUNTS)
        names = ("logins refused limited deferred hashes remembered routes redeemed queries "
                 "failures connections down").split()
        return {n: b.u64() for n in names}


class AuthCase(unittest.TestCase):
    settings = ""

    @classmethod
    def setUpClass(cls):
        cls.db = MariaDB()
        cls.db.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.db.__exit__(None, None, None)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postroom-authd-")
        os.chmod(self.folder, 0o755)
        self.db.sql("DROP DATABASE IF EXISTS postroom; CREATE DATABASE postroom CHARACTER SET utf8mb4")
        r = subprocess.run([TRY, self.db.socket, "postroom", "root", os.path.join(SQL, "profiles/postroom.sql"),
                            os.path.join(SQL, "schema")], input="migrate\n", text=True, capture_output=True)
        self.assertEqual(r.stdout, "done 2 \n", r.stderr)
        self.q("""
            INSERT INTO virtual_domains (id,name,alias_of) VALUES (1,'example.org',NULL),(2,'alias.test','example.org');
            INSERT INTO virtual_users (domain_id,password,email,quota) VALUES
                (1,'{PLAIN}secret','ann@example.org',1000),
                (1,'$6$rounds=1000$abcdefgh$nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1','bob@example.org',0),
                (1,'{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,v9cxy4WCDtc8UMxTg6KXCtlxIku1bUKTGuWEXFC1L54=,rwGpSn6lR97mSEImO0RA7JCZ4WnpCnnKddTt3G/t6II=','scr@example.org',0),
                (1,'','empty@example.org',0);
            INSERT INTO virtual_users (domain_id,password,email,enabled) VALUES (1,'{PLAIN}secret','off@example.org',0);
            INSERT INTO virtual_aliases (domain_id,source,destination) VALUES
                (1,'info@example.org','ann@example.org,bob@example.org'),(1,'out@example.org','x@elsewhere.test');
        """)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.map_path = os.path.join(self.folder, "socketmap")
        self.sasl_path = os.path.join(self.folder, "auth-client")
        self.admin_path = os.path.join(self.folder, "authd.sock")
        self.d = None
        self.start()

    def start(self, settings=None):
        listeners = {"socketmap": unix_listener(self.map_path), "auth-client": unix_listener(self.sasl_path),
                     "authd.sock": unix_listener(self.admin_path, socket.SOCK_SEQPACKET)}
        self.d = Daemon(AUTHD, "database_socket = %s\ndatabase_user = root\npostmaster = ann@example.org\n"
                        "hostname = mail.example.org\n%s\n"
                        % (self.db.socket, self.settings if settings is None else settings),
                        wires=["smtpd", "login", "imapd-0", "deliver"], listeners=listeners, log=self.log)
        for s in listeners.values():
            s.close()
        self.smtpd = Peer(self.d.wires["smtpd"])
        self.login = Peer(self.d.wires["login"])
        self.login.service = "imap"
        self.imapd = Peer(self.d.wires["imapd-0"])
        self.deliver = Peer(self.d.wires["deliver"])
        self.admin = Peer.connect(self.admin_path)

    def stop(self):
        self.assertEqual(self.d.stop(), 0)
        self.admin.close()

    def tearDown(self):
        self.stop()
        with open(self.log.name, errors="replace") as f:
            text = f.read()
        self.log.close()
        shutil.rmtree(self.folder)
        self.assertNotIn("AddressSanitizer", text)
        self.assertNotIn("runtime error", text)
        self.assertNotIn("secret", text)

    def q(self, text):
        return self.db.sql(text, "postroom")


class Logins(AuthCase):
    def test_plain_and_login(self):
        for user in ("ann@example.org", "bob@example.org", "scr@example.org", "ANN@Example.ORG"):
            a = self.smtpd.plain(user, "secret")
            self.assertEqual((a.state, a.user), (LOGGED_IN, user.lower()))
            self.assertEqual(a.cookie, b"")
            a = self.smtpd.login(user, "secret")
            self.assertEqual((a.state, a.user), (LOGGED_IN, user.lower()))

    def test_everything_else_is_one_refusal(self):
        want = self.smtpd.plain("ann@example.org", "wrong", client="198.51.100.1").bytes()
        self.assertEqual(want[:3], (PERMFAIL, 535, "5.7.8"))
        rows = [("bob@example.org", "wrong"), ("nobody@example.org", "secret"), ("ann", "secret"),
                ("off@example.org", "secret"), ("empty@example.org", ""), ("empty@example.org", "x"),
                ("ann@example.org", "secre"), ("ann@example.org", "secrets"), ("ann@example.org", "Secret"),
                ("ann@example.org' OR '1'='1", "secret"), ("ann@example.org\" -- ", "secret"),
                ("%", "secret"), ("ann_example.org", "secret"), ("\u00e4nn@example.org", "secret"),
                (b"\xff\xfe@example.org", "secret"), ("ann@example.org", "x" * 1025),
                ("ann@example.org", "x" * 8000), ("info@example.org", "secret"), ("x" * 400, "secret")]
        for i, (user, password) in enumerate(rows):
            a = self.smtpd.plain(user, password, client="203.0.%d.1" % i)
            if password == "":
                self.assertEqual(a.verdict, PERMFAIL)
                continue
            self.assertEqual(a.bytes(), want, (user, password))

    def test_nul_and_authzid(self):
        for i, message in enumerate((b"\0ann@example.org\0secret\0", b"\0ann@example.org\0secret\0x",
                                     b"\0ann@example.org", b"", b"\0", b"\0\0", b"\0\0secret",
                                     b"bob@example.org\0ann@example.org\0secret")):
            a = self.smtpd.start("PLAIN", message, client="203.0.%d.1" % i)
            self.assertEqual(a.verdict, PERMFAIL, message)
            self.assertIn(a.code, (535, 501))
        a = self.smtpd.plain("ann@example.org", "secret", authzid="ann@example.org")
        self.assertEqual(a.state, LOGGED_IN)

    def test_scram(self):
        for digest in ("sha1", "sha256"):
            # Nobody can use it before a password was seen.
            self.assertEqual(self.smtpd.scram("bob@example.org", "secret", digest).verdict, PERMFAIL)
        self.assertEqual(self.smtpd.plain("bob@example.org", "secret").state, LOGGED_IN)
        for digest in ("sha1", "sha256"):
            for sasl_ir in (True, False):
                a = self.smtpd.scram("bob@example.org", "secret", digest, sasl_ir=sasl_ir)
                self.assertEqual((a.state, a.user), (LOGGED_IN, "bob@example.org"))
            self.assertEqual(self.smtpd.scram("bob@example.org", "wrong", digest, client="::1").bytes(),
                             self.smtpd.scram("nobody@example.org", "wrong", digest, client="::2").bytes())
        self.assertEqual(self.smtpd.scram("scr@example.org", "secret").user, "scr@example.org")
        self.assertEqual(self.smtpd.scram("bob@example.org", "secret", authzid="ann@example.org",
                                          client="203.0.113.9").verdict, PERMFAIL)
        self.assertEqual(self.smtpd.scram("bob@example.org", "secret", authzid="bob@example.org").state, LOGGED_IN)

    def test_scram_plus(self):
        self.smtpd.plain("bob@example.org", "secret")
        unique = ("tls-unique", b"u" * 12)
        for digest in ("sha1", "sha256"):
            for binding in (EXPORTER, unique):
                a = self.smtpd.scram("bob@example.org", "secret", digest, binding, binding)
                self.assertEqual((a.state, a.user), (LOGGED_IN, "bob@example.org"))
        # The server's channel is another: somebody sits between.
        a = self.smtpd.scram("bob@example.org", "secret", "sha256", EXPORTER, ("tls-exporter", b"m" * 32))
        self.assertEqual(a.verdict, PERMFAIL)
        # The client was made to believe that the server has no -PLUS.
        a = self.smtpd.scram("bob@example.org", "secret", "sha256", None, EXPORTER, flag="y", client="203.0.113.9")
        self.assertEqual(a.verdict, PERMFAIL)
        # Without binding data there is no -PLUS.
        self.assertEqual(self.smtpd.scram("bob@example.org", "secret", "sha256", EXPORTER, None).verdict, PERMFAIL)

    def test_scram_tells_nothing_of_users(self):
        self.smtpd.plain("bob@example.org", "secret")
        salts = {}
        for user in ("bob@example.org", "nobody@example.org", "else@example.org"):
            for _ in range(2):
                self.smtpd.scram(user, "wrong", client="198.51.%d.1" % len(salts))
                s = self.smtpd.exchange
                salts.setdefault(user, set()).add((s.salt, s.iterations))
        for user, got in salts.items():
            self.assertEqual(len(got), 1, user)
            (salt, iterations), = got
            self.assertEqual((len(base64.b64decode(salt)), iterations), (16, 10000), user)
        nobody = salts["nobody@example.org"]
        self.stop()
        self.start()
        self.smtpd.scram("nobody@example.org", "wrong", client="198.51.9.1")
        self.assertEqual({(self.smtpd.exchange.salt, 10000)}, nobody)

    def test_mechanisms_are_offered_when_they_work(self):
        # ann, bob have no verifiers yet.
        self.assertEqual(self.smtpd.mechanisms(), ["PLAIN", "LOGIN"])
        self.assertEqual(self.smtpd.mechanisms(flags=0), [])
        self.smtpd.plain("ann@example.org", "secret")
        self.smtpd.plain("bob@example.org", "secret")
        self.stop()
        self.start()
        self.assertEqual(self.smtpd.mechanisms(bindings=1),
                         ["PLAIN", "LOGIN", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
        self.assertEqual(self.smtpd.mechanisms(flags=0), ["SCRAM-SHA-1", "SCRAM-SHA-256"])

    def test_unknown_mechanisms(self):
        for name in ("CRAM-MD5", "DIGEST-MD5", "NTLM", "ANONYMOUS", "GSSAPI", "OTP", "EXTERNAL", "", "PLAIN-PLUS", "x" * 60):
            a = self.smtpd.start(name, b"\0ann@example.org\0secret")
            self.assertEqual((a.verdict, a.code), (PERMFAIL, 504), name)

    def test_password_needs_tls(self):
        a = self.smtpd.plain("ann@example.org", "secret", flags=0)
        self.assertEqual((a.verdict, a.code, a.enhanced), (PERMFAIL, 538, "5.7.11"))
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", flags=0, client="127.0.0.1").state, LOGGED_IN)

    def test_changed_password_counts_at_once(self):
        self.assertEqual(self.smtpd.plain("bob@example.org", "secret").state, LOGGED_IN)
        self.assertEqual(self.smtpd.scram("bob@example.org", "secret").state, LOGGED_IN)
        self.q("UPDATE virtual_users SET password='{PLAIN}fresh' WHERE email='bob@example.org'")
        self.assertEqual(self.smtpd.plain("bob@example.org", "secret").verdict, PERMFAIL)
        self.assertEqual(self.smtpd.scram("bob@example.org", "secret").verdict, PERMFAIL)
        self.assertEqual(self.smtpd.plain("bob@example.org", "fresh").state, LOGGED_IN)
        self.assertEqual(self.smtpd.scram("bob@example.org", "fresh").state, LOGGED_IN)
        self.q("UPDATE virtual_users SET enabled=0 WHERE email='bob@example.org'")
        self.assertEqual(self.smtpd.plain("bob@example.org", "fresh").verdict, PERMFAIL)
        self.assertEqual(self.smtpd.scram("bob@example.org", "fresh", client="203.0.113.9").verdict, PERMFAIL)
        self.q("UPDATE virtual_users SET enabled=1; UPDATE virtual_domains SET enabled=0 WHERE id=1")
        self.assertEqual(self.smtpd.plain("bob@example.org", "fresh", client="203.0.114.9").verdict, PERMFAIL)

    def test_slow_hash_is_computed_once(self):
        for _ in range(20):
            self.assertEqual(self.smtpd.plain("bob@example.org", "secret").state, LOGGED_IN)
        c = self.admin.counts()
        self.assertEqual((c["hashes"], c["remembered"], c["logins"]), (1, 19, 20))

    def test_unknown_user_costs_the_same(self):
        self.q("UPDATE virtual_users SET password=(SELECT * FROM (SELECT password FROM virtual_users WHERE email='bob@example.org') x)")
        took = {"bob@example.org": [], "nobody@example.org": []}
        for i in range(40):
            for user, times in took.items():
                began = time.perf_counter()
                self.smtpd.plain(user, "wrong%d" % i, client="10.%d.%d.1" % (len(times), len(user)))
                times.append(time.perf_counter() - began)
                # Not to meet the limit of the account.
                if i % 15 == 14:
                    self.smtpd.plain("bob@example.org", "secret", client="10.%d.%d.1" % (len(times), len(user)))
        a, b = (statistics.median(t[:15]) for t in took.values())
        self.assertLess(abs(a - b), max(0.005, 0.25 * max(a, b)), (a, b))

    def test_exchange_belongs_to_its_wire(self):
        a = self.smtpd.start("LOGIN")
        self.assertEqual(self.login.step(a.exchange, b"ann@example.org").verdict, PERMFAIL)
        self.assertEqual(self.smtpd.step(a.exchange, b"ann@example.org").state, MORE)
        self.smtpd.send(ABORT, U64(a.exchange), flags=2)
        self.assertEqual(self.smtpd.step(a.exchange, b"secret").verdict, PERMFAIL)
        a = self.smtpd.start("LOGIN")
        self.smtpd.close()
        self.smtpd = Peer(self.d.rewire("smtpd"))
        self.assertEqual(self.smtpd.step(a.exchange, b"ann@example.org").verdict, PERMFAIL)

    def test_cookie_is_good_once_for_imapd(self):
        a = self.login.plain("ann@example.org", "secret")
        self.assertEqual((a.state, a.user, len(a.cookie), a.host), (LOGGED_IN, "", 16, ""))
        body = put(U64(a.exchange), Str(a.cookie))
        self.assertEqual(self.imapd.home(REDEEM, body),
                         ["ann@example.org", "example.org/ann", "", "", 1000, 0])
        self.assertEqual(self.imapd.home(REDEEM, body), (PERMFAIL, 535))
        a = self.login.plain("ann@example.org", "secret")
        self.assertEqual(self.imapd.home(REDEEM, put(U64(a.exchange), Str(b"x" * 16))), (PERMFAIL, 535))
        self.assertEqual(self.imapd.home(REDEEM, put(U64(a.exchange), Str(a.cookie))), (PERMFAIL, 535))
        a = self.login.plain("ann@example.org", "secret")
        with self.assertRaises(Closed):
            self.login.call(REDEEM, put(U64(a.exchange), Str(a.cookie)))

    def test_each_peer_has_its_requests(self):
        everything = (ROUTE, SEND_AS, MECHANISMS, START, STEP, REDEEM, HOME, COUNTS)
        allowed = {"smtpd": (ROUTE, SEND_AS, MECHANISMS, START, STEP), "login": (MECHANISMS, START, STEP),
                   "imapd-0": (REDEEM, HOME), "deliver": (ROUTE, HOME)}
        for name, those in allowed.items():
            for kind in everything:
                w = Peer(self.d.rewire(name))
                try:
                    w.call(kind, b"")
                    got = True
                except Closed:
                    got = False
                self.assertEqual(got, kind in those, (name, kind))
                w.close()
        self.admin.counts()

    def test_last_login_is_noted(self):
        self.login.plain("ann@example.org", "secret")
        self.stop()
        self.assertEqual(self.q("SELECT address, service, remote FROM pr_last_login"),
                         [["ann@example.org", "imap", "192.0.2.1"]])
        self.start()


class Limits(AuthCase):
    def test_network(self):
        delays = []
        for i in range(10):
            a = self.smtpd.plain("user%d@example.org" % i, "wrong", client="198.51.100.%d" % i)
            self.assertEqual(a.code, 535)
            delays.append(a.delay_ms)
        self.assertEqual(delays[:5], [1000, 2000, 4000, 8000, 15000])
        a = self.smtpd.plain("ann@example.org", "secret", client="198.51.100.77")
        self.assertEqual((a.verdict, a.code, a.enhanced), (TEMPFAIL, 454, "4.7.0"))
        self.assertIn("from your network, try again in", a.text)
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="198.51.101.1").state, LOGGED_IN)

    def test_account(self):
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="2001:db8:1::1").state, LOGGED_IN)
        for i in range(20):
            self.assertEqual(self.smtpd.plain("ann@example.org", "guess%d" % i, client="10.0.%d.1" % i).code, 535)
        a = self.smtpd.plain("ann@example.org", "secret", client="10.1.0.1")
        self.assertEqual((a.verdict, a.code), (TEMPFAIL, 454))
        self.assertIn("for this account", a.text)
        # Its owner is known by his network, and webmail is open to everybody's owner.
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="127.0.0.1").state, LOGGED_IN)
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="2001:db8:1::2").state, LOGGED_IN)
        self.assertEqual(self.smtpd.scram("ann@example.org", "secret", client="2001:db8:1::3").state, LOGGED_IN)
        a = self.smtpd.scram("ann@example.org", "secret", client="10.1.0.1")
        self.assertEqual((a.verdict, a.code), (TEMPFAIL, 454))

    def test_one_old_password_is_one_guess(self):
        for i in range(60):
            self.assertEqual(self.smtpd.plain("ann@example.org", "old", client="127.0.0.1").code, 535)
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="127.0.0.1").state, LOGGED_IN)

    def test_webmail_is_not_one_stranger(self):
        for i in range(30):
            self.assertEqual(self.smtpd.plain("user%d@example.org" % i, "wrong", client="127.0.0.1").code, 535)
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret", client="127.0.0.1").state, LOGGED_IN)


class Addresses(AuthCase):
    def test_routes(self):
        self.assertEqual(self.smtpd.route("Ann+x@Example.org")[:4], (DONE, 0, 1, [(1, "ann@example.org")]))
        self.assertEqual(self.smtpd.route("info@alias.test")[3], [(1, "ann@example.org"), (1, "bob@example.org")])
        self.assertEqual(self.smtpd.route("out@example.org")[3], [(2, "x@elsewhere.test")])
        self.assertEqual(self.smtpd.route("nobody@example.org")[:2], (PERMFAIL, 550))
        self.assertEqual(self.smtpd.route("off@example.org")[:2], (PERMFAIL, 550))
        self.assertEqual(self.smtpd.route("x@elsewhere.test")[:3], (DONE, 0, 2))
        self.assertEqual(self.smtpd.route("postmaster")[3], [(1, "ann@example.org")])
        self.assertEqual(self.smtpd.route("postmaster@alias.test")[3], [(1, "ann@example.org")])
        self.assertEqual(self.admin.route("info@example.org")[4],
                         ["info@example.org: alias to ann@example.org", "info@example.org: alias to bob@example.org",
                          "ann@example.org: mailbox ann@example.org with home example.org/ann",
                          "bob@example.org: mailbox bob@example.org with home example.org/bob"])
        for evil in ("'", "\"'\"@example.org", "a'b@example.org", "a\\b@example.org", "\"a;b\"@example.org", "%@example.org",
                     "_nn@example.org", "ann@example.org'--", "\xff@example.org", "a" * 400 + "@example.org"):
            self.assertEqual(self.smtpd.route(evil)[0], PERMFAIL, evil)

    def test_a_change_is_seen_within_a_second(self):
        self.assertEqual(self.smtpd.route("new@example.org")[0], PERMFAIL)
        self.q("INSERT INTO virtual_aliases (domain_id,source,destination) VALUES (1,'new@example.org','ann@example.org')")
        time.sleep(1.1)
        self.assertEqual(self.smtpd.route("new@example.org")[0], DONE)

    def test_statements_for_a_message(self):
        before = self.admin.counts()["queries"]
        self.smtpd.route("ann@example.org")
        self.smtpd.route("ann@example.org")
        self.deliver.home(HOME, Str("ann@example.org"))
        self.smtpd.send_as("ann@example.org", "ann@example.org")
        self.assertEqual(self.admin.counts()["queries"] - before, 1)

    def test_send_as(self):
        self.assertEqual(self.smtpd.send_as("ann@example.org", "info@example.org")[0], DONE)
        self.assertEqual(self.smtpd.send_as("ann@example.org", "")[0], DONE)
        self.assertEqual(self.smtpd.send_as("ann@example.org", "bob@example.org"), (PERMFAIL, 553))
        self.assertEqual(self.smtpd.send_as("ann@example.org", "x@elsewhere.test"), (PERMFAIL, 553))
        self.q("INSERT INTO pr_send_as (login,address) VALUES ('ann@example.org','@Elsewhere.test'),('Ann@example.org','bob@example.org')")
        self.assertEqual(self.smtpd.send_as("ann@example.org", "x@elsewhere.test")[0], DONE)
        self.assertEqual(self.smtpd.send_as("ann@example.org", "bob@example.org")[0], DONE)
        self.assertEqual(self.smtpd.send_as("bob@example.org", "x@elsewhere.test"), (PERMFAIL, 553))

    def test_home(self):
        self.assertEqual(self.deliver.home(HOME, Str("ann@example.org")),
                         ["ann@example.org", "example.org/ann", "", "", 1000, 0])
        self.assertEqual(self.deliver.home(HOME, Str("nobody@example.org")), (PERMFAIL, 550))
        self.q("UPDATE virtual_users SET home='/srv/mail/bob', host='two.example.net' WHERE email='bob@example.org'")
        self.assertEqual(self.deliver.home(HOME, Str("bob@example.org"))[1:3], ["/srv/mail/bob", "two.example.net"])
        self.q("UPDATE virtual_users SET home='../../etc' WHERE email='scr@example.org'")
        self.assertEqual(self.deliver.home(HOME, Str("scr@example.org")), (TEMPFAIL, 451))


class Trouble(AuthCase):
    def tearDown(self):
        if self.db.process is None:
            self.db.start()
        super().tearDown()

    def test_database_down_refuses_nobody(self):
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret").state, LOGGED_IN)
        self.db.kill()
        for _ in range(30):
            a = self.smtpd.plain("ann@example.org", "secret")
            self.assertEqual((a.verdict, a.code, a.enhanced), (TEMPFAIL, 454, "4.7.0"))
            a = self.smtpd.scram("ann@example.org", "secret")
            self.assertEqual((a.verdict, a.code), (TEMPFAIL, 454))
            self.assertEqual(self.smtpd.route("bob@example.org")[:2], (TEMPFAIL, 451))
            self.assertEqual(self.smtpd.send_as("ann@example.org", "bob@example.org"), (TEMPFAIL, 451))
            self.assertEqual(self.deliver.home(HOME, Str("bob@example.org")), (TEMPFAIL, 451))
        self.db.start()
        began = time.monotonic()
        while self.smtpd.plain("ann@example.org", "secret").state != LOGGED_IN:
            self.assertLess(time.monotonic() - began, 2)

    def test_starts_without_a_database(self):
        self.stop()
        self.db.stop()
        self.start()
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret").code, 454)
        self.db.start()
        began = time.monotonic()
        while self.smtpd.plain("ann@example.org", "secret").state != LOGGED_IN:
            self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(self.smtpd.scram("ann@example.org", "secret").state, LOGGED_IN)

    def test_malformed_requests_cost_a_wire_or_an_answer(self):
        for body in (b"", b"\xff" * 10, Str("x" * 600), put(Str("a@b"), U8(1), U8(1)), os.urandom(4000)):
            for kind in (ROUTE, SEND_AS, MECHANISMS, START, STEP):
                w = Peer(self.d.rewire("smtpd"))
                try:
                    outcome, _, _ = w.call(kind, body)
                    self.assertNotEqual(outcome, DONE)
                except Closed:
                    pass
                w.close()
        for junk in (b"", b"x", b"\0" * 32, os.urandom(64), os.urandom(2000)):
            w = Peer(self.d.rewire("smtpd"))
            w.sock.send(junk or b"\0")
            with self.assertRaises(Closed):
                w.receive()
            w.close()
        self.smtpd = Peer(self.d.rewire("smtpd"))
        self.assertEqual(self.smtpd.plain("ann@example.org", "secret").state, LOGGED_IN)

    def test_reload(self):
        base = "database_socket = %s\ndatabase_user = root\npostmaster = ann@example.org\nhostname = mail.example.org\n" % self.db.socket
        self.assertEqual(self.d.reload(base + "sasl_mechanisms = PLAIN\n"), "")
        self.assertEqual(self.smtpd.mechanisms(), ["PLAIN"])
        self.assertIn("restart", self.d.reload(base + "mailbox_home = %u\n"))
        self.assertEqual(self.smtpd.mechanisms(), ["PLAIN"])


class OverTcp(AuthCase):
    """The database on a port, with a password, the first of its hosts dead."""
    port = 0

    @classmethod
    def setUpClass(cls):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            cls.port = s.getsockname()[1]
        cls.db = MariaDB(arguments=["--port=%d" % cls.port, "--bind-address=127.0.0.1"])
        cls.db.__enter__()
        cls.db.sql("CREATE USER 'tcp'@'127.0.0.1' IDENTIFIED BY 'over the wire'; GRANT ALL ON postroom.* TO 'tcp'@'127.0.0.1'; "
                   "INSTALL SONAME 'auth_ed25519'; CREATE USER 'ed'@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('over the wire'); "
                   "GRANT ALL ON postroom.* TO 'ed'@'127.0.0.1'")

    def start(self, settings=None):
        for user in ("tcp", "ed"):
            for hosts in ("127.0.0.1:%d" % self.port, "127.0.0.1:1 127.0.0.1:%d" % self.port, "localhost:%d" % self.port):
                d = Daemon(AUTHD, "database_hosts = %s\ndatabase_user = %s\nhostname = mail.example.org\n" % (hosts, user),
                           wires=["smtpd"], values={"database_password": "over the wire"}, log=self.log)
                got = Peer(d.wires["smtpd"]).plain("ann@example.org", "secret")
                self.assertEqual(d.stop(), 0)
                self.assertEqual((got.state, got.user), (LOGGED_IN, "ann@example.org"), (user, hosts, got.text))

    def stop(self):
        pass

    def test_over_tcp(self):
        pass


class Maps(AuthCase):
    def ask(self, name, key):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(self.map_path)
        text = ("%s %s" % (name, key)).encode()
        s.sendall(b"%d:%s," % (len(text), text))
        got = s.recv(65536)
        s.close()
        n, rest = got.split(b":", 1)
        self.assertEqual(len(rest), int(n) + 1)
        return rest[:-1].decode()

    def test_maps(self):
        for name, key, want in (("domains", "example.org", "OK example.org"), ("domains", "Example.ORG", "OK example.org"),
                                ("domains", "elsewhere.test", "NOTFOUND "), ("domains", "alias.test", "OK alias.test"),
                                ("mailboxes", "ann@example.org", "OK example.org/ann/Maildir/"),
                                ("mailboxes", "ann+x@example.org", "OK example.org/ann/Maildir/"),
                                ("mailboxes", "off@example.org", "NOTFOUND "), ("mailboxes", "info@example.org", "NOTFOUND "),
                                ("mailboxes", "@example.org", "NOTFOUND "), ("mailboxes", "example.org", "NOTFOUND "),
                                ("aliases", "info@example.org", "OK ann@example.org,bob@example.org"),
                                ("aliases", "ann@example.org", "OK ann@example.org"),
                                ("aliases", "ann@alias.test", "OK ann@example.org"),
                                ("aliases", "nobody@example.org", "NOTFOUND "),
                                ("sender_login", "info@example.org", "OK ann@example.org,bob@example.org"),
                                ("sender_login", "ann@example.org", "OK ann@example.org"),
                                ("sender_login", "out@example.org", "NOTFOUND "),
                                ("sender_login", "x@elsewhere.test", "NOTFOUND "),
                                ("nothing", "x", "PERM no such map"),
                                ("aliases", "x' OR '1'='1", "NOTFOUND "), ("aliases", "", "NOTFOUND ")):
            self.assertEqual(self.ask(name, key), want, (name, key))

    def test_postmap(self):
        for name, key, want in (("aliases", "info@example.org", "ann@example.org,bob@example.org"),
                                ("virtual_mailbox_domains", "example.org", "example.org"), ("mailboxes", "nobody@example.org", "")):
            r = subprocess.run(["postmap", "-q", key, "socketmap:unix:%s:%s" % (self.map_path, name)],
                               capture_output=True, text=True)
            self.assertEqual(r.stdout.strip(), want, r.stderr)

    def test_database_down_is_temporary(self):
        self.db.kill()
        try:
            self.assertTrue(self.ask("aliases", "bob@example.org").startswith("TEMP "))
        finally:
            self.db.start()

    def test_many_in_one_segment_and_in_pieces(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(self.map_path)
        one = b"19:domains example.org,"
        s.sendall(one * 50)
        got = b""
        while len(got) < 50 * len(b"14:OK example.org,"):
            got += s.recv(65536)
        self.assertEqual(got, b"14:OK example.org," * 50)
        for octet in one:
            s.sendall(bytes([octet]))
            time.sleep(0.002)
        self.assertEqual(s.recv(100), b"14:OK example.org,")
        for junk in (b"x", b"999999:", b"01:x,", b"-1:", b"3:abcX", b"\xff" * 100):
            t = socket.socket(socket.AF_UNIX)
            t.settimeout(10)
            t.connect(self.map_path)
            t.sendall(junk)
            self.assertEqual(t.recv(10), b"", junk)
            t.close()
        s.close()


class DovecotProtocol(AuthCase):
    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(self.sasl_path)
        f = s.makefile("rwb")
        self.greeting = []
        while True:
            line = f.readline().decode().rstrip("\n")
            self.greeting.append(line.split("\t"))
            if line == "DONE":
                break
        f.write(b"VERSION\t1\t1\nCPID\t77\n")
        f.flush()
        s.close()
        self.addCleanup(f.close)
        return f

    def say(self, f, *fields):
        f.write("\t".join(fields).encode() + b"\n")
        f.flush()

    def hear(self, f):
        return f.readline().decode().rstrip("\n").split("\t")

    def b64(self, s):
        return base64.b64encode(s.encode() if isinstance(s, str) else s).decode()

    def test_greeting(self):
        self.connect()
        verbs = [g[0] for g in self.greeting]
        self.assertEqual(verbs[0], "VERSION")
        self.assertEqual(self.greeting[0][1], "1")
        self.assertIn(["MECH", "PLAIN", "plaintext"], self.greeting)
        for v in ("SPID", "CUID", "COOKIE"):
            self.assertIn(v, verbs)

    def test_logins(self):
        f = self.connect()
        self.say(f, "AUTH", "1", "PLAIN", "service=smtp", "secured", "rip=192.0.2.1",
                 "resp=" + self.b64("\0ann@example.org\0secret"))
        self.assertEqual(self.hear(f), ["OK", "1", "user=ann@example.org"])
        self.say(f, "AUTH", "2", "LOGIN", "service=smtp", "secured", "rip=192.0.2.1")
        self.assertEqual(self.hear(f), ["CONT", "2", self.b64("Username:")])
        self.say(f, "CONT", "2", self.b64("bob@example.org"))
        self.assertEqual(self.hear(f), ["CONT", "2", self.b64("Password:")])
        self.say(f, "CONT", "2", self.b64("secret"))
        self.assertEqual(self.hear(f), ["OK", "2", "user=bob@example.org"])
        s = Scram("bob@example.org", "secret")
        self.say(f, "AUTH", "3", "SCRAM-SHA-256", "service=smtp", "rip=192.0.2.1", "resp=" + self.b64(s.first()))
        got = self.hear(f)
        self.say(f, "CONT", "3", self.b64(s.final(base64.b64decode(got[2]))))
        got = self.hear(f)
        self.assertTrue(s.check(base64.b64decode(got[2])))
        self.say(f, "CONT", "3", "")
        self.assertEqual(self.hear(f), ["OK", "3", "user=bob@example.org"])

    def test_refusal_is_held_back_and_others_go_on(self):
        f = self.connect()
        began = time.monotonic()
        self.say(f, "AUTH", "1", "PLAIN", "service=smtp", "secured", "rip=192.0.2.1",
                 "resp=" + self.b64("\0ann@example.org\0wrong"))
        self.say(f, "AUTH", "2", "PLAIN", "service=smtp", "secured", "rip=192.0.2.1",
                 "resp=" + self.b64("\0ann@example.org\0secret"))
        self.assertEqual(self.hear(f)[:2], ["OK", "2"])
        self.assertEqual(self.hear(f), ["FAIL", "1", "reason=Authentication credentials invalid"])
        self.assertGreater(time.monotonic() - began, 0.9)

    def test_plaintext_needs_secured(self):
        f = self.connect()
        self.say(f, "AUTH", "1", "PLAIN", "service=smtp", "rip=192.0.2.1", "resp=" + self.b64("\0ann@example.org\0secret"))
        self.assertEqual(self.hear(f)[:2], ["FAIL", "1"])

    def test_database_down_is_temp(self):
        self.db.kill()
        try:
            f = self.connect()
            self.say(f, "AUTH", "1", "PLAIN", "service=smtp", "secured", "rip=192.0.2.1",
                     "resp=" + self.b64("\0bob@example.org\0secret"))
            self.assertEqual(self.hear(f)[:3], ["FAIL", "1", "temp"])
        finally:
            self.db.start()

    def test_broken_lines_end_the_connection(self):
        for lines in (["AUTH\tx\tPLAIN"], ["AUTH\t1"], ["CONT\t9\tAA=="], ["VERSION\t2\t0"],
                      ["AUTH\t1\tPLAIN\tservice=smtp\tsecured\tresp=%%%"], ["AUTH\t99999999999\tPLAIN"],
                      ["AUTH\t1\tPL\x01xAIN"], ["AUTH\t1\tLOGIN\tsecured", "AUTH\t1\tLOGIN\tsecured"], ["x" * 40000]):
            f = self.connect()
            for line in lines:
                try:
                    self.say(f, line)
                except BrokenPipeError:
                    break
            try:
                while f.readline():
                    pass
            except ConnectionResetError:
                pass
        f = self.connect()
        self.say(f, "UNKNOWN\tthing")
        self.say(f, "AUTH", "1", "PLAIN", "service=smtp", "secured=tls", "unknown=1", "resp=" + self.b64("\0ann@example.org\0secret"))
        self.assertEqual(self.hear(f)[:2], ["OK", "1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
