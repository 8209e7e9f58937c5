"""When a snapshot is due: the more znodes there are by now, the later."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from zooweeper.model.limits import SNAPSHOT_EVERY_ENTRIES
from zooweeper.replica.snapshots import ZNODES_PER_ENTRY, Snapshots


def entries_until_due(znodes: int, born: int, most: int) -> int:
    """How many entries, each of which makes `born` znodes, are executed before the next snapshot begins."""
    tree: list[None] = [None] * znodes
    replica: Any = SimpleNamespace(
        config=SimpleNamespace(snapshot_entries=most), rng=Random(1), state=SimpleNamespace(tree=tree)
    )
    snapshots = Snapshots(replica)
    begun: list[int] = []
    snapshots.want = begun.append  # type: ignore[method-assign, assignment]
    entries = 0
    while not begun:
        entries += most // 100
        tree += [None] * (born * (most // 100))
        snapshots.executed(most // 100, 1)
    return entries


@pytest.mark.parametrize("most", [1000, SNAPSHOT_EVERY_ENTRIES])
def test_few_znodes_are_written_as_often_as_the_settings_say(most: int) -> None:
    assert most // 2 < entries_until_due(0, 0, most) <= most
    assert entries_until_due(0, 1, most) <= most


def test_many_znodes_are_written_more_rarely() -> None:
    most, many = SNAPSHOT_EVERY_ENTRIES, 6 * SNAPSHOT_EVERY_ENTRIES
    still = entries_until_due(many, 0, most)
    assert many // ZNODES_PER_ENTRY // 2 < still <= many // ZNODES_PER_ENTRY + most // 100
    growing = entries_until_due(many, 1, most)
    assert still < growing <= (many + growing) // ZNODES_PER_ENTRY + most // 100, "by what there are by now"
