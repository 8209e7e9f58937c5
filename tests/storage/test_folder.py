"""The data folder: explicit, one owner, one cluster, repaired without forgetting promises."""

from pathlib import Path

import pytest

from sim.disk import PowerCut, SimDisk
from tests.storage.sample import INCARNATION, RENEWED, SEGMENT, batch, formatted, install, reopened, snapshot
from zooweeper.model.durable import Accepted, Current, Logged
from zooweeper.model.zxid import make
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.dump import dump
from zooweeper.storage.folder import ASIDE, Damaged, FolderError, begin_repair, format_folder, read_identity
from zooweeper.storage.storage import Storage


def test_a_new_folder_is_empty_and_says_whose_it_is() -> None:
    disk, identity = formatted()
    assert read_identity(disk, "test", 1) == identity
    found = reopened(disk, identity)
    assert found["batches"] == [] and found["voting"] and found["epochs"] == () and found["chunks"] == []
    assert not reopened(*formatted(voting=False))["voting"]


def test_refusals_say_where_what_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with pytest.raises(FolderError, match=r"data: no such folder; format it first"):
        read_identity(OsDisk(path))
    path.mkdir()
    with pytest.raises(FolderError, match=r"data: is empty; format it first"):
        read_identity(OsDisk(path))
    (path / "letter.txt").write_text("dear")
    with pytest.raises(FolderError, match=r"holds files, but not whose they are"):
        read_identity(OsDisk(path))
    disk = OsDisk(path)
    with pytest.raises(FolderError, match=r"holds files already"):
        format_folder(disk, "test", 1, INCARNATION)
    (path / "letter.txt").unlink()
    identity = format_folder(disk, "test", 1, INCARNATION)
    with pytest.raises(FolderError, match=r"another process is using it"):
        Storage.open(OsDisk(path), identity)
    disk.close()
    with pytest.raises(FolderError, match=r"belongs to cluster 'test', not"):
        read_identity(disk, "other", 1)
    with pytest.raises(FolderError, match=r"belongs to node 1, not to node 2"):
        read_identity(disk, "test", 2)
    with pytest.raises(FolderError, match=r"holds files already"):
        format_folder(OsDisk(path), "test", 1, INCARNATION)


@pytest.mark.parametrize(("cluster", "node"), [("", 1), ("x" * 256, 1), ("test", 0), ("test", 256)])
def test_impossible_names(cluster: str, node: int) -> None:
    with pytest.raises(FolderError, match="cluster"):
        format_folder(SimDisk(), cluster, node, INCARNATION)


def test_a_crash_while_formatting_leaves_no_folder_that_opens() -> None:
    cut = 0
    while True:
        disk = SimDisk()
        disk.cut_at = cut
        try:
            format_folder(disk, "test", 1, INCARNATION, True, SEGMENT)
        except PowerCut:
            disk.lose_unsynced()
            with pytest.raises(FolderError):
                read_identity(disk)
        else:
            break
        cut += 1
    assert cut > 8


def test_every_bit_of_the_identity_counts() -> None:
    disk, _ = formatted()
    for offset in range(disk.size("identity")):
        for mask in (1, 0x80, 0xFF):
            rotten = disk.copy()
            rotten.flip("identity", offset, mask)
            with pytest.raises(FolderError, match="identity"):
                read_identity(rotten)


def test_an_identity_that_cannot_be_read_is_one_clear_line() -> None:
    disk, _ = formatted()
    disk.spoil("identity", 0)
    with pytest.raises(FolderError, match="disk/identity: cannot be read"):
        read_identity(disk)


def test_files_of_another_folder_are_refused() -> None:
    disk, identity = formatted()
    other = SimDisk()
    format_folder(other, "test", 1, RENEWED, True, SEGMENT)
    disk.poke("log.0000000001", 0, other.read("log.0000000001"))
    with pytest.raises(FolderError, match="belongs to cluster 'test', node 1, incarnation 64656667"):
        Storage.open(disk, identity, SEGMENT)


def damaged() -> SimDisk:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(3), batch(3, 1), Current(3)])
    storage.write([Accepted(9)])
    storage.write(snapshot(make(3, 1), ((3, 1),), b"state"))
    storage.write([batch(3, 2)])
    storage.close()
    disk.flip("log.0000000001", 200)
    with pytest.raises(Damaged, match="must not vote until it is repaired"):
        Storage.open(disk, identity, SEGMENT)
    disk.close()
    return disk


def test_repair_keeps_the_promise_and_gives_up_the_vote() -> None:
    disk = damaged()
    identity = begin_repair(disk, read_identity(disk), RENEWED, SEGMENT)
    disk.close()
    assert identity.incarnation == RENEWED and read_identity(disk, "test", 1) == identity
    assert {ASIDE + "log.0000000001", ASIDE + "snapshot.0000030000000001"} < set(disk.names())
    found = reopened(disk, identity)
    assert (found["accepted"], found["current"], found["voting"]) == (9, 0, False)
    assert found["batches"] == [] and found["snapshot"] == 0

    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Accepted(10), *install(make(9, 4), ((3, 2), (9, 4)), b"a", b"b")])
    storage.write([batch(9, 5)])
    storage.close()
    assert not reopened(disk, identity)["voting"]
    storage, _ = Storage.open(disk, identity, SEGMENT)
    storage.write([Current(10)])
    storage.close()
    found = reopened(disk, identity)
    assert found["voting"] and found["current"] == 10 and found["chunks"] == [b"a", b"b"]
    assert found["epochs"] == ((3, 2), (9, 5))


def test_a_crash_while_repairing_goes_on_repairing() -> None:
    disk = damaged()
    before = disk.operations
    begin_repair(disk.copy(), read_identity(disk), RENEWED, SEGMENT)
    cut = 0
    while True:
        crashed = disk.copy()
        crashed.cut_at = before + cut
        try:
            begin_repair(crashed, read_identity(crashed), RENEWED, SEGMENT)
        except PowerCut:
            crashed.lose_unsynced()
        else:
            break
        identity = read_identity(crashed, "test", 1)
        with pytest.raises(FolderError):
            Storage.open(crashed, identity, SEGMENT)
        identity = begin_repair(crashed, identity, bytes(range(50, 66)), SEGMENT)
        found = reopened(crashed, identity)
        assert found["accepted"] == 9 and not found["voting"] and found["batches"] == []
        assert ASIDE + "log.0000000001" in crashed.names()
        cut += 1
    assert cut > 10


def test_dump_shows_sizes_and_no_data() -> None:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, SEGMENT)
    secret = Logged(batch(1, 1, 2).batch, 0)
    secret.batch.data = secret.batch.data.replace(b"\x01" * 5, b"hush!")
    storage.write([Accepted(1), secret, Current(1), *snapshot(make(1, 2), ((1, 2),), b"hush! " * 9)])
    storage.close()
    text = "\n".join(dump(disk))
    assert "logged 1:1–1:2 (2 entries, 74 bytes) committed=0:0; 1:1 code=5 5 bytes; 1:2 code=5 5 bytes" in text
    assert "accepted epoch 1" in text and "snapshot at 1:2, 1 pieces, 54 bytes" in text
    assert "hush" not in text
    disk.flip("snapshot.0000010000000002", 100)
    disk.flip("log.0000000001", 200)
    text = "\n".join(dump(disk))
    assert "damaged" in text and "bytes that are no record" in text
