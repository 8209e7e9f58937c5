"""SASL DIGEST-MD5, the server's side (RFC 2831): a challenge, the client's proof that it knows the password, ours.

Rules: pure; whoever makes a `SaslServer` gives it a fresh nonce. One exchange, one nonce, one try: a proof is never
taken twice. No password is kept, only what the mechanism needs of it, and one answer covers every reason of refusal,
in one time: an unknown user costs what a wrong password does. Names and passwords never reach a log.

MD5 is what ZooKeeper's clients speak, and no protection for a password on a line that others can read: use TLS.
"""

import re
import secrets
import stat
from hashlib import md5
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from zooweeper.model.acl import Id
from zooweeper.model.errors import AuthFailed

REALM = b"zk-sasl-md5"  # what every ZooKeeper client expects
DIGEST_URI = b"zookeeper/zk-sasl-md5"
TOKEN_BYTES_MAX = 4096  # RFC 2831 2.1.2
FILE_BYTES_MAX = 1 << 20
USERS_MAX = 10_000

_DIRECTIVE = re.compile(rb'[\s,]*([A-Za-z-]+)\s*=\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s,"=]+))\s*(?=,|$)', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PROOF = re.compile(rb"[0-9a-f]{32}")
_COMMENT = re.compile(r'("[^"\n]*")|/\*.*?\*/|(?m:^[ \t]*(?://|#)[^\n]*)', re.DOTALL)  # or text between quotes
_SECTION = re.compile(r'\bServer\s*\{([^{}"]*(?:"[^"]*"[^{}"]*)*)\}')
_USER = re.compile(r'\buser_([^\s="]+)\s*=\s*"([^"]*)"')


class UsersError(Exception):
    """A file of users that cannot be; the text is one clear line without a secret."""


class Step(NamedTuple):
    """What one token of the client leads to."""

    reply: bytes | None
    identity: Id | None  # proved by this token


class Users:
    """Who may prove to be whom: by name the hashes of `name:realm:password`, in the encodings that clients use."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self._hashes = {name: _hashes(name, password) for name, password in passwords.items()}
        self._nobody = _hashes("", secrets.token_hex(8))

    def __len__(self) -> int:
        return len(self._hashes)

    def hashes(self, name: str) -> tuple[bytes, ...]:
        """Of a user, or of somebody nobody can be."""
        return self._hashes.get(name, self._nobody)


class SaslServer:
    """One exchange: any first token, our challenge; the client's proof, ours. Nothing is valid after that."""

    __slots__ = ("_asked", "_nonce", "_users")

    def __init__(self, users: Users, nonce: bytes) -> None:
        """`nonce`: printable, never used before, not to be guessed."""
        self._users = users
        self._nonce: bytes | None = nonce
        self._asked = False

    def step(self, token: bytes) -> Step:
        """The client's next token. AuthFailed ends the exchange."""
        nonce = self._nonce
        if nonce is None or len(token) > TOKEN_BYTES_MAX:
            raise _refused()
        if not self._asked:
            self._asked = True
            if not token:
                return Step(b'realm="%b",nonce="%b",qop="auth",charset=utf-8,algorithm=md5-sess' % (REALM, nonce), None)
        self._nonce = None
        return _prove(self._users, nonce, token)


def new_server(users: Users) -> SaslServer:
    """An exchange with a nonce of its own."""
    return SaslServer(users, secrets.token_hex(16).encode())


def _refused() -> AuthFailed:
    return AuthFailed("the credential was refused")


def _prove(users: Users, nonce: bytes, token: bytes) -> Step:
    """The client's proof, and ours. Whatever is not exactly as it must be is refused."""
    said = _directives(token)
    try:
        name = said[b"username"].decode("utf-8" if b"charset" in said else "latin-1")
    except (KeyError, UnicodeDecodeError):
        raise _refused() from None
    expected = {b"realm": REALM, b"nonce": nonce, b"nc": b"00000001", b"qop": b"auth", b"charset": b"utf-8"}
    uri, cnonce, proof = (said.get(key, b"") for key in (b"digest-uri", b"cnonce", b"response"))
    fits = all(said.get(key, _DEFAULTS.get(key)) == value for key, value in expected.items())
    himself = said.get(b"authzid", said[b"username"]) == said[b"username"]
    if not (fits and himself and name and cnonce and uri.lower() == DIGEST_URI and _PROOF.fullmatch(proof)):
        raise _refused()
    replies = [
        rspauth
        for secret in users.hashes(name)
        if compare_digest(response(secret, said, nonce, b"AUTHENTICATE:"), proof)
        for rspauth in (response(secret, said, nonce, b":"),)
    ]
    if not replies:
        raise _refused()
    return Step(b"rspauth=" + replies[0], Id("sasl", name))


_DEFAULTS = {b"qop": b"auth", b"charset": b"utf-8"}  # of directives that may be left out


def _directives(token: bytes) -> dict[bytes, bytes]:
    """`key=value,key="value",...`. AuthFailed if it is not that, or says anything twice."""
    found: dict[bytes, bytes] = {}
    at = 0
    while match := _DIRECTIVE.match(token, at):
        key, quoted, plain = match.groups()
        if key.lower() in found:
            raise _refused()
        found[key.lower()] = _ESCAPED.sub(rb"\1", quoted) if quoted is not None else plain
        at = match.end()
    if token[at:].strip(b" \t\r\n,"):
        raise _refused()
    return found


def _hashes(name: str, password: str) -> tuple[bytes, ...]:
    """RFC 2831 has what fits ISO 8859-1 hashed in it, though it travels as UTF-8; half the clients do so."""
    encoded = [f"{name}:{REALM.decode()}:{password}".encode()]
    try:
        latin = name.encode("latin-1") + b":" + REALM + b":" + password.encode("latin-1")
    except UnicodeEncodeError:
        latin = encoded[0]
    return tuple(md5(text).digest() for text in dict.fromkeys([*encoded, latin]))


def response(secret: bytes, said: dict[bytes, bytes], nonce: bytes, method: bytes) -> bytes:
    """RFC 2831 2.1.2.1; `method` is empty but for a colon in our own proof."""
    cnonce = said[b"cnonce"]
    a1 = secret + b":" + nonce + b":" + cnonce
    if b"authzid" in said:
        a1 += b":" + said[b"authzid"]
    a2 = method + said[b"digest-uri"]
    middle = b":".join((nonce, said[b"nc"], cnonce, b"auth"))
    return _hex(_hex(a1) + b":" + middle + b":" + _hex(a2))


def _hex(text: bytes) -> bytes:
    return md5(text).hexdigest().encode()


# --- the file of users


def parse_users(text: str) -> dict[str, str]:
    """Passwords by name: the `user_<name>="<password>"` of a JAAS file's section `Server`, or of the whole text when it
    has no sections, or lines `name:password`. UsersError."""
    if "user_" in text or "{" in text:
        plain = _COMMENT.sub(r"\1", text)
        section = _SECTION.search(plain)
        if section is None and "{" in plain:
            raise UsersError("it has no section Server")
        rows = _USER.findall(section[1] if section is not None else plain)
    else:
        rows = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                name, colon, password = line.partition(":")
                if not colon or not name.strip():
                    raise UsersError(f"line {number} is not name:password")
                rows.append((name.strip(), password))
    if not rows:
        raise UsersError("it names no user")
    if len(rows) > USERS_MAX:
        raise UsersError(f"it names more than {USERS_MAX} users")
    if len(dict(rows)) != len(rows):
        raise UsersError("it names a user twice")
    return dict(rows)


def read_users(path: str) -> tuple[Users, str]:
    """The users of a file, and a warning if others may read it (else empty). UsersError."""
    try:
        found = Path(path).stat()
        if found.st_size > FILE_BYTES_MAX:
            raise UsersError(f"the users of SASL in {path}: larger than {FILE_BYTES_MAX >> 20} MiB")
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise UsersError(f"cannot read the users of SASL in {path}: {reason}") from None
    try:
        users = Users(parse_users(data.decode()))
    except UnicodeDecodeError:
        raise UsersError(f"the users of SASL in {path}: not UTF-8") from None
    except UsersError as error:
        raise UsersError(f"the users of SASL in {path}: {error}") from None
    exposed = stat.S_ISREG(found.st_mode) and found.st_mode & 0o077
    return users, f"{path} holds passwords and can be read by others; chmod 600 it" if exposed else ""
