"""A node's storage: opened once, recovered, then written on by one thread.

Rules: records are carried out in the order given and durable when `write` returns. Any OSError is final: what the disk
holds is unknown then, so nothing is written, synced or tried again; the process ends and the next start reads what is
really there. Nothing is purged before the newest snapshot was read back whole.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zooweeper.model.durable import (
    Accepted,
    Current,
    Cut,
    Installed,
    Logged,
    Record,
    Recovered,
    SnapshotBegin,
    SnapshotChunk,
    SnapshotEnd,
)
from zooweeper.model.limits import SEGMENT_BYTES
from zooweeper.storage.disk import Disk
from zooweeper.storage.folder import ASIDE, check_repair, remove_temporaries, take_lock
from zooweeper.storage.log import HINT_NAME, Log, segment_name
from zooweeper.storage.purge import superfluous
from zooweeper.storage.records import Identity
from zooweeper.storage.recovery import Recovery, recover
from zooweeper.storage.snapshots import SnapshotWriter, read_chunks, snapshot_name

CHECK_BYTES = 1 << 20  # of the newest snapshot, read back per write: nobody waits for the whole of it


class Storage:
    """The log and the snapshots of one folder."""

    def __init__(self, disk: Disk, identity: Identity, log: Log, snapshots: list[int]) -> None:
        self._disk = disk
        self._identity = identity
        self._log = log
        self._snapshots = snapshots
        self._writer: SnapshotWriter | None = None
        self._checking: tuple[int, Iterator[bytes]] | None = None
        self._usable = True

    @classmethod
    def open(cls, disk: Disk, identity: Identity, segment_bytes: int = SEGMENT_BYTES) -> tuple["Storage", Recovered]:
        """Recover the folder and be ready to go on behind what it holds; all of that is durable then. FolderError;
        Damaged when the node must be repaired first."""
        take_lock(disk)
        check_repair(disk)
        _keep_hint(disk)
        recovery = recover(disk, identity)
        remove_temporaries(disk)
        _settle(disk, recovery)
        hint = disk.open(HINT_NAME)
        log = Log(disk, identity, recovery.end, recovery.segments, hint, segment_bytes)
        return cls(disk, identity, log, recovery.snapshots), recovery.recovered

    def write(self, records: Sequence[Record]) -> None:
        """Carry out the records in their order; all are durable on return. OSError is final, see above."""
        assert self._usable, "a write failed before"
        self._usable = False
        for record in records:
            CARRY_OUT[type(record)](self, record)
        self._log.sync()
        self._read_back()
        self._usable = True

    def close(self) -> None:
        """Let go of the files; the folder may be opened again. (After a failure nothing is written any more.)"""
        if self._usable:
            if self._writer is not None:
                self._writer.abandon()
            self._log.close()
        self._disk.close()

    def _logged(self, record: Logged) -> None:
        self._log.add_logged(record)

    def _accepted(self, record: Accepted) -> None:
        self._log.add_accepted(record)

    def _current(self, record: Current) -> None:
        self._log.add_current(record)

    def _cut(self, record: Cut) -> None:
        self._log.add_cut(record)

    def _begin(self, record: SnapshotBegin) -> None:
        if self._writer is not None:
            self._writer.abandon()
        self._writer = SnapshotWriter(self._disk, self._identity, record.zxid, self._log.index, record.epochs)

    def _chunk(self, record: SnapshotChunk) -> None:
        assert self._writer is not None and self._writer.zxid == record.zxid, record.zxid
        self._writer.chunk(record.index, record.data)

    def _end(self, record: SnapshotEnd) -> None:
        assert self._writer is not None and self._writer.zxid == record.zxid, record.zxid
        self._log.sync()  # the snapshot never is ahead of the log it belongs to
        self._writer.end(record.chunks)
        self._writer = None
        if record.zxid not in self._snapshots:
            self._snapshots = sorted([*self._snapshots, record.zxid])
        self._read_back_from(record.zxid)

    def _installed(self, record: Installed) -> None:
        assert record.zxid in self._snapshots or not record.zxid, record.zxid
        self._log.restart(record.zxid, record.epochs)
        self._log.forget(self._log.segments[:-1])
        self._remove_snapshots([zxid for zxid in self._snapshots if zxid != record.zxid])
        if self._snapshots:
            self._read_back_from(record.zxid)

    def _read_back(self) -> None:
        """Some more of the newest snapshot; what is superfluous goes when all of it was sound."""
        if self._checking is None:
            return
        zxid, chunks = self._checking
        size = 0
        try:
            for chunk in chunks:
                size += len(chunk)
                if size >= CHECK_BYTES:
                    return
        except ValueError as error:
            raise OSError(errno.EIO, f"{snapshot_name(zxid)} read back: {error}") from None
        self._checking = None
        # A leader's snapshot that is not installed yet is no state of this history: it must not drive anything out.
        own = [snapshot for snapshot in self._snapshots if self._log.facts.contains(snapshot)]
        if own and own[-1] == zxid:
            segments, snapshots = superfluous(self._log.segments, own)
            self._log.forget(segments)
            self._remove_snapshots(snapshots)

    def _read_back_from(self, zxid: int) -> None:
        self._checking = (zxid, read_chunks(self._disk, snapshot_name(zxid), self._identity))

    def _remove_snapshots(self, zxids: list[int]) -> None:
        for zxid in zxids:
            self._disk.remove(snapshot_name(zxid))
            self._snapshots.remove(zxid)


CARRY_OUT: dict[type, Callable[[Storage, Any], None]] = {
    Logged: Storage._logged,
    Accepted: Storage._accepted,
    Current: Storage._current,
    Cut: Storage._cut,
    SnapshotBegin: Storage._begin,
    SnapshotChunk: Storage._chunk,
    SnapshotEnd: Storage._end,
    Installed: Storage._installed,
}


def _keep_hint(disk: Disk) -> None:
    """First of all, what the last process knew to be durable outlives the next power loss: or damage that this start
    finds, and has no room to note, would pass for a torn tail at the start after it."""
    if HINT_NAME in disk.names():
        hint = disk.open(HINT_NAME)
        hint.sync()
        hint.close()


def _settle(disk: Disk, recovery: Recovery) -> None:
    """Carry out what recovery decided, and make all it found durable: after a crash of the process alone, the tail may
    exist nowhere but in the kernel's memory, and is about to be acknowledged. It is written once more before it is
    synced: when a sync has failed, the kernel takes what it holds for written, and the next sync would do nothing."""
    name = segment_name(recovery.end.number)
    file = disk.open(name)
    if recovery.torn:
        size = disk.size(name)
        file.truncate(recovery.end.position)
        file.allocate(size)
    position, data = recovery.doubtful
    if data:
        file.write(position, data)
    file.sync()
    file.close()
    for name in recovery.remove:
        disk.remove(name)
    for name in recovery.damaged:
        disk.rename(name, ASIDE + name)
    if HINT_NAME not in disk.names():
        disk.create(HINT_NAME).close()
    disk.sync_folder()
