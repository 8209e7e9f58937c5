"""Looking around: exists, the children in all their forms, pages of children and of subtrees, one's own ephemerals.

Rules: answered from one replica's state as it is; what the caller may not read is not shown. Pages are in name order
and end early rather than outgrow a frame; the next page begins after the last name of this one, whatever happened
meanwhile.
"""

from collections.abc import Iterator

from zooweeper.codec.record import Bool, Buffer, Int, Path, Record, Str, Vector
from zooweeper.model.acl import Id, Perm
from zooweeper.model.errors import BadArguments, NoNode
from zooweeper.model.events import WatcherType
from zooweeper.model.limits import PAGE_BYTES_MAX, PAGE_NODES_MAX
from zooweeper.model.paths import join, printable
from zooweeper.model.stat import Stat, Znode
from zooweeper.ops.data import StatResult, WatchRequest
from zooweeper.ops.op import Kind, Nothing, Op, View

ITEM_BYTES = 96  # of one row of a page besides its name and data, generously


class PathRequest(Record):
    path: Path


class Exists(Op, code=3, name="exists", kind=Kind.READ):
    """A znode's Stat. Where there is none, the watch waits for it."""

    Request = WatchRequest
    Result = StatResult

    @staticmethod
    def read(request: WatchRequest, view: View) -> bytes:
        if "\0" in request.path:
            raise BadArguments("a path has no NUL", printable(request.path))
        node = view.state.tree.get(request.path)
        if node is not None:
            view.require(node.acl, Perm.READ)
        if request.watch:
            view.watch(request.path, WatcherType.DATA)
        if node is None:
            raise NoNode("", printable(request.path))
        return node.packed()


def _children(request: WatchRequest, view: View) -> tuple[list[str | None], Znode]:
    node = view.readable(request.path)
    if request.watch:
        view.watch(request.path, WatcherType.CHILDREN)
    return view.state.tree.children(node), node


class GetChildren(Op, code=8, name="getChildren", kind=Kind.READ):
    """The names of a znode's children."""

    Request = WatchRequest

    class Result(Record):
        children: Vector[Str]

    @staticmethod
    def read(request: WatchRequest, view: View) -> "GetChildren.Result":
        return GetChildren.Result(_children(request, view)[0])


class GetChildren2(Op, code=12, name="getChildren2", kind=Kind.READ):
    """The names of a znode's children, and its Stat."""

    Request = WatchRequest

    class Result(Record):
        children: Vector[Str]
        stat: Stat

    @staticmethod
    def read(request: WatchRequest, view: View) -> "GetChildren2.Result":
        children, node = _children(request, view)
        return GetChildren2.Result(children, node.stat())


class GetEphemerals(Op, code=103, name="getEphemerals", kind=Kind.READ):
    """The paths of the session's own ephemerals that start with `path`."""

    class Request(Record):
        path: Str

    class Result(Record):
        paths: Vector[Str]

    @staticmethod
    def read(request: Request, view: View) -> "GetEphemerals.Result":
        prefix = request.path if request.path and not request.path.isspace() else ""
        owned = view.state.tree.owned(view.session.id) if view.session is not None else []
        return GetEphemerals.Result([path for path in owned if path.startswith(prefix)])


class GetAllChildrenNumber(Op, code=104, name="getAllChildrenNumber", kind=Kind.READ):
    """How many znodes are below one, at any depth."""

    Request = PathRequest

    class Result(Record):
        number: Int

    @staticmethod
    def read(request: PathRequest, view: View) -> "GetAllChildrenNumber.Result":
        node = view.readable(request.path)
        if request.path == "/":
            return GetAllChildrenNumber.Result(len(view.state.tree) - 1)
        count, waiting = 0, [node]
        while waiting:
            children = waiting.pop().children
            count += len(children)
            waiting.extend(children.values())
        return GetAllChildrenNumber.Result(count)


class ClientInfo(Record):
    scheme: Str
    user: Str


class WhoAmI(Op, code=107, name="whoAmI", kind=Kind.READ):
    """Whom the session has proved to be."""

    Request = Nothing

    class Result(Record):
        identities: Vector[ClientInfo]

    @staticmethod
    def read(request: Nothing, view: View) -> "WhoAmI.Result":
        return WhoAmI.Result([ClientInfo(one.scheme, _user(one)) for one in view.identities])


def _user(identity: Id) -> str:
    name = identity.id or ""
    return name.split(":")[0] if identity.scheme == "digest" else name


# --- pages


class PageRequest(Record):
    path: Path
    after: Path = ""  # the last name (listSubtree: path) of the page before
    limit: Int = 0  # 0: as many as a page may hold
    with_stat: Bool = False
    with_data: Bool = False


class Item(Record):
    """One row of a page."""

    name: Path  # listSubtree: the whole path
    readable: Bool  # whether the caller may read it; if not, there is no more of it than its name
    stat: Stat | None
    data: Buffer


class PageResult(Record):
    entries: Vector[Item]
    more: Bool


def _page(request: PageRequest, view: View, nodes: Iterator[tuple[str, Znode]]) -> PageResult:
    """As many rows as a page may hold."""
    limit = min(request.limit if request.limit > 0 else PAGE_NODES_MAX, PAGE_NODES_MAX)
    entries: list[Item] = []
    room = PAGE_BYTES_MAX - 64
    for name, node in nodes:
        readable = view.allowed(node.acl, Perm.READ)
        data = node.data if readable and request.with_data else None
        room -= ITEM_BYTES + 3 * len(name) + (len(data) if data else 0)
        if len(entries) == limit or (room < 0 and entries):
            return PageResult(entries, True)
        entries.append(Item(name, readable, node.stat() if readable and request.with_stat else None, data))
    return PageResult(entries, False)


class ListChildren(Op, code=200, name="listChildren", kind=Kind.READ):
    """A page of a znode's children, in name order."""

    Request = PageRequest
    Result = PageResult

    @staticmethod
    def read(request: PageRequest, view: View) -> PageResult:
        node = view.readable(request.path)
        names = view.state.tree.names(node, request.after)
        return _page(request, view, ((name, node.children[name]) for name in names))


class ListSubtree(Op, code=202, name="listSubtree", kind=Kind.READ):
    """A page of all paths below a znode: each before what is below it, else in name order."""

    Request = PageRequest
    Result = PageResult

    @staticmethod
    def read(request: PageRequest, view: View) -> PageResult:
        node = view.readable(request.path)
        prefix = request.path if request.path.endswith("/") else request.path + "/"
        if request.after and not request.after.startswith(prefix):
            raise BadArguments("after is not below path", printable(request.after))
        return _page(request, view, _below(view, request.path, node, request.after[len(prefix) :]))


def _below(view: View, path: str, top: Znode, after: str) -> Iterator[tuple[str, Znode]]:
    """All below `top` in depth-first order, those after the relative path `after`. A node that may not be read is
    shown, but not what is below it."""
    tree = view.state.tree
    stack: list[tuple[str, Znode, Iterator[str]]] = []
    node: Znode | None = top
    for name in after.split("/") if after else ():  # take up the walk where the last page ended, as far as it is there
        if node is None or not view.allowed(node.acl, Perm.READ):
            break
        stack.append((path, node, tree.names(node, name)))
        path, node = join(path, name), node.children.get(name)
    else:
        if node is not None and view.allowed(node.acl, Perm.READ):
            stack.append((path, node, tree.names(node)))
    while stack:
        above, up, names = stack[-1]
        for name in names:
            path, child = join(above, name), up.children[name]
            yield path, child
            if child.children and view.allowed(child.acl, Perm.READ):
                stack.append((path, child, tree.names(child)))
                break
        else:
            stack.pop()
