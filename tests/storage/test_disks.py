"""Both disks do what a disk must do; the simulated one loses what a real one may lose."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from sim.disk import SECTOR, PowerCut, SimDisk
from tests.conformance.disk import check_bytes, check_lock, check_names
from zooweeper.model.limits import MIB
from zooweeper.storage.disk import Disk, OsDisk

MAKERS: dict[str, Callable[[Path], Disk]] = {
    "os": lambda path: OsDisk(path / "a" / "folder"),
    "sim": lambda path: SimDisk(),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("check", [check_names, check_bytes])
def test_conformance(maker: str, check: Callable[[Disk], None], tmp_path: Path) -> None:
    disk = MAKERS[maker](tmp_path)
    check(disk)
    disk.close()


def test_lock(tmp_path: Path) -> None:
    check_lock(OsDisk(tmp_path), OsDisk(tmp_path))
    disk = SimDisk()
    disk.make()
    check_lock(disk, disk.rival())


def test_nobody_else_may_read(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "folder")
    disk.make()
    disk.lock()
    disk.create("a").close()
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "folder").iterdir()} == {0o600}
    disk.close()


def test_space_is_written_not_only_reserved(tmp_path: Path) -> None:
    """The first sync of something in a block that is only reserved would cost twice as much."""
    disk = OsDisk(tmp_path)
    file = disk.create("a")
    file.allocate(3 * MIB + 5)
    file.close()
    with (tmp_path / "a").open("rb") as found:
        assert os.lseek(found.fileno(), 0, os.SEEK_HOLE) == 3 * MIB + 5


def test_unsynced_bytes_survive_in_part() -> None:
    disk = SimDisk()
    disk.make()
    file = disk.create("a")
    file.write(0, b"A" * SECTOR * 2)
    file.sync()
    disk.sync_folder()
    file.write(0, b"B" * SECTOR * 2)
    seen = set()
    for seed in range(60):
        crashed = disk.copy()
        crashed.crash(Random(seed))
        data = crashed.read("a")
        assert len(data) == 2 * SECTOR and set(data) <= set(b"AB")
        seen.add((data[:SECTOR].strip(b"A"), data[SECTOR:].strip(b"A")))
    whole, none = b"B" * SECTOR, b""
    assert {(whole, whole), (whole, none), (none, whole), (none, none)} < seen
    disk.lose_unsynced()
    assert disk.read("a") == b"A" * SECTOR * 2


def test_what_is_written_through_survives_alone() -> None:
    disk = SimDisk()
    disk.make()
    file = disk.create("a")
    disk.sync_folder()
    file.write(0, b"A" * SECTOR)
    file.allocate(3 * SECTOR)
    file.write_through(SECTOR, b"B" * SECTOR)
    file.jot(0, b"C")
    disk.lose_unsynced()
    assert disk.read("a") == bytes(SECTOR) + b"B" * SECTOR + bytes(SECTOR)


def test_names_survive_as_a_prefix() -> None:
    disk = SimDisk()
    disk.make()
    disk.create("a")
    disk.sync_folder()
    disk.create("b")
    disk.remove("a")
    disk.rename("b", "c")
    seen = set()
    for seed in range(40):
        crashed = disk.copy()
        crashed.crash(Random(seed))
        seen.add(tuple(crashed.names()))
    assert seen == {("a",), ("a", "b"), ("b",), ("c",)}


def test_a_failed_sync_loses_the_pages() -> None:
    disk = SimDisk()
    disk.make()
    file = disk.create("a")
    disk.sync_folder()
    file.write(0, b"x")
    disk.failing = {"sync": 0}
    with pytest.raises(OSError):
        file.sync()
    disk.failing = {}
    file.sync()  # says yes, and is worth nothing
    assert disk.read("a") == b"x"
    disk.lose_unsynced()
    assert disk.read("a").strip(b"\0") == b""


def test_full_disk_and_power_cut() -> None:
    disk = SimDisk(capacity=1000)
    disk.make()
    file = disk.create("a")
    file.allocate(900)
    with pytest.raises(OSError, match="no space"):
        file.write(850, b"x" * 200)
    disk.cut_at = disk.operations
    with pytest.raises(PowerCut):
        file.write(0, b"x")
