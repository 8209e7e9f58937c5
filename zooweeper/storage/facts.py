"""What the log says as a whole: the two epochs, the vote, and the shape of the history.

Rules: the same methods run when a record is written and when it is read back, so both sides hold the same rules.
ValueError for a record that does not fit: a mistake of the program when writing, a log that must be refused when
reading.
"""

from dataclasses import dataclass, field

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import COUNTER_BITS, counter_of, epoch_of, follows, make, show


@dataclass(slots=True)
class Facts:
    """The state of a log after some record. Each segment begins with one, so older segments are never needed for it."""

    accepted: int = 0
    current: int = 0
    voting: bool = True
    last: int = 0  # the end of the history
    closed: list[tuple[int, int]] = field(default_factory=list)  # its epochs but the last one

    @property
    def epochs(self) -> Epochs:
        if not self.last:
            return ()
        return (*self.closed, (epoch_of(self.last), counter_of(self.last)))

    def copy(self) -> "Facts":
        return Facts(self.accepted, self.current, self.voting, self.last, list(self.closed))

    def contains(self, zxid: int) -> bool:
        """Whether `zxid` is an entry of this history (0 is the place before the first)."""
        return zxid == 0 or any(
            epoch == epoch_of(zxid) and 0 < counter_of(zxid) <= counter for epoch, counter in self.epochs
        )

    def on_logged(self, batch: Batch) -> None:
        first, last = batch.first, batch.last
        if last < first or (first ^ last) >> COUNTER_BITS or not follows(self.last, first):
            raise ValueError(f"batch {show(first)}–{show(last)} does not follow {show(self.last)}")
        if self.last and (first ^ self.last) >> COUNTER_BITS:
            self.closed.append((epoch_of(self.last), counter_of(self.last)))
        self.last = last

    def on_accepted(self, epoch: int) -> None:
        if epoch < self.accepted:
            raise ValueError(f"accepted epoch {epoch} after {self.accepted}")
        self.accepted = epoch

    def on_current(self, epoch: int) -> None:
        if not self.current <= epoch <= self.accepted:
            raise ValueError(f"current epoch {epoch} after {self.current}, with accepted epoch {self.accepted}")
        self.current = epoch
        self.voting = True  # it holds a synchronized history again: what a folder without vote was waiting for

    def on_cut(self, zxid: int) -> None:
        if not self.contains(zxid):
            raise ValueError(f"cut at {show(zxid)}, which is not in the history up to {show(self.last)}")
        self.closed = [(epoch, counter) for epoch, counter in self.closed if epoch < epoch_of(zxid)]
        self.last = zxid

    def on_installed(self, zxid: int, epochs: Epochs) -> None:
        if zxid != (make(*epochs[-1]) if epochs else 0) or sorted(epochs) != list(epochs):
            raise ValueError(f"snapshot at {show(zxid)} with epochs {epochs}")
        self.closed = list(epochs[:-1])
        self.last = zxid
