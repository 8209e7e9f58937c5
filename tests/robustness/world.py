"""The simulator's world with real time: what its workloads ask of a world, on an event loop.

Rules: the face of sim/world.py, microseconds since the run began. A Violation that is raised anywhere in here is
remembered, not lost in a callback. Chance still comes by name from the seed: the same operations are drawn again,
though never at the same moments.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from sim.world import Chances, Violation

TRACE_LINES = 400
VIOLATIONS_MAX = 20


class RealWorld(Chances):
    """Time, chance and memory of one run."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.traced = True
        self.stopped = False  # nothing more happens
        self.marks: dict[str, int] = {}
        self.trace: deque[tuple[int, str, Any]] = deque(maxlen=TRACE_LINES)
        self.violations: list[Violation] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @property
    def now_us(self) -> int:
        return int((self._loop.time() - self._began) * 1_000_000)

    @property
    def now_s(self) -> float:
        return self._loop.time() - self._began

    def after(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """Do it `delay_us` from now."""
        self._loop.call_later(delay_us / 1_000_000, self.do, action, *arguments)

    def do(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do it, and remember the promise that it finds broken."""
        if self.stopped:
            return
        try:
            action(*arguments)
        except Violation as violation:
            self.violated(violation)

    def violated(self, violation: Violation) -> None:
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(violation)

    def note(self, who: str, what: Any) -> None:
        self.trace.append((self.now_us, who, what))

    def mark(self, situation: str) -> None:
        self.marks[situation] = self.marks.get(situation, 0) + 1
