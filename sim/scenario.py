"""One seed: draw the options, build the ensemble, let it run under faults, heal it, and judge.

Rules: phases as in docs/simulator.md: start, safety (anything may fail), liveness (all is healed: it must converge),
verdict. Options are drawn from the seed and printed on the first line of a failure.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from sim import faults
from sim.agreement import AgreementBrain, Wish
from sim.checks import Ledger
from sim.faults import Ensemble
from sim.memory import MemoryStore
from sim.network import AWFUL, LAN, SLOW, Network, Quality
from sim.node import Node
from sim.world import MS, SECOND, Violation, World
from zooweeper.model.config import Timing
from zooweeper.model.zxid import show


@dataclass(frozen=True)
class Options:
    """What a seed is made of."""

    voters: int
    network: Quality
    faults: tuple[str, ...]
    seconds: int  # of the safety phase

    def __str__(self) -> str:
        quality = {id(LAN): "LAN", id(SLOW): "SLOW", id(AWFUL): "AWFUL"}[id(self.network)]
        return f"voters={self.voters} network={quality} seconds={self.seconds} faults={','.join(self.faults) or 'none'}"


def draw(chance: random.Random) -> Options:
    """Half of the kinds of trouble at a time; sometimes none."""
    names = [name for name in faults.FAULTS if chance.random() < 0.5]
    if chance.random() < 0.1:
        names = []
    voters = chance.choice((1, 3, 3, 3, 3, 5, 5))
    return Options(voters, chance.choice((LAN, LAN, SLOW, AWFUL)), tuple(names), chance.choice((10, 20, 40)))


@dataclass
class Outcome:
    """What a seed gave."""

    seed: int
    options: Options
    world: World
    violation: Violation | None
    acknowledged: int = 0

    def report(self, lines: int = 40) -> str:
        """For people: the verdict, and how it came to it if it is bad."""
        world = self.world
        head = f"seed {self.seed}: {self.options}\n"
        tail = f"{world.now_us / SECOND:.1f} s in {world.steps} steps, {self.acknowledged} acknowledged"
        if self.violation is None:
            return f"{head}ok: {tail}, trace {world.trace_hash()[:16]}"
        trace = "\n".join(world.tail(lines))
        return f"{head}{trace}\nVIOLATION {self.violation}\n{tail}; replay: python -m sim {self.seed}"


class AgreementWorkload:
    """Proposes unique values at whoever leads; remembers which were executed there."""

    def __init__(self, ensemble: Ensemble, ledger: Ledger) -> None:
        self.ensemble = ensemble
        self.ledger = ledger
        self.chance = ensemble.world.chance("workload")
        self.count = 0
        self.stopped = False
        self.acknowledged = 0
        ensemble.world.after(0, self._propose)

    def _propose(self) -> None:
        world = self.ensemble.world
        if self.stopped:
            return
        world.after(self.chance.randrange(1 * MS, 60 * MS), self._propose)
        self.count += 1
        for node in self.ensemble.nodes:
            node.step(Wish(b"value %d" % self.count))

    def finished(self) -> bool:
        """Whether all nodes serve, and are at one place."""
        self.stopped = True
        views = [node.brain.status() for node in self.ensemble.nodes if node.brain is not None]
        everybody = len(views) == len(self.ensemble.nodes) and all(view.serving for view in views)
        return everybody and all(view.applied == view.zxid == views[0].zxid for view in views)

    def verdict(self) -> None:
        self.acknowledged = len(self.ledger.batches)


def run_agreement(seed: int) -> Outcome:
    """Zab alone."""
    world = World(seed)
    options = draw(world.chance("options"))
    timing = Timing()
    network = Network(world, options.network)
    voters = tuple(range(1, options.voters + 1))

    def make(id: int) -> Callable[..., AgreementBrain]:
        return lambda recovered, life: AgreementBrain(id, voters, timing, recovered, life)

    nodes = [Node(world, network, id, MemoryStore(), make(id)) for id in voters]
    network.nodes = {node.id: node for node in nodes}
    ledger = Ledger(world)
    ensemble = Ensemble(world, network, nodes)
    for node in nodes:
        node.observe = ledger.observe
    workload = AgreementWorkload(ensemble, ledger)
    outcome = Outcome(seed, options, world, None)
    try:
        run_phases(ensemble, options, workload.finished)
        history = ledger.history()
        highest = history[-1].last if history else 0
        for node in nodes:
            assert node.brain is not None
            if node.brain.status().applied < highest:
                raise Violation("convergence", f"node {node.id} ends before {show(highest)}")
        workload.verdict()
    except Violation as violation:
        outcome.violation = violation
    outcome.acknowledged = workload.acknowledged
    return outcome


def run_phases(ensemble: Ensemble, options: Options, finished: Callable[[], bool]) -> None:
    """Start, safety, healing, liveness. Violation when it does not come to an end in time."""
    world = ensemble.world
    for node in ensemble.nodes:
        world.after(world.chance("start").randrange(500 * MS), faults.restart, ensemble, node)
    ensemble.network.start()
    for name in options.faults:
        faults.unleash(ensemble, name)
    world.run(options.seconds * SECOND)
    world.note("world", "heals")
    ensemble.storms = False
    ensemble.network.heal()
    ensemble.network.quality = LAN
    for node in ensemble.nodes:
        node.resume()
        node.fuse = None
        node.disk_us = 300
    for node in ensemble.nodes:
        faults.restart(ensemble, node)
    world.run(world.now_us + 15 * SECOND)
    if not world.run(world.now_us + 15 * SECOND, finished):
        raise Violation("liveness", "healed for 30 s and not in order: " + states(ensemble))


def states(ensemble: Ensemble) -> str:
    """Where everybody is."""
    parts = []
    for node in ensemble.nodes:
        if node.brain is None:
            parts.append(f"{node.id} down")
            continue
        status = node.brain.status()
        parts.append(f"{node.id} {status.role} {status.phase} e{status.epoch} {show(status.zxid)}")
    return ", ".join(parts)
