"""Two servers play the same scripts; the first step whose answers differ without a reason, shrunk to what it takes.

Rules: a step's answers are compared whole: which frames, in which order, each field. A difference that a row of
`differences.py` explains is counted there; where it leaves the two trees different, the script ends.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from tests.interop.differential.differences import explanation
from tests.interop.differential.play import COUNTERS, Answer, Player
from tests.interop.differential.steps import Open, Step, requests, show


@dataclass
class Tally:
    """What was compared. Operations are those that were answered, new connections among them."""

    operations: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    events: int = 0
    explained: Counter[str] = field(default_factory=Counter)

    def count(self, step: Step, answer: Answer) -> None:
        answered = sum("reply" in frame or "welcome" in frame for name, frame in answer if name == step.session)
        self.operations += min(answered, len(requests(step)) or 1)
        self.codes.update(ask.code for ask in requests(step))
        self.errors.update(frame["error"] for _, frame in answer if "reply" in frame)
        self.events += sum("event" in frame for _, frame in answer)


@dataclass
class Difference:
    """A step that was answered in two ways, and what led to it."""

    script: list[Step]
    theirs: Answer
    ours: Answer

    def __str__(self) -> str:
        lines = [f"  {number:3} {show(step)}" for number, step in enumerate(self.script)]
        pairs = zip_longest(self.theirs, self.ours)
        lines += [line for pair in pairs for line in _both(*pair)]
        return "\n".join(lines)


def _both(theirs: tuple[str, dict[str, object]] | None, ours: tuple[str, dict[str, object]] | None) -> list[str]:
    if theirs == ours:
        return [f"    both    {theirs}"]
    return [f"    theirs  {theirs}", f"    ours    {ours}"]


def play(theirs: Player, ours: Player, script: Iterable[Step], tally: Tally) -> Difference | None:
    """Both play one script, from an empty tree on; the first difference that has no reason."""
    played: list[Step] = []
    stats = [player.reset() for player in (theirs, ours)]
    for path in stats[0]:
        for player in (theirs, ours):
            player.raise_counters(path, *(max(stat[path][key] for stat in stats) for key in COUNTERS))
    for step in script:
        played.append(step)
        first, second = theirs.play(step), ours.play(step)
        tally.count(step, first)
        if first == second:
            continue
        rows = explanation(step, first, second)
        if rows is None:
            return Difference(played, first, second)
        tally.explained.update(row.name for row in rows)
        if any(row.parts for row in rows):
            return None
    return None


def shrink(found: Difference, again: Callable[[list[Step]], Difference | None]) -> Difference:
    """The same kind of difference from as few steps as it takes."""
    size = len(found.script) // 2
    while size >= 1:
        smaller = next(filter(None, (again(script) for script in _without(found.script, size))), None)
        if smaller is None:
            size //= 2
        else:
            found = smaller
            size = min(size, len(found.script) // 2)
    return found


def _without(script: list[Step], size: int) -> Iterator[list[Step]]:
    """The script without some of its steps; those that open a session stay as long as it is used."""
    for start in range(0, len(script), size):
        kept = script[:start] + script[start + size :]
        used = {step.session for step in kept if not isinstance(step, Open)}
        opened = [step for step in script if isinstance(step, Open) and step.how == "new" and step.session in used]
        missing = [step for step in opened if step not in kept]
        if len(missing) + len(kept) < len(script):
            yield [*missing, *kept]
