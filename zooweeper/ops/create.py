"""create, in its four forms: the operation code decides what the flags may be and how the node is kept.

Rules: the order of checks is ZooKeeper's: flags, shape of the path, ACL, parent, permission, the final name, the
target.
"""

from typing import Any

from zooweeper.codec.jute import INT
from zooweeper.codec.record import Buffer, Int, Long, Path, Record, Vector
from zooweeper.model.acl import Acl, Perm, fixup
from zooweeper.model.entry import Entry
from zooweeper.model.errors import BadArguments, NoChildrenForEphemerals, NodeExists
from zooweeper.model.paths import parent, printable, validate
from zooweeper.model.stat import CONTAINER, INT_MAX, TTL, TTL_MS_MAX, Stat, Znode
from zooweeper.ops.op import Kind, Op, State

PERSISTENT, EPHEMERAL, SEQUENTIAL, EPHEMERAL_SEQUENTIAL, CONTAINER_FLAG, TTL_FLAG, TTL_SEQUENTIAL = range(7)
_SEQUENTIAL = (SEQUENTIAL, EPHEMERAL_SEQUENTIAL, TTL_SEQUENTIAL)
_EPHEMERAL = (EPHEMERAL, EPHEMERAL_SEQUENTIAL)


class CreateRequest(Record):
    path: Path
    data: Buffer
    acl: Vector[Acl]
    flags: Int = 0


class CreateTtlRequest(Record):
    path: Path
    data: Buffer
    acl: Vector[Acl]
    flags: Int
    ttl: Long  # milliseconds


class PathResult(Record):
    path: Path


class PathStatResult(Record):
    path: Path
    stat: Stat


def _create(request: Any, state: State, entry: Entry, owner: int) -> tuple[str, Znode]:
    """Make the node, its flags checked already; its path, and itself."""
    path = request.path
    if "/" not in path or "\0" in path:
        raise BadArguments("a path starts with / and has no NUL", printable(path))
    acl = fixup(request.acl, state.identities(entry.session))
    up = state.tree.node(parent(path))
    state.require(entry.session, up.acl, Perm.CREATE)
    if request.flags in _SEQUENTIAL:
        if up.cversion > INT_MAX:
            raise BadArguments("the parent's sequence numbers are used up", printable(path))
        path = f"{path}{up.cversion:010d}"
    validate(path)
    if state.tree.get(path) is not None:
        raise NodeExists("", path)
    if up.ephemeral:
        raise NoChildrenForEphemerals("", path)
    return path, state.tree.create(path, request.data, acl, owner, entry.zxid, entry.time_ms)


def _plain(request: CreateRequest, state: State, entry: Entry) -> tuple[str, Znode]:
    if not 0 <= request.flags <= CONTAINER_FLAG:  # with CONTAINER_FLAG, create makes a persistent node, as ZooKeeper's
        raise BadArguments(f"create knows no flags {request.flags}", printable(request.path))
    return _create(request, state, entry, entry.session if request.flags in _EPHEMERAL else 0)


class Create(Op, code=1, name="create", kind=Kind.WRITE, shown=True):
    """Make a znode; the answer is its name, with the sequence number if one was asked for."""

    Request = CreateRequest
    Result = PathResult

    @staticmethod
    def execute(request: CreateRequest, state: State, entry: Entry) -> bytes:
        path = _plain(request, state, entry)[0].encode()
        return INT.pack(len(path)) + path


class Create2(Op, code=15, name="create2", kind=Kind.WRITE):
    """create that answers the Stat, too."""

    Request = CreateRequest
    Result = PathStatResult

    @staticmethod
    def execute(request: CreateRequest, state: State, entry: Entry) -> PathStatResult:
        path, node = _plain(request, state, entry)
        return PathStatResult(path, node.stat())


class CreateContainer(Op, code=19, name="createContainer", kind=Kind.WRITE):
    """Make a znode that the leader deletes after its last child."""

    Request = CreateRequest
    Result = PathStatResult

    @staticmethod
    def execute(request: CreateRequest, state: State, entry: Entry) -> PathStatResult:
        if request.flags != CONTAINER_FLAG:
            raise BadArguments(f"createContainer knows no flags {request.flags}", printable(request.path))
        path, node = _create(request, state, entry, CONTAINER)
        return PathStatResult(path, node.stat())


class CreateTtl(Op, code=21, name="createTTL", kind=Kind.WRITE):
    """Make a znode that the leader deletes when it has no children and was not written for `ttl` milliseconds."""

    Request = CreateTtlRequest
    Result = PathStatResult

    @staticmethod
    def execute(request: CreateTtlRequest, state: State, entry: Entry) -> PathStatResult:
        if request.flags not in (TTL_FLAG, TTL_SEQUENTIAL):
            raise BadArguments(f"createTTL knows no flags {request.flags}", printable(request.path))
        if not 0 < request.ttl <= TTL_MS_MAX:
            raise BadArguments(f"a time to live is 1 to {TTL_MS_MAX} ms", printable(request.path))
        path, node = _create(request, state, entry, TTL + request.ttl)
        return PathStatResult(path, node.stat())
