"""When a snapshot is due: the more znodes there are by now, the later, but soon when clients have stopped to write."""

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from zooweeper.model.limits import SNAPSHOT_EVERY_BYTES, SNAPSHOT_EVERY_ENTRIES
from zooweeper.replica.snapshots import BUSY_ENTRIES, DISK, ENTRIES_PER_ZNODE, QUIET_MS, Snapshots


def snapshots_of(tree: list[None], most: int) -> tuple[Snapshots, list[int]]:
    """Of a replica with so many znodes; and those that were begun."""
    replica: Any = SimpleNamespace(
        config=SimpleNamespace(snapshot_entries=most), rng=Random(1), state=SimpleNamespace(tree=tree)
    )
    snapshots = Snapshots(replica)
    begun: list[int] = []
    snapshots.want = begun.append  # type: ignore[method-assign, assignment]
    return snapshots, begun


def entries_until_due(znodes: int, born: int, most: int, size: int = 0) -> int:
    """How many entries of so many bytes, each of which makes `born` znodes, are executed before the next snapshot
    begins."""
    tree: list[None] = [None] * znodes
    snapshots, begun = snapshots_of(tree, most)
    entries = 0
    while not begun:
        entries += most // 100
        tree += [None] * (born * (most // 100))
        snapshots.executed(most // 100, size * (most // 100))
    return entries


@pytest.mark.parametrize("most", [1000, SNAPSHOT_EVERY_ENTRIES])
def test_few_znodes_are_written_as_often_as_the_settings_say(most: int) -> None:
    assert most // 2 < entries_until_due(0, 0, most) <= most


def test_a_small_tree_that_grows_is_written_as_often_as_that() -> None:
    assert entries_until_due(0, 1, 1000) <= 1000


def test_many_znodes_are_written_more_rarely() -> None:
    most, many = SNAPSHOT_EVERY_ENTRIES, 6 * SNAPSHOT_EVERY_ENTRIES
    limit = many * ENTRIES_PER_ZNODE
    assert limit / 2 < entries_until_due(many, 0, most) <= limit + most // 100


@pytest.mark.parametrize("times", [1, 3])
def test_a_tree_that_only_grows_is_written_when_the_log_is_large(times: int) -> None:
    most, size = times * SNAPSHOT_EVERY_ENTRIES, 1000
    entries = entries_until_due(most, 1, most, size)
    limit = times * SNAPSHOT_EVERY_BYTES // size
    assert limit / 2 < entries <= limit + most // 100


@pytest.mark.parametrize(("entries", "written"), [(SNAPSHOT_EVERY_ENTRIES, []), (SNAPSHOT_EVERY_ENTRIES + 1, [DISK])])
def test_many_znodes_are_written_when_clients_have_stopped_to_write(entries: int, written: list[int]) -> None:
    snapshots, begun = snapshots_of([None] * (6 * SNAPSHOT_EVERY_ENTRIES), SNAPSHOT_EVERY_ENTRIES)
    looks, few = 3 * QUIET_MS[1] // 100, BUSY_ENTRIES + 1
    snapshots.executed(entries - looks * few, 1)
    for look in range(looks):
        snapshots.executed(few, 1)
        snapshots.look(100 * look)
    assert not begun, "they still write"
    for look in range(looks, 3 * looks):
        snapshots.look(100 * look)
    assert begun == written, "once"
