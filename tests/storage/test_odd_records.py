"""Bytes with a right checksum that no program of ours wrote: a typed error, wherever they stand.

Rules: each raised something else before; found by `python -m fuzz sheets records`.
"""

from collections.abc import Callable

import pytest

from fuzz.folder import MemoryDisk as Disk
from fuzz.targets.folders import FILES, INCARNATION, SEGMENT_BYTES
from fuzz.targets.sheets import IDENTITY
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import make
from zooweeper.storage.folder import FolderError, begin_repair, read_identity
from zooweeper.storage.records import (
    ACCEPTED,
    IDENTITY_MAGIC,
    REPAIR_MAGIC,
    SEGMENT_MAGIC,
    SNAPSHOT_MAGIC,
    Found,
    meaning,
    seal,
    unpack_epochs,
    unpack_segment,
    unpack_snapshot,
    unseal,
)

TABLE = b"\0\0\0\x01" + b"\xff" * 12  # an epoch and a counter beyond their fields


@pytest.mark.parametrize(
    "read",
    [
        lambda: unpack_segment(seal(SEGMENT_MAGIC, IDENTITY)),
        lambda: unpack_segment(seal(SEGMENT_MAGIC, IDENTITY, bytes(21))),
        lambda: unpack_segment(seal(SEGMENT_MAGIC, IDENTITY, bytes(21) + b"\xff" * 4 + bytes(17))),
        lambda: unpack_snapshot(seal(SNAPSHOT_MAGIC, IDENTITY)),
        lambda: unpack_epochs(b""),
        lambda: unpack_epochs(TABLE),
        lambda: meaning(Found(0, 0, 0, 0, 0, ACCEPTED, 0, 0, b"\x7f" + bytes(7))),
        lambda: meaning(Found(0, 0, 0, 0, 0, ACCEPTED, 0, 0, b"\xff" * 8)),
        lambda: unseal(IDENTITY_MAGIC, bytes.fromhex(
            "5a5745455049440a000100030001020304050607080000000000000000000000000085633826")),
    ],
)  # fmt: skip
def test_content_that_cannot_be(read: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read()


def test_a_note_of_a_repair_that_is_none() -> None:
    disk = Disk(FILES)
    identity = read_identity(disk)
    disk.files["repair"] = bytearray(seal(REPAIR_MAGIC, identity))
    with pytest.raises(FolderError, match="no note of a repair"):
        begin_repair(disk, identity, INCARNATION, SEGMENT_BYTES)


def test_a_batch_over_two_epochs_can_be_shown() -> None:
    assert str(Batch(make(1, 5), make(2, 1), 0, b"")) == "1:5–2:1"
