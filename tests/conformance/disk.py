"""What every disk must do: run on the operating system's and on the simulated one."""

import pytest

from zooweeper.storage.disk import Disk


def check_names(disk: Disk) -> None:
    with pytest.raises(FileNotFoundError):
        disk.names()
    with pytest.raises(FileNotFoundError):
        disk.lock()
    disk.make()
    disk.make()
    disk.lock()
    assert disk.names() == []
    disk.create("b").close()
    disk.create("a").close()
    disk.sync_folder()
    assert disk.names() == ["a", "b"]
    disk.rename("a", "c")
    assert disk.names() == ["b", "c"]
    disk.remove("b")
    assert disk.names() == ["c"]
    for missing in (
        lambda: disk.remove("b"),
        lambda: disk.open("b"),
        lambda: disk.read("b"),
        lambda: disk.size("b"),
        lambda: disk.rename("b", "d"),
    ):
        with pytest.raises(FileNotFoundError):
            missing()


def check_bytes(disk: Disk) -> None:
    disk.make()
    file = disk.create("a")
    file.write(0, b"hello")
    file.write(5, bytearray(b" world"))
    file.write(3, memoryview(b"LO"))
    assert disk.read("a") == b"helLO world" and disk.size("a") == 11
    assert disk.read("a", 6) == b"world"
    assert disk.read("a", 6, 2) == b"wo"
    assert disk.read("a", 9, 100) == b"ld"
    assert disk.read("a", 11) == disk.read("a", 999, 5) == b""
    file.allocate(2000)
    assert disk.size("a") == 2000 and disk.read("a") == b"helLO world" + bytes(1989)
    file.allocate(5)
    assert disk.size("a") == 2000
    file.write(1500, b"x" * 600)
    assert disk.size("a") == 2100 and disk.read("a", 1499) == b"\0" + b"x" * 600
    file.truncate(4)
    assert disk.read("a") == b"helL"
    file.allocate(3000)
    assert disk.read("a") == b"helL" + bytes(2996)
    file.sync()
    file.close()
    again = disk.open("a")
    again.write(4, b"O")
    again.jot(0, b"HE")
    assert disk.read("a", 0, 6) == b"HElLO\0"
    again.jot(1, b"e")
    again.write_through(2999, bytearray(b"!?"))
    again.close()
    assert disk.read("a", 0, 6) == b"HelLO\0" and disk.read("a", 2998) == b"\0!?"
    disk.create("b").close()
    disk.rename("a", "b")
    assert disk.names() == ["b"] and disk.size("b") == 3001
    disk.create("b").close()
    assert disk.size("b") == 0


def check_lock(disk: Disk, other: Disk) -> None:
    disk.make()
    disk.lock()
    disk.lock()
    with pytest.raises(BlockingIOError):
        other.lock()
    assert "lock" not in disk.names()
    disk.close()
    other.lock()
    other.close()
