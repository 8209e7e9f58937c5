"""What is known about a znode: Stat, as clients see it, and Znode, as the tree keeps it.

Rules: no behaviour beyond the values. A node must be small, for there may be millions: what many share is one object
(Traits), and what only parents have is one that others do not have (Family). `cversion` counts created children alone,
so that sequence numbers never repeat; clients see creations plus deletions. The `owner` tells a node's kind: 0, a
session id, CONTAINER, or TTL plus milliseconds.
"""

from struct import Struct
from typing import Any, NamedTuple

from zooweeper.model.acl import AclList

STAT = Struct("!qqqqiiiqiiq")  # a Stat in jute, ZooKeeper's encoding
CONTAINER = -(1 << 63)
TTL = -(1 << 56)  # 0xff00000000000000, signed: the top byte all ones
TTL_MS_MAX = (1 << 40) - 1
INT_MAX = (1 << 31) - 1


def wrapped(number: int) -> int:
    """`number` as a signed 32-bit field holds it."""
    return (number + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


class Stat(NamedTuple):
    """The eleven fields of ZooKeeper."""

    czxid: int
    mzxid: int
    ctime: int  # milliseconds since 1970
    mtime: int
    version: int
    cversion: int  # children created + deleted
    aversion: int
    ephemeral_owner: int  # session id, 0: not ephemeral
    data_length: int
    num_children: int
    pzxid: int


class Traits(NamedTuple):
    """What most znodes have in common with many others. Equal ones are one object (tree/digest.py)."""

    acl: AclList
    owner: int
    aversion: int
    weight: int  # what they add to a node's digest


class Family:
    """The children of a znode that has, or once had, some."""

    __slots__ = ("children", "cversion", "pzxid", "sorted")

    def __init__(self, pzxid: int, cversion: int = 0) -> None:
        self.pzxid = pzxid
        self.cversion = cversion
        self.children: dict[str, Znode] = {}  # by name
        self.sorted: Any = None  # a SortedList of the names, kept once somebody has paged through many


class Znode:
    """One node of the tree, known by its name to its parent's family. Only tree/ writes its fields."""

    __slots__ = ("ctime", "czxid", "data", "family", "mtime", "mzxid", "seen", "traits", "version")

    def __init__(self, data: bytes | None, traits: Traits, zxid: int, time_ms: int, seen: int = 0) -> None:
        self.data = data
        self.traits = traits
        self.czxid = self.mzxid = zxid
        self.ctime = self.mtime = time_ms
        self.version = 0
        self.family: Family | None = None
        self.seen = seen  # generation of the last snapshot that holds the node, or was begun before it was created

    @property
    def acl(self) -> AclList:
        return self.traits.acl

    @property
    def owner(self) -> int:
        return self.traits.owner

    @property
    def aversion(self) -> int:
        return self.traits.aversion

    @property
    def children(self) -> dict[str, "Znode"]:
        """Its children by name, in no order that means something."""
        return self.family.children if self.family is not None else _CHILDLESS

    @property
    def cversion(self) -> int:
        return self.family.cversion if self.family is not None else 0

    @property
    def pzxid(self) -> int:
        return self.family.pzxid if self.family is not None else self.czxid

    @property
    def ephemeral(self) -> bool:
        return self.traits.owner > 0

    @property
    def container(self) -> bool:
        return self.traits.owner == CONTAINER

    @property
    def ttl_ms(self) -> int:
        """Its time to live, 0: it has none."""
        owner = self.traits.owner
        return owner - TTL if TTL < owner < 0 else 0

    def stat(self) -> Stat:
        """What clients see."""
        return Stat(*STAT.unpack(self.packed()))

    def packed(self) -> bytes:
        """The same, as it goes over the wire."""
        data, family = self.data, self.family
        _, owner, aversion, _ = self.traits
        if family is None:
            pzxid, children, changes = self.czxid, 0, 0
        else:
            pzxid, children = family.pzxid, len(family.children)
            changes = 2 * family.cversion - children
        return STAT.pack(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            changes if changes <= INT_MAX else wrapped(changes),
            aversion,
            owner if owner > 0 else 0,
            len(data) if data else 0,
            children,
            pzxid,
        )


_CHILDLESS: dict[str, Znode] = {}  # never written: children are added to a Family alone
