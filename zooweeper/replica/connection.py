"""One client connection of this node: its session, and the requests it waits for, in their order.

Rules: answers leave in the order of the requests. A write waits until its entry is executed here; a read behind it
waits for it; a write behind a read that must not be stale waits for that read. Writes of a session reach the log in
the order of their running numbers, so the first of `writes` is always the next one to be executed.
"""

from collections import deque
from enum import IntEnum

from zooweeper.model.session import Session
from zooweeper.ops.op import View
from zooweeper.replica.events import Ask, Connect

NOT_KNOWN = -1  # 0 is the zxid of an ensemble in which nothing was written yet


class Kind(IntEnum):
    """What a pending request waits for, besides its turn."""

    WRITE = 0  # its entry
    BARRIER = 1  # a quorum's word: a linearizable read, or sync
    DONE = 2  # nothing; the answer is known


class Pending:
    """A request that could not be answered at once; not a read that only waits for its turn."""

    __slots__ = ("ask", "body", "detail", "error", "kind", "number", "ticket", "zxid")

    def __init__(self, kind: Kind, ask: Ask, number: int = 0, ticket: int = 0) -> None:
        self.kind = kind
        self.ask = ask
        self.number = number  # WRITE: by which it finds its entry
        self.ticket = ticket  # WRITE: its place among what this node forwards
        self.zxid = NOT_KNOWN  # BARRIER: to be executed first; DONE: of its entry, 0: when it leaves
        self.error = 0  # DONE
        self.body = b""
        self.detail = ""

    def done(self, error: int, body: bytes, zxid: int, detail: str = "") -> None:
        """The answer is known."""
        self.kind = Kind.DONE
        self.error, self.body, self.zxid, self.detail = error, body, zxid, detail


class Connection:
    """`session` is 0 until the session is open or attached here, and for a visitor always."""

    __slots__ = (
        "attach",
        "barriers",
        "connect",
        "expected",
        "held",
        "id",
        "open",
        "pending",
        "session",
        "ticket",
        "view",
        "visitor",
        "writes",
    )

    def __init__(self, connect: Connect, ticket: int) -> None:
        self.id = connect.connection
        self.connect = connect
        self.ticket = ticket  # of the openSession or attach under way; 0: none
        self.open = False  # welcomed: requests are taken
        self.session = 0
        self.visitor: Session | None = None  # whose rights a connection without a session has; of no state
        self.view: View | None = None  # how it reads the state, once it is open
        self.attach = 0
        self.expected = 1  # the number of the next write that will be taken
        self.held: deque[Ask] = deque()  # came before the welcome, or behind a barrier
        self.pending: deque[Pending | Ask] = deque()  # an Ask is a read that only waits for its turn
        self.writes: deque[Pending] = deque()  # of `pending`: the writes not executed yet
        self.barriers = 0  # of `pending`: barriers not answered yet
