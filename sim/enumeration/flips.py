"""Every byte of a folder rots, every file ends at every byte, every sector is another's: found, or harmless.

Rules: pure. Everything in these folders had been durable. A piece is one kind of damage to one file, a case one place.
A folder that opens holds what was written, snapshots that were set aside excepted, for the log says the same; one that
does not open is as it was. The one exception: where the hint is lost as well, rot in the bytes of the very last write
cannot be told from a tear, and is allowed to shorten the history by that write.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import combinations, permutations

from sim.disk import SECTOR, SimDisk
from sim.enumeration.run import INCARNATION
from sim.enumeration.states import digest
from sim.enumeration.tally import Tally, share
from sim.enumeration.truth import CLUSTER, NODE, SEGMENT_BYTES, Truth, Wrong, batch, opened, snapshot
from zooweeper.model.durable import Accepted, Current, Cut, Record
from zooweeper.model.zxid import make
from zooweeper.storage.folder import Damaged, FolderError, format_folder
from zooweeper.storage.log import HINT_NAME, segment_number
from zooweeper.storage.storage import Storage

CHUNK = bytes(range(256)) * 16
AGAIN_EVERY = 8  # of so many folders that open, one is opened again


def large() -> list[list[Record]]:
    """More than 16 KiB of log, in several segments, most of it behind a snapshot of more than 16 KiB."""
    batches: list[list[Record]] = [[batch(2, counter, size=100 + 160 * (counter % 9))] for counter in range(3, 25)]
    return [
        [Accepted(1), Current(1)],
        [batch(1, 1, 3), batch(1, 4, size=1900)],
        snapshot(make(1, 3), ((1, 3),), b"three", CHUNK[:600]),
        [batch(1, 5, size=1000), Cut(make(1, 4)), Accepted(2)],
        [batch(2, 1, 2), Current(2)],
        snapshot(make(2, 2), ((1, 4), (2, 2)), *[CHUNK] * 4, b"two", CHUNK[:100]),
        *batches,
        [batch(2, 25, 26), Accepted(3), batch(2, 27)],
    ]


def small() -> list[list[Record]]:
    """A few sectors of everything."""
    return [
        [Accepted(1), Current(1), batch(1, 1, 3)],
        snapshot(make(1, 3), ((1, 3),), b"three", CHUNK[:600]),
        [batch(1, 4, size=900), batch(1, 5, size=300)],
        [batch(1, 6, size=400)],
        [Cut(make(1, 5)), Accepted(2)],
        [batch(2, 1, size=900)],
        [batch(2, 2, size=200)],
        [Current(2), batch(2, 3)],
        [batch(2, 4)],
    ]


class Sample:
    """A folder in good order, and what it was after each write."""

    def __init__(self, writes: list[list[Record]]) -> None:
        self.disk = SimDisk()
        self.truth = Truth()
        self.past: list[SimDisk] = []
        identity = format_folder(self.disk, CLUSTER, NODE, INCARNATION, segment_bytes=SEGMENT_BYTES)
        storage, _ = Storage.open(self.disk, identity, SEGMENT_BYTES)
        for write in writes:
            self.past.append(self.disk.copy())
            storage.write(write)
            self.truth.give(write)
        storage.close()
        self.count = len(self.truth.records)
        self.last = self.logs()[-1]
        begins = [self.last in past.names() for past in self.past].index(True) - 1  # the write that began this segment
        self.in_last = sum(map(len, writes[begins:]))
        self.in_last_write = len(writes[-1])
        self.last_bytes = range(self._used(self.past[-1]), self._used(self.disk))  # of the last write, in that file

    def started(self) -> "Sample":
        """The same after a power loss that took the hint, a start, and a power loss again."""
        other = copy(self)
        other.disk = self.disk.copy()
        other.disk.poke(HINT_NAME, 0, self.past[-1].read(HINT_NAME))
        opened(other.disk)
        other.disk.lose_unsynced()
        return other

    def logs(self) -> list[str]:
        return [name for name in self.disk.names() if segment_number(name) is not None]

    def _used(self, disk: SimDisk) -> int:
        return len(disk.read(self.last).rstrip(b"\0"))


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind of damage to one file (or to pairs of sectors)."""

    what: str
    sample: Sample
    cases: int
    damaged: Callable[[SimDisk, int], bool]  # does it to a copy; False: nothing would be changed
    may_lose: range = range(0)  # the cases in which so many records, the last ones, may be taken for a tear
    records: int = 0


def one_bit(byte: int, at: int) -> int:
    return byte ^ 1 << at % 8


ROT: dict[str, Callable[[int, int], int]] = {
    "a bit turned": one_bit,
    "all bits turned": lambda byte, _: byte ^ 0xFF,
    "zeroed": lambda byte, _: 0,
    "all ones": lambda byte, _: 0xFF,
}


class Flips:
    """The enumeration."""

    def __init__(self) -> None:
        big, little = Sample(large()), Sample(small())
        self._pieces = [*_sectors(little), *_files(little), *_rot(big), *_rot_without_hint(big), *_ends(big)]

    def sizes(self) -> list[int]:
        return [piece.cases for piece in self._pieces]

    def look(self, piece: int, every: int = 1, offset: int = 0) -> Tally:
        tally = Tally()
        for case in share(self._pieces[piece].cases, every, offset + piece):
            try:
                came = self._case(piece, case, tally.digests)
            except Wrong as wrong:
                tally.wrong.append(f"{piece}:{case}  {self._pieces[piece].what}: {wrong}")
            else:
                tally.counts[came] += 1
        del tally.counts[NOTHING]
        return tally

    def only(self, piece: int, case: int) -> str:
        return f"{self._pieces[piece].what}: {self._case(piece, case, set())}"

    def _case(self, number: int, case: int, digests: set[bytes]) -> str:
        piece = self._pieces[number]
        disk = piece.sample.disk.copy()
        if not piece.damaged(disk, case):
            return NOTHING
        key = digest(disk)
        digests.add(key)
        return _examine(disk, key, piece, case)


NOTHING = "nothing changed"


def _examine(disk: SimDisk, key: bytes, piece: Piece, case: int) -> str:
    """What came of it. Wrong if that is no outcome allowed."""
    sample = piece.sample
    try:
        storage, found = opened(disk)
    except FolderError as error:
        if digest(disk) != key:
            raise Wrong(f"did not open ({error}), and was changed all the same") from error
        return "found: repair" if isinstance(error, Damaged) else "found: refused"
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    try:
        sample.truth.match_damaged(found, sample.count)
    except Wrong:
        if case not in piece.may_lose:
            raise
        sample.truth.match(found, sample.count - piece.records, sample.count)
        return "with the hint lost, the end taken for a tear"
    if case % AGAIN_EVERY == 0:
        storage.close()
        try:
            again = opened(disk)[1]
        except FolderError as error:
            raise Wrong(f"opened once, but not again: {error}") from error
        if again != found:
            raise Wrong(f"held {found}, and the next time {again}")
    wanted = sample.truth.meaning(sample.count)
    if found.snapshot != wanted.snapshot:
        return "found: an older snapshot, the same history"
    return "the same content"


def _rot(sample: Sample) -> list[Piece]:
    disk, last = sample.disk, sample.last
    return [
        *(
            Piece(f"{name}, {what}", sample, disk.size(name), partial(_turn, name, turn))
            for name in disk.names()
            for what, turn in ROT.items()
        ),
        Piece(
            f"{last}, a bit turned, behind a start", sample.started(), disk.size(last), partial(_turn, last, one_bit)
        ),
    ]


def _rot_without_hint(sample: Sample) -> list[Piece]:
    """The power was lost after the last write, the hint with it; then a byte rots."""
    return [
        Piece(
            f"{name}, {what}, with {hint}",
            sample,
            sample.disk.size(name),
            partial(_without_hint, sample, lost, partial(_turn, name, ROT[what])),
            sample.last_bytes if name == sample.last else range(0),
            sample.in_last_write,
        )
        for name in sample.logs()
        for what, hint, lost in (("a bit turned", "no hint", True), ("zeroed", "an older hint", False))
    ]


def _ends(sample: Sample) -> list[Piece]:
    disk, last = sample.disk, sample.last
    without = partial(_without_hint, sample, True, partial(_end, last))
    return [
        *(Piece(f"{name} ends early", sample, disk.size(name), partial(_end, name)) for name in disk.names()),
        Piece(
            f"{last} ends early, with no hint", sample, disk.size(last), without, range(SEGMENT_BYTES), sample.in_last
        ),
    ]


def _sectors(sample: Sample) -> list[Piece]:
    """Sectors written in another's place, in each other's, and not written at all."""
    disk = sample.disk
    places = [(name, sector) for name in disk.names() for sector in range(-(-disk.size(name) // SECTOR))]
    sources = [(target, _sector(disk, *source)) for source, target in permutations(places, 2)]
    stale = [
        ((name, at), _sector(past, name, at)) for past in sample.past for name, at in places if name in past.names()
    ]
    swaps = [
        (one, _sector(disk, *other), other, _sector(disk, *one))
        for one, other in combinations(places, 2)
        if HINT_NAME not in (one[0], other[0])  # that would be two faults
    ]
    return [
        Piece("a sector repeated in the place of another", sample, len(sources), partial(_put, sources)),
        Piece("an older version of a sector", sample, len(stale), partial(_put, stale)),
        Piece("two sectors swapped", sample, len(swaps), partial(_swap, swaps)),
        Piece("a sector that cannot be read", sample, len(places), partial(_spoil, places)),
    ]


def _files(sample: Sample) -> list[Piece]:
    names = sample.disk.names()
    older = [(name, past.read(name)) for past in sample.past for name in names if name in past.names()]
    others = [(one, sample.disk.read(other)) for one, other in permutations(names, 2)]
    return [
        Piece("a file is gone", sample, len(names), partial(_remove, names)),
        Piece("an older version of a file", sample, len(older), partial(_replace, older)),
        Piece("a file in the place of another", sample, len(others), partial(_replace, others)),
    ]


# --- damages: they change the disk that they are given, and say whether they did


def _turn(name: str, turn: Callable[[int, int], int], disk: SimDisk, at: int) -> bool:
    before = disk.read(name, at, 1)[0]
    after = turn(before, at)
    disk.flip(name, at, before ^ after)
    return before != after


def _end(name: str, disk: SimDisk, size: int) -> bool:
    disk.shorten(name, size)
    return True


def _without_hint(sample: Sample, lost: bool, damage: Callable[[SimDisk, int], bool], disk: SimDisk, case: int) -> bool:
    if lost:
        disk.remove(HINT_NAME)
    else:
        disk.poke(HINT_NAME, 0, sample.past[-1].read(HINT_NAME))
    return damage(disk, case)


def _put(changes: list[tuple[tuple[str, int], bytes]], disk: SimDisk, case: int) -> bool:
    (name, sector), content = changes[case]
    content = content[: disk.size(name) - sector * SECTOR]
    before = _sector(disk, name, sector)
    disk.poke(name, sector * SECTOR, content)
    return _sector(disk, name, sector) != before


def _swap(swaps: list[tuple[tuple[str, int], bytes, tuple[str, int], bytes]], disk: SimDisk, case: int) -> bool:
    one, others, other, ones = swaps[case]
    first = _put([(one, others)], disk, 0)
    return _put([(other, ones)], disk, 0) or first


def _spoil(places: list[tuple[str, int]], disk: SimDisk, case: int) -> bool:
    name, sector = places[case]
    disk.spoil(name, sector * SECTOR)
    return True


def _remove(names: list[str], disk: SimDisk, case: int) -> bool:
    disk.remove(names[case])
    disk.sync_folder()
    return True


def _replace(contents: list[tuple[str, bytes]], disk: SimDisk, case: int) -> bool:
    name, content = contents[case]
    if disk.read(name) == content:
        return False
    disk.shorten(name, 0)
    disk.poke(name, 0, content)
    return True


def _sector(disk: SimDisk, name: str, sector: int) -> bytes:
    return disk.read(name, sector * SECTOR, SECTOR)
