"""What an enumeration has looked at, and what was wrong: results of its pieces, which add up.

Rules: pure; a part is cut into pieces, and a piece into numbered cases, so that processes may share the work and one
case can be looked at again: `PIECE:CASE`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    digests: set[bytes] = field(default_factory=set)  # of the disks looked at
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.digests |= other.digests
        self.wrong += other.wrong

    def rows(self) -> list[tuple[str, int]]:
        return [("distinct disks", len(self.digests)), *sorted(self.counts.items()), ("wrong", len(self.wrong))]


class Part(Protocol):
    """An enumeration."""

    def sizes(self) -> list[int]:
        """How many cases each piece has."""

    def look(self, piece: int, every: int = 1, offset: int = 0) -> Tally:
        """The cases of one piece, or a share of them; another offset is another share."""

    def only(self, piece: int, case: int) -> str:
        """One case: what came of it. Wrong, with the reason, when it is."""


def share(size: int, every: int, offset: int) -> range:
    """Every so many of a piece's cases, and at least one."""
    return range(offset % min(every, size), size, every)


def look_at(part: Part, pieces: Iterable[int], every: int = 1, offset: int = 0) -> Tally:
    """Several pieces."""
    total = Tally()
    for piece in pieces:
        total.add(part.look(piece, every, offset))
    return total
