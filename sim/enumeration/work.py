"""One process of an enumeration: it makes the part once, and looks at the pieces that it is given.

Rules: the only state is the part; a module of its own, for a process that is not forked cannot import a `__main__`.
"""

from collections.abc import Callable

from sim.enumeration.crashes import Crashes
from sim.enumeration.flips import Flips
from sim.enumeration.tally import Part, Tally

PARTS: dict[str, Callable[[], Part]] = {"crashes": Crashes, "flips": Flips}
_mine: list[Part] = []


def begin(name: str) -> None:
    """In each process, once."""
    _mine.append(PARTS[name]())


def look(work: tuple[int, int, int]) -> Tally:
    """A piece, every how many of its cases, and the first of them."""
    return _mine[0].look(*work)
