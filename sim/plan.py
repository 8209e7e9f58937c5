"""A plan: all that a seed will do, written down before it is done.

Rules: a plain value, JSON both ways. Every strike and every doing has dice of its own, so that one can be taken away
without changing what the others do: shrinking (shrink.py) and hand-made scripts rest on that. What answers and faults
lead to is not in the plan; it follows from it, and from the generators of the world, which the seed feeds.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sim.nemeses import NEMESES
from sim.options import Options, draw
from sim.workloads import WORKLOADS
from sim.world import MS

BEGIN_US = 250 * MS  # when nodes have found each other
STRIKES_MAX = 16
DOINGS = (60, 240)
CROWDS = (3, 12)  # moments at which much happens at once: half of the doings, and some of the strikes
CROWD_US = 8 * MS


@dataclass(frozen=True, slots=True)
class Strike:
    """A nemesis does its harm."""

    at_us: int
    nemesis: str
    dice: int


@dataclass(frozen=True, slots=True)
class Doing:
    """A client does something of one workload."""

    at_us: int
    client: int  # 1..
    workload: str
    dice: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a run."""

    seed: int  # of the world's own chances: delays, gathering, disks
    options: Options
    strikes: tuple[Strike, ...]
    doings: tuple[Doing, ...]

    def with_options(self, **changes: Any) -> "Plan":
        return replace(self, options=replace(self.options, **changes))

    def to_json(self) -> str:
        """One thing a line, for people and for diffs."""
        value = asdict(self)
        lines = [f'{{"seed": {self.seed},', f'"options": {json.dumps(value["options"])},']
        for name in ("strikes", "doings"):
            things = ",\n  ".join(json.dumps(list(thing.values())) for thing in value[name])
            lines.append(f'"{name}": [\n  {things}\n]' + ("," if name == "strikes" else "}"))
        return "\n".join(lines) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """ValueError, KeyError or TypeError when it is not one."""
        value = json.loads(text)
        options: dict[str, Any] = value["options"]
        lists: dict[str, Any] = {
            name: tuple(items) if isinstance(items, list) else items for name, items in options.items()
        }
        return cls(
            value["seed"],
            Options(**lists),
            tuple(Strike(*thing) for thing in value["strikes"]),
            tuple(Doing(*thing) for thing in value["doings"]),
        )


def plan_of(seed: int, voters: int = 0, nemeses: Sequence[str] = (), workloads: Sequence[str] = ()) -> Plan:
    """What a seed means; with `voters`, `nemeses` or `workloads` given, only those are drawn from."""
    chance = random.Random(seed)
    options = draw(chance, nemeses or tuple(NEMESES), workloads or tuple(WORKLOADS), voters)
    end_us = options.milliseconds * MS
    crowds = [chance.randrange(BEGIN_US, end_us) for _ in range(chance.randint(*CROWDS))]
    strikes = [
        Strike(moment(chance, crowds, end_us), name, chance.getrandbits(32))
        for name in options.nemeses
        for _ in range(1 + chance.randrange(1 + 2 * end_us // MS // NEMESES[name].every_ms))
    ]
    chance.shuffle(strikes)
    doings = [
        Doing(
            moment(chance, crowds, end_us),
            chance.randint(1, options.clients),
            chance.choice(options.workloads),
            chance.getrandbits(32),
        )
        for _ in range(chance.randint(*DOINGS))
    ]
    strikes = strikes[:STRIKES_MAX]
    return Plan(seed, options, tuple(sorted(strikes, key=when)), tuple(sorted(doings, key=when)))


def moment(chance: random.Random, crowds: Sequence[int], end_us: int) -> int:
    """Any, or a little after the beginning of a crowd."""
    if chance.random() < 0.5:
        return chance.choice(crowds) + chance.randrange(CROWD_US)
    return chance.randrange(BEGIN_US, end_us)


def when(thing: Strike | Doing) -> int:
    return thing.at_us
