"""A disk in memory that does what it is told: the smallest one the storage runs on.

Rules: nothing is ever lost or wrong here; what inputs do to files, they do before the storage sees them.
"""

from zooweeper.storage.disk import Bytes


class MemoryFile:
    """A file of a MemoryDisk."""

    __slots__ = ("_data",)

    def __init__(self, data: bytearray) -> None:
        self._data = data

    def write(self, offset: int, data: Bytes) -> None:
        self.allocate(offset)
        self._data[offset : offset + len(data)] = data

    write_through = jot = write

    def allocate(self, size: int) -> None:
        if size > len(self._data):
            self._data.extend(bytes(size - len(self._data)))

    def truncate(self, size: int) -> None:
        del self._data[size:]

    def sync(self) -> None:
        """It is."""

    def close(self) -> None:
        """Nothing is held."""


class MemoryDisk:
    """zooweeper/storage/disk.py:Disk."""

    where = "/folder"

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {name: bytearray(data) for name, data in (files or {}).items()}

    def make(self) -> None:
        """It is there."""

    def lock(self) -> None:
        """Nobody else is here."""

    def names(self) -> list[str]:
        return sorted(self.files)

    def _file(self, name: str) -> bytearray:
        if name not in self.files:
            raise FileNotFoundError(2, "no such file", name)
        return self.files[name]

    def size(self, name: str) -> int:
        return len(self._file(name))

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        data = self._file(name)
        return bytes(data[offset:] if length < 0 else data[offset : offset + length])

    def create(self, name: str) -> MemoryFile:
        self.files[name] = bytearray()
        return MemoryFile(self.files[name])

    def open(self, name: str) -> MemoryFile:
        return MemoryFile(self._file(name))

    def rename(self, old: str, new: str) -> None:
        self.files[new] = self._file(old)
        del self.files[old]

    def remove(self, name: str) -> None:
        self._file(name)
        del self.files[name]

    def sync_folder(self) -> None:
        """It is."""

    def close(self) -> None:
        """Nothing is held."""

    def image(self) -> dict[str, bytes]:
        """The files as they are."""
        return {name: bytes(data) for name, data in self.files.items()}
