"""Every place where the power may go, and several of the states it may leave.

A script of writes is cut at each operation of the disk. Whatever survives: what was reported durable is there, in
order; what is there was written, in order; a snapshot is whole; and the folder goes on from there.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import pytest

from sim.disk import PowerCut, SimDisk
from sim.memory import MemoryStore
from tests.storage.sample import SEGMENT, batch, content, formatted, history, install, snapshot
from zooweeper.model.durable import Accepted, Current, Cut, Installed, Logged, Record, SnapshotBegin, SnapshotChunk
from zooweeper.model.zxid import make
from zooweeper.storage.records import Identity
from zooweeper.storage.storage import Storage

CHUNK = b"state " * 100


def script() -> list[list[Record]]:
    """What a node might write: epochs, batches over several segments, snapshots and their purge, a cut, an install."""
    return [
        [Accepted(1), Current(1)],
        [batch(1, 1, 3), batch(1, 4)],
        [batch(1, 5, size=400, committed=make(1, 4)), batch(1, 6, size=700), batch(1, 7)],
        [batch(1, 8), *snapshot(make(1, 4), ((1, 4),), b"4", CHUNK)],
        [SnapshotBegin(make(1, 7), ((1, 7),)), batch(1, 9)],
        [batch(1, 10, size=900), SnapshotChunk(make(1, 7), 0, CHUNK)],
        [*snapshot(make(1, 8), ((1, 8),), b"8"), batch(1, 11)],
        [batch(1, 12, 14)],
        [Cut(make(1, 12 - 1)), Accepted(3)],
        [batch(3, 1, 2), Current(3)],
        [batch(3, 3, size=800), *snapshot(make(3, 2), ((1, 11), (3, 2)), CHUNK, b"", CHUNK)],
        [batch(3, 4, size=900)],
        [*snapshot(make(3, 4), ((1, 11), (3, 4)), b"last of the own"), batch(3, 5), batch(3, 6)],
        [Accepted(5)],
        snapshot(make(4, 9), ((1, 11), (3, 4), (4, 9)), b"theirs", CHUNK),
        [Installed(make(4, 9), ((1, 11), (3, 4), (4, 9)))],
        [batch(4, 10), Current(5), batch(5, 1, 2)],
        [*install(make(5, 40), ((1, 11), (3, 4), (4, 10), (5, 40)), b"again"), batch(5, 41)],
        [batch(5, 42, size=700), batch(5, 43, size=700)],
    ]


FLAT = [record for write in script() for record in write]
IMAGES: dict[int, list[bytes]] = {}
for _record in FLAT:
    if isinstance(_record, SnapshotBegin):
        IMAGES[_record.zxid] = []
    elif isinstance(_record, SnapshotChunk):
        IMAGES[_record.zxid].append(_record.data)


@cache
def expected(count: int) -> dict[str, Any]:
    """What the log says after the first `count` records, by the second opinion."""
    store = MemoryStore()
    store.write(FLAT[:count])
    return content(store.recover())


def matches(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if any(found[name] != wanted[name] for name in ("accepted", "current", "voting", "epochs")):
        return False
    batches: list[Logged] = found["batches"]
    kept = len(batches)
    return (
        wanted["batches"][len(wanted["batches"]) - kept :] == batches
        and found["base"] >= wanted["base"]
        and (found["base"] <= found["snapshot"] or not found["base"])
        and len(history(found)) == len([b for b in wanted["batches"] if b.batch.last > found["snapshot"]])
    )


def check(found: dict[str, Any], acked: int, issued: int) -> None:
    assert any(matches(found, expected(count)) for count in range(acked, issued + 1)), (acked, issued, found)
    if found["snapshot"]:
        assert found["chunks"] == IMAGES[found["snapshot"]]
    zxids = [0, *(record.zxid for record in FLAT[:acked] if isinstance(record, SnapshotBegin | Installed))]
    ended = [zxid for zxid in zxids if zxid not in (make(1, 7), make(4, 9))]  # never ended; ended before installed
    assert found["snapshot"] >= ended[-1], (found["snapshot"], ended)


def run(disk: SimDisk, identity: Identity) -> Iterator[tuple[int, int]]:
    """Carry out the script; (records reported durable, records issued) before and after each write."""
    storage, _ = Storage.open(disk, identity, SEGMENT)
    acked = 0
    for write in script():
        yield acked, acked + len(write)
        storage.write(write)
        acked += len(write)
        yield acked, acked
    storage.close()


def goes_on(disk: SimDisk, identity: Identity) -> None:
    """After recovery: two more writes, a clean end, and all of it is there again."""
    storage, recovered = Storage.open(disk, identity, SEGMENT)
    before = content(recovered)
    epoch = before["accepted"] + 1
    more = [batch(epoch, 1, 2), batch(epoch, 3, size=600)]
    storage.write([Accepted(epoch), more[0]])
    storage.write([more[1], Current(epoch)])
    disk.lose_unsynced()
    storage, recovered = Storage.open(disk, identity, SEGMENT)
    after = content(recovered)
    assert after["batches"] == before["batches"] + more
    assert after["epochs"] == (*before["epochs"], (epoch, 3)) and after["current"] == epoch
    assert (after["snapshot"], after["chunks"]) == (before["snapshot"], before["chunks"])


Crash = Callable[[SimDisk], None]
CRASHES: list[Crash] = [
    SimDisk.lose_unsynced,
    SimDisk.kill,
    *(lambda disk, seed=seed: disk.crash(Random(seed)) for seed in range(6)),
]


def test_the_script_does_what_it_is_for() -> None:
    disk, identity = formatted()
    names: set[str] = set()
    for acked, issued in run(disk, identity):
        names |= set(disk.names())
        if acked == issued:
            copy = disk.copy()
            _, recovered = Storage.open(copy, identity, SEGMENT)
            check(content(recovered), acked, issued)
    assert len([name for name in names if name.startswith("log.")]) > 8
    assert len([name for name in disk.names() if name.startswith("snapshot.")]) == 1  # of the install
    assert "snapshot.0000010000000004" in names and "log.0000000001" not in disk.names()


@pytest.mark.parametrize("part", range(4))
def test_power_cut_at_every_operation(part: int) -> None:
    disk, identity = formatted()
    start = disk.operations
    for _ in run(disk, identity):
        pass
    total = disk.operations - start
    assert total > 150
    states = 0
    for cut in range(part, total, 4):
        disk, identity = formatted()
        disk.cut_at = start + cut
        acked = issued = 0
        with pytest.raises(PowerCut):
            for acked, issued in run(disk, identity):  # noqa: B007
                pass
        for crash in CRASHES:
            crashed = disk.copy()
            crash(crashed)
            _, recovered = Storage.open(crashed, identity, SEGMENT)
            check(content(recovered), acked, issued)
            crashed.lose_unsynced()  # what recovery found, it made durable
            _, again = Storage.open(crashed, identity, SEGMENT)
            assert replace(again, chunks=iter(())).batches == recovered.batches
            crashed.lose_unsynced()
            goes_on(crashed, identity)
            states += 1
    assert states > 300


def test_crash_while_recovering() -> None:
    """A second power cut, at each operation of the recovery after a first."""
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    for write in script()[:3]:
        storage.write(write)
    acked = sum(map(len, script()[:3]))
    disk.cut_at = disk.operations + 1  # the next write is there, its sync is not
    with pytest.raises(PowerCut):
        storage.write(script()[7])
    for seed in range(20):
        once = disk.copy()
        once.crash(Random(seed))
        for cut in range(12):
            twice = once.copy()
            twice.cut_at = twice.operations + cut
            try:
                Storage.open(twice, identity, SEGMENT)
            except PowerCut:
                twice.crash(Random(seed + 1000))
                storage, recovered = Storage.open(twice, identity, SEGMENT)
                assert recovered.last >= make(1, 7) and recovered.batches[:3] == FLAT[2:5], acked
                twice.lose_unsynced()
                goes_on(twice, identity)
