"""The real storage on a simulated disk, as a node's store.

Rules: a process that dies leaves what it has written; a power loss leaves any part of what was not synced; both may
happen inside any operation on the disk, those of recovery included.
"""

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from sim.disk import PowerCut, SimDisk
from zooweeper.model.durable import Record, Recovered
from zooweeper.storage.folder import format_folder
from zooweeper.storage.storage import Storage

RECOVERIES_CUT = 0.2  # how often the power goes in the middle of one
OPERATIONS_MAX = 12  # after which it goes, at most


class DiskStore:
    """One node's folder."""

    def __init__(self, id: int, chance: Random, segment_bytes: int) -> None:
        self.disk = SimDisk(f"disk {id}")
        self._chance = chance
        self._segment_bytes = segment_bytes
        self._identity = format_folder(self.disk, "sim", id, bytes([id] * 16), segment_bytes=segment_bytes)
        self.disk.close()
        self._storage: Storage | None = None

    def recover(self) -> Recovered:
        """Open the folder; sometimes it takes two tries, with the plug pulled in between."""
        if self._chance.random() < RECOVERIES_CUT:
            self.disk.cut_at = self.disk.operations + self._chance.randrange(OPERATIONS_MAX)
            with suppress(PowerCut):
                Storage.open(self.disk, self._identity, self._segment_bytes)
            self.disk.crash(self._chance)
        self._storage, recovered = Storage.open(self.disk, self._identity, self._segment_bytes)
        return recovered

    def write(self, records: Sequence[Record]) -> None:
        assert self._storage is not None
        self._storage.write(records)

    def write_partly(self, records: Sequence[Record]) -> None:
        """The process ends inside the write."""
        self.disk.cut_at = self.disk.operations + self._chance.randrange(OPERATIONS_MAX)
        with suppress(PowerCut):
            self.write(records)

    def crash(self, power_loss: bool) -> None:
        self._storage = None
        if power_loss:
            self.disk.crash(self._chance)
        else:
            self.disk.kill()
