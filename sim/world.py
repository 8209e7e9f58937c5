"""The world: virtual time, chance by name, and the trace of all that happens.

Rules: everything happens in one order, which the seed alone decides: a heap of (time, sequence). Every purpose has a
generator of its own, so that removing one fault does not shift the workload. No real time, no thread, no order of
sets. Times are microseconds here (the brain's are milliseconds).
"""

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import Any

MS = 1000
SECOND = 1_000_000
NEVER_US = 1 << 62
TRACE_LINES = 20_000


class Violation(Exception):
    """A promise was broken: which one, and how it showed."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"{check}: {detail}")
        self.check = check
        self.detail = detail


class Chances:
    """Generators by purpose, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def chance(self, purpose: str) -> random.Random:
        """The generator of one purpose."""
        if purpose not in self._streams:
            digest = hashlib.sha256(f"{self.seed} {purpose}".encode()).digest()
            self._streams[purpose] = random.Random(int.from_bytes(digest[:8], "big"))
        return self._streams[purpose]

    def dice(self, number: int) -> random.Random:
        """The generator of one strike or one doing, which brings its own number."""
        return random.Random(number)


class World(Chances):
    """Runs what was scheduled, in order; knows nothing of nodes."""

    def __init__(self, seed: int, traced: bool = True, shuffle: bool = False) -> None:
        """`traced`: notes are kept and hashed, which costs a quarter of the time. `shuffle`: what falls on one moment
        happens in any order."""
        super().__init__(seed)
        self.traced = traced
        self.now_us = 0
        self.steps = 0
        self.trace: deque[tuple[int, str, Any]] = deque(maxlen=TRACE_LINES)
        self.marks: dict[str, int] = {}  # rare situations that were reached
        self._heap: list[tuple[int, float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._hash = hashlib.sha256()
        self._ties = self.chance("ties") if shuffle else None

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do it `delay_us` from now."""
        assert delay_us >= 0, delay_us
        self._sequence += 1
        tie = 0.0 if self._ties is None else self._ties.random()
        heapq.heappush(self._heap, (self.now_us + delay_us, tie, self._sequence, action, arguments))

    def run(self, until_us: int) -> None:
        """Everything up to that time."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= until_us:
            self.now_us, _, _, action, arguments = pop(heap)
            self.steps += 1
            action(*arguments)
        self.now_us = until_us

    def note(self, who: str, what: Any) -> None:
        """One line of the trace; formatted when somebody wants to read it, hashed at once. Whoever calls it often asks
        `traced` first, and so does not even make the line."""
        if not self.traced:
            return
        self.trace.append((self.now_us, who, what))
        self._hash.update(f"{self.now_us} {who} {what}\n".encode())

    def mark(self, situation: str) -> None:
        self.marks[situation] = self.marks.get(situation, 0) + 1

    def trace_hash(self) -> str:
        """Equal for equal seeds, in any process."""
        return self._hash.hexdigest()

    def tail(self, lines: int) -> list[str]:
        """The last lines of the trace."""
        chosen = list(self.trace)[-lines:]
        return [f"{time_us / MS:12.3f} {who:8} {shorten(str(what))}" for time_us, who, what in chosen]


def shorten(text: str, limit: int = 220) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
