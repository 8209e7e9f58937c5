"""What an entry changed in the tree, in order, with what was there before.

Rules: every change of the tree is recorded here before it is made, so that `undo` can take back all since a mark (a
failed multi), and watches see all that remains. Empty between entries. Sessions are not journaled: no operation on
them is part of a multi.
"""

from enum import IntEnum
from typing import Any, NamedTuple

from zooweeper.model.acl import AclList
from zooweeper.model.stat import Znode


class ChangeKind(IntEnum):
    """The first three are event types of watches (model/events.py)."""

    CREATED = 1
    DELETED = 2
    DATA = 3
    ACL = 10


class Change(NamedTuple):
    kind: ChangeKind
    path: str
    acl: AclList  # of the znode; of a deletion, and of a change of the ACL: before it
    parent_acl: AclList  # of creation and deletion; else empty
    node: Znode
    parent: Znode | None  # of creation and deletion
    before: tuple[Any, ...]  # the fields of `node`, or of `parent`, that the change wrote


class Journal:
    """The changes of the entry being executed."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[Change] = []

    @property
    def empty(self) -> bool:
        return not self.changes

    def mark(self) -> int:
        """A place to come back to with DataTree.undo."""
        return len(self.changes)

    def take(self) -> list[Change]:
        """All changes; the journal is empty after."""
        changes = self.changes
        if changes:
            self.changes = []
        return changes
