"""A second opinion: what the committed entries mean, written apart from ops/ and tree/, from the guarantees alone.

Rules: plain dictionaries, obvious code; only the operations that workloads use. It decodes requests with the shared
records and executes nothing else of ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from zooweeper.model.entry import Batch, Entry
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.create import EPHEMERAL, EPHEMERAL_SEQUENTIAL, SEQUENTIAL, Create
from zooweeper.ops.data import SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.session import Attach, CloseSession, ExpireSession, OpenSession


@dataclass(slots=True)
class Node:
    data: bytes
    version: int
    owner: int  # a session, or 0
    mzxid: int
    created: int = 0  # children ever
    children: int = 0  # children now


@dataclass(slots=True)
class Session:
    attach: int
    origin: tuple[int, int]
    secret: bytes
    number: int = 0
    outcomes: dict[int, "Outcome"] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What the request of one number came to."""

    zxid: int
    error: int
    path: str = ""  # of create
    version: int = -1  # of setData


class Model:
    """All committed entries, executed."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {path: Node(b"", 0, 0, 0) for path in ("", "/zookeeper")}
        self.past: dict[str, list[tuple[int, bytes | None, int]]] = {}  # path -> (zxid, data or None: gone, version)
        self.sessions: dict[int, Session] = {}
        self.ended: dict[int, Session] = {}
        self.zxid = 0

    def run(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            for entry in batch.entries():
                self.zxid = entry.zxid
                handler = HANDLERS.get(entry.code)
                assert handler is not None, f"the model does not know operation {entry.code}"
                handler(self, entry)

    def outcome(self, session: int, number: int) -> Outcome | None:
        """Of the request with that number; None if it was never executed."""
        found = self.sessions.get(session) or self.ended.get(session)
        return found.outcomes.get(number) if found is not None else None

    def at(self, path: str, zxid: int) -> tuple[int, bytes | None, int]:
        """(zxid of the last change, data, version) of `path` as of `zxid`."""
        latest: tuple[int, bytes | None, int] = (0, None, 0)
        for change in self.past.get(path, ()):
            if change[0] > zxid:
                break
            latest = change
        return latest

    # --- sessions

    def _open(self, entry: Entry) -> None:
        request = OpenSession.Request.decode(entry.body)
        origin = (entry.attach, entry.number)
        if all(session.origin != origin for session in self.sessions.values()):
            self.sessions[entry.zxid] = Session(entry.zxid, origin, request.secret or b"")

    def _attach(self, entry: Entry) -> None:
        request = Attach.Request.decode(entry.body)
        session, origin = self.sessions.get(entry.session), (entry.attach, entry.number)
        if session is not None and session.secret == request.secret and session.origin != origin:
            session.attach, session.origin = entry.zxid, origin

    def _expire(self, entry: Entry) -> None:
        request = ExpireSession.Request.decode(entry.body)
        session = self.sessions.get(request.session)
        if session is not None and session.attach == request.attach:
            self._end(request.session)

    def _end(self, id: int) -> None:
        self.ended[id] = self.sessions.pop(id)
        for path in [path for path, node in self.nodes.items() if node.owner == id]:
            self._remove(path)

    # --- numbered requests

    def _numbered(self, entry: Entry) -> None:
        session = self.sessions.get(entry.session)
        if session is None or session.attach != entry.attach or entry.number != session.number + 1:
            return  # expired, moved, a repeat or a gap: nothing happens
        session.number = entry.number
        outcome = Outcome(entry.zxid, 0)
        session.outcomes[entry.number] = outcome
        if entry.code == CloseSession.code:
            self._end(entry.session)
        elif entry.code == Create.code:
            self._create(entry, outcome)
        elif entry.code == Delete.code:
            self._delete(entry, outcome)
        else:
            self._set(entry, outcome)

    def _create(self, entry: Entry, outcome: Outcome) -> None:
        request = Create.Request.decode(entry.body)
        path, above = request.path, request.path.rpartition("/")[0]
        up = self.nodes.get(above)
        if up is None:
            outcome.error = ErrorCode.NO_NODE
            return
        if request.flags in (SEQUENTIAL, EPHEMERAL_SEQUENTIAL):
            path = f"{path}{up.created:010d}"
        if path in self.nodes:
            outcome.error = ErrorCode.NODE_EXISTS
        elif up.owner:
            outcome.error = ErrorCode.NO_CHILDREN_FOR_EPHEMERALS
        else:
            owner = entry.session if request.flags in (EPHEMERAL, EPHEMERAL_SEQUENTIAL) else 0
            self.nodes[path] = Node(request.data or b"", 0, owner, entry.zxid)
            up.created += 1
            up.children += 1
            outcome.path = path
            self._changed(path)

    def _delete(self, entry: Entry, outcome: Outcome) -> None:
        request = Delete.Request.decode(entry.body)
        node = self.nodes.get(request.path)
        if node is None:
            outcome.error = ErrorCode.NO_NODE
        elif request.version not in (-1, node.version):
            outcome.error = ErrorCode.BAD_VERSION
        elif node.children:
            outcome.error = ErrorCode.NOT_EMPTY
        else:
            self._remove(request.path)

    def _remove(self, path: str) -> None:
        del self.nodes[path]
        self.nodes[path.rpartition("/")[0]].children -= 1
        self._changed(path)

    def _set(self, entry: Entry, outcome: Outcome) -> None:
        request = SetData.Request.decode(entry.body)
        node = self.nodes.get(request.path)
        if node is None:
            outcome.error = ErrorCode.NO_NODE
        elif request.version not in (-1, node.version):
            outcome.error = ErrorCode.BAD_VERSION
        else:
            node.data, node.version, node.mzxid = request.data or b"", node.version + 1, entry.zxid
            outcome.version = node.version
            self._changed(request.path)

    def _changed(self, path: str) -> None:
        node = self.nodes.get(path)
        change = (self.zxid, None, 0) if node is None else (self.zxid, node.data, node.version)
        self.past.setdefault(path, []).append(change)


HANDLERS: dict[int, Any] = {
    OpenSession.code: Model._open,
    Attach.code: Model._attach,
    ExpireSession.code: Model._expire,
    CloseSession.code: Model._numbered,
    Create.code: Model._numbered,
    Delete.code: Model._numbered,
    SetData.code: Model._numbered,
}
