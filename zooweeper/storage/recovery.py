"""What a data folder holds after whatever happened: read, judge, and either say all of it or refuse.

Rules: reading only; `Storage.open` carries out what is decided here. One table (ROWS) says what a place in the log
means. A torn tail is what a crash leaves of a write that was never reported durable: it is cut. Anything that *had*
been durable and is not there is damage, and damage is never cut: a node that forgets what it acknowledged would unmake
a quorum. That it had been durable is known from: a sound record of a later write behind it, a later segment, a
snapshot that ended after it, or the hint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from zooweeper.model.durable import Accepted, Current, Cut, Logged, Recovered
from zooweeper.model.limits import WINDOW_BYTES_MAX, WINDOW_ENTRIES_MAX
from zooweeper.model.zxid import show
from zooweeper.storage.disk import Disk
from zooweeper.storage.facts import Facts
from zooweeper.storage.folder import Damaged, FolderError
from zooweeper.storage.log import HINT_NAME, End, Segment, hint_seed, segment_name, segment_number
from zooweeper.storage.purge import needed_from
from zooweeper.storage.records import (
    CLUSTER_BYTES_MAX,
    HINT,
    SHEET_BYTES_MIN,
    Found,
    Identity,
    SegmentHead,
    WrongVersion,
    find_record,
    mark_of,
    meaning,
    sheet_size,
    unpack_segment,
)
from zooweeper.storage.snapshots import read_chunks, read_head, snapshot_name, snapshot_zxid


class Action(Enum):
    KEEP = "keep"  # a record; go on behind it
    END = "end"  # of the segment
    CUT = "cut"  # the torn tail of a write that was never reported: the log ends here
    SKIP = "skip"  # damage before a sound snapshot: the history begins with the next segment
    REPAIR = "repair"
    REFUSE = "refuse"  # sound bytes that this program does not understand


class Place(NamedTuple):
    """What is seen at a place where the next record should be."""

    closed: bool  # the next segment goes on from exactly here
    sound: bool  # mark, length and checksum are right
    placed: bool  # its index and its predecessor's checksum are the next ones
    sensible: bool  # its kind is known, and it follows from the facts so far
    blank: bool  # nothing but zeros from here to the end of the segment
    durable: bool  # a record had been durable here
    covered: bool  # a sound snapshot makes this segment unnecessary


class Row(NamedTuple):
    """`0`, `1` or `-` (any) for each field of Place, in its order."""

    label: str
    pattern: str
    action: Action
    why: str

    def matches(self, place: Place) -> bool:
        return all(cell in ("-", "01"[value]) for cell, value in zip(self.pattern, place, strict=True))


ROWS = (
    #      closed sound placed sensible blank durable covered
    Row("@A", "1------", Action.END, "the next segment goes on from here"),
    Row("@B", "0111---", Action.KEEP, "a record in its place"),
    Row("@C", "0110---", Action.REFUSE, "a sound record that contradicts those before it"),
    Row("@D", "010---0", Action.REPAIR, "a record of another place"),
    Row("@E", "010---1", Action.SKIP, "a record of another place, before the snapshot"),
    Row("@F", "00---10", Action.REPAIR, "a record is missing or damaged that had been durable"),
    Row("@G", "00---11", Action.SKIP, "a damaged record before the snapshot"),
    Row("@H", "00--10-", Action.END, "nothing was written behind"),
    Row("@I", "00--00-", Action.CUT, "a write that a crash tore"),
)


@cache
def judge(place: Place) -> Row:
    """The one row for a place."""
    return next(row for row in ROWS if row.matches(place))


@dataclass(slots=True)
class History:
    """What the log says, read record by record. A new one begins at each segment that nothing needs before it."""

    facts: Facts
    index: int  # of the next record
    previous: int  # checksum of the last one
    base: int
    batches: list[Logged] = field(default_factory=list)

    @classmethod
    def starting(cls, head: SegmentHead) -> "History":
        return cls(head.facts.copy(), head.first, head.previous, head.facts.last)

    def take(self, found: Found) -> bool:
        """Add the next record. False, and nothing is changed, if it makes no sense here."""
        try:
            record = meaning(found)
            APPLY[type(record)](self, record)
        except ValueError:
            return False
        self.index += 1
        self.previous = found.crc
        return True

    def _logged(self, record: Logged) -> None:
        self.facts.on_logged(record.batch)
        self.batches.append(record)

    def _accepted(self, record: Accepted) -> None:
        self.facts.on_accepted(record.epoch)

    def _current(self, record: Current) -> None:
        self.facts.on_current(record.epoch)

    def _cut(self, record: Cut) -> None:
        kept = len(self.batches)
        while kept and self.batches[kept - 1].batch.last > record.zxid:
            kept -= 1
        if kept < len(self.batches) and self.batches[kept].batch.first <= record.zxid:
            raise ValueError(f"cut at {show(record.zxid)}, inside batch {self.batches[kept].batch}")
        self.facts.on_cut(record.zxid)
        del self.batches[kept:]
        if not kept:
            self.base = min(self.base, record.zxid)

    def forget_before(self, zxid: int) -> None:
        """Drop batches up to `zxid` that no other node's DIFF is likely to need."""
        size = count = 0
        for at in reversed(range(len(self.batches))):
            batch = self.batches[at].batch
            if batch.last <= zxid:
                size += len(batch.data)
                count += batch.count
                if size > WINDOW_BYTES_MAX or count > WINDOW_ENTRIES_MAX:
                    self.base = batch.last
                    del self.batches[: at + 1]
                    return


APPLY: dict[type, Callable[[History, Any], None]] = {
    Logged: History._logged,
    Accepted: History._accepted,
    Current: History._current,
    Cut: History._cut,
}


@dataclass(slots=True)
class Recovery:
    """What `recover` found, and what must still be done before the log is written on."""

    recovered: Recovered
    end: End
    torn: bool  # what lies behind `end` must go
    doubtful: tuple[int, bytes]  # where in the last segment, and what: sound records that may be on no disk
    segments: list[Segment]
    snapshots: list[int]  # sound ones of this history
    remove: list[str]  # files that mean nothing (any more), in this order
    damaged: list[str]  # snapshots that could not be read, and are not needed


class _Reader:
    """One recovery."""

    def __init__(self, disk: Disk, identity: Identity) -> None:
        self.disk = disk
        self.identity = identity
        names = disk.names()
        self.snapshots = sorted((zxid for zxid in map(snapshot_zxid, names) if zxid is not None), reverse=True)
        numbers = sorted(number for number in map(segment_number, names) if number is not None)
        heads = [self.head(number) for number in numbers]
        root = max((at for at, head in enumerate(heads) if head.root), default=0)
        self.old = numbers[:root]
        self.heads = heads[root:]
        if not heads:
            raise self.damage("", "the log is gone")
        for before, after in zip(self.heads, self.heads[1:], strict=False):
            if after.number != before.number + 1:
                raise self.damage(segment_name(before.number + 1), "this segment of the log is gone")
        self.segments = [Segment(head.number, head.facts.last) for head in self.heads]
        self.hinted = self.hint()
        self.known = max([self.hinted, *self.snapshot_indexes()])  # the index up to which the log had been durable
        self.position = 0
        self.doubtful = (0, b"")
        self.torn = False

    def damage(self, name: str, what: str) -> Damaged:
        place = f"{self.disk.where}/{name}" if name else self.disk.where
        return Damaged(f"{place}: {what}; this node must not vote until it is repaired from the other nodes")

    def read(self, name: str, length: int = -1) -> bytes:
        try:
            return self.disk.read(name, 0, length)
        except OSError as error:
            raise self.damage(name, f"cannot be read ({error})") from None

    def head(self, number: int) -> SegmentHead:
        name = segment_name(number)
        try:
            size = sheet_size(self.read(name, SHEET_BYTES_MIN + CLUSTER_BYTES_MAX))
            identity, head, _ = unpack_segment(self.read(name, size))
        except WrongVersion as error:
            raise FolderError(f"{self.disk.where}/{name}: {error}") from None
        except ValueError as error:
            raise self.damage(name, f"its head is damaged ({error})") from None
        if identity != self.identity or head.number != number:
            raise FolderError(f"{self.disk.where}/{name}: belongs to {identity}, segment {head.number}; remove it")
        return head

    def hint(self) -> int:
        """The index that the hint gives; 0 if it is not there whole, for it is never synced."""
        try:
            data = self.disk.read(HINT_NAME)
        except OSError:
            return 0
        if len(data) < HINT.size:
            return 0
        index, crc = HINT.unpack_from(data)
        return index if crc == crc32(data[:8], hint_seed(self.identity)) else 0

    def snapshot_indexes(self) -> Iterator[int]:
        for zxid in self.snapshots:
            try:
                identity, head, _ = read_head(self.disk, snapshot_name(zxid))
            except (OSError, ValueError):
                continue
            if identity == self.identity:
                yield head.index

    def sound(self, zxid: int) -> bool:
        """Whether the snapshot at `zxid` can be read to its end."""
        try:
            for _ in read_chunks(self.disk, snapshot_name(zxid), self.identity):
                pass
        except (OSError, ValueError):
            return False
        return True

    def history(self, snapshot: int) -> History:
        """The log as far back as the window goes before `snapshot`, or further if nothing is there. Damaged."""
        needed = needed_from(self.segments, snapshot)
        start, size = needed, 0
        while start and size < WINDOW_BYTES_MAX:
            start -= 1
            size += self.disk.size(segment_name(self.heads[start].number))
        history: History | None = None
        for at in range(start, len(self.heads)):
            head = self.heads[at]
            if history is None:
                history = History.starting(head)
            elif (head.first, head.previous, head.facts) != (history.index, history.previous, history.facts):
                raise self.damage(segment_name(head.number), "does not go on where the one before it ends")
            if not self.segment(at, history, covered=at < needed):
                history = None
        assert history is not None  # the last segment is never covered
        return history

    def segment(self, at: int, history: History, covered: bool) -> bool:
        """Read one segment into the history. False: it is damaged, and the snapshot covers it."""
        name = segment_name(self.heads[at].number)
        mark = mark_of(self.identity, self.heads[at].number)
        goes_on = self.heads[at + 1].first if at + 1 < len(self.heads) else None
        known = self.known if goes_on is None else goes_on
        data = self.read(name)
        position = certain = sheet_size(data)
        while True:
            found = None
            if history.index == goes_on:
                row = judge(Place(True, False, False, False, False, False, covered))
            elif found := find_record(data, position, mark):
                placed = (found.index, found.previous) == (history.index, history.previous)
                row = judge(Place(False, True, placed, placed and history.take(found), False, False, covered))
            else:
                blank = not data[position:].strip(b"\0")
                durable = history.index < known or written_later(data, position, mark, history.index)
                row = judge(Place(False, False, False, False, blank, durable, covered))
            if found and row.action is Action.KEEP:
                position = found.end
                if history.index <= self.hinted:
                    certain = position
                continue
            where = f"record {history.index} at byte {position}"
            if row.action is Action.REPAIR:
                raise self.damage(name, f"{where}: {row.why} ({row.label})")
            if row.action is Action.REFUSE:
                raise FolderError(f"{self.disk.where}/{name}: {where}: {row.why} ({row.label}); keep the files")
            self.position, self.torn = position, row.action is Action.CUT
            self.doubtful = (certain, data[certain:position])
            return row.action is not Action.SKIP


def written_later(data: bytes, position: int, mark: int, index: int) -> bool:
    """Whether a sound record behind `position` belongs to a write that began after record `index`: only a durable write
    is followed by another. (Records of the same write prove nothing: a crash keeps any part of it.)"""
    pattern = mark.to_bytes(4)
    at = data.find(pattern, position)
    while at >= 0:
        found = find_record(data, at, mark)
        if found and found.index - found.back > index:
            return True
        at = data.find(pattern, at + 1)
    return False


def recover(disk: Disk, identity: Identity) -> Recovery:
    """What the folder holds. Damaged if something durable is gone; FolderError if a file is not this folder's or not
    of this format."""
    reader = _Reader(disk, identity)
    void, damaged = [], []
    chosen, history = 0, None
    for zxid in reader.snapshots:
        if not reader.sound(zxid):
            damaged.append(zxid)
            continue
        history = reader.history(zxid)
        if zxid > 0 and history.base <= zxid and history.facts.contains(zxid):
            chosen = zxid
            break
        void.append(zxid)  # of a leader, never installed: it is not a state of this history
    if not chosen:
        history = reader.history(0)
        if history.base:
            raise reader.damage("", f"the log begins after {show(history.base)}, and no sound snapshot reaches so far")
    assert history is not None
    history.forget_before(chosen)
    facts = history.facts
    floor = reader.segments[0].base
    rest = [zxid for zxid in reader.snapshots if zxid not in void and zxid not in damaged]
    void += [zxid for zxid in rest if zxid < floor or not facts.contains(zxid)]
    name = snapshot_name(chosen)
    recovered = Recovered(
        facts.accepted,
        facts.current,
        chosen,
        _chunks(reader, name) if chosen else iter(()),
        history.base,
        facts.epochs,
        history.batches,
        facts.voting,
    )
    number = reader.heads[-1].number
    end = End(number, reader.position, mark_of(identity, number), history.index, history.previous, facts)
    return Recovery(
        recovered,
        end,
        reader.torn,
        reader.doubtful,
        reader.segments,
        sorted(set(rest) - set(void)),
        [*map(segment_name, reader.old), *map(snapshot_name, sorted(void))],
        [*map(snapshot_name, damaged)],
    )


def _chunks(reader: _Reader, name: str) -> Iterator[bytes]:
    try:
        yield from read_chunks(reader.disk, name, reader.identity)
    except (OSError, ValueError) as error:
        raise reader.damage(name, str(error)) from None
