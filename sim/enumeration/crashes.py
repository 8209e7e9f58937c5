"""Every disk that a crash at any moment may leave is started on, and must hold what it has to.

Rules: pure. A piece is a moment, a case a state of it: state 0 is the kill of the process alone (all that was written
is still in the kernel's memory, and none of it more durable than before), the others are power losses. Each is started
on twice, with a power loss in between: what a start found, it has made durable. Some of them also meet a second crash,
at each operation of the first start and behind it, and some are written on: of the kills all, unless only a share is
looked at.
"""

from sim.disk import SimDisk
from sim.enumeration.run import Stage, Written, moments
from sim.enumeration.states import STATES_MAX, Crash, Watched, digest
from sim.enumeration.tally import Tally, share
from sim.enumeration.truth import Wrong, goes_on

TWICE_EVERY = 10  # of so many states, one meets a second crash
TWICE_STATES_MAX = 12  # at each operation of its recovery
ON_EVERY = 4  # of so many states, one is written on


class Crashes:
    """The enumeration; it remembers what it has looked at."""

    def __init__(self, states_max: int = STATES_MAX) -> None:
        self.moments = moments()
        self._states_max = states_max
        self._seen: set[tuple[bytes, Stage]] = set()

    def sizes(self) -> list[int]:
        return [1 + len(Crash(moment.disk, self._states_max).choices) for moment in self.moments]

    def look(self, piece: int, every: int = 1, offset: int = 0) -> Tally:
        moment = self.moments[piece]
        tally = Tally()
        tally.counts["moments"] += 1
        crash = Crash(moment.disk, self._states_max)
        tally.counts["moments of which every state without a tear was listed"] += crash.complete
        for case in share(1 + len(crash.choices), every, offset + piece):
            disk = crash.disk(crash.choices[case - 1]) if case else moment.disk.copy()
            if case:
                key = digest(disk)
                tally.digests.add(key)
                if (key, moment.stage) in self._seen:
                    continue
                self._seen.add((key, moment.stage))
            tally.counts["power losses" if case else "kills of the process alone"] += 1
            try:
                turn = 0 if every == 1 and not case else piece + case // every
                _examine(disk, moment.stage, turn, tally)
            except Wrong as wrong:
                tally.wrong.append(f"{piece}:{case}  {moment.what}: {wrong}")
        return tally

    def only(self, piece: int, case: int) -> str:
        moment = self.moments[piece]
        crash = Crash(moment.disk, self._states_max)
        disk = crash.disk(crash.choices[case - 1]) if case else moment.disk.copy()
        tally = Tally()
        _examine(disk, moment.stage, 0, tally)
        return f"{moment.what}: right, and after {tally.counts[AGAIN]} second crashes, too"


AGAIN = "second crashes, in or after a recovery"


def _examine(disk: SimDisk, stage: Stage, turn: int, tally: Tally) -> None:
    if turn % TWICE_EVERY == 0:
        tally.counts[AGAIN] += crash_twice(disk, stage)
    after = start_twice(disk, stage)
    if turn % ON_EVERY == 0 and isinstance(after, Written):
        goes_on(disk)
        tally.counts["written on afterwards"] += 1


def start_twice(disk: SimDisk, stage: Stage) -> Stage:
    """Start, lose what is not durable, start again: what was found is found again. Wrong."""
    after = stage.start(disk)
    disk.lose_unsynced()
    return after.start(disk)


def crash_twice(disk: SimDisk, stage: Stage) -> int:
    """A second crash at each operation of a start, and behind it: how many there were. Wrong."""
    duties: list[tuple[Stage, SimDisk]] = []
    watched = Watched(lambda what: duties.append((stage, watched.copy())))
    watched.load(disk)
    duties.append((stage.start(watched), watched))
    count = 0
    for operation, (duty, left) in enumerate(duties):
        crash = Crash(left, TWICE_STATES_MAX)
        for choice in crash.choices:
            try:
                start_twice(crash.disk(choice), duty)
            except Wrong as wrong:
                raise Wrong(f"a second crash, after {operation} operations of the next start: {wrong}") from wrong
            count += 1
    return count
