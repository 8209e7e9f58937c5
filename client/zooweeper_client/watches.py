"""Who of this client watches what, and what a server must be told after a reconnect.

Rules: full paths (the chroot is no business of this file); a watcher is a number that the face gave out. One-shot
watchers leave when they fire; persistent ones stay until removed. Everything keeps insertion order.
"""

from collections.abc import Iterator
from enum import IntEnum

from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import WATCHES_PER_CONNECTION_MAX

REARM_BYTES_MAX = 128 * 1024  # of the paths in one setWatches request, as the Java client has it


class EventType(IntEnum):
    """What happened. 1 to 4 come from servers; the others are made here."""

    LOST = -1  # the session has ended, and this one-shot watch with it
    CREATED = 1
    DELETED = 2
    CHANGED = 3
    CHILD = 4
    GAP = 5  # a persistent watch was away (another node, a full buffer): events may be missing, read again


class WatchKind(IntEnum):
    """The lists of setWatches2, in its order."""

    DATA = 0
    EXIST = 1
    CHILD = 2
    PERSISTENT = 3
    RECURSIVE = 4


ONE_SHOT = (WatchKind.DATA, WatchKind.EXIST, WatchKind.CHILD)
LASTING = (WatchKind.PERSISTENT, WatchKind.RECURSIVE)
# Which one-shot watches an event of a path takes with it.
CONSUMES: dict[int, tuple[WatchKind, ...]] = {
    EventType.CREATED: (WatchKind.DATA, WatchKind.EXIST),
    EventType.DELETED: (WatchKind.DATA, WatchKind.EXIST, WatchKind.CHILD),
    EventType.CHANGED: (WatchKind.DATA, WatchKind.EXIST),
    EventType.CHILD: (WatchKind.CHILD,),
}


class Watches:
    """The table of one client."""

    def __init__(self) -> None:
        self._tables: dict[WatchKind, dict[str, dict[int, None]]] = {kind: {} for kind in WatchKind}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        return self._count >= WATCHES_PER_CONNECTION_MAX

    def add(self, kind: WatchKind, path: str, watcher: int) -> None:
        watchers = self._tables[kind].setdefault(path, {})
        self._count += watcher not in watchers
        watchers[watcher] = None

    def registered(self, kind: WatchKind, path: str, watcher: int, error: int) -> None:
        """Keep the one-shot watch of a read that was answered with `error`, if there is one now. Lasting watches are
        kept from when they are asked for, see the core."""
        if kind is WatchKind.EXIST and not error:
            self.add(WatchKind.DATA, path, watcher)
        elif kind in ONE_SHOT and (not error or (kind is WatchKind.EXIST and error == ErrorCode.NO_NODE)):
            self.add(kind, path, watcher)

    def remove(self, kind: WatchKind, path: str, watcher: int) -> bool:
        """Whether the watcher was the last of its kind on the path, so that the server may forget it, too."""
        table = self._tables[kind]
        watchers = table.get(path)
        if watchers is None or watcher not in watchers:
            return False
        del watchers[watcher]
        self._count -= 1
        if watchers:
            return False
        del table[path]
        return True

    def fire(self, event: int, path: str) -> list[int]:
        """The watchers of an event of a server, each once; one-shot ones are gone after it. Nobody hears of an event
        that is none, or of what is no path."""
        hit: dict[int, None] = {}
        if event not in CONSUMES or not path.startswith("/"):
            return []
        for kind in CONSUMES[event]:
            watchers = self._tables[kind].pop(path, None)
            if watchers:
                self._count -= len(watchers)
                hit.update(watchers)
        hit.update(self._tables[WatchKind.PERSISTENT].get(path, {}))
        recursive = self._tables[WatchKind.RECURSIVE]
        if recursive and event != EventType.CHILD:
            for above in _upward(path):
                hit.update(recursive.get(above, {}))
        return list(hit)

    def take_one_shot(self) -> list[tuple[int, str]]:
        """All one-shot watchers and their paths; they are gone after it."""
        taken = []
        for kind in ONE_SHOT:
            taken += self._each(kind)
            self._tables[kind].clear()
        self._count -= len(taken)
        return taken

    def lasting(self) -> list[tuple[int, str]]:
        """All persistent watchers and their paths."""
        return [pair for kind in LASTING for pair in self._each(kind)]

    def rearm(self) -> Iterator[tuple[list[str], ...]]:
        """What setWatches2 takes (five lists of paths, in the order of WatchKind), in pieces."""
        piece: tuple[list[str], ...] = tuple([] for _ in WatchKind)
        size = 0
        for kind, table in self._tables.items():
            for path in table:
                size += 4 + 3 * len(path)
                if size > REARM_BYTES_MAX and any(piece):
                    yield piece
                    piece, size = tuple([] for _ in WatchKind), 4 + 3 * len(path)
                piece[kind].append(path)
        if any(piece):
            yield piece

    def _each(self, kind: WatchKind) -> list[tuple[int, str]]:
        return [(watcher, path) for path, watchers in self._tables[kind].items() for watcher in watchers]


def _upward(path: str) -> Iterator[str]:
    """The path and all above it."""
    while path != "/":
        yield path
        path = path[: path.rindex("/")] or "/"
    yield path
