"""What all nemeses share: the shape of one, and the ways to die and to come back.

Rules: a nemesis chooses with the dice of its strike, does one kind of harm, and knows nothing of the others. What it
does leaves a mark, so that a test can see it bite. All harm is recoverable, and within what is promised
(docs/guarantees.md): whatever breaks is a bug.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.ensemble import Ensemble
from sim.node import Node
from sim.store import DiskStore
from sim.world import MS


@dataclass(frozen=True)
class Nemesis:
    """`strike` does the harm, once; about every `every_ms` it should."""

    strike: Callable[[Ensemble, random.Random], None]
    every_ms: int


def downtime_us(chance: random.Random) -> int:
    """How long a process stays away: often just a moment, now and then for many ticks."""
    return chance.choice((chance.randrange(1 * MS, 50 * MS), chance.randrange(20 * MS, 1500 * MS)))


def revive(ensemble: Ensemble, node: Node) -> None:
    """Somebody starts the process again, for as long as it takes."""
    ensemble.restart(node)
    if not node.alive:
        ensemble.later(200 * MS, revive, ensemble, node)


def kill(ensemble: Ensemble, chance: random.Random, nodes: Sequence[Node], power_loss: bool) -> None:
    """These die now; each comes back in its own time."""
    for node in nodes:
        node.crash(power_loss)
        ensemble.later(downtime_us(chance), revive, ensemble, node)


def with_disk(ensemble: Ensemble) -> list[tuple[Node, DiskStore]]:
    """The nodes that have a real storage on a simulated disk, and no mere idea of one."""
    return [(node, node.store) for node in ensemble.nodes if isinstance(node.store, DiskStore)]


def prey(ensemble: Ensemble, chance: random.Random) -> tuple[Node, DiskStore] | None:
    """One of them, the leader more often than others."""
    victims = with_disk(ensemble)
    if not victims:
        return None
    node = ensemble.victim(chance)
    return next((victim for victim in victims if victim[0] is node), None)
