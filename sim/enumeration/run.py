"""The scripted lives of a folder, and each moment in them at which a crash may come.

Rules: pure and always the same, so a moment has a number. A moment is a disk before one operation on it, together with
the *stage*: what a start on it must find. Three lives: a folder that is made; one that is written on, with restarts of
every kind in between; one that is damaged and repaired.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

from sim.disk import PowerCut, SimDisk
from sim.enumeration.states import Watched
from sim.enumeration.truth import (
    CLUSTER,
    NODE,
    SEGMENT_BYTES,
    Content,
    Truth,
    Wrong,
    batch,
    must_open,
    opened,
    snapshot,
)
from zooweeper.model.durable import Accepted, Current, Cut, Installed, Record, SnapshotBegin, SnapshotChunk
from zooweeper.model.zxid import make
from zooweeper.storage.folder import Damaged, FolderError, begin_repair, format_folder, read_identity
from zooweeper.storage.log import segment_number
from zooweeper.storage.storage import Storage

INCARNATION = bytes(range(16))
RENEWED = bytes(range(100, 116))
CHUNK = bytes(range(256)) * 3


class Stage(Protocol):
    """What is known of a folder."""

    def start(self, disk: SimDisk) -> "Stage":
        """Start on it, as an operator or a node would. What must hold from then on; Wrong if it does not hold now."""


@dataclass(frozen=True, slots=True)
class Written:
    """At least the first `acknowledged` records are in it, at most the first `issued`."""

    truth: Truth
    acknowledged: int
    issued: int

    def start(self, disk: SimDisk) -> "Written":
        _, found = must_open(disk)
        count = self.truth.match(found, self.acknowledged, self.issued)
        return Written(self.truth, count, count)


@dataclass(frozen=True, slots=True)
class Making:
    """`format_folder` has not returned: the folder is empty, or says that it is not complete."""

    def start(self, disk: SimDisk) -> Stage:
        try:
            _, found = opened(disk)
        except Damaged as error:
            raise Wrong(f"a new folder is called damaged: {error}") from error
        except FolderError:
            return self
        return Written(Truth(), Truth().match(found, 0, 0), 0)


@dataclass(frozen=True, slots=True)
class Repairing:
    """A damaged folder, before `begin_repair` or at some time after: it must be called, again, or is through."""

    accepted: int

    def start(self, disk: SimDisk) -> "Repairing":
        try:
            identity = read_identity(disk, CLUSTER, NODE)
            with suppress(Damaged):
                self._check(opened(disk)[1])
                return self
            begin_repair(disk, identity, identity.incarnation[1:] + b"\xff", SEGMENT_BYTES)
        except (FolderError, OSError, AssertionError) as error:
            raise Wrong(f"cannot be repaired: {error}") from error
        self._check(must_open(disk)[1])
        return self

    def _check(self, found: Content) -> None:
        if found != Content(self.accepted, 0, False, (), 0, [], 0, []):
            raise Wrong(f"a folder under repair holds {found}")


@dataclass(frozen=True, slots=True)
class Moment:
    """A disk on which a crash may come now."""

    what: str
    disk: SimDisk
    stage: Stage


class Restart(Enum):
    CLOSE = "clean end"
    KILL = "kill"
    POWER_LOSS = "power loss"


@dataclass(frozen=True, slots=True)
class Torn:
    """A write in which the power goes at its last operation but `left`, and what a crash then leaves by that seed."""

    records: list[Record]
    left: int
    seed: int


Step = list[Record] | Restart | Torn


def script() -> list[Step]:
    """What a node might live through: epochs, batches that cross sectors and segments, snapshots and their purge, cuts,
    a leader's snapshot installed, a clean end, kills, power losses, torn writes, and going on after each."""
    return [
        [Accepted(1), Current(1)],
        [batch(1, 1, 3), batch(1, 4)],
        [batch(1, 5, size=700, committed=make(1, 4))],
        Torn([batch(1, 6, size=300), batch(1, 7, size=500), batch(1, 8)], 1, 3),
        [Accepted(2), Current(2)],
        [batch(2, 1), batch(2, 2, size=900), batch(2, 3, size=1200)],
        [batch(2, 4), *snapshot(make(2, 1), ((1, 5), (2, 1)), b"one", CHUNK)],
        Restart.KILL,
        [SnapshotBegin(make(2, 4), ((1, 5), (2, 4))), batch(2, 5, size=1700), batch(2, 6)],
        [batch(2, 7, size=900), SnapshotChunk(make(2, 4), 0, CHUNK)],
        [*snapshot(make(2, 5), ((1, 5), (2, 5)), b"five"), batch(2, 8)],
        Restart.POWER_LOSS,
        [batch(2, 9, 12, size=200), batch(2, 13)],
        [Cut(make(2, 12)), Accepted(3)],
        [batch(3, 1, 2), Current(3)],
        Restart.CLOSE,
        [batch(3, 3, size=1900), *snapshot(make(3, 2), ((1, 5), (2, 12), (3, 2)), CHUNK, b"", CHUNK)],
        [batch(3, 4, size=900)],
        Torn([batch(3, 5, size=900), batch(3, 6, size=2500), Accepted(4)], 2, 8),
        [Accepted(5), *snapshot(make(3, 4), ((1, 5), (2, 12), (3, 4)), b"last of the own")],
        [Cut(make(3, 4)), Accepted(6)],
        [batch(6, 1), batch(6, 2)],
        snapshot(make(5, 9), ((1, 5), (2, 12), (3, 4), (5, 9)), b"theirs", CHUNK),
        [Installed(make(5, 9), ((1, 5), (2, 12), (3, 4), (5, 9)))],
        [batch(5, 10), Current(6), batch(6, 1, 2)],
        Restart.KILL,
        [
            *snapshot(make(6, 40), ((1, 5), (2, 12), (3, 4), (5, 10), (6, 40)), b"again"),
            Installed(make(6, 40), ((1, 5), (2, 12), (3, 4), (5, 10), (6, 40))),
            batch(6, 41),
        ],
        [batch(6, 42, size=700), batch(6, 43, size=1500)],
    ]


class Life:
    """One folder's life, from its making on; `moments` grows as it goes."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.stage: Stage = Making()
        self.disk = Watched(self._note)
        self._step = "make"
        self._identity = format_folder(self.disk, CLUSTER, NODE, INCARNATION, segment_bytes=SEGMENT_BYTES)
        self.disk.close()
        self._truth = Truth()
        self.stage = Written(self._truth, 0, 0)

    def _note(self, what: str) -> None:
        self.moments.append(Moment(f"{self._step}, before {what}", self.disk.copy(), self.stage))
        if what == "sync":
            failed = self.disk.copy()
            for inode in failed.namings()[-1].values():
                inode.lose()
            self.moments.append(Moment(f"{self._step}, sync failed", failed, self.stage))

    def live(self, steps: list[Step]) -> None:
        storage = self._start()
        for number, step in enumerate(steps):
            self._step = f"step {number}"
            if isinstance(step, Restart):
                if step is Restart.CLOSE:
                    storage.close()
                crash: Callable[[], None] = self.disk.lose_unsynced if step is Restart.POWER_LOSS else self.disk.kill
                crash()
                storage = self._start()
            elif isinstance(step, Torn):
                self._write_torn(storage, step)
                storage = self._start()
            else:
                self._issue(step)
                storage.write(step)
                self.stage = Written(self._truth, len(self._truth.records), len(self._truth.records))
        self._step = "the end"
        self._note("anything more")

    def repair(self) -> None:
        """Rot in the newest segment is found, and a repair begun."""
        self._step = "repair"
        name = [name for name in self.disk.names() if segment_number(name) is not None][-1]
        used = len(self.disk.read(name).rstrip(b"\0"))
        accepted = self._truth.meaning(len(self._truth.records)).accepted
        self.disk.flip(name, used // 2)
        self.disk.lose_unsynced()
        self.stage = Repairing(accepted)
        try:
            opened(self.disk)
        except Damaged:
            self.disk.kill()
        else:
            raise Wrong("rot was not found")
        begin_repair(self.disk, self._identity, RENEWED, SEGMENT_BYTES)
        self.disk.close()
        self._note("anything more")

    def _issue(self, records: list[Record]) -> None:
        acknowledged = len(self._truth.records)
        self._truth.give(records)
        self.stage = Written(self._truth, acknowledged, len(self._truth.records))

    def _start(self) -> Storage:
        """What is found is the truth from now on: what is not, must never come back."""
        assert isinstance(self.stage, Written)
        storage, found = must_open(self.disk)
        count = self._truth.match(found, self.stage.acknowledged, self.stage.issued)
        self._truth = self._truth.until(count)
        self.stage = Written(self._truth, count, count)
        return storage

    def _write_torn(self, storage: Storage, step: Torn) -> None:
        rehearsal = SimDisk()
        rehearsal.load(self.disk)
        self._issue(step.records)
        other, _ = must_open(rehearsal)
        begun = rehearsal.operations
        other.write(step.records)
        self.disk.cut_at = self.disk.operations + rehearsal.operations - begun - step.left
        with suppress(PowerCut):
            storage.write(step.records)
        self.disk.crash(Random(step.seed))


def moments() -> list[Moment]:
    """Of all lives, numbered by their place. Raises Wrong if they do not even end well without a crash."""
    whole = Life()
    whole.live(script())
    damaged = Life()
    damaged.live(script()[:11])
    damaged.moments.clear()  # the same as the whole life's
    damaged.repair()
    return whole.moments + damaged.moments
