"""Processes: paused, stopped in good order, restarted one after the other; disks exchanged for empty ones.

Rules: a node with an empty disk comes back as docs/operating.md says: without a vote (`zooweeper init --rejoin`). An
older copy of a folder must not be brought back, and a copy cannot join beside its original (the peers refuse a second
process of an id, and a second folder of an incarnation): the operator here does what the manual says instead, a rejoin.
"""

import random

from sim.ensemble import Ensemble
from sim.nemeses.base import downtime_us, revive
from sim.node import Node
from sim.world import MS
from zooweeper.zab.events import HandOff

HAND_OFF_US = 300 * MS  # how long a leader that is told to stop waits for another one


def pause(ensemble: Ensemble, chance: random.Random) -> None:
    """A process hangs and goes on, its streams alive; its clock runs on, or stood still with it."""
    node = ensemble.victim(chance)
    if not node.alive or node.paused:
        return
    led = node is ensemble.leader()
    if chance.random() < 0.3:
        ensemble.world.mark("a clock stood still")
        node.run_clock(0)
    node.pause()
    most_us = chance.choice((200 * MS, 1500 * MS, 6000 * MS))
    ensemble.later(chance.randrange(20 * MS, most_us), _go_on, ensemble, node, node.life, led)


def _go_on(ensemble: Ensemble, node: Node, life: int, led: bool) -> None:
    node.run_clock(100)
    if node.paused and node.life == life:
        ensemble.world.mark("an old leader woke up" if led else "a process went on")
        node.resume()


def restart(ensemble: Ensemble, chance: random.Random) -> None:
    """One stops in good order, handing over if it leads, and comes back."""
    ensemble.world.mark("a node was restarted in good order")
    _stop(ensemble, ensemble.victim(chance), chance.randrange(1 * MS, 300 * MS))


def rolling_restart(ensemble: Ensemble, chance: random.Random) -> None:
    """All, one after the other, in any order; each waits for the one before to be back, or does not."""
    ensemble.world.mark("rolling restart")
    nodes = chance.sample(ensemble.nodes, len(ensemble.nodes))
    pause_us = chance.randrange(50 * MS, 800 * MS)
    for turn, node in enumerate(nodes):
        ensemble.later(turn * pause_us, _stop, ensemble, node, chance.randrange(1 * MS, 300 * MS))


def _stop(ensemble: Ensemble, node: Node, away_us: int) -> None:
    if not node.alive or node.paused:
        return
    wait_us = 0
    if node is ensemble.leader() and len(ensemble.nodes) > 1:
        node.step(HandOff())
        wait_us = HAND_OFF_US
    ensemble.later(wait_us, _stopped, ensemble, node, node.life, away_us)


def _stopped(ensemble: Ensemble, node: Node, life: int, away_us: int) -> None:
    if node.life == life and not node.paused:
        node.stop()
        ensemble.later(away_us, revive, ensemble, node)


def wipe(ensemble: Ensemble, chance: random.Random) -> None:
    """A disk is replaced by an empty one; of a minority at most."""
    node = ensemble.victim(chance)
    if not ensemble.may_harm(node):
        return
    ensemble.world.mark("a disk was wiped")
    node.crash(True)
    node.harmed = True
    node.store.wipe()
    ensemble.later(downtime_us(chance), revive, ensemble, node)
