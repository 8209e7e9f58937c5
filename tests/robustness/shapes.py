"""Who is cut off from whom: the shapes of a partition, as lists of directed pairs.

Rules: pure. A pair (a, b) in a shape means: what a sends does not reach b.
"""

import random
from collections.abc import Callable, Sequence

Pairs = list[tuple[int, int]]
Shape = Callable[[Sequence[int], int, random.Random], Pairs]


def apart(some: Sequence[int], others: Sequence[int]) -> Pairs:
    """Nothing passes between the two groups."""
    return [pair for a in some for b in others for pair in ((a, b), (b, a))]


def isolate(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """The victim alone on its side."""
    return apart([victim], [node for node in nodes if node != victim])


def halves(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """The victim and as many others as make no majority, drawn, against the rest."""
    others = [node for node in nodes if node != victim]
    chance.shuffle(others)
    few = [victim, *others[: (len(nodes) - 1) // 2 - 1]]
    return apart(few, [node for node in nodes if node not in few])


def mute(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """The victim hears everybody, and nobody hears it."""
    return [(victim, node) for node in nodes if node != victim]


def deaf(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """Everybody hears the victim, and it hears nobody."""
    return [(node, victim) for node in nodes if node != victim]


def one_way(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """One directed link of the victim."""
    other = chance.choice([node for node in nodes if node != victim])
    return [chance.choice(((victim, other), (other, victim)))]


def bridge(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """Two groups that only the victim reaches both of."""
    others = [node for node in nodes if node != victim]
    chance.shuffle(others)
    middle = len(others) // 2
    return apart(others[:middle], others[middle:])


def ring(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """Each node reaches its two neighbours alone: everybody sees a majority, and each another one."""
    order = list(nodes)
    chance.shuffle(order)
    near = {(a, b) for a, b in zip(order, [*order[1:], order[0]], strict=True)}
    return sorted((a, b) for a in nodes for b in nodes if a != b and (a, b) not in near and (b, a) not in near)


def all_links(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    return [(a, b) for a in nodes for b in nodes if a != b]


def links_of(nodes: Sequence[int], victim: int, chance: random.Random) -> Pairs:
    """All links of the victim."""
    return isolate(nodes, victim, chance)
