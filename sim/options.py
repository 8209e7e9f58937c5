"""What a seed is made of, besides its chances: sizes, clocks, the network, which trouble and which work.

Rules: drawn per seed and printed on the first line of a failure (swarm testing: half of the kinds at a time finds more
than all of them always). Plain values only, so that a plan can be written to a file and changed by hand.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from sim.network import AWFUL, LAN, SLOW, Quality
from zooweeper.model import limits
from zooweeper.model.config import FAST, GRPC, Timing

QUALITIES: dict[str, Quality] = {quality.name: quality for quality in (LAN, SLOW, AWFUL)}
MEMBERSHIP = "membership"  # the nemesis
TIMINGS = {
    "quick": Timing(100, 500, 800, 30),
    "brisk": Timing(100, 1000, 1500, 50),
    "usual": Timing(),
}


@dataclass(frozen=True, slots=True)
class Options:
    """One draw."""

    voters: int
    network: str  # of QUALITIES
    timing: str  # of TIMINGS
    milliseconds: int  # of the safety phase
    clients: int
    timeout_ms: int  # of the sessions
    snapshot_entries: int  # small: snapshots all the time
    window_entries: int  # small: learners need the state rather than the batches
    segment_bytes: int  # of the real storage; 0: the disk as an idea
    purges: bool  # whether the disk as an idea forgets the log before a snapshot
    disk_us: int  # of an fsync, on average
    wire: bool  # messages between peers pass through their encoding
    shuffle: bool  # what falls on one moment happens in any order, not in the order it was asked for
    nemeses: tuple[str, ...]
    workloads: tuple[str, ...]
    chunk_bytes: int = limits.SNAPSHOT_CHUNK_BYTES  # small: a snapshot takes many pieces, and changes fall in between
    observers: int = 0  # members that never count, by the settings
    spares: int = 0  # nodes that run, and that nobody knows until somebody takes them in
    carrier: str = GRPC  # of the broadcast between nodes: FAST, lanes beside the streams

    def __str__(self) -> str:
        return " ".join(f"{field.name}={words(getattr(self, field.name))}" for field in fields(self))


def words(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def some(chance: random.Random, names: Sequence[str], least: int) -> tuple[str, ...]:
    """Half of them, in their order; not fewer than `least`."""
    while True:
        chosen = tuple(name for name in names if chance.random() < 0.5)
        if len(chosen) >= least:
            return chosen


def draw(chance: random.Random, nemeses: Sequence[str], workloads: Sequence[str], voters: int = 0) -> Options:
    """The options of a seed; one in ten has no nemesis at all. `voters` fixes their number."""
    options = Options(
        voters or chance.choice((1, 3, 3, 3, 3, 3, 3, 5)),
        chance.choice(("LAN", "LAN", "LAN", "SLOW", "AWFUL")),
        chance.choice(("quick", "quick", "brisk", "usual")),
        chance.choice((1500, 3000, 5000)),
        chance.randint(1, 4),
        chance.choice((600, 1500, 4000)),
        chance.choice((5, 30, 1000)),
        chance.choice((5, 30, 50_000)),
        chance.choice((0, 4096, 16_384)),
        chance.random() < 0.5,
        chance.choice((100, 1000, 10_000)),
        chance.random() < 0.1,
        chance.random() < 0.3,
        some(chance, nemeses, 1) if chance.random() < 0.9 else (),
        some(chance, workloads, 1),
        chance.choice((300, 2000, limits.SNAPSHOT_CHUNK_BYTES)),
        chance.choice((0, 0, 0, 1, 2)),
        carrier=chance.choice((FAST, FAST, GRPC)),
    )
    return replace(options, spares=chance.randint(1, 2)) if MEMBERSHIP in options.nemeses else options


@contextmanager
def limited(options: Options) -> Iterator[None]:
    """Bounds that a simulation would never reach otherwise."""
    before = limits.WINDOW_ENTRIES_MAX, limits.SNAPSHOT_CHUNK_BYTES
    limits.WINDOW_ENTRIES_MAX, limits.SNAPSHOT_CHUNK_BYTES = options.window_entries, options.chunk_bytes
    try:
        yield
    finally:
        limits.WINDOW_ENTRIES_MAX, limits.SNAPSHOT_CHUNK_BYTES = before
