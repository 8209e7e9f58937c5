"""The shapes of partitions cut what they say, and nothing else."""

from itertools import combinations
from random import Random

import pytest

from tests.robustness import shapes

NODES = (1, 2, 3, 4, 5)


def reach(pairs: shapes.Pairs, node: int) -> list[int]:
    """Whom the node can speak with, both ways."""
    return [other for other in NODES if other != node and (node, other) not in pairs and (other, node) not in pairs]


@pytest.mark.parametrize("seed", range(20))
def test_shapes(seed: int) -> None:
    chance = Random(seed)
    victim = chance.choice(NODES)
    others = [node for node in NODES if node != victim]
    assert reach(shapes.isolate(NODES, victim, chance), victim) == []
    assert shapes.mute(NODES, victim, chance) == [(victim, node) for node in others]
    assert shapes.deaf(NODES, victim, chance) == [(node, victim) for node in others]
    assert len(shapes.one_way(NODES, victim, chance)) == 1
    halves = shapes.halves(NODES, victim, chance)
    assert len(reach(halves, victim)) == 1
    bridge = shapes.bridge(NODES, victim, chance)
    assert reach(bridge, victim) == others
    assert all(len(reach(bridge, node)) == 2 for node in others)
    ring = shapes.ring(NODES, victim, chance)
    assert all(len(reach(ring, node)) == 2 for node in NODES)
    assert len(shapes.all_links(NODES, victim, chance)) == 2 * len(list(combinations(NODES, 2)))
    assert all(a != b for a, b in shapes.all_links(NODES, victim, chance))
