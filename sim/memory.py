"""The disk as an idea: a list of durable records, and what a perfect recovery finds in it.

Rules: no bytes, no files. Traces use it, and the simulator does where the storage is not what is looked at; beside the
real storage it is the second opinion on what the records mean (model/durable.py).
"""

from collections.abc import Sequence

from zooweeper.model import durable
from zooweeper.model.durable import Epochs, Logged, Record, Recovered
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import counter_of, epoch_of


def extended(epochs: Epochs, batch: Batch) -> Epochs:
    """The epochs of a history after one more batch."""
    epoch, counter = epoch_of(batch.last), counter_of(batch.last)
    kept = epochs[:-1] if epochs and epochs[-1][0] == epoch else epochs
    return (*kept, (epoch, counter))


def epochs_of(base: Epochs, batches: Sequence[Logged]) -> Epochs:
    """The epochs of `base` with the batches behind it."""
    for logged in batches:
        base = extended(base, logged.batch)
    return base


class MemoryStore:
    """write() makes records durable at once; recover() is what a restart finds."""

    def __init__(self, voting: bool = True, purges: bool = False) -> None:
        self.records: list[Record] = []
        self.voting = voting
        self.repaired = False
        self.found: list[str] = []
        self._wiped = False
        self.purges = purges  # whether the log before the newest snapshot is gone

    def write(self, records: Sequence[Record]) -> None:
        """All of them, in order."""
        self.records.extend(records)

    def write_partly(self, records: Sequence[Record]) -> None:
        """The process ends inside the write: half of it got there."""
        self.write(records[: len(records) // 2])

    def recover(self) -> Recovered:
        """Replay of the records. AssertionError when they contradict one another."""
        self.repaired, self._wiped = self._wiped, False
        accepted = current = base = 0
        base_epochs: Epochs = ()
        batches: list[Logged] = []
        chunks: list[bytes] = []
        images: dict[int, list[bytes]] = {}
        voting = self.voting
        for record in self.records:
            match record:
                case durable.Accepted():
                    assert record.epoch > accepted, record
                    accepted = record.epoch
                case durable.Current():
                    assert current <= record.epoch <= accepted, (record, accepted)
                    current, voting = record.epoch, True
                case durable.Logged():
                    batches.append(record)
                case durable.Cut():
                    assert base <= record.zxid, record
                    batches = [logged for logged in batches if logged.batch.last <= record.zxid]
                    assert (batches[-1].batch.last if batches else base) == record.zxid, record
                case durable.SnapshotBegin():
                    chunks = []
                case durable.SnapshotChunk():
                    assert record.index == len(chunks), record
                    chunks.append(record.data)
                case durable.SnapshotEnd():
                    assert record.chunks == len(chunks), record
                    images[record.zxid] = chunks
                case durable.Installed():
                    assert record.zxid in images, record
                    base, base_epochs, batches = record.zxid, record.epochs, []
        # A leader's snapshot that was not installed is no state of this history.
        ends = [base, *(logged.batch.last for logged in batches)]
        snapshot = max([zxid for zxid in images if zxid in ends], default=0)
        if self.purges and snapshot > base:
            covered = [logged for logged in batches if logged.batch.last <= snapshot]
            base, base_epochs = snapshot, epochs_of(base_epochs, covered)
            batches = batches[len(covered) :]
        return Recovered(
            accepted,
            current,
            snapshot,
            iter(images.get(snapshot, [])),
            base,
            epochs_of(base_epochs, batches),
            batches,
            voting,
        )

    def crash(self, power_loss: bool) -> None:
        """Whatever was written is durable; what was not is not here."""

    def close(self) -> None:
        """Nothing is left to write."""

    def wipe(self) -> None:
        """A new, empty disk, of a node that joins again."""
        self.records.clear()
        self.voting, self._wiped = False, True

    def calm(self) -> None:
        """It makes no errors."""
