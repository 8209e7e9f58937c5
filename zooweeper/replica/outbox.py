"""All that a replica wants done: lists in the order in which they may leave.

Rules: whoever carries an outbox out does it in this order: send `now` and hand `disk` to the disk thread, whichever is
first; deliver `deliver`; and, when the disk reports that all of `disk` is durable, send `after` (to ourselves as well:
our own disk is one voter among the others) and step `written`. Acknowledgements and promises exist only in `after`;
nothing in `deliver` waits for our disk, for what it reports is on a quorum's disks already, or is a read.
"""

from dataclasses import dataclass, field

from zooweeper.model.durable import Record
from zooweeper.model.errors import ZkError
from zooweeper.model.members import Membership
from zooweeper.replica.events import SnapshotWritten
from zooweeper.zab.messages import Message


@dataclass(slots=True)
class Answer:
    """The answer to one request, in the order of the connection's requests."""

    connection: int
    xid: int
    zxid: int  # last zxid executed by then; of a write: its own
    error: int  # ErrorCode.OK or another
    body: bytes  # the operation's result record; empty with an error
    stale: bool = False  # a read by a node that has no leader at the moment
    detail: str = ""  # of an error, for people


@dataclass(slots=True)
class Notice:
    """A watch event, and who is told; always before the answers that show the new state."""

    connections: tuple[int, ...]
    zxid: int
    type: int  # model/events.py:EventType
    path: str
    frame: bytes = field(default=b"", compare=False, repr=False)  # for a door: encoded once, whoever is told


@dataclass(slots=True)
class Welcome:
    """The session is open on this connection."""

    connection: int
    session: int
    secret: bytes
    timeout_ms: int
    attach: int
    number: int  # the last number the session has executed
    zxid: int


@dataclass(slots=True)
class Alive:
    """The answer to Heard: a leader will know that the session lives. A node without one is silent, so that its clients
    go elsewhere before the others take them for dead."""

    connection: int


@dataclass(slots=True)
class Refused:
    """No session for this connection; close it."""

    connection: int
    error: ZkError


@dataclass(slots=True)
class Hangup:
    """Close the connection: its session has ended or is attached elsewhere."""

    connection: int
    error: ZkError


Delivery = Answer | Notice | Welcome | Alive | Refused | Hangup


def receivers(delivery: Delivery) -> tuple[int, ...]:
    """The connections it is for."""
    return delivery.connections if isinstance(delivery, Notice) else (delivery.connection,)


@dataclass(slots=True)
class Outbox:
    """Everything since the last take."""

    disk: list[Record] = field(default_factory=list)  # 1. in this order, one fsync for all of them
    lazy: bool = False  # nobody waits for that fsync: it may come a few milliseconds later, with the next one
    now: list[tuple[int, Message]] = field(default_factory=list)  # 1. (peer, message): may leave at once
    deliver: list[Delivery] = field(default_factory=list)  # 2. per connection in order
    after: list[tuple[int, Message]] = field(default_factory=list)  # 3. (peer or self, message): when `disk` is durable
    written: list[SnapshotWritten] = field(default_factory=list)  # 3. step these then
    # Be connected with these from now on (all that are in force; the version is that of the last); None: as you are.
    members: Membership | None = None
    more: bool = False  # take again as soon as this is carried out: something is committed, and not executed yet
    again_ms: int = 0  # not 0: step a Clock after so long; something may have waited long enough then
    removed: bool = False  # the ensemble goes on without this node: carry this outbox out, then end
    stop: str = ""  # not empty: this node cannot keep its promises; carry out nothing more, exit with this line

    def __bool__(self) -> bool:
        return bool(
            self.disk
            or self.now
            or self.deliver
            or self.after
            or self.written
            or self.members is not None
            or self.removed
            or self.stop
        )
