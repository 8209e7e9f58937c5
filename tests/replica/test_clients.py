"""What a node does for its clients: a single voter, whose disk is always at once."""

from random import Random
from typing import Any

from zooweeper.model.config import Address, Config, Member
from zooweeper.model.durable import Recovered
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import ANSWERED_BYTES_MAX
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.op import Nothing
from zooweeper.ops.read import Exists, WhoAmI
from zooweeper.ops.session import AddIdentity, CloseSession, Sync
from zooweeper.replica.events import Ask, Clock, Connect, Disconnect, Tick
from zooweeper.replica.outbox import Answer, Hangup, Refused, Welcome
from zooweeper.replica.pace import FIRST, HOLD_MS
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


def test_a_batch_waits_for_who_is_expected_and_leaves_when_its_time_is_over() -> None:
    alone, write = Alone(), SetData.Request("/", b"", -1).encode()
    alone.step(*(Connect(connection, 0, b"", 4000, 0, 0, "") for connection in (7, 8)))
    for xid in range(1, FIRST + 2):
        alone.step(Ask(7, xid, SetData.code, write), Ask(8, xid, SetData.code, write))
    replica = alone.replica
    alone.delivered.clear()
    replica.step(Ask(7, 100, SetData.code, write))
    waits = replica.take()
    assert waits.again_ms == HOLD_MS and not waits.disk, "for the other"
    replica.step(Clock(replica.now_ms + HOLD_MS, replica.wall_ms))
    alone.step()
    assert [one.xid for one in alone.delivered] == [100]
    assert not replica.take().again_ms


def test_a_close_with_the_number_of_another_write_is_answered_once_and_ends_nothing() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 4000, 0, 10, ""))
    write = SetData.Request("/", b"", -1).encode()
    alone.step(Ask(7, 1, SetData.code, write, number=1))
    alone.step(Ask(7, 2, CloseSession.code, Nothing().encode(), number=1))
    alone.step(Ask(7, 3, Sync.code, Sync.Request("/").encode()), Ask(7, 4, SetData.code, write, number=2))
    answers = alone.delivered[1:]
    assert [(one.xid, one.error) for one in answers] == [(1, 0), (2, ErrorCode.RESULT_FORGOTTEN), (3, 0), (4, 0)]


def identities(answer: Any) -> list[tuple[str | None, str | None]]:
    return [(one.scheme, one.user) for one in WhoAmI.Result.decode(answer.body).identities]


def test_a_visitor_has_the_rights_of_the_session_it_names_and_changes_nothing() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, "10.0.0.7"))
    session, secret = alone.delivered[0].session, alone.delivered[0].secret
    alone.step(Ask(7, 1, AddIdentity.code, AddIdentity.Request("digest", "bob:x").encode()))
    before = alone.replica.status().digest

    alone.delivered.clear()
    alone.step(Connect(8, session, secret, 4000, 0, 0, "10.0.0.8", visit=True))
    alone.step(Connect(9, session, b"wrong", 4000, 0, 0, "10.0.0.9", visit=True))
    alone.step(Connect(10, 1 << 60, b"whose", 4000, 0, 0, "10.0.0.10", visit=True))
    welcome, refused, stranger = alone.delivered
    assert isinstance(welcome, Welcome) and isinstance(stranger, Welcome) and stranger.session == 0
    assert isinstance(refused, Refused) and refused.error.code == ErrorCode.SESSION_EXPIRED

    alone.delivered.clear()
    for connection in (8, 10):
        alone.step(
            Ask(connection, 1, AddIdentity.code, AddIdentity.Request("digest", "eve:y").encode()),
            Ask(connection, 2, WhoAmI.code, b""),
            Ask(connection, 3, SetData.code, SetData.Request("/", b"x").encode()),
        )
    assert [one.error for one in alone.delivered] == [0, 0, ErrorCode.NOT_READ_ONLY] * 2
    assert identities(alone.delivered[1]) == [("ip", "10.0.0.7"), ("digest", "bob"), ("digest", "eve")]
    assert identities(alone.delivered[4]) == [("ip", "10.0.0.10"), ("digest", "eve")]
    assert alone.replica.status().digest == before


def test_much_to_be_read_is_read_in_steps() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, ""))
    large = SetData.Request("/", bytes(1_000_000), -1).encode()
    alone.step(Ask(7, 1, SetData.code, large))
    read = GetData.Request("/", False).encode()
    alone.delivered.clear()
    asked = [Ask(7, 2, SetData.code, large), *(Ask(7, xid, GetData.code, read) for xid in range(3, 43))]
    asked.append(Ask(7, 43, Exists.code, read))
    alone.step(*asked)
    first = len(alone.delivered)
    assert first == 1 + ANSWERED_BYTES_MAX // 1_000_000 + 1
    for turn in range(1, 7):
        alone.step(Clock(3000 + turn, 3000 + turn))
    assert [one.xid for one in alone.delivered] == list(range(2, 44))
    assert not any(one.error for one in alone.delivered)


def test_who_leaves_gets_no_more() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, ""))
    large = SetData.Request("/", bytes(1_000_000), -1).encode()
    read = GetData.Request("/", False).encode()
    alone.step(Ask(7, 1, SetData.code, large))
    alone.step(Ask(7, 2, SetData.code, large), *(Ask(7, xid, GetData.code, read) for xid in range(3, 23)))
    alone.delivered.clear()
    alone.step(Disconnect(7), Clock(3001, 3001))
    assert alone.delivered == []


def test_a_visitor_proves_to_be_only_so_many() -> None:
    alone = Alone()
    alone.step(Connect(7, 0, b"", 0, 0, 0, ""))
    for index in range(40):
        alone.step(Ask(7, index, AddIdentity.code, AddIdentity.Request("digest", f"bob:{index}").encode()))
    errors = [one.error for one in alone.delivered[1:]]
    assert errors == [0] * 32 + [ErrorCode.THROTTLED_OP] * 8


def test_a_plain_read_is_answered_at_once_when_nothing_comes_before_it() -> None:
    alone, body = Alone(), GetData.Request("/", False).encode()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, ""), Connect(8, 0, b"", 4000, 0, 0, ""))
    replica, session = alone.replica, alone.delivered[0].session
    replica.clients.touched.clear()
    told = replica.read(7, session, GetData.code, body)
    alone.step(Ask(7, 1, GetData.code, body))
    assert told is not None and alone.delivered[-1] == Answer(7, 1, told[0], 0, told[1])
    assert session in replica.clients.touched, "its client lives"

    def refused(connection: int = 7, session: int = session, code: int = GetData.code, body: bytes = body) -> bool:
        touched = dict(replica.clients.touched)
        return replica.read(connection, session, code, body) is None and replica.clients.touched == touched

    assert refused(connection=8) and refused(connection=9) and refused(session=0) and refused(session=session + 1)
    assert refused(body=GetData.Request("/", True).encode()) and refused(body=GetData.Request("/none", False).encode())
    assert refused(body=b"") and refused(body=body[:-1]) and refused(body=body + b"\0")
    write = SetData.Request("/", b"new", -1).encode()
    replica.step(Ask(7, 2, SetData.code, write))
    assert refused(), "the answer to a write comes first"
    assert replica.read(8, alone.delivered[1].session, GetData.code, body) == told, "which is nobody else's business"
    replica.step(Ask(8, 1, GetData.code, body))
    assert replica.outbox.deliver and refused(connection=8, session=alone.delivered[1].session)
    alone.step()
    assert replica.read(7, session, GetData.code, body) not in (told, None)
    replica.stop("whatever")
    assert refused()


def test_a_visitor_and_who_has_left_are_not_answered_at_once() -> None:
    alone, body = Alone(), Exists.Request("/", False).encode()
    alone.step(Connect(7, 0, b"", 4000, 0, 0, ""))
    alone.step(Connect(8, 0, b"", 0, 0, 0, ""))
    session = alone.delivered[0].session
    assert alone.replica.read(8, 0, Exists.code, body) is None
    assert alone.replica.read(7, session, Exists.code, body) is not None
    alone.step(Disconnect(7))
    assert alone.replica.read(7, session, Exists.code, body) is None
