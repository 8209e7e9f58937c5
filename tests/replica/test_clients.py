"""What a node does for its clients: a single voter, whose disk is always at once."""

from random import Random
from typing import Any

from zooweeper.model.config import Address, Config, Member
from zooweeper.model.durable import Recovered
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.op import Nothing
from zooweeper.ops.read import Exists
from zooweeper.ops.session import CloseSession, Sync
from zooweeper.replica.events import Ask, Connect, Tick
from zooweeper.replica.outbox import Answer, Hangup, Welcome
from zooweeper.replica.replica import Replica
from zooweeper.zab.events import Received

NOWHERE = Address("127.0.0.1", 1)
CONFIG = Config(1, "test", (Member(1, NOWHERE, NOWHERE, NOWHERE, NOWHERE),), "")


class Alone:
    """A replica that is the whole ensemble."""

    def __init__(self) -> None:
        self.replica = Replica(CONFIG, Recovered(0, 0, 0, iter(()), 0, (), []), Random(1))
        self.delivered: list[Any] = []
        for now_ms in range(0, 3000, 100):
            self.step(Tick(now_ms, now_ms))

    def step(self, *events: Any) -> None:
        for event in events:
            self.replica.step(event)
        while outbox := self.replica.take():
            assert not outbox.stop, outbox.stop
            self.delivered += outbox.deliver
            for to, message in (*outbox.now, *outbox.after):
                assert to == 1
                self.replica.step(Received(1, message))


def test_what_is_asked_behind_the_close_of_a_session_ends_with_it() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, ""))
    assert [type(one) for one in alone.delivered] == [Welcome]
    read = Exists.Request("/", False).encode()
    alone.step(
        Ask(7, 1, CloseSession.code, Nothing().encode()),
        Ask(7, 2, Exists.code, read),
        Ask(7, 3, Sync.code, Sync.Request("/").encode()),
        Ask(7, 4, Exists.code, read),
    )
    closed, hangup = alone.delivered[1:]
    assert isinstance(closed, Answer) and (closed.xid, closed.error) == (1, ErrorCode.OK)
    assert isinstance(hangup, Hangup) and hangup.error.code == ErrorCode.SESSION_EXPIRED
    assert not len(alone.replica.clients) and not alone.replica.clients.waiting
