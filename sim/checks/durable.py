"""What a node says and what its disk has: nothing is acknowledged, promised or forgotten against it.

Rules: seen from outside, from what the disk has reported and from the messages that leave. What a node with a damaged
or a new disk has forgotten is no fault (Node.lost); everything else that was durable must be there at the next start.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sim.world import Violation
from zooweeper.model.durable import Accepted, Current, Cut, Installed, Logged, Record, Recovered
from zooweeper.model.zxid import show
from zooweeper.zab import messages


class Kept:
    """One node's disk, as far as it has reported."""

    __slots__ = ("epochs", "floor", "id", "initial", "last", "led")

    def __init__(self, id: int, initial: dict[int, int]) -> None:
        """`initial`, of all nodes: epoch -> the end of the history that it begins with, as its leader told."""
        self.id = id
        self.initial = initial
        self.epochs = (0, 0)  # accepted and current
        self.last = 0  # the end of the history
        self.led = 0  # the last epoch that the node chose itself, to lead it
        self.floor = 0  # what is left of it even if the last thing that the disk was given comes to pass

    def started(self, recovered: Recovered, lost: bool) -> None:
        """A new process has read it."""
        ends, epochs = recovered.last, (recovered.accepted, recovered.current)
        if not lost and ends < self.floor:
            raise Violation("durable stays", f"node {self.id} had {show(self.floor)}, and has {show(ends)} now")
        if not lost and (epochs < self.epochs or epochs[1] < self.epochs[1]):
            raise Violation("epochs never fall", f"node {self.id} had {self.epochs}, and has {epochs} now")
        self.last = self.floor = ends
        self.epochs = epochs

    def given(self, records: Iterable[Record]) -> None:
        """The disk will write these, or a part of them."""
        for record in records:
            if isinstance(record, Cut | Installed):
                self.floor = min(self.floor, record.zxid)

    def wrote(self, records: Iterable[Record]) -> None:
        """The disk has reported these."""
        accepted, current = self.epochs
        for record in records:
            if isinstance(record, Logged):
                self.last = record.batch.last
            elif isinstance(record, Cut | Installed):
                self.last = record.zxid
            elif isinstance(record, Current):
                current = max(current, record.epoch)
                if current != self.led and self.last < self.initial.get(current, self.last + 1):
                    raise Violation("history before epoch", f"node {self.id} enters {current} with {show(self.last)}")
            elif isinstance(record, Accepted):
                accepted = max(accepted, record.epoch)
        self.epochs = (accepted, current)
        self.floor = self.last

    def says(self, message: Any, to: int) -> None:
        """The node sends a message, to itself perhaps."""
        check = SAID.get(type(message))
        if check is not None and not check(self, message, to):
            has = f"its disk has {show(self.last)}, epochs {self.epochs}"
            raise Violation("durable before said", f"node {self.id} says {message} and {has}")

    def _ack(self, message: messages.Ack, to: int) -> bool:
        return message.zxid <= self.last

    def _ack_epoch(self, message: messages.AckEpoch, to: int) -> bool:
        return message.epoch <= self.epochs[0]

    def _ack_new_leader(self, message: messages.AckNewLeader, to: int) -> bool:
        return message.epoch <= self.epochs[1] and message.last <= self.last

    def _new_epoch(self, message: messages.NewEpoch, to: int) -> bool:
        if to == self.id:
            self.led = message.epoch
        return message.epoch <= self.epochs[0]

    def _new_leader(self, message: messages.NewLeader, to: int) -> bool:
        if to != self.id:  # learners may hear before our own disk has it
            self.initial[message.epoch] = min(message.last, self.initial.get(message.epoch, message.last))
            return True
        return message.epoch <= self.epochs[1] and message.last <= self.last


SAID: dict[type, Callable[[Kept, Any, int], bool]] = {
    messages.Ack: Kept._ack,
    messages.AckEpoch: Kept._ack_epoch,
    messages.AckNewLeader: Kept._ack_new_leader,
    messages.NewEpoch: Kept._new_epoch,
    messages.NewLeader: Kept._new_leader,
}
