"""What a door sees of the node: a connection is opened, asked and closed, and its answers come to its sink.

Rules: protocols only. A door never waits for the brain: it steps an event, and the sink is called when the loop's turn
is drained, in the order in which things must reach the client. Another door (the ZooKeeper wire) needs nothing more.
"""

from collections.abc import Callable
from typing import Protocol

from zooweeper.replica.events import Ask, Asks, Connect, Heard
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.outbox import Delivery
from zooweeper.replica.status import Status


class Sink(Protocol):
    """A connection's way out."""

    def deliver(self, item: Delivery) -> None:
        """Take one delivery; called on the loop, must not block or fail. What one drain delivers should leave in one
        write. After Refused and Hangup the door calls `disconnect`."""


class Gateway(Protocol):
    """The node, as doors see it."""

    def register(self, sink: Sink) -> int:
        """A number for a new connection; deliveries for it go to `sink`. ThrottledOp: there are too many."""

    def step(self, event: Connect | Ask | Asks | Heard) -> None:
        """Something a client said on a registered connection."""

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes] | None:
        """The answer to one of PLAIN_READS, zxid and result, when it can be given at once: what was asked before on
        the connection must have been answered, and the answer leaves before anything that is delivered later. None: it
        is to be stepped, like all else."""

    def disconnect(self, connection: int) -> None:
        """The connection is gone; nothing is delivered to it any more. Again: nothing."""

    def after_turn(self, call: Callable[[], None]) -> None:
        """Call it once, right behind the carrying out of what was stepped so far: what has to leave then should not
        wait for another turn of the loop."""

    def status(self) -> Status:
        """What the replica says of itself, now."""

    def inspect(self) -> Inspection:
        """What only operators ask for."""

    def carrier(self) -> str:
        """What the leader's broadcast reaches this node by, as `peer_carrier` names it; empty: it follows nobody."""
