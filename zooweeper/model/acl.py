"""Who may do what: permissions, identities, access control lists.

Rules: an identity is what a door has verified, (scheme, id); it never holds a secret in clear. Pure functions of lists
and identities; the scheme `super` may do everything. ACLs are not inherited.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntFlag
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from zooweeper.model.errors import InvalidAcl
from zooweeper.model.limits import ACL_ROWS_MAX


class Perm(IntFlag):
    """CREATE and DELETE are asked of the parent, the others of the znode itself."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


class Id(NamedTuple):
    scheme: str | None
    id: str | None


class Acl(NamedTuple):
    """One row: these permissions for this identity."""

    perms: int
    id: Id


AclList = tuple[Acl, ...]

ANYONE = Id("world", "anyone")
OPEN: AclList = (Acl(31, ANYONE),)
READ_ONLY: AclList = (Acl(1, ANYONE),)


def _valid_ip(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _match_ip(address: str, pattern: str) -> bool:
    """Whether the first bits of `address` are those of `pattern`, `addr` or `addr/bits`."""
    try:
        mine, theirs = ip_address(address), ip_network(pattern, strict=False)
    except ValueError:
        return False
    return mine.version == theirs.version and mine in theirs


def _valid_digest(text: str) -> bool:
    user, colon, digest = text.partition(":")
    return bool(user and colon and digest) and ":" not in digest


def _valid_name(text: str) -> bool:
    """The subject of a certificate, as RFC 2253 writes it: it begins with an attribute."""
    attribute, equals, _ = text.partition("=")
    return bool(equals) and attribute.strip().replace(".", "").replace("-", "").isalnum()


def _equal(mine: str, theirs: str) -> bool:
    return mine == theirs


class Scheme(NamedTuple):
    """How ids of one scheme look in an ACL and how they match."""

    valid: Callable[[str], bool]
    match: Callable[[str, str], bool]  # (the caller's id, the ACL's id)
    authenticated: bool  # stands for scheme `auth` in an ACL


SCHEMES = {
    "ip": Scheme(_valid_ip, _match_ip, authenticated=False),
    "digest": Scheme(_valid_digest, _equal, authenticated=True),
    "sasl": Scheme(bool, _equal, authenticated=True),
    "x509": Scheme(_valid_name, _equal, authenticated=True),
}


def allows(acl: Sequence[Acl], perm: int, identities: Iterable[Id]) -> bool:
    """Whether a caller with these identities has one of the bits of `perm`."""
    for row in acl:
        if row.perms & perm and row.id == ANYONE:
            return True
    for mine in identities:
        if mine.scheme == "super":
            return True
        scheme = SCHEMES.get(mine.scheme or "")
        if scheme is None:
            continue
        for perms, theirs in acl:
            if perms & perm and theirs.scheme == mine.scheme and scheme.match(mine.id or "", theirs.id or ""):
                return True
    return False


def fixup(acl: Sequence[Acl], identities: Sequence[Id]) -> AclList:
    """The list as it is stored: `auth` replaced by the caller's own identities, duplicates removed. InvalidAcl if a row
    is not understood or nothing remains."""
    if len(acl) == 1 and acl[0] == OPEN[0]:
        return OPEN
    rows: dict[Acl, None] = {}
    for perms, (scheme, name) in acl:
        if scheme == "auth":  # some clients send the id as null
            mine = [one for one in identities if one.scheme in SCHEMES and SCHEMES[one.scheme].authenticated]
            if not mine:
                raise InvalidAcl("scheme auth without an authenticated identity")
            rows.update((Acl(perms, one), None) for one in mine)
        elif scheme == "world":
            if name != "anyone":
                raise InvalidAcl("scheme world knows the id anyone alone")
            rows[Acl(perms, ANYONE)] = None
        elif scheme is None or name is None or scheme not in SCHEMES or not SCHEMES[scheme].valid(name):
            raise InvalidAcl(f"not an identity: scheme {scheme!a}")
        else:
            rows[Acl(perms, Id(scheme, name))] = None
    if not rows:
        raise InvalidAcl("an ACL has at least one row")
    if len(rows) > ACL_ROWS_MAX:
        raise InvalidAcl(f"an ACL has at most {ACL_ROWS_MAX} rows")
    result = tuple(rows)
    return OPEN if result == OPEN else result  # given more than once


def masked(acl: AclList) -> AclList:
    """The list for somebody who may read but not administrate: digests hidden."""
    return tuple(
        Acl(row.perms, Id("digest", (row.id.id or "").split(":")[0] + ":x")) if row.id.scheme == "digest" else row
        for row in acl
    )
