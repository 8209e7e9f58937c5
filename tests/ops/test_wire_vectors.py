"""Bytes as ZooKeeper's own programs write them, without frame and headers."""

import pytest

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN
from zooweeper.model.stat import Stat
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import Check, GetData, SetData, StatResult, VersionRequest, WatchRequest
from zooweeper.ops.multi import FAILED, Multi, Part
from zooweeper.ops.session import Auth
from zooweeper.ops.watches import SetWatches

ZXID, TIME = 0x100000002, 1_700_000_000_000

VECTORS: list[tuple[Record, str]] = [
    (
        CreateRequest("/a", b"hi", list(OPEN), 0),
        "00000002 2f61 00000002 6869 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000000",
    ),
    (Create.Result("/a"), "00000002 2f61"),
    (WatchRequest("/a", True), "00000002 2f61 01"),
    (
        GetData.Result(b"hi", Stat(ZXID, ZXID, TIME, TIME, 0, 0, 0, 0, 2, 0, ZXID)),
        "00000002 6869 0000000100000002 0000000100000002 0000018bcfe56800 0000018bcfe56800 00000000 00000000 00000000"
        "0000000000000000 00000002 00000000 0000000100000002",
    ),
    (WatchRequest("/none", False), "00000005 2f6e6f6e65 00"),
    (
        Auth.Request(0, "digest", b"bob:secret"),
        "00000000 00000006 646967657374 0000000a 626f623a736563726574",
    ),
    (
        Multi.Request([Part(13, VersionRequest("/a", 0)), Part(5, SetData.Request("/a", b"x", -1))]),
        "0000000d 00 ffffffff 00000002 2f61 00000000  00000005 00 ffffffff 00000002 2f61 00000001 78 ffffffff"
        "ffffffff 01 ffffffff",
    ),
    (
        Multi.Result(
            [
                Part(13, Check.Result()),
                Part(5, StatResult(Stat(ZXID, ZXID + 2, TIME, TIME + 1000, 1, 0, 0, 0, 1, 0, ZXID))),
            ]
        ),
        "0000000d 00 00000000  00000005 00 00000000 0000000100000002 0000000100000004 0000018bcfe56800"
        "0000018bcfe56be8 00000001 00000000 00000000 0000000000000000 00000001 00000000 0000000100000002"
        "ffffffff 01 ffffffff",
    ),
    (
        Multi.Result([Part(FAILED, None, -103), Part(FAILED, None, -2)]),
        "ffffffff 00 ffffff99 ffffff99  ffffffff 00 fffffffe fffffffe  ffffffff 01 ffffffff",
    ),
    (SetWatches.Request(ZXID, ["/a"], [], []), "0000000100000002 00000001 00000002 2f61 00000000 00000000"),
]


@pytest.mark.parametrize(("record", "text"), VECTORS, ids=[repr(record)[:40] for record, _ in VECTORS])
def test_vector(record: Record, text: str) -> None:
    data = bytes.fromhex(text)
    assert record.encode() == data
    assert type(record).decode(data) == record
