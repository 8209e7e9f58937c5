"""What is known about a znode: Stat, as clients see it, and Znode, as the tree keeps it.

Rules: no behaviour beyond the values. A znode's `cversion` counts created children alone, so that sequence numbers
never repeat; clients see creations plus deletions. Its `owner` tells its kind: 0, a session id, CONTAINER, or TTL plus
milliseconds.
"""

from typing import Any, NamedTuple

from zooweeper.model.acl import AclList

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


class Znode:
    """One node of the tree. Only tree/tree.py writes its fields."""

    __slots__ = (
        "acl",
        "aversion",
        "base",
        "children",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "mtime",
        "mzxid",
        "names",
        "owner",
        "path",
        "pzxid",
        "seen",
        "sum",
        "version",
    )

    def __init__(self, path: str, data: bytes | None, acl: AclList, owner: int, zxid: int, time_ms: int) -> None:
        self.path = path
        self.data = data
        self.acl = acl
        self.owner = owner
        self.czxid = self.mzxid = self.pzxid = zxid
        self.ctime = self.mtime = time_ms
        self.version = self.cversion = self.aversion = 0
        self.children: dict[str, Znode] | None = None
        self.names: Any = None  # a SortedList of the children's names, kept once somebody has paged through many
        self.base = 0  # checksum of path, ACL and data
        self.sum = 0  # what the node adds to the digest of the tree
        self.seen = 0  # generation of the last snapshot that holds the node, or was begun before it was created

    @property
    def ephemeral(self) -> bool:
        return self.owner > 0

    @property
    def container(self) -> bool:
        return self.owner == CONTAINER

    @property
    def ttl_ms(self) -> int:
        """Its time to live, 0: it has none."""
        return self.owner - TTL if TTL < self.owner < 0 else 0

    def stat(self) -> Stat:
        """What clients see."""
        children = len(self.children) if self.children else 0
        changes, owner, data = 2 * self.cversion - children, self.owner, self.data
        fields = (
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            changes if changes <= INT_MAX else wrapped(changes),
            self.aversion,
            owner if owner > 0 else 0,
            len(data) if data else 0,
            children,
            self.pzxid,
        )
        return tuple.__new__(Stat, fields)  # the constructor of a NamedTuple takes twice the time
