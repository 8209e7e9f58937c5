"""A disk in memory that crashes as real ones do: what was not synced may survive, vanish, or survive in part.

Rules: the same `Disk` as the operating system's, nothing more is promised and nothing less happens. Deterministic:
every choice of a crash comes from the generator given to it. Two images: the volatile one is what reads see; the
durable one is what the last syncs made certain. Between them lie, per sector, all versions since; a crash keeps any
one of them, or a tear between two. Names survive as a prefix of what was done to them since the last sync of the
folder.
"""

import errno
from dataclasses import dataclass, field
from random import Random

from zooweeper.storage.disk import Bytes

SECTOR = 512
BLANK = bytes(SECTOR)
ROOM = 1 << 40


class Unreadable(OSError):
    """A sector that cannot be read."""


class PowerCut(BaseException):
    """The operation on which the plug was pulled; not an error that a program could handle."""


@dataclass(slots=True)
class Inode:
    """A file's bytes: sectors that were never written are blank."""

    sectors: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    durable: dict[int, bytes] = field(default_factory=dict)
    durable_size: int = 0
    versions: dict[int, list[bytes]] = field(default_factory=dict)  # per sector, since the last sync
    sizes: list[int] = field(default_factory=list)
    bad: set[int] = field(default_factory=set)  # sectors that cannot be read

    def read(self, offset: int, end: int) -> bytes:
        end = min(end, self.size)
        if offset >= end:
            return b""
        first, last = offset // SECTOR, (end - 1) // SECTOR
        if self.bad and any(sector in self.bad for sector in range(first, last + 1)):
            raise Unreadable(errno.EIO, "cannot be read")
        if last - first > 4 * len(self.sectors):  # mostly blank
            data = bytearray((last - first + 1) * SECTOR)
            for sector, content in self.sectors.items():
                if first <= sector <= last:
                    data[(sector - first) * SECTOR : (sector - first + 1) * SECTOR] = content
        else:
            data = bytearray(b"".join([self.sectors.get(sector, BLANK) for sector in range(first, last + 1)]))
        return bytes(memoryview(data)[offset - first * SECTOR : end - first * SECTOR])

    def put(self, sector: int, content: bytes) -> None:
        if self.bad:
            self.bad.discard(sector)  # a disk puts what is written there elsewhere
        self.sectors[sector] = content
        self.versions.setdefault(sector, []).append(content)

    def write(self, offset: int, data: Bytes) -> None:
        data = bytes(data)
        at = 0
        while at < len(data):
            sector, inside = divmod(offset + at, SECTOR)
            part = data[at : at + SECTOR - inside]
            old = self.sectors.get(sector, BLANK)
            self.put(sector, old[:inside] + part + old[inside + len(part) :])
            at += len(part)
        self.grow(offset + len(data))

    def grow(self, size: int) -> None:
        if size > self.size:
            self.size = size
            self.sizes.append(size)

    def truncate(self, size: int) -> None:
        for sector in sorted(self.sectors):
            kept = max(0, size - sector * SECTOR)
            if kept < SECTOR and self.sectors[sector] != BLANK:
                self.put(sector, self.sectors[sector][:kept] + bytes(SECTOR - kept))
        self.size = size
        self.sizes.append(size)

    def sync(self) -> None:
        for sector in self.versions:
            self.durable[sector] = self.sectors[sector]
        self.durable_size = self.size
        self.versions.clear()
        self.sizes.clear()

    def sync_range(self, offset: int, end: int) -> None:
        """These bytes and the size alone."""
        for sector in range(offset // SECTOR, (end - 1) // SECTOR + 1):
            if self.versions.pop(sector, None):
                self.durable[sector] = self.sectors[sector]
        self.durable_size = self.size
        self.sizes.clear()

    def lose(self) -> None:
        """A sync failed: the pages count as clean from now on, and never reach the disk."""
        self.versions.clear()
        self.sizes.clear()

    def crash(self, rng: Random) -> None:
        for sector in sorted(self.versions):
            versions = [self.durable.get(sector, BLANK), *self.versions[sector]]
            kept = rng.randrange(len(versions))
            content = versions[kept]
            if kept and rng.random() < 0.3:
                tear = rng.randrange(SECTOR + 1)
                content = content[:tear] + versions[kept - 1][tear:]
            self.durable[sector] = content
        self.durable_size = rng.choice([self.durable_size, *self.sizes])
        self.settle()

    def copy(self) -> "Inode":
        """The same, with a life of its own; the contents are shared, for they never change."""
        versions = {sector: list(contents) for sector, contents in self.versions.items()}
        return Inode(
            dict(self.sectors),
            self.size,
            dict(self.durable),
            self.durable_size,
            versions,
            list(self.sizes),
            set(self.bad),
        )

    def settle(self) -> None:
        """What is durable is all there is. Beyond the end of the file nothing is kept."""
        self.sectors = {}
        self.size = self.durable_size
        for sector, content in self.durable.items():
            kept = max(0, self.size - sector * SECTOR)
            if kept:
                self.sectors[sector] = content[:kept] + bytes(max(0, SECTOR - kept))
        self.durable = dict(self.sectors)
        self.versions.clear()
        self.sizes.clear()


class SimFile:
    """A file of a SimDisk. One that was open when the power went is of no use afterwards."""

    def __init__(self, disk: "SimDisk", inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._life = disk.life
        self._open = True

    def _enter(self, what: str, bytes_more: int = 0) -> Inode:
        assert self._open and self._life == self._disk.life, "a file of an earlier life"
        self._disk.enter(what, bytes_more)
        return self._inode

    def write(self, offset: int, data: Bytes) -> None:
        self._enter("write", offset + len(data) - self._inode.size).write(offset, data)

    def write_through(self, offset: int, data: Bytes) -> None:
        self.write(offset, data)
        try:
            self._enter("sync").sync_range(offset, offset + len(data))
        except OSError:
            self._inode.lose()
            raise

    jot = write

    def allocate(self, size: int) -> None:
        self._enter("allocate", size - self._inode.size).grow(size)

    def truncate(self, size: int) -> None:
        self._disk.truncated += 1
        self._enter("truncate").truncate(size)

    def sync(self) -> None:
        try:
            self._enter("sync").sync()
        except OSError:
            self._inode.lose()
            raise

    def close(self) -> None:
        self._open = False


class SimDisk:
    """One folder of one node."""

    def __init__(self, where: str = "disk", capacity: int = ROOM) -> None:
        self._where = where
        self.capacity = capacity
        self.life = 0  # crashes so far
        self.operations = 0  # that changed something, so far
        self.truncated = 0  # files, so far
        self.cut_at = -1  # the operation on which the power goes
        self.cut_on = ""  # or any of this name
        self.cut_after = False  # rather the one behind that
        self.failing: dict[str, int] = {}  # operation: how many more of it succeed before one fails with EIO
        self.sticky = False  # it goes on to fail, in later lives as well
        self._made = False
        self._locked = False
        self._names: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._history: list[dict[str, Inode]] = []  # the names after each change since the last sync_folder

    # --- the protocol

    @property
    def where(self) -> str:
        return self._where

    def make(self) -> None:
        self._made = True

    def lock(self) -> None:
        """One process per SimDisk: a second one is made by `rival`."""
        self._exists()
        self._locked = True

    def names(self) -> list[str]:
        self._exists()
        return sorted(self._names)

    def size(self, name: str) -> int:
        return self._find(name).size

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        inode = self._find(name)
        return inode.read(offset, inode.size if length < 0 else offset + length)

    def create(self, name: str) -> SimFile:
        self._exists()
        self.enter("create")
        inode = Inode()
        self._names[name] = inode
        self._changed()
        return SimFile(self, inode)

    def open(self, name: str) -> SimFile:
        return SimFile(self, self._find(name))

    def rename(self, old: str, new: str) -> None:
        inode = self._find(old)
        self.enter("rename")
        del self._names[old]
        self._names[new] = inode
        self._changed()

    def remove(self, name: str) -> None:
        self._find(name)
        self.enter("remove")
        del self._names[name]
        self._changed()

    def sync_folder(self) -> None:
        self.enter("sync_folder")
        self._durable_names = dict(self._names)
        self._history.clear()

    def free(self) -> int:
        return self.capacity - sum(inode.size for inode in self._names.values())

    def close(self) -> None:
        self._locked = False

    # --- faults

    def enter(self, what: str, bytes_more: int = 0) -> None:
        """Before each change: the place for a power cut, a full disk, an error."""
        if self.operations == self.cut_at:
            raise PowerCut(what)
        self.operations += 1
        if what == self.cut_on:
            if not self.cut_after:
                raise PowerCut(what)
            self.cut_on, self.cut_at = "", self.operations
        if what in self.failing:
            self.failing[what] -= 1
            if self.failing[what] < 0:
                raise OSError(errno.EIO, f"{what} failed")
        if bytes_more > 0 and bytes_more > self.free():
            raise OSError(errno.ENOSPC, "no space left")

    def crash(self, rng: Random) -> None:
        """The power goes and comes back."""
        self._names = dict(rng.choice([self._durable_names, *self._history]))
        for name in sorted(self._names):
            self._names[name].crash(rng)
        self._restart()

    def lose_unsynced(self) -> None:
        """The power goes, and nothing that was not synced survives."""
        self._names = dict(self._durable_names)
        for inode in self._names.values():
            inode.settle()
        self._restart()

    def kill(self) -> None:
        """The process dies, the machine lives: everything written is there, nothing more is durable."""
        self.life += 1
        self._locked = False
        self.cut_at, self.cut_on = -1, ""
        if not self.sticky:
            self.failing.clear()

    def calm(self) -> None:
        """No more errors, and room for all."""
        self.capacity = ROOM
        self.cut_at, self.cut_on, self.sticky = -1, "", False
        self.failing.clear()

    def _restart(self) -> None:
        self._durable_names = dict(self._names)
        self._history.clear()
        self.kill()

    def flip(self, name: str, offset: int, mask: int = 0xFF) -> None:
        """Rot at rest: bits of one byte turn over."""
        self.poke(name, offset, bytes([self._find(name).read(offset, offset + 1)[0] ^ mask]))

    def poke(self, name: str, offset: int, data: bytes) -> None:
        """Bytes that nobody wrote: rot, a misdirected or a stale block."""
        inode = self._find(name)
        inode.write(offset, data)
        inode.sync()

    def spoil(self, name: str, offset: int) -> None:
        """The sector of that byte cannot be read any more."""
        self._find(name).bad.add(offset // SECTOR)

    def readable(self, name: str) -> bool:
        """None of its sectors is spoiled."""
        return not self._find(name).bad

    def shorten(self, name: str, size: int) -> None:
        inode = self._find(name)
        inode.truncate(size)
        inode.sync()

    def wipe(self) -> None:
        """A new, empty disk."""
        self.calm()
        self._made = False
        self._names, self._durable_names = {}, {}
        self._history.clear()
        self.kill()

    def copy(self) -> "SimDisk":
        """A disk of the same content; whoever used this one is not on it."""
        other = SimDisk(self._where, self.capacity)
        other.load(self)
        return other

    def load(self, other: "SimDisk") -> None:
        """Hold what `other` holds, and what of it is not durable yet; whoever used this one has lost it."""
        twins: dict[int, Inode] = {}

        def names_of(names: dict[str, Inode]) -> dict[str, Inode]:
            return {
                name: twins.get(id(inode)) or twins.setdefault(id(inode), inode.copy()) for name, inode in names.items()
            }

        self.operations = other.operations
        self._made = other._made
        self._names = names_of(other._names)
        self._durable_names = names_of(other._durable_names)
        self._history = [names_of(names) for names in other._history]
        self.kill()

    def namings(self) -> list[dict[str, Inode]]:
        """What a power loss may leave of the names: those that are durable, and those after each change since."""
        return [self._durable_names, *self._history]

    def hold(self, files: dict[str, Inode]) -> None:
        """Hold these files, and all of it is durable."""
        self._made = True
        self._names = files
        self._restart()

    def rival(self) -> "SimDisk":
        """The same folder, as another process sees it."""
        return _Rival(self)

    @property
    def locked(self) -> bool:
        return self._locked

    def _exists(self) -> None:
        if not self._made:
            raise FileNotFoundError(errno.ENOENT, "no such folder", self._where)

    def _find(self, name: str) -> Inode:
        self._exists()
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self._names[name]

    def _changed(self) -> None:
        self._history.append(dict(self._names))


class _Rival(SimDisk):
    """Another process's view of a SimDisk."""

    def __init__(self, disk: SimDisk) -> None:
        self.__dict__ = disk.__dict__.copy()
        self._disk = disk

    def lock(self) -> None:
        if self._disk.locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked")
