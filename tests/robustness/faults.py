"""The faults: what strikes whom, for how long, and what it takes. One table.

Rules: `whom` names the victims, drawn when the fault strikes, out of the nodes that run; a fault that needs what this
machine or this ensemble has not is skipped, with the reason, and counted as skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.robustness import members, shapes, troubles
from tests.robustness.abilities import DISKS, FIVE, LANES, SHIM
from tests.robustness.proxy import Quality
from tests.robustness.troubles import Site, Trouble

YEAR_S = 365 * 86_400


def one(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return [chance.choice(nodes)]


def lead(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return [leader]


def other(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return [chance.choice([node for node in nodes if node != leader])]


def minority(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return sorted(chance.sample(nodes, (len(nodes) - 1) // 2))


def majority(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return sorted(chance.sample(nodes, len(nodes) // 2 + 1))


def lead_and_other(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return [leader, *other(nodes, leader, chance)]


def other_and_lead(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return [*other(nodes, leader, chance), leader]


def everybody(nodes: Sequence[int], leader: int, chance: Random) -> list[int]:
    return list(nodes)


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    name: str
    family: str  # what --faults may name instead
    whom: Callable[[Sequence[int], int, Random], list[int]]
    make: Callable[[Site], Trouble]
    seconds: tuple[float, float]  # how long it lasts, drawn between
    needs: tuple[str, ...] = ()
    new_leader: bool = False  # afterwards, always
    wants_writes: bool = False  # bites only when much is written
    majority: bool = True  # of nodes that run and reach one another is left: writes must go on before long


def cut(shape: shapes.Shape, swallow: bool = False) -> Callable[[Site], Trouble]:
    return lambda site: troubles.Cut(site, shape, swallow)


def cut_lane(shape: shapes.Shape) -> Callable[[Site], Trouble]:
    return lambda site: troubles.CutLane(site, shape)


def slow(shape: shapes.Shape, quality: Quality) -> Callable[[Site], Trouble]:
    return lambda site: troubles.Slow(site, shape, quality)


WAN = Quality(delay_ms=75, jitter_ms=50)
LATE = Quality(delay_ms=2600)
THIN = Quality(bytes_per_s=20_000)

ROWS = (
    Fault("one killed", "kill", one, troubles.Kill, (0.2, 1.5)),
    Fault("leader killed", "kill", lead, troubles.Kill, (0.2, 2.5), new_leader=True),
    Fault("minority killed", "kill", minority, troubles.Kill, (0.2, 2.0)),
    Fault("majority killed", "kill", majority, troubles.Kill, (0.2, 1.5), majority=False),
    Fault("all killed", "kill", everybody, troubles.Kill, (0.0, 0.5), majority=False),
    Fault("one paused", "pause", one, troubles.Pause, (0.5, 4.0)),
    Fault("leader paused", "pause", lead, troubles.Pause, (2.5, 5.0), new_leader=True),
    Fault("majority paused", "pause", majority, troubles.Pause, (0.5, 2.5), majority=False),
    Fault("leader paused, another killed", "pause", lead_and_other, troubles.PauseAndKill, (0.5, 3.5), majority=False),
    Fault("one paused, leader killed", "pause", other_and_lead, troubles.PauseAndKill, (0.5, 3.5), majority=False),
    Fault("one isolated", "partition", one, cut(shapes.isolate), (2.0, 4.0)),
    Fault("leader isolated", "partition", lead, cut(shapes.isolate), (3.0, 14.0), new_leader=True),
    Fault("leader isolated, bytes lost", "partition", lead, cut(shapes.isolate, True), (3.0, 5.0), new_leader=True),
    Fault("leader in the smaller half", "partition", lead, cut(shapes.halves), (3.0, 5.0), (FIVE,), new_leader=True),
    Fault("leader is not heard", "one-way", lead, cut(shapes.mute), (3.0, 14.0), new_leader=True),
    Fault("leader does not hear", "one-way", lead, cut(shapes.deaf), (3.0, 14.0), new_leader=True),
    Fault("one is not heard", "one-way", one, cut(shapes.mute), (2.0, 4.0)),
    Fault("one does not hear", "one-way", one, cut(shapes.deaf), (2.0, 4.0)),
    Fault("one directed link lost", "one-way", one, cut(shapes.one_way, True), (2.0, 14.0)),
    Fault("bridge", "partial", one, cut(shapes.bridge), (2.0, 14.0)),
    Fault("ring", "partial", one, cut(shapes.ring), (2.0, 4.0), (FIVE,), majority=False),
    Fault("flapping link", "flap", lead, lambda site: troubles.Flap(site, shapes.isolate), (2.0, 4.0)),
    Fault("connections reset", "reset", lead, troubles.Reset, (0.0, 0.5)),
    Fault("lanes reset", "lane", lead, lambda site: troubles.Reset(site, lane=True), (0.0, 0.5), (LANES,)),
    Fault("leader's lanes stand still", "lane", lead, cut_lane(shapes.isolate), (1.0, 4.0), (LANES,)),
    Fault("leader is not heard on its lanes", "lane", lead, cut_lane(shapes.mute), (1.0, 4.0), (LANES,)),
    Fault("leader does not hear on its lanes", "lane", lead, cut_lane(shapes.deaf), (1.0, 4.0), (LANES,)),
    Fault("all links slow", "slow", one, slow(shapes.all_links, WAN), (2.0, 5.0), majority=False),
    Fault("leader's links later than an election", "slow", lead, slow(shapes.isolate, LATE), (3.0, 6.0)),
    Fault("one's links thin", "slow", one, slow(shapes.isolate, THIN), (2.0, 5.0)),
    Fault("rolling restart", "restart", everybody, troubles.Restart, (0.0, 0.0), new_leader=True),
    Fault("sync fails at one", "eio", one, troubles.SyncFails, (0.2, 1.5), (SHIM,)),
    Fault("sync fails at the leader", "eio", lead, troubles.SyncFails, (0.2, 1.5), (SHIM,), new_leader=True),
    Fault("sync fails at all", "eio", everybody, troubles.SyncFails, (0.0, 0.5), (SHIM,), majority=False),
    Fault("slow disk at one", "slow-disk", one, lambda site: troubles.slow_sync(site, 300), (1.0, 3.0), (SHIM,)),
    Fault(
        "slow disk at the leader", "slow-disk", lead, lambda site: troubles.slow_sync(site, 800), (1.0, 3.0), (SHIM,)
    ),
    Fault(
        "clock of one an hour ahead", "clock", one, lambda site: troubles.clock_step(site, 3600), (1.0, 3.0), (SHIM,)
    ),
    Fault(
        "leader's clock ten years back",
        "clock",
        lead,
        lambda site: troubles.clock_step(site, -10 * YEAR_S),
        (1.0, 3.0),
        (SHIM,),
    ),
    Fault("power cut at one", "power", one, troubles.PowerCut, (0.0, 1.0), (DISKS,)),
    Fault("power cut at the leader", "power", lead, troubles.PowerCut, (0.0, 1.0), (DISKS,), new_leader=True),
    Fault("power cut at all", "power", everybody, troubles.PowerCut, (0.0, 0.5), (DISKS,), majority=False),
    Fault("disk full at one", "full", one, troubles.DiskFull, (0.0, 0.5), (DISKS,), wants_writes=True),
    Fault(
        "disk full at the leader",
        "full",
        lead,
        troubles.DiskFull,
        (0.0, 0.5),
        (DISKS,),
        new_leader=True,
        wants_writes=True,
    ),
    Fault("log of one damaged", "rot", one, troubles.Rot, (0.0, 0.5)),
    Fault("one loses its vote", "members", other, members.VoteTaken, (0.2, 2.0)),
    Fault("leader loses its vote", "members", lead, members.VoteTaken, (0.2, 2.0), new_leader=True),
    Fault("one replaced", "members", other, members.Replaced, (0.2, 1.0)),
    Fault("leader replaced", "members", lead, members.Replaced, (0.2, 1.0), new_leader=True),
)
FAULTS = {row.name: row for row in ROWS}
FAMILIES = tuple(dict.fromkeys(row.family for row in ROWS))


def named(names: Sequence[str]) -> list[Fault]:
    """The rows of these names or families, in the table's order; all without a name. KeyError for an unknown one."""
    for name in names:
        if name not in FAULTS and name not in FAMILIES:
            raise KeyError(name)
    return [row for row in ROWS if not names or row.name in names or row.family in names]
