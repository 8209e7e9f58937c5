"""One seed: draw the options, build the ensemble, let it run under faults, heal it, and judge.

Rules: phases as in docs/simulator.md: start, safety (anything may fail), liveness (all is healed: it must converge),
verdict. Options are drawn from the seed and printed on the first line of a failure.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sim import faults
from sim.agreement import AgreementBrain, Wish
from sim.checks import Ledger
from sim.core_client import CoreClient
from sim.faults import Ensemble
from sim.memory import MemoryStore
from sim.model import Model
from sim.network import AWFUL, LAN, SLOW, Network, Quality
from sim.node import Brain, Node, Store
from sim.sessions import Client, Doors
from sim.store import DiskStore
from sim.workload import Workload, judge
from sim.world import MS, SECOND, Violation, World
from zooweeper.model import limits
from zooweeper.model.config import Address, Config, Member, Timing
from zooweeper.model.durable import Recovered
from zooweeper.model.zxid import show
from zooweeper.replica.replica import Replica


@dataclass(frozen=True)
class Options:
    """What a seed is made of."""

    voters: int
    network: Quality
    faults: tuple[str, ...]
    seconds: int  # of the safety phase
    clients: int
    snapshot_entries: int  # small: snapshots all the time
    window_entries: int  # small: learners need the state rather than the batches
    purges: bool
    segment_bytes: int  # of the real storage; 0: the disk as an idea
    disk_us: int  # of an fsync, on average

    def __str__(self) -> str:
        return (
            f"voters={self.voters} network={self.network.name} seconds={self.seconds} clients={self.clients} "
            f"snapshot_entries={self.snapshot_entries} window_entries={self.window_entries} "
            f"purges={'yes' if self.purges else 'no'} segment_bytes={self.segment_bytes} "
            f"disk_us={self.disk_us} faults={','.join(self.faults) or 'none'}"
        )


def draw(chance: random.Random) -> Options:
    """Half of the kinds of trouble at a time; sometimes none."""
    names = [name for name in faults.FAULTS if chance.random() < 0.5]
    if chance.random() < 0.1:
        names = []
    voters = chance.choice((1, 3, 3, 3, 3, 5, 5))
    return Options(
        voters,
        chance.choice((LAN, LAN, SLOW, AWFUL)),
        tuple(names),
        chance.choice((4, 8, 15)),
        chance.randint(1, 6),
        chance.choice((5, 50, 1000)),
        chance.choice((5, 50, 50_000)),
        chance.random() < 0.5,
        chance.choice((0, 16_384, 1 << 20)),
        chance.choice((100, 1000, 20_000)),
    )


@dataclass
class Outcome:
    """What a seed gave."""

    seed: int
    options: Options
    world: World
    violation: Violation | None
    acknowledged: int = 0
    mode: str = ""

    def report(self, lines: int = 40) -> str:
        """For people: the verdict, and how it came to it if it is bad."""
        world = self.world
        head = f"seed {self.seed}: {self.options}\n"
        tail = f"{world.now_us / SECOND:.1f} s in {world.steps} steps, {self.acknowledged} acknowledged"
        if self.violation is None:
            return f"{head}ok: {tail}, trace {world.trace_hash()[:16]}"
        trace = "\n".join(world.tail(lines))
        return f"{head}{trace}\nVIOLATION {self.violation}\n{tail}; replay: python -m sim{self.mode} {self.seed}"


@contextmanager
def limited(options: Options) -> Iterator[None]:
    """Bounds that a simulation would never reach otherwise."""
    before = limits.WINDOW_ENTRIES_MAX
    limits.WINDOW_ENTRIES_MAX = options.window_entries
    try:
        yield
    finally:
        limits.WINDOW_ENTRIES_MAX = before


class AgreementWorkload:
    """Proposes unique values at whoever leads; remembers which were executed there."""

    def __init__(self, ensemble: Ensemble, ledger: Ledger) -> None:
        self.ensemble = ensemble
        self.ledger = ledger
        self.chance = ensemble.world.chance("workload")
        self.count = 0
        self.stopped = False
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
        self.stopped = True
        return in_order(self.ensemble)


def run_agreement(seed: int) -> Outcome:
    """Zab alone."""
    world = World(seed)
    options = draw(world.chance("options"))
    timing = Timing()

    def make(id: int, voters: tuple[int, ...]) -> Callable[[Recovered, int], Brain]:
        return lambda recovered, life: AgreementBrain(id, voters, timing, recovered, life)

    ensemble, ledger = build(world, options, make)
    workload = AgreementWorkload(ensemble, ledger)
    outcome = Outcome(seed, options, world, None, mode=" --agreement")
    try:
        with limited(options):
            run_phases(ensemble, options, lambda: None, workload.finished)
        ledger.complete(ensemble.nodes)
        outcome.acknowledged = len(ledger.batches)
    except Violation as violation:
        outcome.violation = violation
    return outcome


def run_service(seed: int) -> Outcome:
    """The whole brain, with clients."""
    world = World(seed)
    options = draw(world.chance("options"))

    def make(id: int, voters: tuple[int, ...]) -> Callable[[Recovered, int], Brain]:
        config = config_of(id, voters, options)
        chance = world.chance(f"replica {id}")
        return lambda recovered, life: Replica(config, recovered, chance)

    ensemble, ledger = build(world, options, make)
    doors = Doors(world, ensemble.nodes)
    kinds: tuple[type[Client] | type[CoreClient], ...] = (Client, CoreClient)
    clients = [kinds[id % 2](world, doors, id, ensemble.network.now) for id in range(1, options.clients + 1)]
    workloads = [Workload(world, client) for client in clients]
    ensemble.clients = [lambda chance, client=client: client.drop() for client in clients]  # type: ignore[misc]
    outcome = Outcome(seed, options, world, None)

    def calm() -> None:
        for client in clients:
            client.calm = True

    def finished() -> bool:
        for workload in workloads:
            workload.stopped = True
        return in_order(ensemble) and all(client.live and not client.pending for client in clients)

    try:
        with limited(options):
            run_phases(ensemble, options, calm, finished)
        world.run(world.now_us + SECOND)  # the last events arrive
        ledger.complete(ensemble.nodes)
        model = Model()
        model.run(ledger.history())
        outcome.acknowledged = judge(model, workloads)
        for node in ensemble.nodes:
            compare(node, model)
    except Violation as violation:
        outcome.violation = violation
    return outcome


def config_of(id: int, voters: tuple[int, ...], options: Options) -> Config:
    nowhere = Address("127.0.0.1", 0)
    members = tuple(Member(voter, nowhere, nowhere, nowhere, nowhere) for voter in voters)
    return Config(id, "sim", members, "", snapshot_entries=options.snapshot_entries)


def store_of(world: World, id: int, options: Options) -> Store:
    if options.segment_bytes:
        return DiskStore(id, world.chance(f"disk {id}"), options.segment_bytes)
    return MemoryStore(purges=options.purges)


def build(
    world: World, options: Options, make: Callable[[int, tuple[int, ...]], Callable[[Recovered, int], Brain]]
) -> tuple[Ensemble, Ledger]:
    """Nodes that know one another, watched by a ledger; none is started."""
    network = Network(world, options.network)
    voters = tuple(range(1, options.voters + 1))
    nodes = [Node(world, network, id, store_of(world, id, options), make(id, voters), options.disk_us) for id in voters]
    network.nodes = {node.id: node for node in nodes}
    ledger = Ledger(world)
    for node in nodes:
        node.observe = ledger.observe
    return Ensemble(world, network, nodes), ledger


def in_order(ensemble: Ensemble) -> bool:
    """All nodes serve, and are at one place."""
    views = [node.brain.status() for node in ensemble.nodes if node.brain is not None]
    everybody = len(views) == len(ensemble.nodes) and all(view.serving for view in views)
    return everybody and all(view.applied == view.zxid == views[0].zxid for view in views)


def compare(node: Node, model: Model) -> None:
    """The tree and the sessions of a node are the model's."""
    brain: Any = node.brain
    tree = {path: (brain.state.tree.get(path or "/")) for path in model.nodes if not path.startswith("/zookeeper")}
    for path, znode in tree.items():
        expected = model.nodes[path]
        found = None if znode is None else (znode.data or b"", znode.version, max(znode.owner, 0))
        if found != (expected.data, expected.version, expected.owner):
            raise Violation("state", f"node {node.id} has {found} at {path}, the model {expected}")
    if sorted(brain.state.sessions) != sorted(model.sessions):
        raise Violation("sessions", f"node {node.id}: {sorted(brain.state.sessions)}, {sorted(model.sessions)}")
    if brain.state.recompute_digest() != brain.state.digest():
        raise Violation("digest", f"node {node.id}: the incremental digest is not the state's")


def run_phases(ensemble: Ensemble, options: Options, calm: Callable[[], None], finished: Callable[[], bool]) -> None:
    """Start, safety, healing, liveness. `calm` is called a while after healing: from there on, nothing may fail.
    Violation when it does not come to an end in time."""
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
    world.run(world.now_us + 5 * SECOND)
    calm()
    world.run(world.now_us + 3 * SECOND)
    if not world.run(world.now_us + 15 * SECOND, finished):
        raise Violation("liveness", "healed for 23 s and not in order: " + states(ensemble))


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
