"""What a node keeps on disk: typed records in one order, and what recovery finds.

Rules: the brain hands these records out in the order in which they must become durable; storage writes them in that
order and no other (DESIGN D6), so no two facts can disagree after a crash. Floors above the purity line turn them
into bytes; the brain never sees a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from zooweeper.model.entry import Batch

Epochs = tuple[tuple[int, int], ...]
"""The epochs of a history, rising: (epoch, last counter of that epoch in the history)."""


@dataclass(slots=True)
class Logged:
    """A batch, with the highest zxid known to be committed when it was logged (a hint that lets a restarted node
    execute that far before it hears from anybody; it never decides safety)."""

    batch: Batch
    committed: int


@dataclass(slots=True)
class Accepted:
    """acceptedEpoch (f.p of the paper): nothing of an older epoch is taken part in any more."""

    epoch: int


@dataclass(slots=True)
class Current:
    """currentEpoch (f.a): the history before this record holds the initial history of that epoch."""

    epoch: int


@dataclass(slots=True)
class Cut:
    """TRUNC: the batches after `zxid` (the end of a batch) are void."""

    zxid: int


@dataclass(slots=True)
class SnapshotBegin:
    """A snapshot of the state at exactly `zxid` starts. A snapshot that was begun and not ended is void."""

    zxid: int
    epochs: Epochs  # of the history up to zxid


@dataclass(slots=True)
class SnapshotChunk:
    """The next piece, numbered from 0; bytes mean nothing to storage."""

    zxid: int
    index: int
    data: bytes


@dataclass(slots=True)
class SnapshotEnd:
    """All chunks are there: make the snapshot durable, then older ones and their log may be purged."""

    zxid: int
    chunks: int


@dataclass(slots=True)
class Installed:
    """The snapshot at `zxid` (ended just before) came from the leader and replaces state and history: no earlier log
    record is ever replayed again."""

    zxid: int
    epochs: Epochs


Record = Logged | Accepted | Current | Cut | SnapshotBegin | SnapshotChunk | SnapshotEnd | Installed


@dataclass(slots=True)
class Recovered:
    """What a data folder holds, after recovery. Everything in it is durable."""

    accepted: int
    current: int
    snapshot: int  # zxid of the newest valid snapshot, 0: none
    chunks: Iterator[bytes]  # its pieces, read as they are taken
    base: int  # the zxid before batches[0] (or of the end of history, without batches)
    epochs: Epochs  # of the whole history: up to the last batch, or to the snapshot
    batches: list[Logged]  # contiguous up to the end of the log; may begin before the snapshot, for others' DIFF
    voting: bool = True  # False: the folder was damaged or is new in a running ensemble; no vote until synchronized

    @property
    def last(self) -> int:
        """The last zxid logged."""
        return self.batches[-1].batch.last if self.batches else self.base

    @property
    def committed(self) -> int:
        """How far the history is known to be committed."""
        return max([self.snapshot, *(logged.committed for logged in self.batches)])
