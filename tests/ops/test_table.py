"""The table of operations, and what is refused before the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN
from zooweeper.model.errors import MarshallingError, TooLarge, Unimplemented, ZkError
from zooweeper.model.limits import DATA_BYTES_MAX, PATH_BYTES_MAX
from zooweeper.ops.admit import admit
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.multi import Multi, MultiRead, Part
from zooweeper.ops.op import Kind, Op
from zooweeper.ops.session import Sync
from zooweeper.ops.table import OPS, RETIRED
from zooweeper.ops.watches import SetWatches

# As ZooKeeper numbers and names them; clients of every age depend on it.
ZOOKEEPER = {
    1: "create", 2: "delete", 3: "exists", 4: "getData", 5: "setData", 6: "getACL", 7: "setACL", 8: "getChildren",
    9: "sync", 11: "ping", 12: "getChildren2", 13: "check", 14: "multi", 15: "create2", 16: "reconfig",
    17: "checkWatches", 18: "removeWatches", 19: "createContainer", 20: "deleteContainer", 21: "createTTL",
    22: "multiRead", 100: "auth", 101: "setWatches", 102: "sasl", 103: "getEphemerals",
    104: "getAllChildrenNumber", 105: "setWatches2", 106: "addWatch", 107: "whoAmI", -10: "openSession",
    -11: "closeSession",
}  # fmt: skip
INTERNAL = {13, 20, -10, -12, -13, -14, -15, -16, -17}


def test_codes_and_names() -> None:
    assert {code: op.name for code, op in OPS.items() if code in ZOOKEEPER} == ZOOKEEPER
    assert sorted(set(OPS) - set(ZOOKEEPER)) == [-17, -16, -15, -14, -13, -12, 200, 201, 202]
    assert len({op.name for op in OPS.values()}) == len(OPS)
    assert not set(OPS) & set(RETIRED)
    assert {code for code, op in OPS.items() if not op.client} == INTERNAL
    assert all(op.__doc__ for op in OPS.values())


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_each_does_what_its_kind_says(op: type[Op]) -> None:
    assert ("execute" in vars(op)) == (op.kind in (Kind.WRITE, Kind.SESSION))
    assert ("read" in vars(op)) == (op.kind is Kind.READ)
    assert issubclass(op.Request, Record) and issubclass(op.Result, Record)


@pytest.mark.parametrize("code", [*INTERNAL, *RETIRED, -1, 10, 99, 203, 2**31 - 1, -(2**31)])
def test_not_for_clients(code: int) -> None:
    with pytest.raises(Unimplemented):
        admit(code, b"")


def test_bytes_that_are_no_request() -> None:
    with pytest.raises(MarshallingError):
        admit(Create.code, b"junk")


LONG, BIG = "/" + "x" * PATH_BYTES_MAX, bytes(DATA_BYTES_MAX + 1)
FITS, FITS_TOO = LONG[:-1], "/" + "ä" * ((PATH_BYTES_MAX - 1) // 2)


@pytest.mark.parametrize(
    ("op", "request_"),
    [
        (Create, CreateRequest(LONG, b"", list(OPEN), 0)),
        (Create, CreateRequest("/" + "ä" * (PATH_BYTES_MAX // 2), b"", list(OPEN), 0)),
        (Create, CreateRequest("/a", BIG, list(OPEN), 0)),
        (SetData, SetData.Request("/a", BIG, 0)),
        (GetData, WatchRequest(LONG, False)),
        (Sync, Sync.Request(LONG)),
        (Multi, Multi.Request([Part(5, SetData.Request("/a", BIG, 0))])),
        (MultiRead, MultiRead.Request([Part(4, WatchRequest(LONG, False))])),
        (SetWatches, SetWatches.Request(0, [], [LONG], [])),
    ],
)
def test_too_large(op: type[Op], request_: Record) -> None:
    with pytest.raises(TooLarge):
        admit(op.code, request_.encode())


def test_just_not_too_large() -> None:
    for path in (FITS, FITS_TOO):
        admit(Create.code, CreateRequest(path, BIG[1:], list(OPEN), 0).encode())
        admit(SetWatches.code, SetWatches.Request(0, [path], [], []).encode())


@given(st.sampled_from(sorted(OPS)), st.binary(max_size=60))
def test_any_bytes_are_admitted_or_refused_with_a_typed_error(code: int, body: bytes) -> None:
    try:
        admit(code, body)
    except ZkError:
        return
    request = OPS[code].Request.decode(body)
    assert OPS[code].Request.decode(request.encode()) == request
