"""All that can happen to a replica: the arguments of `Replica.step`.

Rules: plain values. Time and chance come in here and nowhere else (`Tick`, and the generator given to the
constructor). A connection is a number a door gave to one client connection, never reused in the life of the process.
"""

from dataclasses import dataclass

from zooweeper.zab.events import HandOff, PeerDown, PeerUp, Received, Tick


@dataclass(slots=True)
class Clock:
    """The time now, without a tick: stepped before what arrived together, so that entries get a fine stamp."""

    now_ms: int
    wall_ms: int
    us: int = 0  # how far the millisecond of `now_ms` has come


@dataclass(slots=True)
class SnapshotWritten:
    """The disk has chunk `index` of our own snapshot at `zxid`; `done`: the whole of it."""

    zxid: int
    index: int
    done: bool


@dataclass(slots=True)
class Connect:
    """A client wants a session on this connection: a new one (`session` 0) or its own again. Without both session and
    timeout it is a visitor: it only reads, which needs no majority. Answered by Welcome or Refused. Requests that come
    before that are kept in order."""

    connection: int
    session: int
    secret: bytes  # of the session to attach; empty for a new one
    timeout_ms: int
    seen: int  # last zxid the client has seen: never serve it an older state
    results: int  # how many results the session is to keep for retries (0: none; ZooKeeper wire)
    address: str  # the client's, for the identity of scheme ip
    visit: bool = False  # a visitor all the same; what its session may read if this node knows it, it may read


@dataclass(slots=True)
class Ask:
    """A request on a connection. `number` is the session's running number that the client gave to a write, 0 to let
    the replica count. `linear`: the read must not be stale."""

    connection: int
    xid: int
    code: int
    body: bytes
    number: int = 0
    linear: bool = False


@dataclass(slots=True)
class Asks:
    """Requests that one connection sent together, in their order."""

    connection: int
    asks: list[Ask]


@dataclass(slots=True)
class Heard:
    """The client of a connection is alive, and asks whether the node is: answered by Alive once there is a leader."""

    connection: int


@dataclass(slots=True)
class Disconnect:
    """The connection is gone; its session lives on until it expires."""

    connection: int


__all__ = [
    "Ask",
    "Asks",
    "Clock",
    "Connect",
    "Disconnect",
    "Event",
    "HandOff",
    "Heard",
    "PeerDown",
    "PeerUp",
    "Received",
    "SnapshotWritten",
    "Tick",
]

Event = (
    Tick | Clock | Received | PeerUp | PeerDown | SnapshotWritten | Connect | Ask | Asks | Heard | Disconnect | HandOff
)
