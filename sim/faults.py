"""Trouble-makers: each does one kind of harm now and then, knows nothing of the others, and stops when told to.

Rules: a fault chooses with its own generator. All of them are recoverable, so whatever fails is a bug. FAULTS is the
list that a seed draws from; `heal` (scenario.py) ends everything.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.network import Network
from sim.node import Node
from sim.world import MS, SECOND, World
from zooweeper.zab.events import HandOff


@dataclass
class Ensemble:
    """What a fault may lay hands on."""

    world: World
    network: Network
    nodes: list[Node]
    storms: bool = True  # False: no new trouble
    clients: list[Callable[[random.Random], None]] = field(default_factory=list)  # break a client's connection

    def leader(self) -> Node | None:
        """The node that leads, as it believes."""
        for node in self.nodes:
            if node.brain is not None and node.brain.status().role == "leader":
                return node
        return None

    def victim(self, chance: random.Random) -> Node:
        """The leader in half of the cases."""
        leader = self.leader()
        return leader if leader is not None and chance.random() < 0.5 else chance.choice(self.nodes)


def crash(ensemble: Ensemble, chance: random.Random) -> None:
    """A process dies, at any line of its loop, with or without the power; it comes back."""
    node = ensemble.victim(chance)
    node.power_loss = chance.random() < 0.5
    node.fuse = chance.choice((0, 1, 2, 3, 5, 8, 13, 30))
    ensemble.world.after(chance.randrange(20 * MS, 3 * SECOND), restart, ensemble, node)


def restart(ensemble: Ensemble, node: Node) -> None:
    if not node.alive:
        node.start()
    node.fuse = None


def crash_all(ensemble: Ensemble, chance: random.Random) -> None:
    """The power fails for everybody."""
    ensemble.world.mark("everybody lost power")
    for node in ensemble.nodes:
        node.crash(True)
        ensemble.world.after(chance.randrange(1 * MS, 1 * SECOND), restart, ensemble, node)


def pause(ensemble: Ensemble, chance: random.Random) -> None:
    """A process hangs and goes on, its streams alive."""
    node = ensemble.victim(chance)
    node.pause()
    ensemble.world.after(chance.randrange(50 * MS, 6 * SECOND), node.resume)


def break_stream(ensemble: Ensemble, chance: random.Random) -> None:
    """One stream breaks and loses what was on its way."""
    if len(ensemble.nodes) > 1:
        a, b = chance.sample([node.id for node in ensemble.nodes], 2)
        ensemble.network.break_pair(a, b)


def cut(ensemble: Ensemble, chance: random.Random) -> None:
    """Partition: a node from all, one pair, or one direction only."""
    network, ids = ensemble.network, [node.id for node in ensemble.nodes]
    if len(ids) < 2:
        return
    victim = ensemble.victim(chance).id
    others = [id for id in ids if id != victim]
    kind = chance.randrange(4)
    if kind == 0:
        directions = [(victim, other) for other in others] + [(other, victim) for other in others]
    elif kind == 1:
        other = chance.choice(others)
        directions = [(victim, other), (other, victim)]
    elif kind == 2:
        directions = [(victim, chance.choice(others))]
    else:
        directions = [(victim, other) for other in others]
    for source, to in directions:
        network.cut_direction(source, to, True)
    ensemble.world.after(chance.randrange(100 * MS, 8 * SECOND), mend, network, directions)


def mend(network: Network, directions: list[tuple[int, int]]) -> None:
    for source, to in directions:
        network.cut_direction(source, to, False)


def slow_disk(ensemble: Ensemble, chance: random.Random) -> None:
    """A disk takes its time."""
    node = chance.choice(ensemble.nodes)
    node.disk_us = chance.choice((100, 5 * MS, 200 * MS))


def wall_clock(ensemble: Ensemble, chance: random.Random) -> None:
    """A wall clock is set, forward or back."""
    chance.choice(ensemble.nodes).wall_offset_ms += chance.randrange(-60_000, 60_000)


def hand_off(ensemble: Ensemble, chance: random.Random) -> None:
    """The operator asks the leader to stop leading. (Alone, it has nobody to hand over to.)"""
    leader = ensemble.leader()
    if leader is not None and len(ensemble.nodes) > 1:
        leader.step(HandOff())


def break_client(ensemble: Ensemble, chance: random.Random) -> None:
    """A client loses its connection."""
    if ensemble.clients:
        chance.choice(ensemble.clients)(chance)


FAULTS: dict[str, tuple[Callable[[Ensemble, random.Random], None], int]] = {
    # name: what, and once in how many milliseconds at most
    "crash": (crash, 1500),
    "crash_all": (crash_all, 5000),
    "pause": (pause, 3000),
    "break_stream": (break_stream, 700),
    "cut": (cut, 2500),
    "slow_disk": (slow_disk, 4000),
    "wall_clock": (wall_clock, 5000),
    "hand_off": (hand_off, 3000),
    "break_client": (break_client, 800),
}


def unleash(ensemble: Ensemble, name: str) -> None:
    """From now on, until `storms` is False."""
    harm, every_ms = FAULTS[name]
    chance = ensemble.world.chance(f"fault {name}")

    def strike() -> None:
        if ensemble.storms:
            ensemble.world.note("fault", name)
            harm(ensemble, chance)
            ensemble.world.after(chance.randrange(every_ms * MS // 4, 2 * every_ms * MS), strike)

    ensemble.world.after(chance.randrange(every_ms * MS), strike)
