"""What no sound server says: the client drops the link or ignores it, and its program gets an answer all the same.

Rules: each row raised in the middle of the client's core before; found by `python -m fuzz answers`.
"""

import pytest
from zooweeper_client.messages import Tick
from zooweeper_client.watches import WatchKind

from fuzz.targets.answers import FAR_MS, Client, events
from fuzz.targets.doors import pack
from zooweeper.model.errors import ErrorCode
from zooweeper.pb import client_pb2 as pb


def welcome(number: int) -> bytes:
    said = pb.Welcome(session=7, secret=b"secret", timeout_ms=5000, zxid=9, node=1, number=number)
    return pb.ServerMessage(welcome=said).SerializeToString()


@pytest.mark.parametrize(
    "said",
    [
        pb.ServerMessage(items=[pb.Item(zxid=10, event=3, path="")]),
        pb.ServerMessage(items=[pb.Item(zxid=10, event=3, path="no path")]),
        pb.ServerMessage(items=[pb.Item(zxid=10, event=99, path="/a")]),
        pb.ServerMessage(items=[pb.Item(zxid=10, event=-1, path="/a")]),
    ],
)
def test_an_event_that_is_none_reaches_nobody(said: pb.ServerMessage) -> None:
    client = Client()
    client.core._watches.add(WatchKind.RECURSIVE, "/", 1)
    client.core._watches.add(WatchKind.PERSISTENT, "/a", 2)
    client.run(pack([welcome(0), said.SerializeToString()]))
    assert client.fired == 0


def test_a_write_answered_behind_a_refused_one_is_not_forgotten() -> None:
    """It cannot have been executed, so the client believes neither and asks the next server."""
    client = Client()

    def hear(said: pb.ServerMessage) -> None:
        for event in events(said):
            client.step(event)

    hear(pb.ServerMessage.FromString(welcome(0)))
    hear(pb.ServerMessage(items=[pb.Item(xid=1)]))  # its credentials are good
    flight = list(client.core._flight)
    refused, behind = [request for request in flight if request.numbered][:2]
    answered = flight[: flight.index(behind) + 1]
    errors = {refused.xid: ErrorCode.THROTTLED_OP}
    hear(pb.ServerMessage(items=[pb.Item(xid=one.xid, zxid=10, error=errors.get(one.xid, 0)) for one in answered]))
    assert "was answered, although" in client.core.trouble
    client.step(Tick(FAR_MS + 1))
    assert all(request.settled for request in client.asked)


def test_a_running_number_beyond_its_field() -> None:
    client = Client()
    client.run(pack([welcome((1 << 64) - 1)]))
    assert all(request.settled for request in client.asked)
