"""The one thing that touches the disk: a flat folder of files, and what a crash may do to them.

Rules: everything durable goes through `Disk`, so that the simulated disk (sim/disk.py) runs the same storage code.
What is promised: bytes written are durable after `File.sync`; names (create, rename, remove) are durable, in their
order, after `sync_folder`; without these, a power loss may keep any part of them. Every failure is an OSError; the
caller never retries a failed sync, for the kernel may have dropped the pages (reliability: disk-error policy).
"""

import fcntl
import mmap
import os
from pathlib import Path
from typing import Protocol

from zooweeper.model.limits import MIB

Bytes = bytes | bytearray | memoryview


class File(Protocol):
    """A file open for writing."""

    def write(self, offset: int, data: Bytes) -> None:
        """All of `data` at `offset`."""

    def write_through(self, offset: int, data: Bytes) -> None:
        """`write`, and return when these bytes, and a size that was reserved for them, are durable; nothing is said of
        what was written before."""

    def jot(self, offset: int, data: bytes) -> None:
        """`write` for some bytes inside a file that stays as long as it is: without a call of the system, if it can
        be."""

    def allocate(self, size: int) -> None:
        """Have space up to `size` bytes, so that writing there costs as little as writing over something; what is new
        reads as zeros. OSError ENOSPC when there is none."""

    def truncate(self, size: int) -> None:
        """Drop all bytes from `size` on."""

    def sync(self) -> None:
        """Return when every byte written so far, and the size, are durable."""

    def close(self) -> None: ...


class Disk(Protocol):
    """A flat folder."""

    @property
    def where(self) -> str:
        """The folder's name, for messages."""

    def make(self) -> None:
        """Create the folder, durably, if it does not exist."""

    def lock(self) -> None:
        """Keep every other process out until `close`. BlockingIOError if another is in, FileNotFoundError without a
        folder; again by the same owner: nothing."""

    def names(self) -> list[str]:
        """All files, sorted. FileNotFoundError without a folder."""

    def size(self, name: str) -> int: ...

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        """Up to `length` bytes, fewer only at the end of the file; -1: all."""

    def create(self, name: str) -> File:
        """A new empty file; one of that name is emptied."""

    def open(self, name: str) -> File:
        """An existing file, to be written on."""

    def rename(self, old: str, new: str) -> None:
        """Atomic; a file called `new` is replaced."""

    def remove(self, name: str) -> None: ...

    def sync_folder(self) -> None:
        """Return when all names are durable as they are now."""

    def close(self) -> None: ...


LOCK = "lock"
FILE_MODE = 0o600  # data and session secrets are in there
FOLDER_MODE = 0o700
ZEROS = memoryview(bytes(MIB))

_sync_data = getattr(os, "fdatasync", os.fsync)
_full_sync = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone leaves the drive's cache unflushed


class OsFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "_map")

    def __init__(self, path: Path, flags: int) -> None:
        self._fd = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
        self._map: mmap.mmap | None = None

    def write(self, offset: int, data: Bytes) -> None:
        written = os.pwrite(self._fd, data, offset)
        if written == len(data):
            return
        rest = memoryview(data)
        while written < len(data):
            written += os.pwrite(self._fd, rest[written:], offset + written)

    if hasattr(os, "RWF_DSYNC"):

        def write_through(self, offset: int, data: Bytes) -> None:
            # One call instead of two: each one gives the interpreter to the loop's thread, and has to get it back.
            if os.pwritev(self._fd, [data], offset, os.RWF_DSYNC) != len(data):
                self.write(offset, data)
                self.sync()

    else:

        def write_through(self, offset: int, data: Bytes) -> None:
            self.write(offset, data)
            self.sync()

    def jot(self, offset: int, data: bytes) -> None:
        if self._map is None:
            self._map = mmap.mmap(self._fd, 0)
        self._map[offset : offset + len(data)] = data

    def allocate(self, size: int) -> None:
        begin = os.fstat(self._fd).st_size
        if size <= begin:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, 0, size)  # in one piece, or not at all
        # A block that is only reserved costs the first sync of something in it as much again: the file system has to
        # note that it holds data now, and that has to be durable, too.
        for at in range(begin, size, len(ZEROS)):
            self.write(at, ZEROS[: size - at])
        self.sync()

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        if _full_sync is not None:
            fcntl.fcntl(self._fd, _full_sync)
        else:
            _sync_data(self._fd)

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OsDisk:
    """A folder of the operating system."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._lock = -1

    @property
    def where(self) -> str:
        return str(self._folder)

    def make(self) -> None:
        missing = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=FOLDER_MODE)
            _sync_folder(path.parent)

    def lock(self) -> None:
        if self._lock >= 0:
            return
        fd = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        self._lock = fd

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if path.name != LOCK)

    def size(self, name: str) -> int:
        return (self._folder / name).stat().st_size

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        with (self._folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def create(self, name: str) -> OsFile:
        return OsFile(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def open(self, name: str) -> OsFile:
        return OsFile(self._folder / name, os.O_RDWR)

    def rename(self, old: str, new: str) -> None:
        (self._folder / old).replace(self._folder / new)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def sync_folder(self) -> None:
        _sync_folder(self._folder)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
