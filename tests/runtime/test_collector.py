"""The garbage collector looks at what is new, and at nothing else."""

import gc
from collections.abc import Iterator

import pytest

from zooweeper.runtime import collector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), gc.callbacks[:]
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    gc.unfreeze()
    gc.enable()


def test_it_sleeps_while_a_node_starts() -> None:
    collector.sleep()
    assert not gc.isenabled()
    before = gc.get_stats()
    lists: list[list[int]] = [[] for _ in range(200_000)]
    assert gc.get_stats() == before
    collector.tame()
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(lists)


def test_what_has_lived_for_a_while_is_not_looked_at_again() -> None:
    collector.tame()
    lists = [[number] for number in range(10 * collector.YOUNG_OBJECTS)]
    gc.collect(1)
    alive = {id(one) for generation in (0, 1, 2) for one in gc.get_objects(generation)}
    assert not [one for one in lists if id(one) in alive]


def test_cycles_that_are_new_go() -> None:
    collector.tame()
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect(0) == 1
