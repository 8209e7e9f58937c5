"""The enumeration finds nothing wrong with the storage, and finds whatever is broken in it on purpose."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from zlib import crc32

import pytest

from sim.disk import SimDisk, SimFile
from sim.enumeration.crashes import Crashes
from sim.enumeration.flips import Flips
from sim.enumeration.states import Crash, digest
from sim.enumeration.tally import Part, look_at
from sim.enumeration.truth import Wrong
from zooweeper.model.durable import Installed, SnapshotEnd
from zooweeper.storage import folder, log, recovery, snapshots, storage
from zooweeper.storage.records import HINT, PIECE, Found, find_record

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize(("part", "every", "least"), [(Crashes, 200, 400), (Flips, 200, 1200)])
def test_a_slice_of_it(part: Callable[[], Part], every: int, least: int) -> None:
    offset = secrets.randbelow(every)
    looked_at = part()
    tally = look_at(looked_at, range(len(looked_at.sizes())), every, offset)
    print(f"every {every}th case from {offset}: {tally.rows()}")
    assert not tally.wrong, (f"every {every}th case from {offset}", tally.wrong[:5])
    assert len(tally.digests) > least


class Untorn(Random):
    """Draws no tears."""

    def random(self) -> float:
        return 1.0

    def getrandbits(self, k: int, /) -> int:  # or the other draws would be made of random()
        return super().getrandbits(k)


def test_it_lists_what_the_disk_draws() -> None:
    """Where a list says that it is complete, whatever SimDisk.crash leaves (tears excepted) is in it."""
    complete = 0
    for moment in Crashes().moments[::3]:
        crash = Crash(moment.disk, 1000)
        if not crash.complete:
            continue
        complete += 1
        listed = {digest(crash.disk(choice)) for choice in crash.choices}
        for seed in range(8):
            disk = moment.disk.copy()
            disk.crash(Untorn(seed))
            assert digest(disk) in listed, moment.what
    assert complete > 80


# --- broken on purpose


def without(patch: Patch, kind: type, operation: str, where: object, name: str) -> None:
    """`where.name` runs, but that operation on the disk does nothing meanwhile."""
    original = getattr(where, name)

    def broken(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(kind, operation, lambda *_: None)
            return original(*arguments)

    patch.setattr(where, name, broken)


def changed(patch: Patch, **fields: Any) -> None:
    """What recovery has decided, changed."""
    patch.setattr(storage, "recover", lambda *arguments: replace(recovery.recover(*arguments), **fields))


def carried_out(patch: Patch, kind: type, first: Callable[[storage.Storage, Any], None]) -> None:
    """Something else happens before a record of that kind is carried out."""
    original = storage.CARRY_OUT[kind]

    def broken(self: storage.Storage, record: Any) -> None:
        first(self, record)
        original(self, record)

    patch.setitem(storage.CARRY_OUT, kind, broken)


def hint_first(patch: Patch) -> None:
    original = log.Log.sync

    def broken(self: log.Log) -> None:
        if self._parts:
            self._hint.write(0, HINT.pack(self.index, crc32(self.index.to_bytes(8), self._seed)))
        original(self)

    patch.setattr(log.Log, "sync", broken)


def snapshot_ahead(patch: Patch) -> None:
    original = storage.CARRY_OUT[SnapshotEnd]

    def broken(self: storage.Storage, record: Any) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(log.Log, "sync", lambda _: None)
            original(self, record)

    patch.setitem(storage.CARRY_OUT, SnapshotEnd, broken)


def newest_first(patch: Patch) -> None:
    def broken(self: log.Log, segments: list[log.Segment]) -> None:
        for segment in reversed(segments):
            self._disk.remove(segment.name)
            self.segments.remove(segment)

    patch.setattr(log.Log, "forget", broken)


def same_write_proves(patch: Patch) -> None:
    def broken(data: bytes, at: int, mark: int) -> Found | None:
        found = find_record(data, at, mark)
        return replace(found, back=0) if found else None

    patch.setattr(recovery, "find_record", broken)


def no_checksum(patch: Patch) -> None:
    def broken(data: bytes, at: int, mark: int) -> Found | None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr("zooweeper.storage.records.crc32", lambda _: int.from_bytes(data[at + 4 : at + 8]))
            return find_record(data, at, mark)

    patch.setattr(recovery, "find_record", broken)


def no_checksum_of_a_snapshot(patch: Patch) -> None:
    patch.setattr(snapshots, "unpack_piece", lambda head, _: PIECE.unpack(head)[1])
    patch.setattr(snapshots, "crc32", lambda *_: 0)


def old_snapshots_first(patch: Patch) -> None:
    carried_out(
        patch,
        Installed,
        lambda self, record: self._remove_snapshots([zxid for zxid in self._snapshots if zxid != record.zxid]),
    )


BROKEN: dict[str, tuple[Callable[[], Part], Callable[[Patch], None]]] = {
    "acknowledged before the sync": (Crashes, lambda patch: patch.setattr(SimFile, "write_through", SimFile.write)),
    "a segment named before its sync": (Crashes, lambda patch: without(patch, SimFile, "sync", log, "create_segment")),
    "no folder sync behind a segment": (
        Crashes,
        lambda patch: without(patch, SimDisk, "sync_folder", log, "create_segment"),
    ),
    "a snapshot named before its sync": (
        Crashes,
        lambda patch: without(patch, SimFile, "sync", snapshots.SnapshotWriter, "end"),
    ),
    "no folder sync behind a snapshot": (
        Crashes,
        lambda patch: without(patch, SimDisk, "sync_folder", snapshots.SnapshotWriter, "end"),
    ),
    "a snapshot ahead of its log": (Crashes, snapshot_ahead),
    "recovery does not sync": (Crashes, lambda patch: without(patch, SimFile, "sync", storage, "_settle")),
    "recovery believes a failed sync": (Crashes, lambda patch: changed(patch, doubtful=(0, b""))),
    "the hint before the sync": (Crashes, hint_first),
    "the same write proves durability": (Crashes, same_write_proves),
    "segments go newest first": (Crashes, newest_first),
    "old snapshots go before the new root": (Crashes, old_snapshots_first),
    "a repair forgets the epochs": (Crashes, lambda patch: patch.setattr(folder, "_epochs_seen", lambda *_: iter(()))),
    "a repair is not synced": (Crashes, lambda patch: without(patch, SimFile, "sync", folder, "_write_sheet")),
    "no checksum of a record": (Flips, no_checksum),
    "no checksum of a snapshot": (Flips, no_checksum_of_a_snapshot),
    "the hint is not believed": (Flips, lambda patch: patch.setattr(recovery._Reader, "hint", lambda _: 0)),
    "later records prove nothing": (Flips, lambda patch: patch.setattr(recovery, "written_later", lambda *_: False)),
}


SHARES = (10**6, 300, 20)  # of the cases, until it is found: one of each piece, then more


@pytest.mark.parametrize("what", BROKEN)
def test_it_finds(what: str, monkeypatch: Patch) -> None:
    part, breaks = BROKEN[what]
    breaks(monkeypatch)
    try:
        broken = part()
    except Wrong:
        return  # not even the script goes well
    pieces = range(len(broken.sizes()))
    assert any(broken.look(piece, every).wrong for every in SHARES for piece in pieces), what
