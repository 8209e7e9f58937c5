"""A node without loop, network or time: the brain behind a gateway, carried out when told to.

Rules: what a door steps goes to the brain at once; what the brain wants is carried out by `settle`, with a disk that is
done at once. Peers hear nothing.
"""

from collections.abc import Callable

from zooweeper.replica.events import Ask, Asks, Clock, Connect, Disconnect, Heard, Received
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.outbox import Delivery, receivers
from zooweeper.replica.replica import Replica
from zooweeper.replica.status import Status
from zooweeper.runtime.gateway import Sink


class Bare:
    """A Gateway."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.sinks: dict[int, Sink] = {}
        self.connections = 0

    def settle(self) -> None:
        """Carry out what the brain wants until it wants nothing; what it waits for comes at once."""
        while (outbox := self.replica.take()) or outbox.again_ms:
            assert not outbox.stop, outbox.stop
            if not outbox:
                self.replica.step(Clock(self.replica.now_ms + outbox.again_ms, self.replica.wall_ms))
            for delivery in outbox.deliver:
                self.deliver(delivery)
            for to, message in outbox.after:
                if to == self.replica.config.id:
                    self.replica.step(Received(to, message))
            for event in outbox.written:
                self.replica.step(event)

    def deliver(self, delivery: Delivery) -> None:
        for connection in receivers(delivery):
            if connection in self.sinks:
                self.sinks[connection].deliver(delivery)

    def register(self, sink: Sink) -> int:
        self.connections += 1
        self.sinks[self.connections] = sink
        return self.connections

    def step(self, event: Connect | Ask | Asks | Heard | Disconnect) -> None:
        self.replica.step(event)

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes] | None:
        return self.replica.read(connection, session, code, body)

    def disconnect(self, connection: int) -> None:
        if self.sinks.pop(connection, None) is not None:
            self.step(Disconnect(connection))

    def after_turn(self, call: Callable[[], None]) -> None:
        call()

    def status(self) -> Status:
        return self.replica.status()

    def inspect(self) -> Inspection:
        return self.replica.inspect()

    def carrier(self) -> str:
        return ""
