"""The way out to clients: each connection's deliveries in their order, and an event for thousands without haste.

Rules: what is for a few connections goes to their sinks at once. An event that many watch waits, and `tell_some` tells
it to a slice of them now and then, so that nobody else's request waits for all of them, here or on another node of this
machine; whatever else is for one of these connections goes behind its events.
"""

from collections.abc import Iterable
from itertools import islice

from zooweeper.model.errors import ThrottledOp
from zooweeper.model.limits import CONNECTIONS_MAX
from zooweeper.replica.outbox import Delivery, Notice
from zooweeper.runtime.gateway import Sink

SLICE = 16  # connections told at once: some tenths of a millisecond
PAUSE_S = 0.003  # between two slices: to tell a thousand takes a fifth of a second, and a tenth of the loop's time


class Outgoing:
    """The connections of a node, by their number."""

    def __init__(self) -> None:
        self._sinks: dict[int, Sink] = {}
        self._count = 0
        self._waiting: dict[int, list[Notice]] = {}  # connection -> events it is not told yet, in their order

    @property
    def waiting(self) -> bool:
        """Whether `tell_some` has something to do."""
        return bool(self._waiting)

    def register(self, sink: Sink) -> int:
        """A number for a new connection. ThrottledOp: there are too many."""
        if len(self._sinks) >= CONNECTIONS_MAX:
            raise ThrottledOp(f"this node has {CONNECTIONS_MAX} connections already")
        self._count += 1
        self._sinks[self._count] = sink
        return self._count

    def forget(self, connection: int) -> bool:
        """The connection is gone; whether it was there."""
        self._waiting.pop(connection, None)
        return self._sinks.pop(connection, None) is not None

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """What one drain of the loop delivers."""
        sinks, waiting = self._sinks, self._waiting
        for item in deliveries:
            if type(item) is Notice:
                self._notice(item)
                continue
            connection = item.connection  # type: ignore[union-attr]  # mypy does not narrow by `type`
            if connection in waiting:
                self._tell(connection)
            sink = sinks.get(connection)
            if sink is not None:
                sink.deliver(item)

    def tell_some(self) -> None:
        """A slice of those who wait."""
        for connection in list(islice(self._waiting, SLICE)):
            self._tell(connection)

    def _notice(self, notice: Notice) -> None:
        waiting, sinks, few = self._waiting, self._sinks, len(notice.connections) <= SLICE
        for connection in notice.connections:
            if connection in waiting:
                waiting[connection].append(notice)
            elif not few:
                waiting[connection] = [notice]
            elif connection in sinks:
                sinks[connection].deliver(notice)

    def _tell(self, connection: int) -> None:
        """All events that the connection waits for."""
        sink = self._sinks.get(connection)
        for notice in self._waiting.pop(connection, ()):
            if sink is not None:
                sink.deliver(notice)
