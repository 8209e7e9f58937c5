"""delete, deleteRecursive, and the leader's deleteContainer.

Rules: built-in nodes stay. A subtree goes in one entry or not at all: permission and size are checked over the whole
of it first.
"""

from zooweeper.codec.record import Int, Long, Path, Record
from zooweeper.model.acl import OPEN, Perm
from zooweeper.model.entry import Entry
from zooweeper.model.errors import BadArguments, BadVersion, NotEmpty, TooManyNodes
from zooweeper.model.limits import DELETE_NODES_MAX
from zooweeper.model.paths import RESERVED, join, parent, printable
from zooweeper.model.stat import Znode
from zooweeper.ops.op import Kind, Nothing, Op, State, expect_version


def _parent_of(path: str, state: State) -> Znode:
    if path in RESERVED or "/" not in path or "\0" in path:
        raise BadArguments("cannot be deleted", printable(path))
    return state.tree.node(parent(path))


class Delete(Op, code=2, name="delete", kind=Kind.WRITE):
    """Remove a znode without children."""

    class Request(Record):
        path: Path
        version: Int = -1

    Result = Nothing

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> Nothing:
        up = _parent_of(request.path, state)
        state.require(entry.session, up.acl, Perm.DELETE)
        node = state.tree.node(request.path)
        if not expect_version(request.version, node.version):
            raise BadVersion(f"expected {request.version}, is {node.version}", request.path)
        if node.children:
            raise NotEmpty("", request.path)
        state.tree.delete(request.path, entry.zxid)
        return Nothing()


class DeleteContainer(Op, code=20, name="deleteContainer", kind=Kind.WRITE, client=False, numbered=False):
    """The leader's proposal to remove a container or a node whose time to live is over. It names what the leader saw;
    if the node has changed since, nothing happens."""

    class Request(Record):
        path: Path
        mzxid: Long
        cversion: Long  # as stored: created children

    Result = Nothing

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> Nothing:
        node = state.tree.node(request.path)
        if node.children:
            raise NotEmpty("", request.path)
        if node.owner >= 0 or (node.mzxid, node.cversion) != (request.mzxid, request.cversion):
            raise BadVersion("not the node that was to be removed", request.path)
        state.tree.delete(request.path, entry.zxid)
        return Nothing()


class DeleteRecursive(Op, code=201, name="deleteRecursive", kind=Kind.WRITE):
    """Remove a znode and all below it, if those are at most `limit` (0: as many as one entry may delete)."""

    class Request(Record):
        path: Path
        limit: Int = 0

    class Result(Record):
        count: Int

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> "DeleteRecursive.Result":
        up = _parent_of(request.path, state)
        state.require(entry.session, up.acl, Perm.DELETE)
        limit = min(request.limit if request.limit > 0 else DELETE_NODES_MAX, DELETE_NODES_MAX)
        doomed = [(request.path, state.tree.node(request.path))]
        for path, node in doomed:  # grows while it is walked: a node stands before all below it
            if not node.children:
                continue
            if node.acl is not OPEN:
                state.require(entry.session, node.acl, Perm.DELETE)
            if len(doomed) + len(node.children) > limit:
                raise TooManyNodes(f"more than {limit} nodes", request.path)
            doomed.extend((join(path, name), node.children[name]) for name in sorted(node.children, reverse=True))
        for path, _ in reversed(doomed):
            state.tree.delete(path, entry.zxid)
        return DeleteRecursive.Result(len(doomed))
