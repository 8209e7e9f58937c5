"""Snapshots of this replica's state: to its own disk now and then, and to learners that are too far behind.

Rules: one at a time, exact at one zxid, at the end of a batch; entries go on meanwhile. The pace is the receiver's: the
next chunk is made when the disk, or the learner, has taken the ones before. A znode in a snapshot costs more than to
repeat a write at the next start: while clients write, a snapshot of many znodes waits for several times as many
entries, or a large log; when they have stopped it is made soon, so that a start finds little to repeat.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zooweeper.model import durable, limits
from zooweeper.replica.events import SnapshotWritten
from zooweeper.replica.membership import text_of
from zooweeper.tree.snapshot import SnapshotReader
from zooweeper.zab.history import upto
from zooweeper.zab.leading import Leading

if TYPE_CHECKING:
    from zooweeper.replica.replica import Replica

DISK = 0  # as a destination; others are learners
CHUNKS_AT_ONCE = 2  # then others have their turn
ENTRIES_PER_ZNODE = 4  # so that snapshots cost a write a tenth of what else it costs
BUSY_ENTRIES = 10  # since the last look; with more, clients write
SHARE = (51, 100)  # percent of what a snapshot waits for: spread, so that the nodes do not all write at once
QUIET_MS = (200, 600)  # spread for the same reason


class Snapshots:
    """Who waits for a snapshot, and the one under way."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._wanted: deque[int] = deque()
        self._reader: SnapshotReader | None = None
        self._to = DISK
        self._index = 0
        self._disk_busy = False
        self._entries = 0  # executed since the last one for our disk
        self._bytes = 0
        self._share = replica.rng.randint(*SHARE)
        self._looked = 0  # `_entries` at the last look
        self._busy_ms = 0  # when clients wrote last
        self._quiet_ms = replica.rng.randint(*QUIET_MS)

    def _due(self) -> bool:
        """Whether so much was executed since the last one. What counts is how many znodes there are now: a tree that
        grows has soon outgrown each of them."""
        usual, most = limits.SNAPSHOT_EVERY_ENTRIES, self._replica.config.snapshot_entries
        large = limits.SNAPSHOT_EVERY_BYTES * max(most, usual) // usual
        many = ENTRIES_PER_ZNODE * len(self._replica.state.tree)
        if many > usual:
            most = max(most, many)
        return 100 * self._entries >= self._share * most or 100 * self._bytes >= self._share * large

    def executed(self, entries: int, size: int) -> None:
        """A batch was executed: our own snapshot may be due."""
        self._entries += entries
        self._bytes += size
        if self._due():
            self._write()

    def look(self, now_ms: int) -> None:
        """At each tick: whether this is a good time."""
        if self._entries - self._looked > BUSY_ENTRIES:
            self._busy_ms = now_ms
        elif self._entries > self._replica.config.snapshot_entries and now_ms - self._busy_ms >= self._quiet_ms:
            self._write()
        self._looked = self._entries

    def _write(self) -> None:
        self._entries = self._bytes = self._looked = 0
        self._share = self._replica.rng.randint(*SHARE)
        self.want(DISK)

    def want(self, to: int) -> None:
        if to not in self._wanted and not (self._reader is not None and self._to == to == DISK):
            self._wanted.append(to)

    def written(self, event: SnapshotWritten) -> None:
        """The disk has taken a chunk, or all."""
        if self._reader is not None and self._to == DISK and self._reader.zxid == event.zxid:
            self._disk_busy = False
            if event.done:
                self.abandon()

    def abandon(self) -> None:
        """Stop the one under way; one that was begun and not ended is void."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def pump(self) -> bool:
        """Make the chunks that are wanted now; whether a snapshot is under way at all."""
        if self._reader is None and not self._begin():
            return False
        if self._to == DISK:
            self._to_disk()
        else:
            self._to_learner()
        return True

    def _begin(self) -> bool:
        replica = self._replica
        while self._wanted and self._reader is None:
            self._to, self._index, self._disk_busy = self._wanted.popleft(), 0, False
            zxid = replica.state.zxid
            epochs = upto(tuple(replica.zab.history.epochs), zxid)
            role = replica.zab.role
            if self._to == DISK:
                replica.outbox.disk.append(durable.SnapshotBegin(zxid, epochs))
            elif isinstance(role, Leading):
                if not role.snapshot_begin(self._to, zxid, epochs, text_of(replica.state)):
                    continue
            else:
                continue
            self._reader = SnapshotReader(replica.state, limits.SNAPSHOT_CHUNK_BYTES)
        return self._reader is not None

    def _to_disk(self) -> None:
        assert self._reader is not None
        if self._disk_busy:
            return
        outbox, zxid = self._replica.outbox, self._reader.zxid
        chunk = self._reader.next_chunk()
        if chunk is None:
            outbox.disk.append(durable.SnapshotEnd(zxid, self._index))
        else:
            outbox.disk.append(durable.SnapshotChunk(zxid, self._index, chunk))
        outbox.written.append(SnapshotWritten(zxid, self._index, chunk is None))
        self._index += 1
        self._disk_busy = True
        outbox.lazy = False  # one piece at a time: a wait for each would add up

    def _to_learner(self) -> None:
        assert self._reader is not None
        role = self._replica.zab.role
        for _ in range(CHUNKS_AT_ONCE):
            wants = role.snapshot_wants(self._to) if isinstance(role, Leading) else None
            if not wants:
                if wants is None:
                    self.abandon()
                return
            assert isinstance(role, Leading)
            chunk = self._reader.next_chunk()
            role.snapshot_chunk(self._to, chunk)
            if chunk is None:
                self.abandon()
                return
