"""A state and the entries that drive it, for tests of operations.

Rules: every entry goes through replica/execute.py, with the next zxid and a clock that moves 10 ms per entry.
"""

from typing import Any

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.entry import Entry
from zooweeper.model.errors import error_for
from zooweeper.model.zxid import make
from zooweeper.ops.create import Create2, CreateContainer, CreateRequest, CreateTtl, CreateTtlRequest
from zooweeper.ops.op import Op, View, encoded
from zooweeper.ops.session import AddIdentity, OpenSession, PlaceRequest
from zooweeper.replica.execute import Executed, execute
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable

START_MS = 1_700_000_000_000


class World:
    """A state, its clock, and sessions by a name."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()
        self.watches = WatchTable()
        self.time_ms = START_MS
        self.last: Executed
        self.entries: list[Entry] = []
        self.tokens = 0

    def raw(self, session: int, attach: int, number: int, code: int, body: bytes) -> Executed:
        """Execute an entry made of these fields."""
        self.time_ms += 10
        zxid = self.state.zxid + 1 if self.state.zxid else make(1, 1)
        entry = Entry(zxid, self.time_ms, session, attach, number, code, body)
        self.entries.append(entry)
        self.last = execute(self.state, entry)
        return self.last

    def open(self, results: int = 0, address: str = "10.0.0.1", secret: bytes = b"s" * 16) -> int:
        """A new session."""
        self.tokens += 1
        request = PlaceRequest(secret, 10_000, results, address)
        done = self.raw(0, 77, self.tokens, OpenSession.code, request.encode())
        return OpenSession.Result.decode(done.body).session

    def send(self, session: int, op: type[Op], request: Record) -> Any:
        """Execute an operation of a session; its result, or its error raised."""
        found = self.state.sessions.get(session)
        attach, number = (found.attach, found.number + 1) if found else (0, 1)
        done = self.raw(session, attach, number, op.code, request.encode())
        if done.error:
            raise error_for(done.error, done.detail)
        return op.Result.decode(done.body)

    def create(
        self,
        session: int,
        path: str,
        data: bytes | None = b"",
        flags: int = 0,
        acl: tuple[Acl, ...] = OPEN,
        ttl: int = 0,
    ) -> str:
        """Make a node, however the flags want it; its name."""
        if flags in (5, 6):
            result = self.send(session, CreateTtl, CreateTtlRequest(path, data, list(acl), flags, ttl))
        else:
            op = CreateContainer if flags == 4 else Create2
            result = self.send(session, op, CreateRequest(path, data, list(acl), flags))
        name: str = result.path
        return name

    def identify(self, session: int, scheme: str, name: str) -> None:
        self.send(session, AddIdentity, AddIdentity.Request(scheme, name))

    def view(self, session: int, connection: int = 1) -> View:
        return View(self.state, self.state.sessions.get(session), self.watches, connection)

    def ask(self, session: int, op: type[Op], request: Record, connection: int = 1) -> Any:
        """Answer a read; its result as it comes over the wire, or its error raised."""
        view = self.view(session, connection)
        return op.Result.decode(encoded(op.read(op.Request.decode(request.encode()), view)))

    def fire(self, connection_identities: dict[int, tuple[Id, ...]] | None = None) -> list[tuple[int, int, str]]:
        """The events of the last entry."""
        fired = self.watches.trigger(self.last.changes, lambda one: (connection_identities or {}).get(one, ()))
        return [(connection, type, path) for connections, type, path in fired for connection in connections]
