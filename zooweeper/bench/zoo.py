"""Requests of the ZooKeeper model, for the ZooKeeper port and the Session stream.

Rules: a request is an operation's class and its record; the table says what each kind of `Ask` becomes.
"""

from collections.abc import Callable

from zooweeper.bench.line import Ask
from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN
from zooweeper.model.events import WatchMode
from zooweeper.ops.create import EPHEMERAL, PERSISTENT, SEQUENTIAL, Create, CreateRequest
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.op import Op
from zooweeper.ops.watches import AddWatch

Request = tuple[type[Op], Record]


def _create(flags: int) -> Callable[[Ask], Request]:
    return lambda ask: (Create, CreateRequest(ask.path, ask.value, list(OPEN), flags))


def _get(ask: Ask) -> Request:
    return GetData, WatchRequest(ask.path)


def _set(ask: Ask) -> Request:
    return SetData, SetData.Request(ask.path, ask.value)


def _delete(ask: Ask) -> Request:
    return Delete, Delete.Request(ask.path)


def _multi(ask: Ask) -> Request:
    """Two sets of the path, and a child of it that comes and goes."""
    child = Ask("create", f"{ask.path}/m", ask.value)
    requests = (_set(ask), _set(ask), _create(PERSISTENT)(child), _delete(child))
    return Multi, Multi.Request([Part(op.code, record) for op, record in requests])


def _watch(ask: Ask) -> Request:
    return AddWatch, AddWatch.Request(ask.path, WatchMode.PERSISTENT)


REQUESTS: dict[str, Callable[[Ask], Request]] = {
    "get": _get,
    "linear-get": _get,
    "set": _set,
    "make": _create(PERSISTENT),
    "create": _create(SEQUENTIAL),
    "ephemeral": _create(EPHEMERAL),
    "delete": _delete,
    "multi": _multi,
    "watch": _watch,
}
