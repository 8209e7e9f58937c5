"""The two clocks, read in one place.

Rules: monotonic time decides, wall time is only stamped on entries (the leader's) and shown. Integer milliseconds;
microseconds where a batch waits for a part of one.
"""

import time

from zooweeper.replica.events import Clock, Tick


def now() -> Clock:
    """This moment, for the brain."""
    now_ms, ns = divmod(time.monotonic_ns(), 1_000_000)
    return Clock(now_ms, time.time_ns() // 1_000_000, ns // 1000)


def tick() -> Tick:
    """This moment, and one tick of the clockwork."""
    return Tick(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
