"""A znode's data and its ACL: getData, setData, check, getACL, setACL.

Rules: the order of checks is ZooKeeper's: path, node, permission, version. A path that is in the tree is well formed,
so only one that is not there is looked at closer, to tell what is wrong with it.
"""

from zooweeper.codec.jute import INT, NULL
from zooweeper.codec.record import Bool, Buffer, Int, Path, Record, Vector
from zooweeper.model.acl import OPEN, Acl, Perm, fixup, masked
from zooweeper.model.entry import Entry
from zooweeper.model.errors import BadArguments, BadVersion, NoNode
from zooweeper.model.events import WatcherType
from zooweeper.model.paths import CONFIG, validate
from zooweeper.model.stat import Stat, Znode
from zooweeper.ops.op import Kind, Nothing, Op, State, View, expect_version


def _target(path: str, state: State) -> Znode:
    """The znode. BadArguments if the path cannot be one, NoNode if it is not there."""
    node = state.tree.get(path)
    if node is None:
        validate(path)
        raise NoNode("", path)
    return node


class WatchRequest(Record):
    path: Path
    watch: Bool = False


class VersionRequest(Record):
    path: Path
    version: Int = -1


class StatResult(Record):
    stat: Stat


class GetData(Op, code=4, name="getData", kind=Kind.READ):
    """A znode's data and Stat."""

    Request = WatchRequest

    class Result(Record):
        data: Buffer
        stat: Stat

    @staticmethod
    def read(request: WatchRequest, view: View) -> bytes:
        node = view.readable(request.path)
        if request.watch:
            view.watch(request.path, WatcherType.DATA)
        data = node.data
        return b"%b%b%b" % (INT.pack(len(data)), data, node.packed()) if data is not None else NULL + node.packed()


class SetData(Op, code=5, name="setData", kind=Kind.WRITE, shown=True):
    """Replace a znode's data and raise its version by one."""

    class Request(Record):
        path: Path
        data: Buffer
        version: Int = -1

    Result = StatResult

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> bytes:
        path = request.path
        node = state.tree.get(path) or _target(path, state)
        if node.acl is not OPEN:
            state.require(entry.session, node.acl, Perm.WRITE)
        if path == CONFIG:
            raise BadArguments("the membership is changed by reconfig alone", CONFIG)
        if not expect_version(request.version, node.version):
            raise BadVersion(f"expected {request.version}, is {node.version}", path)
        state.tree.set_data(path, request.data, entry.zxid, entry.time_ms)
        return node.packed()


class Check(Op, code=13, name="check", kind=Kind.WRITE, client=False):
    """In a multi: nothing happens unless the znode has this version."""

    Request = VersionRequest
    Result = Nothing

    @staticmethod
    def execute(request: VersionRequest, state: State, entry: Entry) -> Nothing:
        node = _target(request.path, state)
        state.require(entry.session, node.acl, Perm.READ)
        if not expect_version(request.version, node.version):
            raise BadVersion(f"expected {request.version}, is {node.version}", request.path)
        return Nothing()


class GetAcl(Op, code=6, name="getACL", kind=Kind.READ):
    """A znode's ACL and Stat; digests hidden from who may not change it."""

    class Request(Record):
        path: Path

    class Result(Record):
        acl: Vector[Acl]
        stat: Stat

    @staticmethod
    def read(request: Request, view: View) -> "GetAcl.Result":
        node = view.state.tree.node(request.path)
        view.require(node.acl, Perm.READ | Perm.ADMIN)
        acl = node.acl
        if acl is not OPEN and not view.allowed(acl, Perm.ADMIN):
            acl = masked(acl)
        return GetAcl.Result(list(acl), node.stat())


class SetAcl(Op, code=7, name="setACL", kind=Kind.WRITE):
    """Replace a znode's ACL and raise its aversion by one."""

    class Request(Record):
        path: Path
        acl: Vector[Acl]
        version: Int = -1

    Result = StatResult

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> StatResult:
        if state.tree.get(request.path) is None:
            validate(request.path)
        acl = fixup(request.acl, state.identities(entry.session))
        node = state.tree.node(request.path)
        state.require(entry.session, node.acl, Perm.ADMIN)
        if not expect_version(request.version, node.aversion):
            raise BadVersion(f"expected {request.version}, is {node.aversion}", request.path)
        state.tree.set_acl(request.path, acl)
        return StatResult(node.stat())
