"""Clocks: the wall clock set, the monotonic clock fast, slow, or ahead all of a sudden.

Rules: nothing is promised about when things happen while a clock is wrong (a session may end early by as much as the
leader's clock runs fast), everything about what happens. Monotonic clocks never go back.
"""

import random

from sim.ensemble import Ensemble
from sim.node import Node
from sim.world import MS

TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000


def wall_clock(ensemble: Ensemble, chance: random.Random) -> None:
    """A wall clock is set: by seconds, or by up to ten years; forward or back; once, or back and forth."""
    node = ensemble.victim(chance)
    most_ms = chance.choice((50, 60_000, TEN_YEARS_MS))
    step_ms = chance.randrange(-most_ms, most_ms)
    turns = chance.choice((1, 1, 8))
    ensemble.world.mark("a wall clock was set" if turns == 1 else "a wall clock went back and forth")
    for turn in range(turns):
        ensemble.later(turn * 40 * MS, _set_wall, node, step_ms if turn % 2 == 0 else -step_ms)


def _set_wall(node: Node, step_ms: int) -> None:
    node.wall_offset_ms += step_ms


def drift(ensemble: Ensemble, chance: random.Random) -> None:
    """Monotonic clocks run at half to double the rate, of one node or of all."""
    nodes = ensemble.nodes if chance.random() < 0.3 else [ensemble.victim(chance)]
    for node in nodes:
        percent = chance.choice((50, 80, 101, 150, 200))
        ensemble.world.mark("a clock ran fast" if percent > 100 else "a clock ran slow")
        node.run_clock(percent)
        ensemble.later(chance.randrange(200 * MS, 3000 * MS), node.run_clock, 100)


def jump(ensemble: Ensemble, chance: random.Random) -> None:
    """A monotonic clock is ahead all of a sudden, as after a machine that was suspended."""
    node = ensemble.victim(chance)
    ensemble.world.mark("a clock jumped")
    node.run_clock(100, jump_ms=chance.choice((150, 1200, 5000, 300_000)))
