"""The digest of a znode: a number that two trees add up equally if, almost surely, they are equal.

Rules: a node adds key x weight, modulo 2^64. The key is a checksum of its path; the weight is a sum over its fields,
each times an odd constant of its own (a checksum, for data and ACL). So a change costs what it changes, nothing is kept
per node but while it is changing, the order of nodes does not matter, and a difference in any one field always shows:
both factors of it are odd, or smaller than the modulus. Part of the contract between replicas: may change only by
feature level.
"""

from zlib import crc32

from zooweeper.model.acl import OPEN, AclList
from zooweeper.model.stat import Family, Traits, Znode

MASK64 = (1 << 64) - 1

EXISTS = 0x9E3779B97F4A7C15
CZXID = 0xBF58476D1CE4E5B9
MZXID = 0x94D049BB133111EB
PZXID = 0xD6E8FEB86659FD93
CTIME = 0xA0761D6478BD642F
MTIME = 0xE7037ED1A0B428DB
VERSION = 0x8EBC6AF09C88C6E3
CVERSION = 0x589965CC75374CC3
AVERSION = 0x1D8E4E27C47D124F
OWNER = 0xEB44ACCAB455D165
ACL = 0x2127599BF4325C37
DATA = 0x880355F21E6D1965
BORN = CZXID + MZXID + PZXID & MASK64  # of a new node the three are equal
TIMES = CTIME + MTIME & MASK64  # and these two

_TRAITS_MAX = 1024


def key_of(path: str) -> int:
    """What a path multiplies the weight of its node with."""
    return crc32(path.encode()) << 1 | 1


def weigh(node: Znode) -> int:
    """The weight of all fields. Those of a new node are equal in pairs, and most nodes are still as they were made."""
    czxid, ctime, family = node.czxid, node.ctime, node.family
    weight = node.traits.weight + BORN * czxid + TIMES * ctime + DATA * crc32(node.data or b"")
    if node.mzxid != czxid:
        weight += MZXID * (node.mzxid - czxid)
    if node.mtime != ctime:
        weight += MTIME * (node.mtime - ctime)
    if node.version:
        weight += VERSION * node.version
    if family is not None:
        weight += PZXID * (family.pzxid - czxid) + CVERSION * family.cversion
    return weight


Written = tuple[int, int, int, int, int]
"""What a node was before its data was set: key of its path, mzxid, mtime, version, checksum of the data."""
Grown = tuple[int, int, int]
"""What a family was before it changed: key of its path, cversion, pzxid."""


def rewriting(node: Znode, was: Written) -> int:
    """What the digest gains by the node being what it is now."""
    key, mzxid, mtime, version, checksum = was
    return key * (
        MZXID * (node.mzxid - mzxid)
        + MTIME * (node.mtime - mtime)
        + VERSION * (node.version - version)
        + DATA * (crc32(node.data or b"") - checksum)
    )


def growth(family: Family, were: Grown) -> int:
    """What the digest gains by the family being what it is now."""
    key, cversion, pzxid = were
    return key * (CVERSION * (family.cversion - cversion) + PZXID * (family.pzxid - pzxid))


def _traits(acl: AclList, owner: int, aversion: int) -> Traits:
    text = "".join(f"{perms}:{scheme}:{name}\n" for perms, (scheme, name) in acl)
    rows = crc32(text.encode("utf-8", "surrogatepass"))
    return Traits(acl, owner, aversion, EXISTS + OWNER * owner + AVERSION * aversion + ACL * rows & MASK64)


PLAIN = _traits(OPEN, 0, 0)


class TraitsTable:
    """Equal traits are one object: a cache, forgotten when full."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[AclList, int, int], Traits] = {}

    def of(self, acl: AclList, owner: int, aversion: int = 0) -> Traits:
        """The one object."""
        if acl is OPEN and not owner and not aversion:
            return PLAIN
        known = self._known.get((acl, owner, aversion))
        if known is None:
            if len(self._known) >= _TRAITS_MAX:
                self._known.clear()
            known = self._known[acl, owner, aversion] = _traits(OPEN if acl == OPEN else acl, owner, aversion)
        return known
