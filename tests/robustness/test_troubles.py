"""A trouble that did not bite says nothing, however often it is asked; one that did says how it was seen.

Rules: no processes here, a bed of plain values: what is tried is what counts as evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from tests.robustness import shapes, troubles
from tests.robustness.bed import Bed
from tests.robustness.proxy import Quality, Way
from tests.robustness.troubles import Site, Trouble


class FakeProxies:
    """Counters without bytes."""

    def __init__(self) -> None:
        self.ways = {pair: Way() for pair in ((1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2))}
        self.connections = 0

    def way(self, pair: tuple[int, int], lane: bool = False) -> Way:
        return self.ways[pair]

    def reset(self, pairs: object, lane: bool = False) -> int:
        return self.connections

    def hold(self, pairs: object, lane: bool = False) -> None: ...

    def swallow(self, pairs: object) -> None: ...

    def heal(self, pairs: object = None) -> None: ...

    def slow(self, pairs: object, quality: Quality) -> None: ...


@dataclass
class FakeDisk:
    said: str = ""

    def cut(self) -> None: ...

    def fill(self) -> int:
        return 0

    def dead(self) -> str:
        return self.said


@dataclass
class FakeShim:
    counters: dict[str, int] = field(default_factory=dict)

    def set(self, switch: str, value: int) -> None: ...

    def clear(self) -> None: ...

    def get(self, name: str) -> int:
        return self.counters.get(name, 0)


class FakeBed:
    """Three nodes; node 2 is the victim."""

    def __init__(self) -> None:
        self.ids = (1, 2, 3)
        self.proxies = FakeProxies()
        self.disks = {2: FakeDisk()}
        self.shims = {2: FakeShim()}
        self.pids: dict[int, int | None] = {1: 11, 2: 12, 3: 13}
        self.state = "S"
        self.log = ""
        self.ensemble = self

    def pid(self, node: int) -> int | None:
        return self.pids[node]

    def process_state(self, node: int) -> str:
        return self.state

    def log_size(self, node: int) -> int:
        return 0

    def log_since(self, node: int, position: int) -> str:
        return self.log

    def kill(self, nodes: object) -> None: ...

    def stop(self, nodes: object) -> None: ...

    def start(self, nodes: object) -> None: ...

    def pause(self, node: int) -> None: ...

    def wait_complete(self) -> None: ...


def gone(bed: FakeBed) -> None:
    bed.pids[2] = None


def stopped(bed: FakeBed) -> None:
    bed.state = "T"


def held(bed: FakeBed) -> None:
    bed.proxies.ways[1, 2].taken += 7
    bed.proxies.ways[3, 2].kept_out += 1


def both_held(bed: FakeBed) -> None:
    for way in bed.proxies.ways.values():
        way.taken += 7


def leaking(bed: FakeBed) -> None:
    held(bed)
    bed.proxies.ways[1, 2].passed += 7


def unwanted(bed: FakeBed) -> None:
    bed.proxies.ways[1, 2].taken += 7


def late(bed: FakeBed) -> None:
    for way in bed.proxies.ways.values():
        way.delayed += 1


def once_late(bed: FakeBed) -> None:
    bed.proxies.ways[1, 2].delayed += 1


def restarted(bed: FakeBed) -> None:
    bed.pids[2] = 99


def counted(name: str) -> Callable[[FakeBed], None]:
    return lambda bed: bed.shims[2].counters.update({name: 3})


def ended(bed: FakeBed) -> None:
    gone(bed)
    bed.log = "disk.failed reason='[Errno 5] Input/output error'; the node stops"


def ended_full(bed: FakeBed) -> None:
    gone(bed)
    bed.log = "disk.failed reason='[Errno 28] No space left on device'; the node stops"


def complaining(bed: FakeBed) -> None:
    ended(bed)
    bed.pids[2] = 12


def idle(bed: FakeBed) -> None: ...


KINDS: dict[str, Callable[[Site], Trouble]] = {
    "kill": troubles.Kill,
    "pause": troubles.Pause,
    "cut": lambda site: troubles.Cut(site, shapes.deaf),
    "cut lane": lambda site: troubles.CutLane(site, shapes.deaf),
    "slow": lambda site: troubles.Slow(site, shapes.deaf, Quality(delay_ms=5)),
    "restart": troubles.Restart,
    "sync fails": troubles.SyncFails,
    "slow sync": lambda site: troubles.slow_sync(site, 5),
    "clock": lambda site: troubles.clock_step(site, 5),
    "disk full": troubles.DiskFull,
}
CASES: tuple[tuple[str, Callable[[FakeBed], None], bool], ...] = (
    ("kill", idle, False),
    ("kill", gone, True),
    ("pause", idle, False),
    ("pause", stopped, True),
    ("cut", idle, False),
    ("cut", leaking, False),
    ("cut", unwanted, False),
    ("cut", held, True),
    ("cut lane", idle, False),
    ("cut lane", held, False),
    ("cut lane", both_held, True),
    ("slow", once_late, False),
    ("slow", late, True),
    ("restart", idle, False),
    ("restart", gone, False),
    ("restart", restarted, True),
    ("sync fails", gone, False),
    ("sync fails", complaining, False),
    ("sync fails", ended_full, False),
    ("sync fails", ended, True),
    ("slow sync", idle, False),
    ("slow sync", counted("delayed"), True),
    ("clock", counted("delayed"), False),
    ("clock", counted("shifted"), True),
    ("disk full", ended, False),
    ("disk full", ended_full, True),
)


def site(bed: FakeBed) -> Site:
    return Site(cast(Bed, cast(Any, bed)), (2,), Random(1))


@pytest.mark.parametrize(("kind", "happens", "seen"), CASES)
def test_evidence(kind: str, happens: Callable[[FakeBed], None], seen: bool) -> None:
    bed = FakeBed()
    trouble = KINDS[kind](site(bed))
    trouble.begin()
    happens(bed)
    assert bool(trouble.bites()) is seen
    assert bool(trouble.bites()) is seen


@pytest.mark.parametrize(
    ("said", "process_gone", "seen"), [("", True, False), ("EIO", False, False), ("EIO", True, True)]
)
def test_evidence_of_a_power_cut(said: str, process_gone: bool, seen: bool) -> None:
    bed = FakeBed()
    bed.disks[2].said = said
    trouble = troubles.PowerCut(site(bed))
    trouble.begin()
    if process_gone:
        gone(bed)
    assert bool(trouble.bites()) is seen


@pytest.mark.parametrize("connections", [0, 2])
def test_evidence_of_a_reset(connections: int) -> None:
    bed = FakeBed()
    bed.proxies.connections = connections
    trouble = troubles.Reset(site(bed))
    trouble.begin()
    assert bool(trouble.bites()) is bool(connections)
