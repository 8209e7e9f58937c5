"""What a client shows to prove who it is: tokens of SASL, and certificates.

The first byte of an input chooses: a certificate, or the token that follows our challenge.
"""

from base64 import b64decode
from collections.abc import Hashable, Sequence
from hashlib import md5

from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from zooweeper.doors.sasl import SaslServer, Users, response
from zooweeper.doors.tls import parse
from zooweeper.model.acl import Id
from zooweeper.model.errors import AuthFailed

NONCE = b"OA6MG9tEQGm2hh"
TOKEN, CERTIFICATE = 0, 1
DER = b64decode(
    "MIICDDCCAbOgAwIBAgIUWpRDuodLcFJSnbKwsQVDcklnufYwCgYIKoZIzj0EAwIwXDELMAkGA1UEBhMCREUxEzARBgNVBAoMCkFjbWUsIElu"
    "Yy4xIjAOBgNVBAMMB2rDvHJnZW4wEAYKCZImiZPyLGQBAQwCdTExFDASBgkqhkiG9w0BCQEWBWFAYi5jMB4XDTI2MTEyMTA5NTU1M1oXDTM2"
    "MTExODA5NTU1M1owXDELMAkGA1UEBhMCREUxEzARBgNVBAoMCkFjbWUsIEluYy4xIjAOBgNVBAMMB2rDvHJnZW4wEAYKCZImiZPyLGQBAQwC"
    "dTExFDASBgkqhkiG9w0BCQEWBWFAYi5jMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMIN8enbTPAhmJkZYv5QN9uaMrkJDSypXF4NSIYfT"
    "CsAkIFma4d+rX278O2iFtqP7vq6pa8CgY19j2MMIL+K4uqNTMFEwHQYDVR0OBBYEFPdbFPW2/fTDCuWA+bqcxY8SxSAuMB8GA1UdIwQYMBaA"
    "FPdbFPW2/fTDCuWA+bqcxY8SxSAuMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgKIngjO6GJLJbNLwx+QlffBc0c5AXtJ47"
    "ArO8Bcq7ih0CICGCY/osUTgmk8eiwuIx1n/8v0ZR7VYR9/W4jFrSBlrb"
)


def token(**other: bytes) -> bytes:
    """An honest client's, and what it says besides."""
    said = {b"cnonce": b"c", b"nc": b"00000001", b"digest-uri": b"zookeeper/zk-sasl-md5"}
    proof = response(md5(b"bob:zk-sasl-md5:secret").digest(), said | {k.encode(): v for k, v in other.items()}, NONCE,
                     b"AUTHENTICATE:")  # fmt: skip
    more = b"".join(b',%b="%b"' % (key.encode(), value) for key, value in other.items())
    return (
        b'charset=utf-8,username="bob",realm="zk-sasl-md5",nonce="%b",nc=00000001,cnonce="c",'
        b'digest-uri="zookeeper/zk-sasl-md5",qop=auth,response=%b%b' % (NONCE, proof, more)
    )


class Proofs(Target):
    name = "proofs"
    about = "what clients prove who they are with: tokens of SASL, certificates"
    refusals = (AuthFailed, ValueError)
    words = (b'"', b"\\", b",", b"=", b"charset=utf-8", b"authzid=", b"nonce=", b"response=", b"\xff", b"\x30\x84",
             b"\x31\x80", b"\x06\x03\x55\x04", b"\x17\x0d", b"\x18\x0f", b"\xa0\x03")  # fmt: skip

    def seeds(self) -> Sequence[bytes]:
        tokens = (token(), token(authzid=b"bob"), token(unheard=b"of"))
        return [*(bytes((TOKEN,)) + one for one in tokens), bytes((CERTIFICATE,)) + DER]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        return data[:1] + mutator.mutate(data[1:], [other[1:] for other in others if other[:1] == data[:1]])

    def prepare(self) -> Run:
        server = SaslServer(Users({"bob": "secret"}), NONCE)
        server.step(b"")

        def run(data: bytes) -> Hashable:
            if data[:1] == bytes((CERTIFICATE,)):
                found = parse(data[1:])
                found.subject.encode()
                return CERTIFICATE, found.subject.count(",") > 1, found.begins < found.ends
            step = server.step(data[1:])
            assert step.identity == Id("sasl", "bob") and step.reply, "nobody else can prove anything"
            return TOKEN, b"authzid" in data

        return run
