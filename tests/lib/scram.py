"""The client's side of SCRAM (RFC 5802), from the RFC."""
import base64
import hashlib
import hmac
import os


class Scram:
    def __init__(self, user, password, digest="sha256", binding=None, flag="n", authzid=""):
        """binding: (type, data) for the -PLUS forms."""
        self.password = password.encode()
        self.digest = digest
        self.binding = binding
        flag = "p=" + binding[0] if binding else flag
        self.gs2 = flag + "," + ("a=" + authzid if authzid else "") + ","
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), self.nonce)

    def first(self):
        return (self.gs2 + self.bare).encode()

    def final(self, challenge):
        self.challenge = challenge.decode()
        fields = dict(f.split("=", 1) for f in self.challenge.split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce)
        self.salt, self.iterations = fields["s"], int(fields["i"])
        salted = hashlib.pbkdf2_hmac(self.digest, self.password, base64.b64decode(self.salt),
                                     self.iterations)
        client = hmac.digest(salted, b"Client Key", self.digest)
        stored = hashlib.new(self.digest, client).digest()
        cbind = self.gs2.encode() + (self.binding[1] if self.binding else b"")
        without = "c=%s,r=%s" % (base64.b64encode(cbind).decode(), fields["r"])
        message = (self.bare + "," + self.challenge + "," + without).encode()
        signature = hmac.digest(stored, message, self.digest)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        self.server = hmac.digest(hmac.digest(salted, b"Server Key", self.digest), message, self.digest)
        return (without + ",p=" + base64.b64encode(proof).decode()).encode()

    def check(self, final):
        return final == b"v=" + base64.b64encode(self.server)
