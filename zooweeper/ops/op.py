"""An operation is one class: the fields of its request, the fields of its result, and what happens.

Rules: `execute` is a pure function of (request, state, entry), equal on every replica: all checks first, each raising
its typed error, then the changes. `read` looks at one replica's view and may register watches there; registering and
reading are one step. Who the caller is comes from the session, what time it is from the entry. This package knows the
state only by the protocols below, so that clients can share it.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any, ClassVar, Protocol

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, AclList, Id, Perm, allows
from zooweeper.model.entry import Entry
from zooweeper.model.errors import NoAuth, TooLarge
from zooweeper.model.events import WatcherType
from zooweeper.model.limits import DATA_BYTES_MAX, PATH_BYTES_MAX
from zooweeper.model.session import Session
from zooweeper.model.stat import Znode


class Kind(Enum):
    WRITE = "write"  # an entry
    READ = "read"  # answered by one replica
    SESSION = "session"  # an entry about a session's life
    LOCAL = "local"  # answered by replica or door without execute or read


class Journal(Protocol):
    def mark(self) -> int: ...


class Tree(Protocol):
    """What operations ask of the tree; see tree/tree.py."""

    def node(self, path: str) -> Znode: ...
    def get(self, path: str) -> Znode | None: ...
    def names(self, node: Znode, after: str = "") -> Iterator[str]: ...
    def children(self, node: Znode) -> list[str | None]: ...
    def owned(self, session: int) -> list[str]: ...
    def __len__(self) -> int: ...
    def create(self, path: str, data: bytes | None, acl: AclList, owner: int, zxid: int, time_ms: int) -> Znode: ...
    def delete(self, path: str, zxid: int) -> None: ...
    def set_data(self, path: str, data: bytes | None, zxid: int, time_ms: int) -> None: ...
    def set_acl(self, path: str, acl: AclList) -> None: ...
    def undo(self, mark: int) -> None: ...


class Sessions(Protocol):
    """What operations ask of the sessions; see tree/sessions.py."""

    def get(self, id: int) -> Session | None: ...
    def open(self, entry: Entry, secret: bytes, timeout_ms: int, results: int, address: str) -> Session: ...
    def attach(self, entry: Entry, secret: bytes, timeout_ms: int, results: int, address: str) -> Session: ...
    def identify(self, session: Session, identity: Id) -> None: ...
    def close(self, session: Session) -> None: ...


class State(Protocol):
    """What operations ask of the replicated state; see tree/state.py."""

    @property
    def tree(self) -> Tree: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def journal(self) -> Journal: ...
    def identities(self, session: int) -> tuple[Id, ...]: ...
    def require(self, session: int, acl: AclList, perm: int) -> None: ...


class Watches(Protocol):
    """What operations ask of a replica's watches; see tree/watches.py."""

    def add(self, connection: int, path: str, type: WatcherType) -> None: ...
    def has(self, connection: int, path: str, type: WatcherType) -> bool: ...
    def remove(self, connection: int, path: str, type: WatcherType) -> bool: ...
    def room(self, connection: int, more: int) -> None: ...


class View:
    """One connection's look at one replica's state. Who keeps it for many reads takes `events` after each."""

    __slots__ = ("connection", "events", "session", "state", "watches")

    def __init__(self, state: State, session: Session | None, watches: Watches, connection: int) -> None:
        self.state = state
        self.session = session
        self.watches = watches
        self.connection = connection
        self.events: list[tuple[int, str]] = []  # (event type, path), to be delivered before the answer

    @property
    def identities(self) -> tuple[Id, ...]:
        return self.session.identities if self.session is not None else ()

    def allowed(self, acl: AclList, perm: int) -> bool:
        return acl is OPEN or allows(acl, perm, self.identities)

    def require(self, acl: AclList, perm: int) -> None:
        """NoAuth unless the caller has one of the bits of `perm`."""
        if acl is not OPEN and not allows(acl, perm, self.identities):
            raise NoAuth

    def readable(self, path: str) -> Znode:
        """The znode, if it is there (NoNode) and may be read (NoAuth)."""
        node = self.state.tree.node(path)
        if node.acl is not OPEN:
            self.require(node.acl, Perm.READ)
        return node

    def watch(self, path: str, type: WatcherType) -> None:
        self.watches.add(self.connection, path, type)

    def notify(self, event_type: int, path: str) -> None:
        """An event for this connection alone, before the answer."""
        self.events.append((event_type, path))


class Op:
    """The base of all operations."""

    code: ClassVar[int]
    name: ClassVar[str]
    kind: ClassVar[Kind]
    client: ClassVar[bool]  # whether clients may send it
    since: ClassVar[int]  # the feature level from which a leader may order it
    numbered: ClassVar[bool]  # whether an entry of it takes the session's next running number
    shown: ClassVar[bool]  # whether the znodes show its result, so that the digest covers it without its bytes
    Request: ClassVar[type[Record]]
    Result: ClassVar[type[Record]]

    def __init_subclass__(
        cls,
        *,
        code: int,
        name: str,
        kind: Kind,
        client: bool = True,
        since: int = 1,
        numbered: bool = True,
        shown: bool = False,
    ) -> None:
        cls.code, cls.name, cls.kind, cls.client, cls.since = code, name, kind, client, since
        cls.numbered, cls.shown = numbered, shown

    @staticmethod
    def execute(request: Any, state: State, entry: Entry) -> Record | bytes:
        """Change the state; the result, or a typed error before the first change. What is executed thousands of times a
        second gives its result as the record's bytes."""
        raise AssertionError("not an entry")

    @staticmethod
    def read(request: Any, view: View) -> Record | bytes:
        """Look at the view; the result, or its bytes, or a typed error."""
        raise AssertionError("not a read")

    @classmethod
    def admit(cls, request: Any) -> None:
        """TooLarge for what no node would order, whatever the state."""
        bound_path(getattr(request, "path", None) or "")
        data = getattr(request, "data", None)
        if data is not None and len(data) > DATA_BYTES_MAX:
            raise TooLarge(f"data has at most {DATA_BYTES_MAX} bytes, got {len(data)}")


def encoded(result: Record | bytes) -> bytes:
    """The bytes of a result, in whichever form it is given."""
    return result if isinstance(result, bytes) else result.encode()


def bound_path(path: str) -> None:
    """TooLarge for a path beyond its limit."""
    if len(path) > PATH_BYTES_MAX // 4 and len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES_MAX:
        raise TooLarge(f"a path has at most {PATH_BYTES_MAX} bytes")


class Nothing(Record):
    """A request or result without fields."""


def expect_version(expected: int, actual: int) -> bool:
    """Whether a version argument allows the change: -1 means any."""
    return expected in (-1, actual)
