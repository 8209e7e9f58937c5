"""What is written is what is found: against the second opinion, and with failing disks."""

import errno
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.memory import MemoryStore
from tests.storage.sample import SEGMENT, batch, content, formatted, history, install, reopened, snapshot
from zooweeper.model.durable import Accepted, Current, Cut, Record, SnapshotChunk
from zooweeper.model.limits import READ_BACK_BYTES_MAX, SNAPSHOTS_KEPT
from zooweeper.model.zxid import counter_of, epoch_of, make
from zooweeper.storage.folder import Damaged
from zooweeper.storage.log import HINT_NAME, Segment
from zooweeper.storage.purge import superfluous
from zooweeper.storage.storage import Storage

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["batch", "batch", "batch", "epoch", "current", "cut", "snapshot", "install", "restart"]),
        st.integers(1, 5),
        st.booleans(),
    ),
    max_size=40,
)


class Author:
    """Makes up a history that a node might write."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.image = 0
        self.pending: list[Record] = []

    def records(self, verb: str, number: int) -> list[Record]:
        self.store.write(self.pending)
        self.pending = []
        now = self.store.recover()
        ends = [now.base, *(logged.batch.last for logged in now.batches)]
        last = ends[-1]
        match verb:
            case "batch" if now.accepted:
                first = counter_of(last) + 1 if epoch_of(last) == now.accepted else 1
                return [batch(now.accepted, first, first + number - 1, size=60 * number, committed=self.image)]
            case "epoch":
                return [Accepted(now.accepted + number)]
            case "current" if now.accepted:
                return [Current(now.accepted)]
            case "cut":
                return [Cut(max(self.image, ends[-min(number, len(ends))]))]
            case "snapshot" if last > self.image:
                self.image = last
                return list(snapshot(last, now.epochs, b"s" * number, str(last).encode()))
            case "install" if now.accepted:
                self.image = make(max(now.accepted, epoch_of(last)), (counter_of(last)) + number)
                older = tuple(epoch for epoch in now.epochs if epoch[0] < epoch_of(self.image))
                return list(
                    install(self.image, (*older, (epoch_of(self.image), counter_of(self.image))), b"i" * number)
                )
            case _:
                return []


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_as_the_second_opinion_says(steps: list[tuple[str, int, bool]]) -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    author = Author()
    waiting: list[Record] = []
    for verb, number, at_once in steps:
        records = author.records(verb, number)
        author.pending = records
        waiting += records
        if at_once or verb == "restart":
            storage.write(waiting)
            waiting = []
        if verb == "restart":
            disk.lose_unsynced()
            storage, recovered = Storage.open(disk, identity, SEGMENT)
            author.records("", 0)
            compare(content(recovered), content(author.store.recover()))
    storage.write(waiting)
    disk.lose_unsynced()
    author.records("", 0)
    compare(reopened(disk, identity), content(author.store.recover()))


def compare(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in ("accepted", "current", "epochs", "voting", "snapshot", "chunks"):
        assert found[name] == wanted[name], name
    assert history(found) == history(wanted)
    assert wanted["batches"][len(wanted["batches"]) - len(found["batches"]) :] == found["batches"]
    assert found["base"] <= found["snapshot"]


def test_snapshots_are_kept_and_purged() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1), Current(1)])
    for counter in range(1, 41):
        storage.write([batch(1, counter, size=200)])
        if counter % 5 == 0:
            storage.write(snapshot(make(1, counter), ((1, counter),), b"%d" % counter))
    names = disk.names()
    kept = [name for name in names if name.startswith("snapshot.")]
    assert kept == [f"snapshot.{make(1, counter):016x}" for counter in (30, 35, 40)] and len(kept) == SNAPSHOTS_KEPT
    assert 3 <= len([name for name in names if name.startswith("log.")]) <= 5
    for name in reversed(kept):  # each of the kept ones is enough
        found = reopened(disk.copy(), identity)
        assert found["batches"][-1].batch.last == make(1, 40)
        assert found["chunks"] == [b"%d" % counter_of(int(name.removeprefix("snapshot."), 16))]
        disk.flip(name, 80)
    with pytest.raises(Damaged, match="no sound snapshot"):
        Storage.open(disk, identity, SEGMENT)


def test_a_large_snapshot_is_read_back_in_slices_before_anything_goes() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1), Current(1)])
    for counter in range(1, 5):
        storage.write([batch(1, counter, size=200)])
        storage.write(snapshot(make(1, counter), ((1, counter),), b"x"))
    storage.write([batch(1, 5)])
    pieces = [bytes([index]) * 600_000 for index in range(6)]
    storage.write(snapshot(make(1, 5), ((1, 5),), *pieces))
    before = disk.names()
    for _ in range(3):
        assert disk.names() == before
        storage.write([])
    assert len([name for name in disk.names() if name.startswith("snapshot.")]) == SNAPSHOTS_KEPT
    assert reopened(disk, identity)["chunks"] == pieces


def test_purge_never_keeps_a_snapshot_without_its_log() -> None:
    segments = [Segment(3, make(1, 0)), Segment(4, make(1, 20)), Segment(5, make(1, 12)), Segment(6, make(2, 8))]
    zxids = [make(1, 5), make(1, 11), make(1, 12), make(2, 3), make(2, 9)]
    assert superfluous(segments, []) == ([], [])
    assert superfluous(segments, zxids[:2], kept=3) == ([], [])
    assert superfluous(segments, zxids, kept=3) == (segments[:2], zxids[:2])  # 1:12 needs segment 5
    assert superfluous(segments, zxids, kept=1) == (segments[:3], zxids[:4])
    assert superfluous(segments, zxids[:2], kept=1) == ([], zxids[:1])  # 1:11: cut and written again in segment 4


@pytest.mark.parametrize("operation", ["write", "sync", "create", "rename", "sync_folder", "remove", "allocate"])
def test_the_first_failure_is_the_last_call(operation: str) -> None:
    succeed = 0
    while True:
        disk, identity = formatted()
        storage, _ = Storage.open(disk, identity, SEGMENT)
        disk.failing = {operation: succeed}
        done: list[Any] = []
        try:
            storage.write([Accepted(1)])
            done.append(Accepted(1))
            for counter in range(1, 6):
                storage.write([batch(1, counter, size=300)])
                done.append(batch(1, counter, size=300))
                storage.write(snapshot(make(1, counter), ((1, counter),), b"s"))
        except OSError as error:
            assert error.errno == errno.EIO
            before = disk.operations
            with pytest.raises(AssertionError, match="a write failed before"):
                storage.write([Accepted(9)])
            storage.close()
            assert disk.operations == before
            disk.failing = {}
            disk.lose_unsynced()
            found = reopened(disk, identity)
            assert found["accepted"] == 1 or not done
            wanted = [logged for logged in done[1:] if logged.batch.last > found["snapshot"]]
            assert history(found)[: len(wanted)] == wanted
            succeed += 1
        else:
            assert succeed
            return


@pytest.mark.parametrize("hint", [True, False])
def test_what_a_failed_sync_left_in_memory_only_is_written_again(hint: bool) -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1), batch(1, 1)])
    disk.failing = {"sync": 0}
    with pytest.raises(OSError, match="sync failed"):
        storage.write([batch(1, 2)])
    disk.kill()  # the process ends; the kernel still has the bytes, and takes them for written
    if not hint:
        disk.shorten(HINT_NAME, 0)
    storage, found = Storage.open(disk, identity, SEGMENT)
    assert history(content(found)) == [batch(1, 1), batch(1, 2)]  # so the node may acknowledge it from here on ...
    disk.lose_unsynced()
    assert history(reopened(disk, identity)) == [batch(1, 1), batch(1, 2)]  # ... and it must be there for ever


def test_a_full_disk_stops_and_loses_nothing() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1)])
    disk.capacity = sum(disk.size(name) for name in disk.names()) + 100
    written = 0
    with pytest.raises(OSError, match="no space"):
        while True:
            storage.write([batch(1, written + 1, size=100)])
            written += 1
    disk.kill()
    disk.capacity = 1 << 40
    assert reopened(disk, identity)["batches"][-1].batch.last == make(1, written)


def test_what_does_not_follow_is_never_written() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1), batch(1, 1)])
    for wrong in ([batch(1, 3)], [batch(1, 1)], [Current(2)], [Accepted(0)], [Cut(make(1, 2))]):
        storage, before = Storage.open(disk, identity, SEGMENT)
        with pytest.raises(ValueError):
            storage.write(list(wrong))
        storage.close()
        assert reopened(disk, identity)["batches"] == before.batches
    too_large = batch(1, 2)
    too_large.batch.data = bytes(READ_BACK_BYTES_MAX)
    for impossible in ([SnapshotChunk(make(1, 1), 0, b"")], [too_large]):
        storage, _ = Storage.open(disk, identity, SEGMENT)
        with pytest.raises(AssertionError):
            storage.write(list(impossible))
