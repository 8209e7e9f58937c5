"""The two clocks, read in one place.

Rules: monotonic time decides, wall time is only stamped on entries (the leader's) and shown. Integer milliseconds.
"""

import time

from zooweeper.replica.events import Clock, Tick


def now() -> Clock:
    """This moment, for the brain."""
    return Clock(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


def tick() -> Tick:
    """This moment, and one tick of the clockwork."""
    return Tick(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
