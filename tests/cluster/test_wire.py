"""ZooKeeper's wire on three real processes: what a client of it sees when leaders die and majorities go."""

import struct
import time

import pytest

from bench import wire
from bench.wire import Closed, Connection, framed
from zooweeper.cli.ensemble import Ensemble
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import WatchMode
from zooweeper.ops.create import EPHEMERAL, Create, CreateRequest
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.op import Nothing
from zooweeper.ops.read import Exists
from zooweeper.ops.session import CloseSession
from zooweeper.ops.watches import AddWatch

WRITES = 400
TIMEOUT_MS = 20_000
PATIENCE_S = 20.0


def port(ensemble: Ensemble, node: int) -> Address:
    return ensemble.member(node).wire


def followers(ensemble: Ensemble) -> list[int]:
    leader = ensemble.leader()
    return [node for node in ensemble.ids if node != leader]


def connected(address: Address, *session: object) -> Connection:
    """As soon as the node takes it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Connection(address, TIMEOUT_MS, *session)  # type: ignore[arg-type]
        except Closed:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_client_of_a_follower_does_not_notice_that_the_leader_is_killed(three: Ensemble) -> None:
    leader = three.leader()
    client = connected(port(three, followers(three)[0]))
    assert client.ask(Create, CreateRequest("/wire", b"", list(OPEN))).error in (0, ErrorCode.NODE_EXISTS)
    before = client.ask(SetData, SetData.Request("/wire", b"", -1))
    begin = SetData.Result.decode(before.body).stat.version
    assert client.ask(Create, CreateRequest("/wire/mine", b"", list(OPEN), EPHEMERAL)).error == 0
    assert client.ask(AddWatch, AddWatch.Request("/wire", WatchMode.PERSISTENT)).error == 0
    client.events.clear()
    xids = []
    for number in range(WRITES):
        xids.append(client.send(SetData, SetData.Request("/wire", b"%d" % number, begin + number)))
        if number == WRITES // 2:
            three.kill(leader)
    replies = [client.reply(xid) for xid in xids]
    assert [one.error for one in replies] == [0] * WRITES, "each was executed once, in its turn"
    versions = [SetData.Result.decode(one.body).stat.version for one in replies]
    assert versions == list(range(begin + 1, begin + 1 + WRITES))
    assert [event.zxid for event in client.events] == [one.zxid for one in replies]
    assert client.ask(Exists, WatchRequest("/wire/mine")).error == 0
    assert client.ask(CloseSession, Nothing()).error == 0


def test_without_a_majority_a_session_reads_on_and_keeps_what_is_its(
    three: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, *lost = three.ids
    address = port(three, kept)
    client = connected(address)
    assert client.ask(Create, CreateRequest("/kept", b"here", list(OPEN), EPHEMERAL)).error == 0
    session = client.welcome.session, client.welcome.secret, client.seen
    three.kill(lost)
    with pytest.raises(Closed):
        while True:
            client.ask(Exists, WatchRequest("/kept"))
    with pytest.raises(Closed):
        Connection(address, TIMEOUT_MS, *session)

    def flagged(payload: bytes) -> bytes:
        return framed(payload[:-1] + b"\1" if len(payload) == struct.calcsize("!iqiqi16s?") else payload)

    monkeypatch.setattr(wire, "framed", flagged)
    visitor = connected(address, *session)
    monkeypatch.undo()
    assert (visitor.welcome.session, visitor.welcome.secret) == session[:2]
    assert GetData.Result.decode(visitor.ask(GetData, WatchRequest("/kept")).body).data == b"here"
    assert visitor.ask(SetData, SetData.Request("/kept", b"", -1)).error == ErrorCode.NOT_READ_ONLY

    three.start(lost)
    three.wait_healthy()
    with pytest.raises(Closed):
        while True:
            visitor.ask(Exists, WatchRequest("/kept"))
    again = connected(address, *session)
    stat = Exists.Result.decode(again.ask(Exists, WatchRequest("/kept")).body).stat
    assert stat.ephemeral_owner == session[0]
    assert again.ask(CloseSession, Nothing()).error == 0
