"""The replicated state: what all entries up to `zxid` have made of the empty tree.

Rules: equal on every replica after the same entry, and `digest` tells when it is not. Changed by replica/execute.py
alone.
"""

from zlib import crc32

from zooweeper.model.acl import OPEN, AclList, Id, allows
from zooweeper.model.errors import NoAuth
from zooweeper.tree.digest import MASK64
from zooweeper.tree.journal import Journal
from zooweeper.tree.sessions import SessionTable
from zooweeper.tree.tree import DataTree


class State:
    __slots__ = ("chain", "journal", "sessions", "tree", "zxid")

    def __init__(self, planted: bool = True) -> None:
        """The state before the first entry; `planted` false: without the built-in nodes, to be filled by a snapshot."""
        self.zxid = 0
        self.journal = Journal()
        self.tree = DataTree(self.journal)
        self.sessions = SessionTable()
        self.chain = 0  # checksum over the results that no znode shows: replicas must agree on answers, too
        if planted:
            self.tree.plant()

    def identities(self, session: int) -> tuple[Id, ...]:
        """Whom the session has proved to be; nobody, if there is no such session."""
        found = self.sessions.get(session)
        return found.identities if found is not None else ()

    def require(self, session: int, acl: AclList, perm: int) -> None:
        """NoAuth unless the session has one of the bits of `perm`."""
        if acl is not OPEN and not allows(acl, perm, self.identities(session)):
            raise NoAuth

    def answered(self, error: int, body: bytes) -> None:
        """Account for the result of an entry."""
        self.chain = crc32(body, (self.chain + error) & 0xFFFFFFFF)

    def digest(self) -> int:
        """64 bits that differ, almost surely, if two states at the same zxid do."""
        return (self.tree.total + self.sessions.total + (self.chain << 32)) & MASK64

    def recompute_digest(self) -> int:
        """The same from scratch, in time proportional to the state: for tests and repair."""
        return (self.tree.recomputed() + self.sessions.recomputed() + (self.chain << 32)) & MASK64
