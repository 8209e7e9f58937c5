"""Snapshots: one file per zxid, written in pieces beside the log, valid only as a whole.

Rules: a snapshot is called `snapshot.*` only after it was synced, so a crash leaves the whole of it or a temporary
file that is removed at the next start. Reading checks each piece, their order, their number and the sum of all; what
fails in any byte is no snapshot. What the pieces hold is not known here.
"""

from collections.abc import Iterator
from zlib import crc32

from zooweeper.model.durable import Epochs
from zooweeper.model.limits import MIB, READ_BACK_BYTES_MAX
from zooweeper.storage.disk import Disk, File
from zooweeper.storage.log import TEMPORARY
from zooweeper.storage.records import (
    CLUSTER_BYTES_MAX,
    END,
    END_INDEX,
    PIECE,
    SHEET_BYTES_MIN,
    Identity,
    SnapshotHead,
    pack_piece,
    pack_snapshot,
    sheet_size,
    unpack_piece,
    unpack_snapshot,
)

PREFIX = "snapshot."
SYNC_EVERY_BYTES = MIB  # so that no sync of it, which the log waits for, is long
AHEAD_BYTES = MIB  # read at once, for many pieces


def snapshot_name(zxid: int) -> str:
    return f"{PREFIX}{zxid:016x}"


def snapshot_zxid(name: str) -> int | None:
    """The zxid of the snapshot called `name`; None for other files."""
    digits = name.removeprefix(PREFIX)
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        return None
    zxid = int(digits, 16)
    return zxid if snapshot_name(zxid) == name else None


class SnapshotWriter:
    """A snapshot that is being written."""

    def __init__(self, disk: Disk, identity: Identity, zxid: int, index: int, epochs: Epochs) -> None:
        self.zxid = zxid
        self._disk = disk
        self._name = snapshot_name(zxid)
        self._file: File = disk.create(self._name + TEMPORARY)
        sheet = pack_snapshot(identity, SnapshotHead(zxid, index, epochs))
        self._file.write(0, sheet)
        self._position = len(sheet)
        self._unsynced = 0
        self._count = 0
        self._sum = 0

    def chunk(self, index: int, data: bytes) -> None:
        assert index == self._count and len(data) <= READ_BACK_BYTES_MAX, (index, self._count, len(data))
        self._sum = crc32(data, self._sum)
        self._count += 1
        self._write(pack_piece(index, data))
        if self._unsynced >= SYNC_EVERY_BYTES:
            self._file.sync()
            self._unsynced = 0

    def end(self, chunks: int) -> None:
        """Return when the snapshot is durable under its name."""
        assert chunks == self._count, (chunks, self._count)
        self._write(pack_piece(END_INDEX, END.pack(self._count, self._sum)))
        self._file.sync()
        self._file.close()
        self._disk.rename(self._name + TEMPORARY, self._name)
        self._disk.sync_folder()

    def abandon(self) -> None:
        self._file.close()
        self._disk.remove(self._name + TEMPORARY)

    def _write(self, piece: bytes) -> None:
        self._file.write(self._position, piece)
        self._position += len(piece)
        self._unsynced += len(piece)


def read_head(disk: Disk, name: str) -> tuple[Identity, SnapshotHead, int]:
    """Identity, head, and where the pieces begin. ValueError when it is damaged."""
    size = sheet_size(disk.read(name, 0, SHEET_BYTES_MIN + CLUSTER_BYTES_MAX))
    return unpack_snapshot(disk.read(name, 0, size))


class _Ahead:
    """Reads a file in larger steps than it is asked for."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name
        self._at = 0
        self._data = b""

    def read(self, at: int, length: int) -> bytes:
        """As Disk.read."""
        start = at - self._at
        if start < 0 or start + length > len(self._data):
            self._at, self._data, start = at, self._disk.read(self._name, at, max(length, AHEAD_BYTES)), 0
        return self._data[start : start + length]


def read_chunks(disk: Disk, name: str, identity: Identity) -> Iterator[bytes]:
    """The pieces of a snapshot, one after the other. ValueError at the first byte that is not as it was written (that
    may be at the very end: who must not act on a part reads it all first)."""
    found, head, at = read_head(disk, name)
    if found != identity or snapshot_name(head.zxid) != name:
        raise ValueError(f"belongs to {found}")
    count = total = 0
    file = _Ahead(disk, name)
    while True:
        piece = file.read(at, PIECE.size)
        if len(piece) < PIECE.size:
            raise ValueError("ends early")
        length = PIECE.unpack(piece)[2]
        if length > READ_BACK_BYTES_MAX:
            raise ValueError("impossible length")
        data = file.read(at + PIECE.size, length)
        index = unpack_piece(piece, data)
        at += PIECE.size + length
        if index == END_INDEX:
            break
        if index != count:
            raise ValueError("pieces out of order")
        count += 1
        total = crc32(data, total)
        yield data
    if data != END.pack(count, total) or disk.size(name) != at:
        raise ValueError("does not end as it should")
