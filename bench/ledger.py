"""Who wrote what, and what became of it: the checker of acknowledged writes.

Rules: pure. Every write is the creation of a sequential znode whose value no other write has, so that a write that took
effect twice shows as two znodes of one value, and one that was lost as none. A writer numbers its values in the order
in which it sends them; the names the ensemble gave must rise in that order, for a session's writes keep their order.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum


class Fate(Enum):
    """What a writer knows about one write."""

    OPEN = "no answer yet, or an error that does not say"
    ACKNOWLEDGED = "answered"
    REFUSED = "an error that says it was not applied"


@dataclass(slots=True)
class Write:
    value: bytes
    fate: Fate = Fate.OPEN
    name: str = ""  # of the znode, once acknowledged


@dataclass(slots=True)
class Ledger:
    """The writes of one writer, in the order they were sent."""

    writer: str
    writes: list[Write] = field(default_factory=list)

    def send(self) -> Write:
        """The next write, with its unique value."""
        write = Write(f"{self.writer}:{len(self.writes)}".encode())
        self.writes.append(write)
        return write

    @property
    def acknowledged(self) -> int:
        return sum(write.fate is Fate.ACKNOWLEDGED for write in self.writes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comparing the ledgers with one reading of the tree showed. Values, in a readable form, are examples."""

    acknowledged: int
    found: int
    lost: tuple[str, ...]  # acknowledged, and not there, or not under the name that was answered
    duplicated: tuple[str, ...]  # there more than once
    ghosts: tuple[str, ...]  # there, though never sent, or refused as not applied
    misordered: tuple[str, ...]  # after a write that was sent later by the same writer

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated or self.ghosts or self.misordered)

    def __str__(self) -> str:
        text = (
            f"{self.acknowledged} acknowledged, {len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.ghosts)} ghosts, {len(self.misordered)} misordered"
        )
        examples = [*self.lost[:3], *self.duplicated[:3], *self.ghosts[:3], *self.misordered[:3]]
        return f"{text} ({', '.join(examples)})" if examples else text


def judge(ledgers: Iterable[Ledger], found: Iterable[tuple[str, bytes]]) -> Verdict:
    """Compare what writers know with `found`: (name, value) of every znode there is, in any order."""
    znodes = sorted(found)
    times = Counter(value for _, value in znodes)
    names = {value: name for name, value in znodes}
    places: dict[bytes, tuple[Ledger, int]] = {}
    lost: list[str] = []
    acknowledged = 0
    for ledger in ledgers:
        for place, write in enumerate(ledger.writes):
            places[write.value] = ledger, place
            if write.fate is Fate.ACKNOWLEDGED:
                acknowledged += 1
                if names.get(write.value) != write.name and times[write.value] < 2:
                    lost.append(write.value.decode())
    ghosts: list[str] = []
    misordered: list[str] = []
    newest: dict[str, int] = {}
    for _, value in znodes:
        known = places.get(value)
        if known is None or known[0].writes[known[1]].fate is Fate.REFUSED:
            ghosts.append(value.decode(errors="replace"))
            continue
        ledger, place = known
        if place < newest.get(ledger.writer, -1):
            misordered.append(value.decode())
        newest[ledger.writer] = max(place, newest.get(ledger.writer, -1))
    duplicated = tuple(sorted(value.decode(errors="replace") for value, count in times.items() if count > 1))
    return Verdict(acknowledged, len(znodes), tuple(lost), duplicated, tuple(ghosts), tuple(misordered))
