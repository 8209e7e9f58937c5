"""Rot, torn tails, stale and missing pieces: found, or harmless; never another content.

Everything these folders hold had been durable, except where a test says otherwise.
"""

from typing import Any

import pytest

from sim.disk import SimDisk
from tests.storage.sample import SEGMENT, batch, content, formatted, reopened, snapshot
from zooweeper.model.durable import Accepted, Current, Cut, Installed
from zooweeper.model.zxid import make
from zooweeper.storage.folder import Damaged, FolderError
from zooweeper.storage.records import Identity
from zooweeper.storage.storage import Storage

FIRST = "log.0000000001"
SNAPSHOT = "snapshot.0000010000000005"


def filled(segment_bytes: int = SEGMENT) -> tuple[SimDisk, Identity]:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, segment_bytes)
    storage.write([Accepted(1), batch(1, 1, 2), Current(1)])
    storage.write([batch(1, 3, size=60), Cut(make(1, 2)), Accepted(2)])
    storage.write([batch(2, 1, 3, committed=make(2, 1))])
    storage.write([batch(2, 4)])
    storage.close()
    return disk, identity


def with_snapshots() -> tuple[SimDisk, Identity]:
    """Several segments, snapshots at 1:5 and 1:9, batches up to 1:12."""
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(1), Current(1)])
    for counter in range(1, 6):
        storage.write([batch(1, counter, size=300)])
    storage.write(snapshot(make(1, 5), ((1, 5),), b"five", b"5" * 50))
    for counter in range(6, 10):
        storage.write([batch(1, counter, size=300)])
    storage.write(snapshot(make(1, 9), ((1, 9),), b"nine"))
    for counter in range(10, 13):
        storage.write([batch(1, counter, size=300)])
    storage.close()
    return disk, identity


def detected_or(disk: SimDisk, identity: Identity, wanted: dict[str, Any], where: object) -> bool:
    """True if the damage was found; an assertion if the folder opened with another content."""
    try:
        found = reopened(disk, identity)
    except FolderError:
        return True
    assert found == wanted, where
    return False


@pytest.mark.parametrize("hint", [True, False])
def test_every_byte_of_a_log(hint: bool) -> None:
    """With the hint, nothing that was durable is ever missing. Without it, rot in the records of the very last write
    cannot be told from a tear: the log ends there, and holds nothing else."""
    disk, identity = filled()
    wanted = reopened(disk, identity)
    used = len(disk.read(FIRST).rstrip(b"\0"))
    detected = 0
    for offset in range(disk.size(FIRST)):
        for mask in (1, 0x80, 0xFF):
            rotten = disk.copy()
            rotten.flip(FIRST, offset, mask)
            if not hint:
                rotten.remove("durable")
            last_write = used - 37 - 24 - 37  # where the record of 2:4 begins
            if not hint and last_write <= offset < used:
                shorter = {**wanted, "batches": wanted["batches"][:-1], "epochs": ((1, 2), (2, 3))}
                assert reopened(rotten, identity) == shorter
                continue
            found = detected_or(rotten, identity, wanted, (offset, mask))
            assert found == (offset < used), (offset, mask)
            detected += found
    assert detected > 3 * 400


def test_every_byte_of_a_snapshot_and_of_the_hint() -> None:
    """A damaged snapshot is set aside; the older one and the longer log say the same."""
    disk, identity = with_snapshots()
    wanted = reopened(disk, identity)
    assert wanted["chunks"] == [b"nine"] and wanted["batches"][-1].batch.last == make(1, 12)
    name = "snapshot.0000010000000009"
    for offset in range(disk.size(name)):
        for mask in (1, 0x80, 0xFF):
            rotten = disk.copy()
            rotten.flip(name, offset, mask)
            found = reopened(rotten, identity)
            assert found["chunks"] == [b"five", b"5" * 50] and found["snapshot"] == make(1, 5)
            assert found["batches"][-7:] == wanted["batches"][-7:] and found["epochs"] == wanted["epochs"]
            assert "aside." + name in rotten.names()
    for offset in range(disk.size("durable")):
        rotten = disk.copy()
        rotten.flip("durable", offset)
        assert reopened(rotten, identity) == wanted


def test_no_snapshot_left() -> None:
    disk, identity = with_snapshots()
    for name in disk.names():
        if name.startswith("snapshot."):
            disk.flip(name, 60)
    copy = disk.copy()
    assert reopened(copy, identity)["base"] == 0  # the log still reaches back to its beginning
    disk.remove(FIRST)
    disk.remove("log.0000000002")
    with pytest.raises(Damaged, match=r"the log begins after 1:[0-9], and no sound snapshot reaches so far"):
        Storage.open(disk, identity, SEGMENT)


def test_the_file_cut_at_every_byte() -> None:
    """Never durable (the hint does not speak of it): the log ends with the last whole record, and goes on there."""
    disk, identity = filled()
    data = disk.read(FIRST).rstrip(b"\0")
    storage, recovered = Storage.open(disk, identity, 2 * SEGMENT)
    before = content(recovered)
    storage.write([batch(2, 5, size=33), Accepted(3), batch(2, 6)])  # one write
    whole = len(disk.read(FIRST).rstrip(b"\0"))
    seen = set()
    for size in range(len(data), whole + 1):
        torn = disk.copy()
        torn.remove("durable")
        torn.shorten(FIRST, size)
        found = reopened(torn, identity)
        assert found["batches"][: len(before["batches"])] == before["batches"]
        assert found == reopened(torn, identity)
        seen.add((found["batches"][-1].batch.last, found["accepted"]))
        storage, _ = Storage.open(torn, identity, SEGMENT)
        storage.write([Accepted(7)])
        torn.lose_unsynced()
        assert reopened(torn, identity) == {**found, "accepted": 7}
    assert seen == {(make(2, 4), 2), (make(2, 5), 2), (make(2, 5), 3), (make(2, 6), 3)}


def test_the_file_cut_inside_what_was_durable() -> None:
    disk, identity = filled()
    whole = len(disk.read(FIRST).rstrip(b"\0"))
    for size in range(whole):
        short = disk.copy()
        short.shorten(FIRST, size)
        with pytest.raises(Damaged):
            Storage.open(short, identity, SEGMENT)


def test_a_write_torn_in_its_middle_is_cut_whole() -> None:
    """1. One write of several records. 2. The power goes before its sync is through: the first record is lost, the last
    is on the disk. Nothing of it was reported, so this is no damage: a sound record behind proves nothing here."""
    disk, identity = filled()
    wanted = reopened(disk, identity)
    start = len(disk.read(FIRST).rstrip(b"\0"))
    storage, _ = Storage.open(disk, identity, 2 * SEGMENT)
    storage.write([batch(2, 5), batch(2, 6), batch(2, 7)])
    torn = disk.copy()
    torn.remove("durable")
    torn.flip(FIRST, start + 50)
    assert reopened(torn, identity) == wanted
    assert not torn.read(FIRST)[start:].strip(b"\0")
    # With one more write behind it, the same damage is damage.
    storage.write([Accepted(3)])
    disk.remove("durable")
    disk.flip(FIRST, start + 50)
    with pytest.raises(Damaged, match=r"@F"):
        Storage.open(disk, identity, SEGMENT)


def test_what_a_start_has_found_is_known_to_be_durable() -> None:
    """1. Killed before any hint reached the disk. 2. A start finds the last record, and may vote by it. 3. The power
    goes, and that record rots: no tear, though nothing is behind it."""
    disk, identity = filled()
    end = len(disk.read(FIRST).rstrip(b"\0"))
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([batch(2, 5)])
    disk.poke("durable", 0, bytes(disk.size("durable")))
    disk.kill()
    Storage.open(disk, identity, SEGMENT)
    disk.lose_unsynced()
    disk.flip(FIRST, end + 50)
    with pytest.raises(Damaged, match=r"@F"):
        Storage.open(disk, identity, SEGMENT)


def test_damage_that_a_start_has_found_is_no_tear_after_a_power_loss() -> None:
    """1. The last record rots while the process is down. 2. A start finds that, and leaves no note of it: the disk
    may be full. 3. The power goes."""
    disk, identity = filled()
    end = len(disk.read(FIRST).rstrip(b"\0"))
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([batch(2, 5)])
    disk.kill()
    disk.flip(FIRST, end + 50)
    for _ in range(2):
        with pytest.raises(Damaged, match=r"@F"):
            Storage.open(disk, identity, SEGMENT)
        disk.lose_unsynced()


def test_missing_and_misplaced_segments() -> None:
    disk, identity = with_snapshots()
    wanted = reopened(disk, identity)
    logs = [name for name in disk.names() if name.startswith("log.")]
    assert len(logs) >= 5
    for name in logs[2:]:
        missing = disk.copy()
        missing.remove(name)
        with pytest.raises(Damaged, match=r"gone|missing"):
            Storage.open(missing, identity, SEGMENT)
    swapped = disk.copy()
    swapped.poke(logs[-1], 0, disk.read(logs[-2]))
    with pytest.raises(FolderError):
        Storage.open(swapped, identity, SEGMENT)
    without_any = disk.copy()
    for name in logs:
        without_any.remove(name)
    with pytest.raises(Damaged, match="the log is gone"):
        Storage.open(without_any, identity, SEGMENT)
    assert reopened(disk, identity) == wanted


def test_a_block_written_in_another_place() -> None:
    """Each sector of the log replaced by each other one, and by an older version of itself."""
    disk, identity = filled()
    older = disk.copy()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([batch(2, 5, size=100)])
    storage.write([batch(2, 6, size=100)])
    storage.close()
    wanted = reopened(disk, identity)
    size = 64
    data, old = disk.read(FIRST), older.read(FIRST)
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    for at in range(len(blocks)):
        for block in {*blocks, old[at * size : (at + 1) * size]}:
            wrong = disk.copy()
            wrong.poke(FIRST, at * size, block)
            if wrong.read(FIRST) != data:
                detected_or(wrong, identity, wanted, at)


def test_a_record_of_another_past_in_its_very_place() -> None:
    """Right segment, right index, right checksum: only the chain tells that it followed something else."""
    disk, identity = filled()
    other = disk.copy()
    for one, committed in ((disk, 0), (other, make(2, 1))):
        storage, _ = Storage.open(one, identity, 2 * SEGMENT)
        storage.write([batch(2, 5, committed=committed)])
        storage.write([batch(2, 6)])
        storage.close()
    data = disk.read(FIRST).rstrip(b"\0")
    size = 37 + 24 + 32 + 5  # of a record with a batch of one entry
    disk.poke(FIRST, len(data) - size, other.read(FIRST, len(data) - size, size))
    with pytest.raises(Damaged, match=r"@D"):
        Storage.open(disk, identity, SEGMENT)


def test_damage_before_the_snapshot_is_no_reason_to_stop() -> None:
    disk, identity = with_snapshots()
    wanted = reopened(disk, identity)
    disk.flip("log.0000000002", 300)
    found = reopened(disk, identity)
    assert found["snapshot"] == wanted["snapshot"] and found["epochs"] == wanted["epochs"]
    assert 0 < len(found["batches"]) < len(wanted["batches"])
    assert wanted["batches"][-len(found["batches"]) :] == found["batches"]
    assert found["base"] == found["batches"][0].batch.first - 1


def test_sectors_that_cannot_be_read() -> None:
    disk, identity = with_snapshots()
    wanted = reopened(disk, identity)
    rotten = disk.copy()
    rotten.spoil("snapshot.0000010000000009", 0)
    assert reopened(rotten, identity)["batches"][-7:] == wanted["batches"][-7:]
    rotten = disk.copy()
    rotten.spoil("durable", 0)
    assert reopened(rotten, identity) == wanted
    last = [name for name in disk.names() if name.startswith("log.")][-1]
    disk.spoil(last, 0)
    with pytest.raises(Damaged, match="cannot be read"):
        Storage.open(disk, identity, SEGMENT)


def test_a_snapshot_that_was_never_installed_is_void() -> None:
    """A leader's snapshot ended, the node crashed before the install: the old history stands, the snapshot goes; and it
    must not have driven out what the old history needs."""
    disk, identity = with_snapshots()
    wanted = reopened(disk, identity)
    storage, _ = Storage.open(disk, identity, SEGMENT)
    foreign = make(3, 100)
    for counter in range(97, 101):  # again and again, while the leaders change
        storage.write(snapshot(make(3, counter), ((1, 2), (3, counter)), b"theirs"))
    storage.write([Accepted(4)])
    disk.lose_unsynced()
    found = reopened(disk, identity)
    assert found == {**wanted, "accepted": 4}
    assert not [name for name in disk.names() if name.startswith("snapshot.000003")]
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write(snapshot(foreign, ((1, 2), (3, 100)), b"theirs"))
    storage.write([Installed(foreign, ((1, 2), (3, 100)))])
    disk.lose_unsynced()
    found = reopened(disk, identity)
    assert (found["snapshot"], found["base"], found["batches"]) == (foreign, foreign, [])
    assert found["chunks"] == [b"theirs"] and found["epochs"] == ((1, 2), (3, 100)) and found["accepted"] == 4
    assert [name for name in disk.names() if name.startswith("snapshot.")] == [f"snapshot.{foreign:016x}"]


def test_a_history_ahead_of_the_current_epoch_opens() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(5), batch(5, 1)])
    storage.close()
    found = reopened(disk, identity)
    assert (found["accepted"], found["current"], found["epochs"]) == (5, 0, ((5, 1),))
