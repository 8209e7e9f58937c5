"""What goes into the client core and what comes out.

Rules: plain values; nothing here knows a carrier. Items of answers are not copied: whatever carries them hands over
objects with the fields of `Item`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode, ZkError, error_for
from zooweeper_client.states import State
from zooweeper_client.watches import WatchKind


class Arm:
    """The watch that a request registers when it is answered."""

    __slots__ = ("kind", "path", "watcher")

    def __init__(self, kind: WatchKind, path: str, watcher: int) -> None:
        self.kind = kind
        self.path = path
        self.watcher = watcher


class Request:
    """One request, from its making to its answer; the core fills in the lower half."""

    __slots__ = (
        "abandoned", "arm", "body", "code", "deadline_ms", "detail", "error", "linear", "number",
        "numbered", "owner", "patient", "result", "settled", "stale", "unknown", "xid", "zxid",
    )  # fmt: skip

    def __init__(
        self,
        code: int,
        body: bytes,
        *,
        numbered: bool = False,
        linear: bool = False,
        deadline_ms: int,
        patient: bool = True,
        arm: Arm | None = None,
        owner: object = None,
    ) -> None:
        self.code = code
        self.body = body
        self.numbered = numbered  # takes the session's next running number
        self.linear = linear  # a read that must not be stale
        self.deadline_ms = deadline_ms
        self.patient = patient  # may wait for a connection and be sent again when refused
        self.arm = arm
        self.owner = owner  # whatever the face wants to find again
        self.abandoned = False  # nobody waits any more; the face may set it at any time
        # --- the core's
        self.xid = 0
        self.number = 0
        self.unknown = False  # sent under an attach that ended before the answer
        self.settled = False
        self.error: int = ErrorCode.OK
        self.detail = ""
        self.result = b""
        self.zxid = 0
        self.stale = False

    @property
    def gone(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.abandoned or self.settled

    def failure(self, path: str = "") -> ZkError:
        """The error that it was answered with."""
        assert self.settled and self.error != ErrorCode.OK, self.code
        return error_for(self.error, self.detail, path)


class Item(Protocol):
    """An answer (xid of its request) or an event (xid 0), as the servers' message has it."""

    @property
    def xid(self) -> int: ...
    @property
    def zxid(self) -> int: ...
    @property
    def error(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def stale(self) -> bool: ...
    @property
    def detail(self) -> str: ...
    @property
    def event(self) -> int: ...
    @property
    def path(self) -> str: ...


# --- in


@dataclass(slots=True)
class Tick:
    """The time, before anything that happens at it and at `wake_ms`."""

    now_ms: int  # monotonic


@dataclass(slots=True)
class Start:
    """Begin to connect."""


@dataclass(slots=True)
class Submit:
    """A program's request."""

    request: Request


@dataclass(slots=True)
class Unwatch:
    """A persistent watcher goes; the core tells the server when it was the last one."""

    kind: WatchKind
    path: str
    watcher: int


@dataclass(slots=True)
class Welcomed:
    """The session is open on this link."""

    session: int
    secret: bytes
    timeout_ms: int
    number: int  # last running number executed
    zxid: int
    node: int = 0


@dataclass(slots=True)
class Answered:
    """Answers and events, in order."""

    items: Sequence[Item]


@dataclass(slots=True)
class Heard:
    """The server is alive (a pong)."""


@dataclass(slots=True)
class LinkDown:
    """The link is gone, or the server ended it with an error of its own."""

    detail: str
    error: int = ErrorCode.OK


@dataclass(slots=True)
class Close:
    """The end: everything unanswered fails, the link closes. Whoever wants the session closed asks for that first."""


Event = Tick | Start | Submit | Unwatch | Welcomed | Answered | Heard | LinkDown | Close


# --- out


@dataclass(slots=True)
class Hello:
    """The first message on a link."""

    session: int
    secret: bytes = field(repr=False)
    timeout_ms: int
    seen: int
    results: int


@dataclass(slots=True)
class Ping:
    """Asks for a sign of life."""


@dataclass(slots=True)
class Fired:
    """A watcher's event. A one-shot watcher gets exactly one."""

    watcher: int
    type: int  # EventType
    path: str  # full
    zxid: int


@dataclass(slots=True)
class Changed:
    """The client's state."""

    state: State


@dataclass(slots=True)
class Outbox:
    """Everything since the last take, to be carried out in this order."""

    hangup: bool = False  # 1. drop the link; nothing of it is stepped any more
    connect: Address | None = None  # 2. open a link there; what is to be sent queues on it
    send: list[Hello | Request | Ping] = field(default_factory=list)  # 3. in this order
    deliver: list[Request | Fired | Changed] = field(default_factory=list)  # 4. settled requests, events, states

    def __bool__(self) -> bool:
        return bool(self.hangup or self.connect or self.send or self.deliver)
