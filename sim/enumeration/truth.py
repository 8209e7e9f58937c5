"""What a folder must hold: the records that were written to it, replayed by the second opinion, compared byte for byte.

Rules: pure. `Truth` says what each prefix of the records means (sim/memory.py replays it); `opened` is the one way in
which a folder is opened here, so that whatever goes wrong has one name: Wrong.
"""

from dataclasses import dataclass, field, replace

from sim.disk import SimDisk
from sim.memory import MemoryStore
from zooweeper.model.durable import (
    Accepted,
    Current,
    Epochs,
    Logged,
    Record,
    Recovered,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
)
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.zxid import epoch_of, make, show
from zooweeper.storage.folder import read_identity
from zooweeper.storage.storage import Storage

CLUSTER = "enumerated"
NODE = 1
SEGMENT_BYTES = 2048


class Wrong(Exception):
    """A folder opened, and held something else than it must; or did not open, and had to."""


@dataclass(slots=True)
class Content:
    """What a folder was found to hold, as plain values."""

    accepted: int
    current: int
    voting: bool
    epochs: Epochs
    base: int
    batches: list[Logged]
    snapshot: int
    chunks: list[bytes]

    @classmethod
    def of(cls, found: Recovered) -> "Content":
        return cls(
            found.accepted,
            found.current,
            found.voting,
            found.epochs,
            found.base,
            found.batches,
            found.snapshot,
            list(found.chunks),
        )

    @property
    def last(self) -> int:
        return self.batches[-1].batch.last if self.batches else self.base

    def __str__(self) -> str:
        batches = f"{len(self.batches)} batches behind {show(self.base)}, up to {show(self.last)}"
        vote = "" if self.voting else ", without vote"
        return f"epochs {self.accepted} and {self.current}{vote}, {batches}, snapshot {show(self.snapshot)}"


def batch(epoch: int, first: int, last: int = 0, size: int = 5, committed: int = 0) -> Logged:
    """Requests of `size` bytes, all different."""
    last = last or first
    data = b"".join([pack_request(7, 8, n, 5, bytes([n % 251]) * size) for n in range(first, last + 1)])
    return Logged(Batch(make(epoch, first), make(epoch, last), 1000 + last, data), committed)


def snapshot(zxid: int, epochs: Epochs, *chunks: bytes) -> list[Record]:
    pieces = [SnapshotChunk(zxid, index, data) for index, data in enumerate(chunks)]
    return [SnapshotBegin(zxid, epochs), *pieces, SnapshotEnd(zxid, len(pieces))]


def opened(disk: SimDisk) -> tuple[Storage, Content]:
    """Start on that folder. FolderError when it refuses to."""
    identity = read_identity(disk, CLUSTER, NODE)
    storage, found = Storage.open(disk, identity, SEGMENT_BYTES)
    return storage, Content.of(found)


def must_open(disk: SimDisk) -> tuple[Storage, Content]:
    """The same; Wrong when it refuses to."""
    try:
        return opened(disk)
    except Exception as error:
        raise Wrong(f"does not open: {type(error).__name__}: {error}") from error


@dataclass(slots=True, eq=False)
class Truth:
    """Records in the order in which they were given to the storage of one folder."""

    records: list[Record] = field(default_factory=list)
    _meanings: dict[int, Content] = field(default_factory=dict)

    def give(self, records: list[Record]) -> None:
        self.records += records

    def meaning(self, count: int) -> Content:
        """What the first `count` of them say."""
        if count not in self._meanings:
            store = MemoryStore()
            store.write(self.records[:count])
            self._meanings[count] = Content.of(store.recover())
        return self._meanings[count]

    def until(self, count: int) -> "Truth":
        """The first `count` of them, for the rest is lost."""
        return Truth(self.records[:count])

    def match(self, found: Content, acknowledged: int, issued: int) -> int:
        """How many of the records the folder holds: at least those acknowledged, at most those issued. Wrong if it is
        no such number."""
        for count in range(issued, acknowledged - 1, -1):
            if self._holds(found, self.meaning(count)):
                return count
        low, high = self.meaning(acknowledged), self.meaning(issued)
        raise Wrong(f"holds {found}; acknowledged was {low}; issued was {high}")

    def match_damaged(self, found: Content, acknowledged: int) -> None:
        """Snapshots may be missing, for rot was found in them: an older one, or none, and the log say the same. Wrong
        if they do not."""
        wanted = self.meaning(acknowledged)
        if found.snapshot != wanted.snapshot:
            images = self.images(acknowledged)
            ends = [wanted.base, *(logged.batch.last for logged in wanted.batches)]
            if found.snapshot and (found.snapshot not in ends or found.chunks != images.get(found.snapshot)):
                raise Wrong(f"holds {found}, whose snapshot was never written")
            if found.base > found.snapshot:
                raise Wrong(f"holds {found}, with a hole between them")
            found = replace(found, snapshot=wanted.snapshot, chunks=wanted.chunks)
        if not self._holds(found, wanted):
            raise Wrong(f"holds {found} instead of {wanted}")

    def images(self, count: int) -> dict[int, list[bytes]]:
        """The pieces of every snapshot that ended within the first `count` records, by zxid."""
        chunks: list[bytes] = []
        images = {}
        for record in self.records[:count]:
            if isinstance(record, SnapshotBegin):
                chunks = []
            elif isinstance(record, SnapshotChunk):
                chunks.append(record.data)
            elif isinstance(record, SnapshotEnd):
                images[record.zxid] = chunks
        return images

    def _holds(self, found: Content, wanted: Content) -> bool:
        """Batches before the snapshot may be gone, for it covers them; all others are there."""
        gone = len(wanted.batches) - len(found.batches)
        if gone < 0 or (found.accepted, found.current, found.voting) != (
            wanted.accepted,
            wanted.current,
            wanted.voting,
        ):
            return False
        base = wanted.batches[gone - 1].batch.last if gone else wanted.base
        return (
            found.base == base
            and (found.base <= found.snapshot or not found.base)
            and found.epochs == wanted.epochs
            and found.batches == wanted.batches[gone:]
            and (found.snapshot, found.chunks) == (wanted.snapshot, wanted.chunks)
        )


def goes_on(disk: SimDisk) -> None:
    """Start, two more writes, a power loss, and all of it must be there. Wrong."""
    storage, before = must_open(disk)
    epoch = max(before.accepted, epoch_of(before.last)) + 1
    more = [batch(epoch, 1, 2), batch(epoch, 3, size=600)]
    try:
        storage.write([Accepted(epoch), more[0]])
        storage.write([more[1], Current(epoch)])
    except Exception as error:
        raise Wrong(f"does not go on: {type(error).__name__}: {error}") from error
    disk.lose_unsynced()
    _, after = must_open(disk)
    epochs = (*before.epochs, (epoch, 3))
    batches = [*before.batches, *more]
    wanted = replace(before, accepted=epoch, current=epoch, voting=True, epochs=epochs, batches=batches)
    if after != wanted:
        raise Wrong(f"went on from {before}, wrote up to {show(wanted.last)}, and then held {after}")
