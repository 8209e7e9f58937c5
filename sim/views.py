"""What reads must show: the model's answer to a read, as of a zxid, for a session.

Rules: every answer has the shape that `shape` gives to the servers' results, so that the two are compared with `==`.
"""

from collections.abc import Callable
from typing import Any

from sim.model import ADMIN, EVERYBODY, READ, Model, Names, Refusal, Rows, Znode, allowed
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateTtl
from zooweeper.ops.data import GetAcl, GetData, SetAcl, SetData
from zooweeper.ops.delete import DeleteRecursive
from zooweeper.ops.multi import Multi, MultiRead
from zooweeper.ops.read import (
    Exists,
    GetAllChildrenNumber,
    GetChildren,
    GetChildren2,
    GetEphemerals,
    ListChildren,
    ListSubtree,
    WhoAmI,
)
from zooweeper.ops.reconfig import Reconfig
from zooweeper.ops.table import OPS


class Moment:
    """The model as of a zxid, in the eyes of a session."""

    __slots__ = ("model", "names", "session", "zxid")

    def __init__(self, model: Model, session: int, zxid: int) -> None:
        self.model = model
        self.session = session
        self.zxid = zxid
        self.names: Names = model.names_at(session, zxid)

    def node(self, path: str, perm: int = READ) -> Znode:
        """The znode. Refusal if it is not there, or not for these eyes."""
        node = self.model.at(path, self.zxid)
        if node is None:
            raise Refusal(ErrorCode.NO_NODE)
        if node.rows is not EVERYBODY and not allowed(node.rows, perm, self.names):
            raise Refusal(ErrorCode.NO_AUTH)
        return node

    def readable(self, path: str) -> bool:
        node = self.model.at(path, self.zxid)
        return node is not None and (node.rows is EVERYBODY or allowed(node.rows, READ, self.names))

    def children(self, path: str) -> list[str]:
        above = path.rstrip("/")
        return [f"{above}/{name}" for name in self.model.children_at(path, self.zxid)]

    def below(self, path: str, shown: bool = False) -> list[str]:
        """All paths below one, each before what is below it, else in name order; `shown`: without what is below a
        znode that may not be read."""
        found: list[str] = []
        for child in self.children(path):
            found.append(child)
            if not shown or self.readable(child):
                found += self.below(child, shown)
        return found


def _data(now: Moment, request: Any) -> Any:
    node = now.node(request.path)
    return node.data, node.stat()


def _exists(now: Moment, request: Any) -> Any:
    return now.node(request.path).stat()


def _children(now: Moment, request: Any) -> Any:
    now.node(request.path)
    return now.model.children_at(request.path, now.zxid)


def _children2(now: Moment, request: Any) -> Any:
    node = now.node(request.path)
    return now.model.children_at(request.path, now.zxid), node.stat()


def hidden(rows: Rows) -> Rows:
    """An ACL without its digests, for those who may not change it."""
    return tuple(
        (perms, (scheme, name.split(":")[0] + ":x" if scheme == "digest" else name)) for perms, (scheme, name) in rows
    )


def _acl(now: Moment, request: Any) -> Any:
    node = now.node(request.path, READ | ADMIN)
    mine = node.rows is EVERYBODY or allowed(node.rows, ADMIN, now.names)
    return (node.rows if mine else hidden(node.rows)), node.stat()


def _ephemerals(now: Moment, request: Any) -> Any:
    return sorted(
        path
        for path in now.model.past
        if path.startswith(request.path)
        and (node := now.model.at(path, now.zxid)) is not None
        and node.owner == now.session
    )


def _count(now: Moment, request: Any) -> Any:
    now.node(request.path)
    return len(now.below(request.path))


def _whoami(now: Moment, request: Any) -> Any:
    return [(scheme, name.split(":")[0] if scheme == "digest" else name) for scheme, name in now.names]


def _several(now: Moment, request: Any) -> Any:
    answers: list[tuple[int, Any]] = []
    for code, record, _ in request.parts:
        try:
            answers.append((0, READS[code](now, record)))
        except Refusal as refusal:
            answers.append((int(refusal.error), None))
    return answers


def _page(now: Moment, request: Any, paths: list[tuple[str, str]]) -> Any:
    """Rows of (name to show, path); pages are never cut by size here."""
    rows = []
    limit = request.limit or len(paths)
    for name, path in paths[:limit]:
        node = now.model.at(path, now.zxid)
        assert node is not None
        readable = now.readable(path)
        stat = node.stat() if readable and request.with_stat else None
        rows.append((name, readable, stat, node.data if readable and request.with_data else b""))
    return rows, len(paths) > limit


def _list(now: Moment, request: Any) -> Any:
    now.node(request.path)
    names = [(path[path.rindex("/") + 1 :], path) for path in now.children(request.path)]
    return _page(now, request, [pair for pair in names if pair[0] > request.after])


def _subtree(now: Moment, request: Any) -> Any:
    now.node(request.path)
    assert not request.after, "workloads ask for the first page alone"
    return _page(now, request, [(path, path) for path in now.below(request.path, shown=True)])


READS: dict[int, Callable[[Moment, Any], Any]] = {
    GetData.code: _data,
    Exists.code: _exists,
    GetChildren.code: _children,
    GetChildren2.code: _children2,
    GetAcl.code: _acl,
    GetEphemerals.code: _ephemerals,
    GetAllChildrenNumber.code: _count,
    WhoAmI.code: _whoami,
    MultiRead.code: _several,
    ListChildren.code: _list,
    ListSubtree.code: _subtree,
}


def _rows_shape(page: Any) -> Any:
    return [(one.name, bool(one.readable), one.stat, one.data or b"") for one in page.entries], bool(page.more)


def _parts_shape(result: Any) -> Any:
    return [(error, None) if record is None else (0, shape(code, record)) for code, record, error in result.parts]


SHAPES: dict[int, Callable[[Any], Any]] = {
    GetData.code: lambda result: (result.data or b"", result.stat),
    Exists.code: lambda result: result.stat,
    GetChildren.code: lambda result: result.children,
    GetChildren2.code: lambda result: (result.children, result.stat),
    GetAcl.code: lambda result: (tuple((perms, tuple(who)) for perms, who in result.acl), result.stat),
    GetEphemerals.code: lambda result: result.paths,
    GetAllChildrenNumber.code: lambda result: result.number,
    WhoAmI.code: lambda result: [(one.scheme, one.user) for one in result.identities],
    MultiRead.code: _parts_shape,
    ListChildren.code: _rows_shape,
    ListSubtree.code: _rows_shape,
    Create.code: lambda result: result.path,
    Create2.code: lambda result: (result.path, result.stat),
    CreateContainer.code: lambda result: (result.path, result.stat),
    CreateTtl.code: lambda result: (result.path, result.stat),
    SetData.code: lambda result: result.stat,
    SetAcl.code: lambda result: result.stat,
    DeleteRecursive.code: lambda result: result.count,
    Multi.code: _parts_shape,
    Reconfig.code: lambda result: (result.data or b"", result.stat),
}


def shape(code: int, result: Any) -> Any:
    """A result of ours as plain values; None where there is nothing in it."""
    make = SHAPES.get(code)
    return make(result) if make is not None else None


def request_of(code: int, body: bytes) -> Any:
    return OPS[code].Request.decode(body)
