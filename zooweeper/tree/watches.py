"""The watches of one replica's connections, and which of them a change fires.

Rules: not replicated; gone with the connection. Two tables, as in ZooKeeper: one for a znode's own coming, changing and
going, one for its children; events fire in the order of the changes, and for one change in the order znode, children,
parent's children. A watcher hears only of what it may read; a one-shot watch is used up all the same.
"""

from collections.abc import Callable, Iterable, Sequence

from zooweeper.model.acl import OPEN, AclList, Id, Perm, allows
from zooweeper.model.errors import ThrottledOp
from zooweeper.model.events import EventType, WatcherType
from zooweeper.model.limits import WATCHES_PER_CONNECTION_MAX
from zooweeper.model.paths import parent
from zooweeper.tree.journal import Change, ChangeKind

Fired = tuple[tuple[int, ...], int, str]  # connections, event type, path
Watchers = dict[str, dict[int, int]]  # path → connection → modes

_STANDARD, _PERSISTENT, _RECURSIVE = 1, 2, 4

_PLACES: dict[WatcherType, tuple[int, int]] = {
    WatcherType.CHILDREN: (0, _STANDARD),
    WatcherType.DATA: (_STANDARD, 0),
    WatcherType.ANY: (7, 7),
    WatcherType.PERSISTENT: (_PERSISTENT, _PERSISTENT),
    WatcherType.RECURSIVE: (_RECURSIVE, 0),
}
"""Which modes a type of watcher has in the data table and in the child table."""


class WatchTable:
    __slots__ = ("_count", "children", "data", "recursive", "watched")

    def __init__(self) -> None:
        self.data: Watchers = {}
        self.children: Watchers = {}
        self.watched: dict[int, dict[str, None]] = {}  # connection → paths in either table
        self._count = 0  # how many (connection, path) pairs there are
        self.recursive = 0  # how many recursive watches there are

    def count(self) -> int:
        """How many (connection, path) pairs are watched."""
        return self._count

    def spread(self) -> tuple[int, int]:
        """How many connections watch something, and how many paths are watched."""
        return len(self.watched), len(self.data) + sum(path not in self.data for path in self.children)

    def everyone(self) -> Iterable[tuple[int, Iterable[str]]]:
        """Each connection that watches something, and what. The table must not change meanwhile."""
        return self.watched.items()

    def room(self, connection: int, more: int) -> None:
        """ThrottledOp unless the connection may watch so many paths more."""
        if len(self.watched.get(connection, ())) + more > WATCHES_PER_CONNECTION_MAX:
            raise ThrottledOp(f"a connection has at most {WATCHES_PER_CONNECTION_MAX} watches")

    def add(self, connection: int, path: str, type: WatcherType) -> None:
        """Register; ThrottledOp if the connection has too many."""
        assert type is not WatcherType.ANY
        watched = self.watched.setdefault(connection, {})
        if path not in watched:
            if len(watched) >= WATCHES_PER_CONNECTION_MAX:
                self.room(connection, 1)
            watched[path] = None
            self._count += 1
        data, children = _PLACES[type]
        if data:
            modes = self.data.setdefault(path, {})
            if data == _RECURSIVE and not modes.get(connection, 0) & _RECURSIVE:
                self.recursive += 1
            modes[connection] = modes.get(connection, 0) | data
        if children:
            modes = self.children.setdefault(path, {})
            modes[connection] = modes.get(connection, 0) | children

    def has(self, connection: int, path: str, type: WatcherType) -> bool:
        """Whether the connection has a watch of this type there."""
        data, children = _PLACES[type]
        mine = self.data.get(path, {}).get(connection, 0)
        of_children = self.children.get(path, {}).get(connection, 0)
        if type is WatcherType.ANY:
            return bool(mine or of_children)
        return mine & data == data and of_children & children == children

    def remove(self, connection: int, path: str, type: WatcherType) -> bool:
        """Take it back; whether there was one."""
        if not self.has(connection, path, type):
            return False
        data, children = _PLACES[type]
        self._drop(self.data, connection, path, data)
        self._drop(self.children, connection, path, children)
        return True

    def forget(self, connection: int) -> None:
        """The connection is gone."""
        for path in list(self.watched.get(connection, ())):
            self._drop(self.data, connection, path, 7)
            self._drop(self.children, connection, path, 7)
        self.watched.pop(connection, None)

    def trigger(self, changes: Iterable[Change], identities: Callable[[int], Sequence[Id]]) -> list[Fired]:
        """The events of these changes, in order; `identities` tells whom a connection has proved to be. One-shot
        watches that match are gone after."""
        fired: list[Fired] = []
        if not self.watched:
            return fired
        for change in changes:
            if change.kind is ChangeKind.ACL:
                continue
            path = change.path
            told = self._match(self.data, path, _STANDARD | _PERSISTENT | _RECURSIVE)
            if self.recursive:
                self._match_above(path, told)
            self._tell(told, change.kind, path, change.acl, identities, fired)
            if change.kind is ChangeKind.DATA:
                continue
            if change.kind is ChangeKind.DELETED:
                more = self._match(self.children, path, _STANDARD | _PERSISTENT)
                left = {connection: None for connection in more if connection not in told}
                self._tell(left, EventType.DELETED, path, change.acl, identities, fired)
            above = parent(path)
            told = self._match(self.children, above, _STANDARD | _PERSISTENT)
            self._tell(told, EventType.CHILDREN, above, change.parent_acl, identities, fired)
        return fired

    def _match(self, table: Watchers, path: str, modes: int) -> dict[int, None]:
        """Who watches the path in this table, in the order of registration; one-shot watches are used up."""
        watchers = table.get(path)
        if not watchers:
            return {}
        kinds = set(watchers.values())  # few, however many watch
        if all(mine & modes for mine in kinds):
            told = dict.fromkeys(watchers)
        else:
            told = {connection: None for connection, mine in watchers.items() if mine & modes}
        if any(mine & _STANDARD for mine in kinds):
            self._use_up(table, path, watchers)
        return told

    def _use_up(self, table: Watchers, path: str, watchers: dict[int, int]) -> None:
        """The one-shot watches of a path are gone."""
        left = {connection: mine & ~_STANDARD for connection, mine in watchers.items() if mine != _STANDARD}
        if left:
            table[path] = left
        else:
            del table[path]
        others = (self.children if table is self.data else self.data).get(path, ())
        for connection in watchers:
            if connection not in left and connection not in others:
                self._unwatch(connection, path)

    def _match_above(self, path: str, told: dict[int, None]) -> None:
        """Add who watches an ancestor with all below it."""
        while path != "/":
            path = parent(path)
            for connection, mine in self.data.get(path, {}).items():
                if mine & _RECURSIVE:
                    told[connection] = None

    @staticmethod
    def _tell(
        told: dict[int, None],
        type: int,
        path: str,
        acl: AclList,
        identities: Callable[[int], Sequence[Id]],
        fired: list[Fired],
    ) -> None:
        if acl is OPEN:
            connections = tuple(told)
        else:
            connections = tuple(one for one in told if allows(acl, Perm.READ, identities(one)))
        if connections:
            fired.append((connections, int(type), path))

    def _drop(self, table: Watchers, connection: int, path: str, modes: int) -> None:
        """Take these modes out of a table, and all entries that are empty then."""
        watchers = table.get(path)
        mine = watchers.get(connection, 0) if watchers else 0
        if not watchers or not mine & modes:
            return
        if mine & modes & _RECURSIVE:
            self.recursive -= 1
        if mine & ~modes:
            watchers[connection] = mine & ~modes
            return
        del watchers[connection]
        if not watchers:
            del table[path]
        other = self.children if table is self.data else self.data
        if connection not in other.get(path, ()):
            self._unwatch(connection, path)

    def _unwatch(self, connection: int, path: str) -> None:
        """Neither table has the path for the connection any more."""
        watched = self.watched[connection]
        del watched[path]
        self._count -= 1
        if not watched:
            del self.watched[connection]
