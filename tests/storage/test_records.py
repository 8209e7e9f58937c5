"""The bytes of the format, as they are promised: a change here is a new format version."""

import pytest

from sim.disk import SimDisk
from tests.storage.sample import INCARNATION, batch, formatted, snapshot
from zooweeper.model.durable import Accepted, Current, Cut
from zooweeper.model.zxid import make
from zooweeper.storage import records
from zooweeper.storage.disk import Disk
from zooweeper.storage.folder import format_folder
from zooweeper.storage.records import Identity, WrongVersion, seal, sheet_size, unseal
from zooweeper.storage.storage import Storage

IDENTITY = Identity("test", 1, INCARNATION)
GOLDEN = {
    "identity": """
        5a5745455049440a 0001 0001 000102030405060708090a0b0c0d0e0f 0004 74657374 00000000 f102385f
    """,
    "log": """
        5a574545504c4f47 0001 0001 000102030405060708090a0b0c0d0e0f 0004 74657374 0000002a
        0000000000000001 0000000000000001 00000000 01 00000000 00000000 01 0000000000000000 00000000 f1a87171
        7b03efd0 e569ed57 00000000 00000008 00000000 02 0000000000000001 0000000000000000
        0000000000000002
        7b03efd0 5035435f e569ed57 0000005e 00000001 01 0000000000000002 0000020000000002
        0000020000000001 0000000000000000 00000000000003ea
        00000000000000070000000000000008000000000000000100000005000000030101010000
        000000000007000000000000000800000000000000020000000500000003020202
        7b03efd0 f6eb205d 5035435f 00000008 00000002 03 0000000000000003 0000020000000002
        0000000000000002
        7b03efd0 0f4934f4 f6eb205d 00000039 00000000 01 0000000000000004 0000020000000003
        0000020000000003 0000020000000001 00000000000003eb
        000000000000000700000000000000080000000000000003000000050000000103
        7b03efd0 757121b5 0f4934f4 00000008 00000001 04 0000000000000005 0000020000000003
        0000020000000002
    """,
    "snapshot": """
        5a57454550534e50 0001 0001 000102030405060708090a0b0c0d0e0f 0004 74657374 00000020
        0000020000000002 0000000000000006 00000001 00000002 0000000000000002 3309b347
        b35786d2 00000000 00000003 616263
        1dfe4f20 ffffffff 00000008 00000001 352441c2
    """,
    "durable": """0000000000000006 e5677a73""",
}


def hexed(text: str) -> bytes:
    return bytes.fromhex("".join(text.split()))


def written() -> Disk:
    disk, identity = formatted()
    storage, _ = Storage.open(disk, identity, 1024)
    storage.write([Accepted(2), batch(2, 1, 2, size=3, committed=0), Current(2)])
    storage.write([batch(2, 3, size=1, committed=make(2, 1)), Cut(make(2, 2))])
    storage.write(snapshot(make(2, 2), ((2, 2),), b"abc"))
    storage.close()
    return disk


def test_golden_identity() -> None:
    assert seal(records.IDENTITY_MAGIC, IDENTITY) == hexed(GOLDEN["identity"])


def test_golden_log() -> None:
    assert written().read("log.0000000001").rstrip(b"\0") == hexed(GOLDEN["log"]).rstrip(b"\0")


def test_golden_snapshot() -> None:
    assert written().read("snapshot.0000020000000002") == hexed(GOLDEN["snapshot"])


def test_golden_hint() -> None:
    assert written().read("durable") == hexed(GOLDEN["durable"])


def test_sheets() -> None:
    sheet = seal(records.REPAIR_MAGIC, IDENTITY, b"payload")
    assert sheet_size(sheet + b"more") == len(sheet)
    assert unseal(records.REPAIR_MAGIC, sheet + b"more") == (IDENTITY, b"payload", len(sheet))
    with pytest.raises(ValueError, match="kind"):
        unseal(records.IDENTITY_MAGIC, sheet)
    for size in range(len(sheet)):
        with pytest.raises(ValueError):
            unseal(records.REPAIR_MAGIC, sheet[:size])


def test_a_newer_version_is_refused_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "VERSION", 2)
    sheet = seal(records.IDENTITY_MAGIC, IDENTITY)
    disk = SimDisk()
    identity = format_folder(disk, "test", 1, INCARNATION, True, 1024)
    monkeypatch.undo()
    with pytest.raises(WrongVersion, match="format version 2, this program reads 1"):
        unseal(records.IDENTITY_MAGIC, sheet)
    with pytest.raises(Exception, match="format version 2") as caught:
        Storage.open(disk, identity, 1024)
    assert type(caught.value).__name__ == "FolderError"
