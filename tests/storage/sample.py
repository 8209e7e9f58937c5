"""Records to write, and what a folder was found to hold, as plain values."""

from typing import Any

from sim.disk import SimDisk
from zooweeper.model.durable import (
    Epochs,
    Installed,
    Logged,
    Record,
    Recovered,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
)
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.zxid import make
from zooweeper.storage.folder import format_folder
from zooweeper.storage.records import Identity
from zooweeper.storage.storage import Storage

SEGMENT = 1024
INCARNATION = bytes(range(16))
RENEWED = bytes(range(100, 116))


def batch(epoch: int, first: int, last: int = 0, size: int = 5, committed: int = 0) -> Logged:
    last = last or first
    data = b"".join([pack_request(7, 8, n, 5, bytes([n % 251]) * size) for n in range(first, last + 1)])
    return Logged(Batch(make(epoch, first), make(epoch, last), 1000 + last, data), committed)


def snapshot(zxid: int, epochs: Epochs, *chunks: bytes) -> list[Record]:
    pieces = [SnapshotChunk(zxid, index, data) for index, data in enumerate(chunks)]
    return [SnapshotBegin(zxid, epochs), *pieces, SnapshotEnd(zxid, len(pieces))]


def install(zxid: int, epochs: Epochs, *chunks: bytes) -> list[Record]:
    return [*snapshot(zxid, epochs, *chunks), Installed(zxid, epochs)]


def formatted(voting: bool = True) -> tuple[SimDisk, Identity]:
    disk = SimDisk()
    identity = format_folder(disk, "test", 1, INCARNATION, voting, SEGMENT)
    disk.close()
    return disk, identity


def content(recovered: Recovered) -> dict[str, Any]:
    """All of it, comparable."""
    names = ("accepted", "current", "snapshot", "base", "epochs", "batches", "voting")
    return {"chunks": list(recovered.chunks), **{name: getattr(recovered, name) for name in names}}


def reopened(disk: SimDisk, identity: Identity) -> dict[str, Any]:
    """What a start finds; the folder is closed again."""
    storage, recovered = Storage.open(disk, identity, SEGMENT)
    found = content(recovered)
    storage.close()
    return found


def history(found: dict[str, Any]) -> list[Logged]:
    """The batches behind the snapshot."""
    return [logged for logged in found["batches"] if logged.batch.last > found["snapshot"]]
