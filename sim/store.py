"""The real storage on a simulated disk, as a node's store.

Rules: a process that dies leaves what it has written; a power loss leaves any part of what was not synced; both may
happen inside any operation on the disk, those of recovery included. Damage is repaired as a real node does it; where
that needs a person, the operator does what docs/operating.md says. Both are legitimate only on a disk that was harmed
on purpose (`harm`, `wipe`): a recovery that finds damage after a mere crash is wrong.
"""

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from sim.disk import PowerCut, SimDisk, Unreadable
from zooweeper.model.durable import Record, Recovered
from zooweeper.storage.folder import ASIDE, Damaged, FolderError, begin_repair, format_folder, read_identity
from zooweeper.storage.storage import Storage

RECOVERIES_CUT = 0.2  # how often the power goes in the middle of one
OPERATIONS_MAX = 12  # after which it goes, at most


class DiskStore:
    """One node's folder."""

    def __init__(self, id: int, chance: Random, segment_bytes: int, voting: bool = True) -> None:
        self.disk = SimDisk(f"disk {id}")
        self.repaired = False
        self.found: list[str] = []
        self._id = id
        self._chance = chance
        self._segment_bytes = segment_bytes
        self._incarnations = 0
        self._harmed = False
        self._forgot = False  # the folder is new since the last recovery that succeeded
        self._format(voting)
        self._storage: Storage | None = None

    def recover(self) -> Recovered:
        """Open the folder; sometimes it takes two tries, with the plug pulled in between. OSError when the disk does
        not even allow that."""
        self.found.clear()
        truncated, aside = self.disk.truncated, self._set_aside()
        if not self._harmed and self._chance.random() < RECOVERIES_CUT:
            self.disk.cut_at = self.disk.operations + self._chance.randrange(OPERATIONS_MAX)
            with suppress(PowerCut):
                self._open()
            self.disk.crash(self._chance)
        try:
            recovered = self._open()
        except (FolderError, Unreadable) as error:
            if not self._harmed:
                raise
            recovered = self._repair(isinstance(error, Damaged))
        else:
            if self.disk.truncated > truncated:
                self.found.append("a torn tail was cut")
            if self._set_aside() > aside:
                self.found.append("a damaged snapshot was set aside")
        self.repaired, self._forgot, self._harmed = self._forgot, False, False
        return recovered

    def _set_aside(self) -> int:
        return sum(name.startswith(f"{ASIDE}snapshot") for name in self.disk.names())

    def _open(self) -> Recovered:
        identity = read_identity(self.disk, "sim", self._id)
        self._storage, recovered = Storage.open(self.disk, identity, self._segment_bytes)
        return recovered

    def _repair(self, by_itself: bool) -> Recovered:
        """As cli/node.py does; and what nobody but the operator may decide, the operator decides: an empty folder."""
        self._forgot = True
        if by_itself:
            self.found.append("a damaged folder was repaired")
            if self._chance.random() < RECOVERIES_CUT:
                self.disk.cut_at = self.disk.operations + self._chance.randrange(OPERATIONS_MAX)
                with suppress(PowerCut):
                    self._begin_repair()
                self.disk.crash(self._chance)
            self._begin_repair()
        else:
            self.disk.wipe()
            self._format(voting=False)
            self.found.append("the operator made a new folder")
        return self._open()

    def _begin_repair(self) -> None:
        identity = read_identity(self.disk, "sim", self._id)
        self._incarnations += 1
        begin_repair(self.disk, identity, self._incarnation(), self._segment_bytes)

    def _format(self, voting: bool) -> None:
        self._incarnations += 1
        format_folder(self.disk, "sim", self._id, self._incarnation(), voting, self._segment_bytes)
        self.disk.close()

    def _incarnation(self) -> bytes:
        return bytes([self._id]) * 8 + self._incarnations.to_bytes(8)

    def write(self, records: Sequence[Record]) -> None:
        assert self._storage is not None
        self._storage.write(records)

    def write_partly(self, records: Sequence[Record]) -> None:
        """The process ends inside the write, often when all of it is written and nothing is synced."""
        if self._chance.random() < 0.5:
            self.disk.cut_on = "sync"
        else:
            self.disk.cut_at = self.disk.operations + self._chance.randrange(OPERATIONS_MAX)
        with suppress(PowerCut, OSError):
            self.write(records)

    def close(self) -> None:
        """The process ends in good order."""
        assert self._storage is not None
        self._storage.close()

    def crash(self, power_loss: bool) -> None:
        self._storage = None
        if power_loss:
            self.disk.crash(self._chance)
        else:
            self.disk.kill()

    # --- faults

    def harm(self) -> SimDisk:
        """The disk, for somebody who damages it: the next recovery may find that."""
        self._harmed = True
        return self.disk

    def wipe(self) -> None:
        """A new disk; the operator made a folder on it that joins again (`zooweeper init --rejoin`)."""
        self.disk.wipe()
        self._format(voting=False)
        self._forgot, self._harmed = True, False

    def calm(self) -> None:
        """The disk has room and makes no errors; what is damaged stays so."""
        self.disk.calm()
