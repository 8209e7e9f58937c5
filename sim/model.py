"""A second opinion: what the committed entries mean, written apart from ops/ and tree/, from the guarantees alone.

Rules: plain dictionaries of values that never change, obvious code. A znode is a new value after each change, and every
value is kept with its zxid, so that the state of any moment can be asked for. An operation that is refused raises
before it changes anything, except in a multi, which takes back what its first parts did. It decodes requests with the
shared records and executes nothing else of ours.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from zooweeper.model.entry import Batch, Entry
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import EventType
from zooweeper.model.stat import Stat
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateTtl
from zooweeper.ops.data import Check, SetAcl, SetData
from zooweeper.ops.delete import Delete, DeleteContainer, DeleteRecursive
from zooweeper.ops.multi import Multi
from zooweeper.ops.reconfig import Confirmed, Founding, Members
from zooweeper.ops.session import AddIdentity, Attach, CloseSession, ExpireSession, OpenSession

Rows = tuple[tuple[int, tuple[str, str]], ...]  # an ACL: (permissions, (scheme, id))
Names = tuple[tuple[str, str], ...]  # identities

CONFIG = "/zookeeper/config"
MEMBERSHIPS = (Founding.code, Members.code)
READ, WRITE, CREATE, DELETE, ADMIN = 1, 2, 4, 8, 16
EVERYBODY: Rows = ((31, ("world", "anyone")),)
ONLY_READ: Rows = ((1, ("world", "anyone")),)
EPHEMERAL_FLAGS = (1, 3)
SEQUENCE_FLAGS = (2, 3, 6)
REMOVABLE = -1  # owner of containers and of nodes with a time to live


class Refusal(Exception):
    """An operation that was executed and refused."""

    def __init__(self, error: ErrorCode) -> None:
        super().__init__(error)
        self.error = error


class Znode(NamedTuple):
    """A znode at one moment."""

    data: bytes
    rows: Rows
    owner: int  # a session, 0, or REMOVABLE
    czxid: int
    mzxid: int
    pzxid: int
    ctime: int
    mtime: int
    version: int = 0
    aversion: int = 0
    created: int = 0  # children ever
    children: int = 0  # children now

    def stat(self) -> Stat:
        return Stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            2 * self.created - self.children,
            self.aversion,
            max(self.owner, 0),
            len(self.data),
            self.children,
            self.pzxid,
        )


class Change(NamedTuple):
    """What a watch may hear of."""

    zxid: int
    type: EventType  # CREATED, DELETED, DATA
    path: str
    rows: Rows  # who may read the znode
    above: Rows  # and its parent


class Outcome:
    """What the request of one number came to."""

    __slots__ = ("answer", "body", "code", "error", "zxid")

    def __init__(self, entry: Entry) -> None:
        self.zxid = entry.zxid
        self.code = entry.code
        self.body = entry.body
        self.error: int = 0
        self.answer: Any = None  # by operation: a path, a Stat, both, a count, a list of those


class Session:
    __slots__ = (
        "attach",
        "ended",
        "expired",
        "id",
        "names",
        "number",
        "origin",
        "outcomes",
        "secret",
        "since",
        "timeout_ms",
    )

    def __init__(self, entry: Entry, origin: tuple[int, int], secret: bytes, timeout_ms: int) -> None:
        self.id = self.attach = entry.zxid
        self.origin = origin
        self.secret = secret
        self.timeout_ms = timeout_ms
        self.number = 0
        self.outcomes: dict[int, Outcome] = {}
        self.since: list[int] = []  # zxids at which its identities changed
        self.names: list[Names] = []  # to what
        self.ended = 0  # zxid
        self.expired = False  # rather than closed


def parent(path: str) -> str:
    return path[: path.rindex("/")] or "/"


def matches(mine: tuple[str, str], theirs: tuple[str, str]) -> bool:
    return mine == theirs  # of the schemes that workloads use, all


def allowed(rows: Rows, perm: int, names: Names) -> bool:
    """Whether somebody who has proved to be `names` has one of the permissions."""
    for perms, who in rows:
        if perms & perm and (who == ("world", "anyone") or who in names):
            return True
    return any(scheme == "super" for scheme, _ in names)


class Model:
    """All committed entries, executed."""

    def __init__(self) -> None:
        self.zxid = 0
        self.nodes: dict[str, Znode] = {}
        self.past: dict[str, list[tuple[int, Znode | None]]] = {}  # path -> (zxid, what it was from then on)
        self.family: dict[str, dict[str, list[int]]] = {}  # path -> child -> zxids of its birth, death, birth, ...
        self.changes: list[Change] = []
        self.sessions: dict[int, Session] = {}
        self.ended: dict[int, Session] = {}
        self.repeats = 0  # entries that took no effect: executed before, or out of place
        self._before: dict[str, Znode | None] = {}  # of this entry's changes
        for path in ("/", "/zookeeper", "/zookeeper/quota", CONFIG):
            config = path == CONFIG
            node = Znode(b"", ONLY_READ if config else EVERYBODY, 0, 0, 0, 0, 0, 0)
            self._put(path, node._replace(version=-1, aversion=-1) if config else node)
        for path, children in (("/", 1), ("/zookeeper", 2)):
            self._put(path, self.nodes[path]._replace(children=children))
        self._settle()

    def run(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for entry in batch.entries():
                self.zxid = entry.zxid
                if entry.code in MEMBERSHIPS:
                    self._members(entry)
                handler = UNNUMBERED.get(entry.code)
                if handler is not None:
                    handler(self, entry)
                else:
                    self._numbered(entry)
                if self._before:
                    self._settle()

    def _members(self, entry: Entry) -> None:
        """The membership is what the leader has decided."""
        request = Members.Request.decode(entry.body)
        if not request.error:
            node = self.nodes[CONFIG]
            data = f"{request.members}\nversion={entry.zxid:x}".encode()
            self._put(CONFIG, node._replace(data=data, mzxid=entry.zxid, mtime=entry.time_ms))
            self.changes.append(Change(entry.zxid, EventType.DATA, CONFIG, node.rows, ()))

    def _decided(self, request: Any, entry: Entry) -> tuple[bytes, Stat]:
        if request.error:
            raise Refusal(ErrorCode(request.error))
        node = self.nodes[CONFIG]
        return node.data, node.stat()

    # --- what was, when

    def outcome(self, session: int, number: int) -> Outcome | None:
        """Of the request with that number; None if it was never executed."""
        found = self.session(session)
        return found.outcomes.get(number) if found is not None else None

    def session(self, id: int) -> Session | None:
        return self.sessions.get(id) or self.ended.get(id)

    def at(self, path: str, zxid: int) -> Znode | None:
        """The znode as of `zxid`."""
        past = self.past.get(path)
        if past is None:
            return None
        place = bisect_right(past, zxid, key=moment)
        return past[place - 1][1] if place else None

    def children_at(self, path: str, zxid: int) -> list[str]:
        """The names of its children as of `zxid`, in order."""
        family = self.family.get(path)
        return sorted(name for name, turns in family.items() if bisect_right(turns, zxid) % 2) if family else []

    def names_at(self, session: int, zxid: int) -> Names:
        """Whom the session had proved to be."""
        found = self.session(session)
        place = bisect_right(found.since, zxid) if found is not None else 0
        return found.names[place - 1] if found is not None and place else ()

    # --- sessions

    def _open(self, entry: Entry) -> None:
        request = OpenSession.Request.decode(entry.body)
        origin = (entry.attach, entry.number)
        if all(session.origin != origin for session in self.sessions.values()):
            session = Session(entry, origin, request.secret or b"", request.timeout_ms)
            self.sessions[entry.zxid] = session
            self._name(session, (("ip", request.address),) if request.address else ())

    def _attach(self, entry: Entry) -> None:
        request = Attach.Request.decode(entry.body)
        session, origin = self.sessions.get(entry.session), (entry.attach, entry.number)
        if session is not None and session.secret == request.secret and session.origin != origin:
            session.attach, session.origin = entry.zxid, origin
            session.timeout_ms = request.timeout_ms or session.timeout_ms
            self._name(session, (("ip", request.address),) if request.address else ())

    def _name(self, session: Session, names: Names) -> None:
        session.since.append(self.zxid)
        session.names.append(names)

    def _expire(self, entry: Entry) -> None:
        request = ExpireSession.Request.decode(entry.body)
        session = self.sessions.get(request.session)
        if session is not None and session.attach == request.attach:
            session.expired = True
            self._end(session)

    def _end(self, session: Session) -> None:
        self.ended[session.id] = self.sessions.pop(session.id)
        session.ended = self.zxid
        for path in sorted(path for path, node in self.nodes.items() if node.owner == session.id):
            self._remove(path)

    # --- numbered requests

    def _numbered(self, entry: Entry) -> None:
        session = self.sessions.get(entry.session)
        if session is None or session.attach != entry.attach or entry.number != session.number + 1:
            self.repeats += 1
            return  # expired, moved, a repeat or a gap: nothing happens
        session.number = entry.number
        outcome = session.outcomes[entry.number] = Outcome(entry)
        if entry.code == CloseSession.code:
            self._end(session)
        elif entry.code == AddIdentity.code:
            identity = AddIdentity.Request.decode(entry.body)
            name = (identity.scheme or "", identity.id or "")
            if name not in session.names[-1]:
                self._name(session, (*session.names[-1], name))
        else:
            request, do = requested(entry)
            try:
                outcome.answer = do(self, request, entry)
            except Refusal as refusal:
                outcome.error = refusal.error

    def _require(self, entry: Entry, node: Znode, perm: int) -> None:
        if node.rows is not EVERYBODY and not allowed(node.rows, perm, self.sessions[entry.session].names[-1]):
            raise Refusal(ErrorCode.NO_AUTH)

    def _rows(self, rows: Iterable[Any], entry: Entry) -> Rows:
        """An ACL as it is stored."""
        names = self.sessions[entry.session].names[-1]
        stored: dict[tuple[int, tuple[str, str]], None] = {}
        for perms, (scheme, name) in rows:
            if scheme == "auth":
                mine = [one for one in names if one[0] == "digest"]
                if not mine:
                    raise Refusal(ErrorCode.INVALID_ACL)
                stored.update(((perms, one), None) for one in mine)
            else:
                stored[perms, (scheme, name)] = None
        if not stored:
            raise Refusal(ErrorCode.INVALID_ACL)
        result = tuple(stored)
        return EVERYBODY if result == EVERYBODY else result

    def _there(self, path: str) -> Znode:
        node = self.nodes.get(path)
        if node is None:
            raise Refusal(ErrorCode.NO_NODE)
        return node

    def _create(self, request: Any, entry: Entry, owner: int = 0) -> str:
        path: str = request.path
        rows = self._rows(request.acl, entry)
        above = parent(path)
        up = self._there(above)
        self._require(entry, up, CREATE)
        if request.flags in SEQUENCE_FLAGS:
            path = f"{path}{up.created:010d}"
        if path in self.nodes:
            raise Refusal(ErrorCode.NODE_EXISTS)
        if up.owner > 0:
            raise Refusal(ErrorCode.NO_CHILDREN_FOR_EPHEMERALS)
        if request.flags in EPHEMERAL_FLAGS:
            owner = entry.session
        zxid, time_ms = entry.zxid, entry.time_ms
        self._put(path, Znode(request.data or b"", rows, owner, zxid, zxid, zxid, time_ms, time_ms))
        self._put(above, up._replace(created=up.created + 1, children=up.children + 1, pzxid=zxid))
        self.changes.append(Change(zxid, EventType.CREATED, path, rows, up.rows))
        return path

    def _create2(self, request: Any, entry: Entry) -> tuple[str, Stat]:
        path = self._create(request, entry)
        return path, self.nodes[path].stat()

    def _create_removable(self, request: Any, entry: Entry) -> tuple[str, Stat]:
        path = self._create(request, entry, REMOVABLE)
        return path, self.nodes[path].stat()

    def _delete(self, request: Any, entry: Entry) -> None:
        self._require(entry, self._there(parent(request.path)), DELETE)
        node = self._there(request.path)
        if request.version not in (-1, node.version):
            raise Refusal(ErrorCode.BAD_VERSION)
        if node.children:
            raise Refusal(ErrorCode.NOT_EMPTY)
        self._remove(request.path)

    def _delete_subtree(self, request: Any, entry: Entry) -> int:
        self._require(entry, self._there(parent(request.path)), DELETE)
        self._there(request.path)
        doomed = [request.path]
        for path in doomed:
            node = self.nodes[path]
            if node.children:
                self._require(entry, node, DELETE)
                if 0 < request.limit < len(doomed) + node.children:
                    raise Refusal(ErrorCode.TOO_MANY_NODES)
                doomed += sorted((one for one in self.nodes if one != "/" and parent(one) == path), reverse=True)
        for path in reversed(doomed):
            self._remove(path)
        return len(doomed)

    def _sweep(self, entry: Entry) -> None:
        """A leader saw a container, or a node whose time was over."""
        request = DeleteContainer.Request.decode(entry.body)
        node = self.nodes.get(request.path)
        seen = (request.mzxid, request.cversion)
        if node is not None and node.owner == REMOVABLE and not node.children and seen == (node.mzxid, node.created):
            self._remove(request.path)

    def _remove(self, path: str) -> None:
        node, above = self.nodes[path], parent(path)
        up = self.nodes[above]
        self._put(path, None)
        self._put(above, up._replace(children=up.children - 1, pzxid=self.zxid))
        self.changes.append(Change(self.zxid, EventType.DELETED, path, node.rows, up.rows))

    def _set(self, request: Any, entry: Entry) -> Stat:
        node = self._there(request.path)
        self._require(entry, node, WRITE)
        if request.version not in (-1, node.version):
            raise Refusal(ErrorCode.BAD_VERSION)
        node = node._replace(data=request.data or b"", version=node.version + 1, mzxid=entry.zxid, mtime=entry.time_ms)
        self._put(request.path, node)
        self.changes.append(Change(entry.zxid, EventType.DATA, request.path, node.rows, ()))
        return node.stat()

    def _set_acl(self, request: Any, entry: Entry) -> Stat:
        rows = self._rows(request.acl, entry)
        node = self._there(request.path)
        self._require(entry, node, ADMIN)
        if request.version not in (-1, node.aversion):
            raise Refusal(ErrorCode.BAD_VERSION)
        node = node._replace(rows=rows, aversion=node.aversion + 1)
        self._put(request.path, node)
        return node.stat()

    def _check(self, request: Any, entry: Entry) -> None:
        node = self._there(request.path)
        self._require(entry, node, READ)
        if request.version not in (-1, node.version):
            raise Refusal(ErrorCode.BAD_VERSION)

    def _multi(self, request: Any, entry: Entry) -> list[tuple[int, Any]]:
        """(error, answer) of each part."""
        heard = len(self.changes)
        answers: list[tuple[int, Any]] = []
        for code, record, _ in request.parts:
            try:
                answers.append((0, DO[code](self, record, entry)))
            except Refusal as refusal:
                for path, before in self._before.items():
                    self._restore(path, before)
                self._before.clear()
                del self.changes[heard:]
                rest = len(request.parts) - len(answers) - 1
                after = [(int(ErrorCode.RUNTIME_INCONSISTENCY), None)] * rest
                return [(0, None)] * len(answers) + [(int(refusal.error), None), *after]
        return answers

    # --- changing

    def _put(self, path: str, node: Znode | None) -> None:
        self._before.setdefault(path, self.nodes.get(path))
        self._restore(path, node)

    def _restore(self, path: str, node: Znode | None) -> None:
        if node is not None:
            self.nodes[path] = node
        else:
            self.nodes.pop(path, None)

    def _settle(self) -> None:
        """The entry is done: what it changed is history."""
        for path, before in self._before.items():
            node = self.nodes.get(path)
            self.past.setdefault(path, []).append((self.zxid, node))
            if (node is None) != (before is None) and path != "/":
                name = path[path.rindex("/") + 1 :]
                self.family.setdefault(parent(path), {}).setdefault(name, []).append(self.zxid)
        self._before.clear()


def moment(change: tuple[int, Znode | None]) -> int:
    return change[0]


def requested(entry: Entry) -> tuple[Any, Callable[[Model, Any, Entry], Any]]:
    """The request of an entry, and what does it. AssertionError for one that the model does not know."""
    do = DO.get(entry.code)
    assert do is not None, f"the model does not know operation {entry.code}"
    return REQUESTS[entry.code].decode(entry.body), do


UNNUMBERED: dict[int, Callable[[Model, Entry], None]] = {
    OpenSession.code: Model._open,
    Attach.code: Model._attach,
    ExpireSession.code: Model._expire,
    DeleteContainer.code: Model._sweep,
    Founding.code: lambda model, entry: None,  # done, as of all memberships
    Confirmed.code: lambda model, entry: None,
}
DO: dict[int, Callable[[Model, Any, Entry], Any]] = {
    Create.code: Model._create,
    Create2.code: Model._create2,
    CreateContainer.code: Model._create_removable,
    CreateTtl.code: Model._create_removable,
    Delete.code: Model._delete,
    DeleteRecursive.code: Model._delete_subtree,
    SetData.code: Model._set,
    SetAcl.code: Model._set_acl,
    Check.code: Model._check,
    Multi.code: Model._multi,
    Members.code: Model._decided,
}
REQUESTS: dict[int, Any] = {
    op.code: op.Request
    for op in (
        Create,
        Create2,
        CreateContainer,
        CreateTtl,
        Delete,
        DeleteRecursive,
        SetData,
        SetAcl,
        Multi,
        Members,
    )
}
