"""Watches asked for by themselves: after a reconnect, persistent ones, and taking them back.

Rules: reads of one replica; nothing here is replicated. Events that a returning client has missed are noted before the
answer, and only where it may read.
"""

from collections.abc import Callable
from typing import Any

from zooweeper.codec.record import Int, Long, Path, Record, Vector
from zooweeper.model.acl import Perm
from zooweeper.model.errors import MarshallingError, NoWatcher
from zooweeper.model.events import EventType, WatcherType, WatchMode
from zooweeper.model.paths import printable, validate
from zooweeper.model.stat import Znode
from zooweeper.ops.op import Kind, Nothing, Op, View, bound_path

Missed = Callable[[Znode | None, int], EventType | None]


def _missed_data(node: Znode | None, seen: int) -> EventType | None:
    if node is None:
        return EventType.DELETED
    return EventType.DATA if node.mzxid > seen else None


def _missed_creation(node: Znode | None, seen: int) -> EventType | None:
    return EventType.CREATED if node is not None else None


def _missed_children(node: Znode | None, seen: int) -> EventType | None:
    if node is None:
        return EventType.DELETED
    return EventType.CHILDREN if node.pzxid > seen else None


def _never(node: Znode | None, seen: int) -> EventType | None:
    return None


_LISTS: tuple[tuple[str, Missed, WatcherType], ...] = (
    ("data", _missed_data, WatcherType.DATA),
    ("exist", _missed_creation, WatcherType.DATA),
    ("children", _missed_children, WatcherType.CHILDREN),
    ("persistent", _never, WatcherType.PERSISTENT),
    ("recursive", _never, WatcherType.RECURSIVE),
)
"""What to do with each list of setWatches: the event that was missed, or else what to register."""


def _set_watches(request: Any, view: View) -> Nothing:
    lists = [(getattr(request, name, ()), missed, type) for name, missed, type in _LISTS]
    view.watches.room(view.connection, sum(len(paths) for paths, _, _ in lists))
    for paths, missed, type in lists:
        for path in paths:
            node = view.state.tree.get(path)
            event = missed(node, request.seen)
            if event is None:
                view.watch(path, type)
            elif node is None:
                validate(path)  # nobody has seen a node that cannot be; nor could its name be told
                view.notify(event, path)
            elif view.allowed(node.acl, Perm.READ):
                view.notify(event, path)
    return Nothing()


def _admit(request: Any) -> None:
    for name, _, _ in _LISTS:
        for path in getattr(request, name, ()):
            bound_path(path)


class SetWatches(Op, code=101, name="setWatches", kind=Kind.READ):
    """Register watches again after a reconnect; what happened since `seen` is told at once."""

    class Request(Record):
        seen: Long
        data: Vector[Path]
        exist: Vector[Path]
        children: Vector[Path]

    Result = Nothing

    @staticmethod
    def read(request: Request, view: View) -> Nothing:
        return _set_watches(request, view)

    @classmethod
    def admit(cls, request: Request) -> None:
        _admit(request)


class SetWatches2(Op, code=105, name="setWatches2", kind=Kind.READ):
    """setWatches with persistent watches; those miss no event silently only if the client reads anew."""

    class Request(Record):
        seen: Long
        data: Vector[Path]
        exist: Vector[Path]
        children: Vector[Path]
        persistent: Vector[Path]
        recursive: Vector[Path]

    Result = Nothing

    @staticmethod
    def read(request: Request, view: View) -> Nothing:
        return _set_watches(request, view)

    @classmethod
    def admit(cls, request: Request) -> None:
        _admit(request)


class AddWatch(Op, code=106, name="addWatch", kind=Kind.READ):
    """Watch a path, there or not, until the watch is removed or the connection ends."""

    class Request(Record):
        path: Path
        mode: Int  # WatchMode

    class Result(Record):
        error: Int = 0

    @staticmethod
    def read(request: Request, view: View) -> "AddWatch.Result":
        if request.mode not in tuple(WatchMode):
            raise MarshallingError(f"no watch mode {request.mode}")
        validate(request.path)
        persistent = request.mode == WatchMode.PERSISTENT
        view.watch(request.path, WatcherType.PERSISTENT if persistent else WatcherType.RECURSIVE)
        return AddWatch.Result()


class WatcherRequest(Record):
    path: Path
    type: Int  # WatcherType


def _type_of(request: WatcherRequest) -> WatcherType:
    if request.type not in tuple(WatcherType):
        raise MarshallingError(f"no watcher type {request.type}")
    return WatcherType(request.type)


class CheckWatches(Op, code=17, name="checkWatches", kind=Kind.READ):
    """Whether the connection has such a watch; NoWatcher if not."""

    Request = WatcherRequest
    Result = Nothing

    @staticmethod
    def read(request: WatcherRequest, view: View) -> Nothing:
        if not view.watches.has(view.connection, request.path, _type_of(request)):
            raise NoWatcher("", printable(request.path))
        return Nothing()


class RemoveWatches(Op, code=18, name="removeWatches", kind=Kind.READ):
    """Take such a watch back; NoWatcher if there is none."""

    Request = WatcherRequest
    Result = Nothing

    @staticmethod
    def read(request: WatcherRequest, view: View) -> Nothing:
        if not view.watches.remove(view.connection, request.path, _type_of(request)):
            raise NoWatcher("", printable(request.path))
        return Nothing()
