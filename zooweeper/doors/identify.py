"""A credential becomes an identity, or is refused. Secrets end here.

Rules: what a client sent to prove who it is goes no further than this function: neither into the log of operations nor
into the node's own log. One answer for every reason of refusal.
"""

from base64 import b64encode
from hashlib import sha1
from hmac import compare_digest

from zooweeper.model.acl import Id
from zooweeper.model.errors import AuthFailed


def identify(scheme: str, credential: bytes, super_digest: str) -> Id:
    """Who this is. AuthFailed for a scheme that is none, or a credential that is not `user:` and a password, which may
    be empty."""
    user, colon, _ = credential.partition(b":")
    if scheme != "digest" or not (user and colon):
        raise AuthFailed("the credential was refused")
    try:
        name = user.decode()
    except UnicodeDecodeError:
        raise AuthFailed("the credential was refused") from None
    known = digest_of(name, credential)
    if super_digest and compare_digest(known.encode(), super_digest.encode()):
        return Id("super", "")
    return Id("digest", known)


def digest_of(name: str, credential: bytes) -> str:
    """The id of scheme digest: SHA-1 without salt is ZooKeeper's format of ids in ACLs, compatible and not strong."""
    return f"{name}:{b64encode(sha1(credential).digest()).decode()}"
