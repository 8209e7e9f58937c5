"""Which disks a power loss may leave behind, as a list: what SimDisk.crash draws by chance, this counts out.

Rules: pure; the same disk gives the same list, in any process. What may differ between two of them is a *dimension*:
the size of a file, or one of its sectors. Its *whole* options are what the last sync made certain and every version
since, in their order; behind them come the *tears*: one version up to some byte, its neighbour from there on. The
names survive as a prefix of what was done to them. Where the product of all whole options is small it is listed in
full, else everything that differs in one or two dimensions from the disk that lost everything and from the one that
lost nothing; then tears at every byte, one at a time (evenly thinned out if they are too many), then draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, pairwise, product
from math import prod
from random import Random
from typing import NamedTuple

from sim.disk import BLANK, SECTOR, Inode, SimDisk

STATES_MAX = 2000  # of one disk
TEARS_SHARE = 0.3  # of them, at least this many are tears, if there are so many
DIGEST_BYTES = 12


class Watched(SimDisk):
    """A disk that tells before each operation that changes it; what it holds then is what a crash finds."""

    def __init__(self, before: Callable[[str], None]) -> None:
        super().__init__()
        self.before = before

    def enter(self, what: str, bytes_more: int = 0) -> None:
        self.before(what)
        super().enter(what, bytes_more)


class Choice(NamedTuple):
    """One disk that may be left: which of the namings, and the option taken in each of its dimensions."""

    naming: int
    options: tuple[int, ...]


@dataclass(slots=True)
class Dimension:
    """What one thing in a file may be after the crash."""

    name: str  # of the file
    sector: int  # SIZE: not a sector, the size
    options: list[bytes] | list[int]
    whole: int  # so many of the options are no tears


SIZE = -1


class Crash:
    """All that a power loss may make of a disk as it is now."""

    def __init__(self, disk: SimDisk, states_max: int = STATES_MAX) -> None:
        namings: list[dict[str, Inode]] = []
        for names in disk.namings():
            if names not in namings:
                namings.append(names)
        self._namings = [{name: names[name].copy() for name in sorted(names)} for names in namings]
        self._dimensions = [list(_dimensions(names)) for names in self._namings]
        share = max(2, states_max // len(namings))
        whole = max(prod(dimension.whole for dimension in dimensions) for dimensions in self._dimensions)
        self.complete = whole <= share * (1 - TEARS_SHARE)  # every combination of whole options is a choice
        self.choices = [
            Choice(number, options)
            for number, dimensions in enumerate(self._dimensions)
            for options in _choices(dimensions, share)
        ]

    def disk(self, choice: Choice) -> SimDisk:
        """The disk of that choice; it is the caller's."""
        names, dimensions = self._namings[choice.naming], self._dimensions[choice.naming]
        files = {
            name: Inode(durable=dict(inode.durable), durable_size=inode.durable_size) for name, inode in names.items()
        }
        for dimension, option in zip(dimensions, choice.options, strict=True):
            value, inode = dimension.options[option], files[dimension.name]
            if isinstance(value, int):
                inode.durable_size = value
            else:
                inode.durable[dimension.sector] = value
        for inode in files.values():
            inode.settle()
        disk = SimDisk()
        disk.hold(files)
        return disk


def digest(disk: SimDisk) -> bytes:
    """The same for two disks of equal names and contents, and for no others."""
    total = blake2b(digest_size=DIGEST_BYTES)
    for name, inode in sorted(disk.namings()[-1].items()):
        total.update(f"{name} {inode.size}\n".encode())
        for sector in sorted(inode.sectors):
            if inode.sectors[sector] != BLANK:
                total.update(sector.to_bytes(8))
                total.update(inode.sectors[sector])
    return total.digest()


def _dimensions(names: dict[str, Inode]) -> Iterator[Dimension]:
    for name, inode in names.items():
        sizes = list(dict.fromkeys([inode.durable_size, *inode.sizes]))
        if len(sizes) > 1:
            yield Dimension(name, SIZE, sizes, len(sizes))
        for sector in sorted(inode.versions):
            contents = list(dict.fromkeys([inode.durable.get(sector, BLANK), *inode.versions[sector]]))
            if len(contents) > 1:
                torn = [tear for pair in pairwise(contents) for tear in _tears(*pair)]
                yield Dimension(name, sector, contents + torn, len(contents))


def _tears(old: bytes, new: bytes) -> Iterator[bytes]:
    """Either one up to some byte, the other behind it; only where that is neither of the two."""
    differing = [at for at in range(SECTOR) if old[at] != new[at]]
    for at in differing[1:]:
        yield new[:at] + old[at:]
        yield old[:at] + new[at:]


def _choices(dimensions: list[Dimension], states_max: int) -> list[tuple[int, ...]]:
    wholes = [range(dimension.whole) for dimension in dimensions]
    none, all_of_it = (0,) * len(wholes), tuple(dimension.whole - 1 for dimension in dimensions)
    bases = (none, all_of_it)
    tears = [
        (*base[:at], option, *base[at + 1 :])
        for base in bases
        for at, dimension in enumerate(dimensions)
        for option in range(dimension.whole, len(dimension.options))
    ]
    room = states_max - min(len(tears), int(states_max * TEARS_SHARE))
    found: dict[tuple[int, ...], None] = dict.fromkeys(bases)
    if prod(map(len, wholes)) <= room:
        found.update(dict.fromkeys(product(*wholes)))
    else:
        for options in _near(bases, wholes):
            if len(found) >= room:
                break
            found[options] = None
    step = -(-len(tears) // max(1, states_max - len(found)))
    found.update(dict.fromkeys(tears[:: max(1, step)]))
    chance = Random(len(found))
    if prod(len(dimension.options) for dimension in dimensions) > len(found):
        for _ in range(states_max - len(found)):
            found[tuple([chance.randrange(len(dimension.options)) for dimension in dimensions])] = None
    return list(found)


def _near(bases: tuple[tuple[int, ...], ...], wholes: list[range]) -> Iterator[tuple[int, ...]]:
    """What differs from a base in one dimension, then what differs in two."""
    for count in (1, 2):
        for base in bases:
            for places in combinations(range(len(base)), count):
                for values in product(*[wholes[place] for place in places]):
                    options = list(base)
                    for place, value in zip(places, values, strict=True):
                        options[place] = value
                    yield tuple(options)
