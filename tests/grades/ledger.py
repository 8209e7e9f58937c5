"""What clients were told, and what that allows the table to hold.

Rules: pure. Every appended value is used once, so a lost, a doubled and a foreign one all show. Acknowledged values
must be in their row once, refused ones nowhere, open ones once or nowhere. The acknowledged values of one writer were
sent in rising order, and must stand in it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

Table = Mapping[int, Sequence[int]]
WRITER_SPAN = 1_000_000  # values of one writer
ROWS = 16  # that all writers append to, in turns
FIRST_ROW = 1_000  # rows below belong to single tests


class Fate(Enum):
    OPEN = "open"  # sent; nobody knows
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"  # it did not happen, and never will


@dataclass(frozen=True, slots=True)
class Verdict:
    acknowledged: int
    lost: int
    doubled: int
    foreign: int  # values that nobody sent, or that were refused
    disordered: int
    wrong: tuple[int, ...]  # rows that one client alone wrote, and that are not what it was told

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.foreign or self.disordered or self.wrong)


@dataclass(slots=True)
class Ledger:
    """Of all writers together."""

    appended: dict[int, dict[int, Fate]] = field(default_factory=dict)  # row: value: fate
    exact: dict[int, tuple[int, ...] | None] = field(default_factory=dict)  # rows whose whole story is known
    writers: int = 0
    _last: dict[int, int] = field(default_factory=dict)  # of each writer

    def writer(self) -> int:
        """The number of a new writer."""
        self.writers += 1
        return self.writers

    def value(self, writer: int) -> tuple[int, int]:
        """A row and a new value for it, sent from now on."""
        self._last[writer] = count = self._last.get(writer, 0) + 1
        row, value = FIRST_ROW + count % ROWS, writer * WRITER_SPAN + count
        self.appended.setdefault(row, {})[value] = Fate.OPEN
        return row, value

    def tell(self, row: int, value: int, fate: Fate) -> None:
        self.appended[row][value] = fate

    def judge(self, table: Table) -> Verdict:
        lost = doubled = foreign = disordered = 0
        for row in sorted({*self.appended, *(row for row in table if row not in self.exact)}):
            told, there = self.appended.get(row, {}), table.get(row, ())
            counts = Counter(there)
            doubled += sum(count - 1 for count in counts.values())
            foreign += sum(told.get(value, Fate.REFUSED) is Fate.REFUSED for value in counts)
            lost += sum(fate is Fate.ACKNOWLEDGED and value not in counts for value, fate in told.items())
            by_writer: dict[int, list[int]] = {}
            for value in (one for one in there if told.get(one) is Fate.ACKNOWLEDGED):
                by_writer.setdefault(value // WRITER_SPAN, []).append(value)
            disordered += sum(values != sorted(values) for values in by_writer.values())
        wrong = tuple(row for row, events in self.exact.items() if _events(table.get(row)) != events)
        return Verdict(self.acknowledged, lost, doubled, foreign, disordered, wrong)

    @property
    def acknowledged(self) -> int:
        return sum(fate is Fate.ACKNOWLEDGED for told in self.appended.values() for fate in told.values())


def _events(found: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if found is None else tuple(found)
