"""Requests that no client of ours makes: answered or refused, and the node lives.

Rules: each row ended the node, or waited for ever; found by `python -m fuzz doors unary`. The node is a real one
behind a real door, without the network (fuzz/targets/doors.py).
"""

from typing import Any

import pytest

from fuzz.harness import attempt
from fuzz.targets.doors import Doors, UnaryCalls, pack
from zooweeper.codec.record import Record
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.table import OPS
from zooweeper.ops.watches import SetWatches, SetWatches2
from zooweeper.pb import client_pb2 as pb

HALF = "/\ud800"  # half a character: Java's encoding can say it, UTF-8 text of an event cannot


@pytest.mark.parametrize(
    "request_",
    [
        SetWatches.Request(0, [HALF], [], []),
        SetWatches.Request(0, [], [], [HALF]),
        SetWatches2.Request(0, [HALF], [], [], [], []),
    ],
)
@pytest.mark.parametrize("timeout_ms", [0, 5000], ids=["visitor", "session"])
def test_a_watch_on_what_cannot_be_a_path_is_refused(request_: Record, timeout_ms: int) -> None:
    code = next(code for code, op in OPS.items() if isinstance(request_, op.Request))
    said = pb.ClientMessage(
        hello=pb.Hello(version=1, timeout_ms=timeout_ms),
        requests=[pb.Request(xid=1, code=code, body=request_.encode())],
    )
    assert attempt(Doors(), pack([said.SerializeToString()])) == (None, 0, (ErrorCode.BAD_ARGUMENTS,), 1)


def test_a_watch_on_a_path_that_may_come_is_kept() -> None:
    """The client had asked for `exists`, which takes any path."""
    body = SetWatches.Request(0, [], [HALF], []).encode()
    said = pb.ClientMessage(
        hello=pb.Hello(version=1), requests=[pb.Request(xid=1, code=SetWatches.code, body=body)]
    ).SerializeToString()
    assert attempt(Doors(), pack([said])) == (None, 0, (0,), 1)


@pytest.mark.parametrize(
    ("place", "request_"),
    [(2, pb.ExistsRequest(path="/a", linear=True)), (4, pb.GetDataRequest(path="/", linear=True)),
     (7, pb.SyncRequest(path="/"))],
)  # fmt: skip
def test_a_read_that_is_not_stale_needs_no_write_before_it(place: int, request_: pb.ExistsRequest) -> None:
    """It waited for the first entry of an ensemble in which nothing had been written."""
    answered: Any = attempt(UnaryCalls(), bytes((place,)) + request_.SerializeToString())
    assert answered[0] in ("Exists", "GetData", "Sync") and answered[1] != "refused"
