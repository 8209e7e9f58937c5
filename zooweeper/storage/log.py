"""The write-ahead log, as it is written: one buffer and one sync per write, in preallocated segments.

Rules: append only, at the end that recovery found; reading is recovery's. A segment gets its name only when its head
and its space are durable, so a file called `log.*` always has a sound head. It begins with the facts so far: no older
segment is needed for them. Every record knows which write it belongs to: a sound record of a *later* write proves that
what lies before it had been durable. The file `durable` repeats how far the log is durable, synced at a start and a
clean end only: with it even rot in the very last record is told from a write that a crash tore.
"""

from dataclasses import dataclass
from zlib import crc32

from zooweeper.model.durable import Accepted, Current, Cut, Epochs, Logged
from zooweeper.model.limits import MIB, READ_BACK_BYTES_MAX
from zooweeper.storage.disk import Disk, File
from zooweeper.storage.facts import Facts
from zooweeper.storage.records import (
    ACCEPTED,
    BATCH,
    CURRENT,
    CUT,
    HINT,
    LOGGED,
    MARK_CRC,
    NUMBER,
    RECORD,
    REST,
    REST_LOGGED,
    Identity,
    SegmentHead,
    mark_of,
    pack_segment,
)

PREFIX = "log."
TEMPORARY = ".new"  # of a file that is not complete; removed when the folder is opened
HINT_NAME = "durable"
STEP_BYTES = MIB  # the file grows in steps: seldom, each takes a few ms, and a start reads little of it


def segment_name(number: int) -> str:
    return f"{PREFIX}{number:010}"


def segment_number(name: str) -> int | None:
    """The number of the segment called `name`; None for other files."""
    digits = name.removeprefix(PREFIX)
    return int(digits) if len(digits) == 10 and digits.isdigit() and segment_name(int(digits)) == name else None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the log, for deciding when it may go."""

    number: int
    base: int  # the end of the history where it begins

    @property
    def name(self) -> str:
        return segment_name(self.number)


def create_segment(disk: Disk, identity: Identity, head: SegmentHead, size: int) -> tuple[File, int, int]:
    """A new segment that will have `size` bytes, durable with its name: (file, where its records begin, their mark)."""
    sheet = pack_segment(identity, head)
    name = segment_name(head.number)
    file = disk.create(name + TEMPORARY)
    file.allocate(min(size, STEP_BYTES))
    file.write(0, sheet)
    file.sync()
    disk.rename(name + TEMPORARY, name)
    disk.sync_folder()
    return file, len(sheet), mark_of(identity, head.number)


def segment_size(identity: Identity, head: SegmentHead, needed: int) -> int:
    """The smallest size of a segment with that head that has room for a record of `needed` bytes."""
    return len(pack_segment(identity, head)) + needed


def hint_seed(identity: Identity) -> int:
    return crc32(identity.incarnation)


@dataclass(slots=True)
class End:
    """Where a log ends, as recovery found it."""

    number: int  # of the last segment
    position: int  # in it
    mark: int
    index: int  # of the next record
    previous: int  # checksum of the last one
    facts: Facts


class Log:
    """The end of the log. `add_*` gathers, `sync` writes and makes durable."""

    def __init__(
        self, disk: Disk, identity: Identity, end: End, segments: list[Segment], hint: File, segment_bytes: int
    ) -> None:
        self.facts = end.facts
        self.segments = segments
        self.index = end.index
        self._disk = disk
        self._identity = identity
        self._segment_bytes = segment_bytes
        self._position = end.position
        self._mark = end.mark
        self._previous = end.previous
        self._hint = hint
        self._seed = hint_seed(identity)
        self._parts: list[bytes] = []
        self._size = 0  # of the parts
        self._start = end.index  # first record of the write that gathers
        name = segment_name(end.number)
        self._file = disk.open(name)
        self._reserved = disk.size(name)
        self._room = max(segment_bytes, self._reserved)
        hint.write(0, self._durable())
        hint.sync()  # once: a start may vote by all it has found, so no rot in that may pass for a tear any more

    def add_logged(self, record: Logged) -> None:
        """Gather a batch. ValueError if it does not follow the history."""
        batch = record.batch
        data = batch.data
        length = BATCH.size + len(data)
        assert length <= READ_BACK_BYTES_MAX, length  # or recovery would not believe it
        if self._position + self._size + RECORD.size + length > self._room:
            self._next_segment(RECORD.size + length)
        self.facts.on_logged(batch)
        index = self.index
        rest = REST_LOGGED.pack(
            self._previous,
            length,
            index - self._start,
            LOGGED,
            index,
            batch.last,
            batch.first,
            record.committed,
            batch.time_ms,
        )
        self._previous = crc = crc32(data, crc32(rest))
        self._parts += (MARK_CRC.pack(self._mark, crc), rest, data)
        self._size += RECORD.size + length
        self.index = index + 1

    def add_accepted(self, record: Accepted) -> None:
        self._add(ACCEPTED, record.epoch)
        self.facts.on_accepted(record.epoch)

    def add_current(self, record: Current) -> None:
        self._add(CURRENT, record.epoch)
        self.facts.on_current(record.epoch)

    def add_cut(self, record: Cut) -> None:
        """Gather a cut. A record like others, so it is durable in its place among them, whatever crashes; the void
        batches stay where they are until their segment is purged."""
        self._add(CUT, record.zxid)
        self.facts.on_cut(record.zxid)

    def _add(self, kind: int, number: int) -> None:
        body = NUMBER.pack(number)
        if self._position + self._size + RECORD.size + len(body) > self._room:
            self._next_segment(RECORD.size + len(body))
        rest = REST.pack(self._previous, len(body), self.index - self._start, kind, self.index, self.facts.last)
        self._previous = crc = crc32(body, crc32(rest))
        self._parts += (MARK_CRC.pack(self._mark, crc), rest, body)
        self._size += RECORD.size + len(body)
        self.index += 1

    def sync(self) -> None:
        """Return when everything gathered is durable. OSError is fatal: what is on the disk is unknown then."""
        if not self._parts:
            return
        end = self._position + self._size
        if end > self._reserved:
            self._reserved = min(self._room, max(end, self._reserved + STEP_BYTES))
            self._file.allocate(self._reserved)
        data, self._parts = b"".join(self._parts), []
        self._file.write_through(self._position, data)
        self._position = end
        self._size = 0
        self._start = self.index
        self._hint.jot(0, self._durable())

    def _durable(self) -> bytes:
        """The hint: everything so far is durable. Written only after that, and not synced: a hint that reached the disk
        tells the truth, one that is lost tells less of it."""
        return HINT.pack(self.index, crc32(self.index.to_bytes(8), self._seed))

    def restart(self, zxid: int, epochs: Epochs) -> None:
        """The history is now the snapshot at `zxid`: a new segment begins there, and no older one counts any more."""
        self.sync()
        self.facts.on_installed(zxid, epochs)
        self._next_segment(0, root=True)

    def _next_segment(self, needed: int, root: bool = False) -> None:
        """Everything gathered goes to the old segment and is synced, before there is a new one."""
        self.sync()
        number = self.segments[-1].number + 1
        head = SegmentHead(number, self.index, self._previous, root, self.facts)
        size = max(self._segment_bytes, segment_size(self._identity, head, needed))
        self._file.close()
        self._file, self._position, self._mark = create_segment(self._disk, self._identity, head, size)
        self._reserved = min(size, STEP_BYTES)
        self._room = size
        self.segments.append(Segment(number, self.facts.last))

    def forget(self, segments: list[Segment]) -> None:
        """Remove old segments, the oldest first, so that a crash leaves no hole."""
        for segment in segments:
            assert segment == self.segments[0] and len(self.segments) > 1, segment
            self._disk.remove(segment.name)
            del self.segments[0]

    def close(self) -> None:
        self.sync()
        self._hint.sync()
        self._hint.close()
        self._file.close()
