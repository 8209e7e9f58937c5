"""The network between nodes: partitions of every shape, one direction, clogs, flapping, slow links, broken streams.

Rules: a cut direction holds what is on its way, and its stream breaks by keepalive, as with TCP and gRPC; network.py
says what a break loses. Whatever is cut is mended later by whoever cut it.
"""

import random
from collections.abc import Sequence

from sim.ensemble import Ensemble
from sim.network import Quality
from sim.world import MS

Direction = tuple[int, int]
CUT_US = (50 * MS, 2500 * MS)
SILENCE_US = 2000 * MS  # the longest that followers wait for their leader


def _both(pairs: Sequence[Direction]) -> list[Direction]:
    return [direction for a, b in pairs for direction in ((a, b), (b, a))]


def _between(one: Sequence[int], other: Sequence[int]) -> list[Direction]:
    return _both([(a, b) for a in one for b in other])


def _set(ensemble: Ensemble, directions: Sequence[Direction], cut: bool) -> None:
    for source, to in directions:
        ensemble.network.cut_direction(source, to, cut)


def _cut(ensemble: Ensemble, chance: random.Random, directions: Sequence[Direction], mark: str) -> None:
    if directions:
        ensemble.world.mark(mark)
        _set(ensemble, directions, True)
        ensemble.later(chance.randrange(*CUT_US), _set, ensemble, directions, False)


def partition(ensemble: Ensemble, chance: random.Random) -> None:
    """Two sides that do not hear each other: by size, by member, one against all, the leader against all; or a bridge
    that both sides hear; or a ring."""
    ids = [node.id for node in ensemble.nodes]
    chance.shuffle(ids)
    count = len(ids)
    if count < 2:
        return
    shape = chance.choice(("size", "member", "one", "leader", "bridge", "ring"))
    if shape == "size":
        at = chance.randint(1, count - 1)
        directions = _between(ids[:at], ids[at:])
    elif shape == "member":
        side = [id for id in ids if chance.random() < 0.5]
        directions = _between(side, [id for id in ids if id not in side])
    elif shape == "bridge":
        half = count // 2
        directions = _between(ids[1 : 1 + half], ids[1 + half :])
    elif shape == "ring":
        near = {(ids[at], ids[(at + step) % count]) for at in range(count) for step in (1, count - 1)}
        directions = [(a, b) for a in ids for b in ids if a != b and (count == 3 or (a, b) not in near)]
    else:
        leader = ensemble.leader()
        one = leader.id if shape == "leader" and leader is not None else ids[0]
        directions = _between([one], [id for id in ids if id != one])
    _cut(ensemble, chance, directions, f"partition by {shape}")


def forsaken(ensemble: Ensemble, chance: random.Random) -> None:
    """The others lose their leader and elect another; it can reach nobody, and does not know yet."""
    leader = ensemble.leader()
    if leader is None or len(ensemble.nodes) < 2:
        return
    ensemble.network.forsake(leader.id)
    others = [node.id for node in ensemble.nodes if node is not leader]
    _cut(ensemble, chance, _between([leader.id], others), "a leader was forsaken")


def one_way(ensemble: Ensemble, chance: random.Random) -> None:
    """Some directions only: a node hears all and nobody hears it, the reverse, or a single link."""
    if len(ensemble.nodes) < 2:
        return
    victim = ensemble.victim(chance).id
    others = [node.id for node in ensemble.nodes if node.id != victim]
    directions = chance.choice(
        (
            [(victim, other) for other in others],
            [(other, victim) for other in others],
            [(victim, chance.choice(others))],
            [(chance.choice(others), victim)],
        )
    )
    _cut(ensemble, chance, directions, "partition of one direction")


def swizzle(ensemble: Ensemble, chance: random.Random) -> None:
    """Some nodes are clogged one by one, then unclogged in another order."""
    ids = [node.id for node in ensemble.nodes]
    if len(ids) < 2:
        return
    ensemble.world.mark("swizzle")
    clogged = chance.sample(ids, chance.randint(1, len(ids)))
    at_us = 0
    for cut in (True, False):
        for id in clogged:
            ensemble.later(at_us, _set, ensemble, _between([id], [other for other in ids if other != id]), cut)
            at_us += chance.randrange(5 * MS, 300 * MS)
        chance.shuffle(clogged)


def flap(ensemble: Ensemble, chance: random.Random) -> None:
    """A link goes up and down, in a period of 0.1 to 3 times the silence that ends a leader."""
    if len(ensemble.nodes) < 2:
        return
    ensemble.world.mark("a link flapped")
    a, b = chance.sample([node.id for node in ensemble.nodes], 2)
    directions = _both([(a, b)]) if chance.random() < 0.7 else [(a, b)]
    half_us = chance.randrange(SILENCE_US // 40, SILENCE_US // 2)
    for turn in range(2 * chance.randint(1, 6)):
        ensemble.later(turn * half_us, _set, ensemble, directions, turn % 2 == 0)


def slow_link(ensemble: Ensemble, chance: random.Random) -> None:
    """One direction, or all around a node, takes its time: up to ten times the silence that ends a leader."""
    if len(ensemble.nodes) < 2:
        return
    victim = ensemble.victim(chance).id
    others = [node.id for node in ensemble.nodes if node.id != victim]
    most_us = chance.choice((20 * MS, 200 * MS, SILENCE_US, 10 * SILENCE_US))
    quality = Quality("link", most_us // 20, most_us // 10, 0.05, most_us)
    directions = _between([victim], others) if chance.random() < 0.5 else [(victim, chance.choice(others))]
    ensemble.world.mark("a slow link")
    for direction in directions:
        ensemble.network.slow[direction] = quality
    ensemble.later(chance.randrange(*CUT_US), _fast, ensemble, directions)


def _fast(ensemble: Ensemble, directions: Sequence[Direction]) -> None:
    for direction in directions:
        ensemble.network.slow.pop(direction, None)


def break_stream(ensemble: Ensemble, chance: random.Random) -> None:
    """A stream breaks and loses what was on its way; or only one side notices, and dials again while the other still
    reads the old one."""
    if len(ensemble.nodes) < 2:
        return
    a, b = chance.sample([node.id for node in ensemble.nodes], 2)
    if chance.random() < 0.5:
        ensemble.world.mark("a stream broke")
        ensemble.network.break_pair(a, b)
    else:
        ensemble.world.mark("a stream broke for one side")
        ensemble.network.leave_pair(a, b)


def break_lane(ensemble: Ensemble, chance: random.Random) -> None:
    """A lane breaks beside a stream that lives, or stands still in one direction until somebody gives it up."""
    if len(ensemble.nodes) < 2:
        return
    a, b = chance.sample([node.id for node in ensemble.nodes], 2)
    for pair in [(a, b)] if chance.random() < 0.5 else [(a, node.id) for node in ensemble.nodes if node.id != a]:
        if chance.random() < 0.6:
            if ensemble.network.break_lane(*pair):
                ensemble.world.mark("a lane broke")
        elif ensemble.network.cut_lane(*pair, True):
            ensemble.world.mark("a lane stood still")
            ensemble.later(chance.randrange(*CUT_US), _mend_lane, ensemble, pair)


def _mend_lane(ensemble: Ensemble, pair: Direction) -> None:
    ensemble.network.cut_lane(*pair, False)


def break_all(ensemble: Ensemble, chance: random.Random) -> None:
    """All streams of one node, or of all nodes, break at once."""
    ids = [node.id for node in ensemble.nodes]
    if len(ids) < 2:
        return
    ensemble.world.mark("many streams broke")
    centre = ids if chance.random() < 0.3 else [chance.choice(ids)]
    for a in centre:
        for b in ids:
            if a != b:
                ensemble.network.break_pair(a, b)
