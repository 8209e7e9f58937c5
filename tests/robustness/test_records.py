"""The history of all nodes' logs: one, whole, on every node; anything else is a broken promise."""

from pathlib import Path

import pytest

from sim.world import Violation
from tests.robustness.records import read_batches, unexplained, union
from zooweeper.model.durable import Logged
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.zxid import make
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder
from zooweeper.storage.storage import Storage


def batch(epoch: int, first: int, count: int = 1, body: bytes = b"") -> Batch:
    data = b"".join(pack_request(0, 0, 0, 1, body) for _ in range(count))
    return Batch(make(epoch, first), make(epoch, first + count - 1), 1000, data)


LOG = [batch(1, 1), batch(1, 2, 3), batch(2, 1), batch(4, 1, 2)]


def test_equal_logs_are_one_history() -> None:
    assert union({1: LOG, 2: list(LOG), 3: LOG[2:]}) == LOG


@pytest.mark.parametrize(
    ("logs", "check"),
    [
        ({1: LOG, 2: [*LOG[:3], batch(4, 1, 2, b"other")]}, "agreement"),
        ({1: LOG, 2: LOG[:3]}, "durability"),
        ({1: LOG, 2: []}, "durability"),
        ({1: [LOG[0], LOG[2], LOG[3]]}, ""),
        ({1: [LOG[0], batch(1, 3), LOG[2]]}, "total order"),
        ({1: LOG[1:]}, "durability"),
        ({1: []}, "durability"),
    ],
)
def test_everything_else_is_not(logs: dict[int, list[Batch]], check: str) -> None:
    if not check:  # a new epoch may begin anywhere: what was cut off there was never committed
        assert union(logs)
        return
    with pytest.raises(Violation, match=check):
        union(logs)


def test_a_folder_is_read_as_the_node_would(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "data")
    identity = format_folder(disk, "test", 1, bytes(16))
    storage, _ = Storage.open(disk, identity)
    storage.write([Logged(one, 0) for one in LOG])
    storage.close()
    assert read_batches(tmp_path / "data") == LOG


def test_what_no_fault_explains_is_found_in_what_a_node_said() -> None:
    said = "10:00 node=1 serving\nTraceback (most recent call last):\n  File\n10:01 node=1 stopped reason='x'\n"
    assert unexplained(said) == ["Traceback (most recent call last):", "10:01 node=1 stopped reason='x'"]
    assert unexplained("10:00 node=1 disk.failed reason='[Errno 5]'; the node stops\nstopping\nstopped\n") == []
