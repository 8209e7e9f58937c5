"""A connection of the ZooKeeper port, byte by byte, on a real brain: handshakes, order, and what ends it."""

import struct
from dataclasses import replace

import pytest

from tests.doors.jute_by_hand import asked
from tests.doors.zkrig import WALL_MS, Client, WireNode, frame, frames, replies, request
from zooweeper.doors.zkconn import VISIT, State
from zooweeper.doors.zkport import SLICE
from zooweeper.model.acl import Id
from zooweeper.model.config import ClientPort
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import ASKED_BYTES_MAX, FRAME_BYTES_MAX, PENDING_REQUESTS_MAX
from zooweeper.ops.reconfig import Reconfig
from zooweeper.replica.events import Ask, Connect, Heard
from zooweeper.replica.outbox import Answer, Hangup

NOBODY = bytes(16)
CREATE = "create(xid={}, path='{}', data=b'', acl=[(31, 'world', 'anyone')], flags={})"
GET = "getData(xid={}, path='{}', watch={})"
SET = "setData(xid={}, path='{}', data=b'', version=-1)"
REFUSED = struct.pack("!iiqi", 0, 0, 0, 16) + NOBODY


def connected(node: WireNode, address: str = "10.0.0.1") -> Client:
    client = Client(node, address)
    client.hello()
    return client


def hello(
    session: int = 0, secret: bytes = NOBODY, flag: bytes = b"\0", seen: int = 0, timeout_ms: int = 10_000
) -> bytes:
    return frame(struct.pack("!iqiqi", 0, seen, timeout_ms, session, len(secret)) + secret + flag)


# --- the handshake


def test_a_new_session_with_the_flag_and_without() -> None:
    node = WireNode()
    timeout_ms, session, secret, flag = Client(node).hello()
    assert (timeout_ms, flag) == (10_000, b"\0") and session > 0 and secret != NOBODY
    _, other, other_secret, flag = Client(node).hello(flag=b"")
    assert other != session and other_secret != secret and flag == b""
    assert node.replica.status().sessions == 2


@pytest.mark.parametrize("secret", [b"", None], ids=["empty", "null"])
def test_a_new_session_needs_no_password(secret: bytes | None) -> None:
    client = Client(WireNode())
    told = client.send(frame(struct.pack("!iqiqi", 0, 0, 5000, 0, -1 if secret is None else 0)))
    (response,) = frames(told)
    assert len(response) == 36 and struct.unpack_from("!i", response, 4) == (5000,)


@pytest.mark.parametrize(("asked_ms", "granted_ms"), [(0, 4000), (-5, 4000), (5000, 5000), (1 << 30, 9000)])
def test_the_timeout_is_brought_within_the_settings(asked_ms: int, granted_ms: int) -> None:
    node = WireNode(settings=ClientPort(session_min_ms=4000, session_max_ms=9000))
    timeout_ms, session, *_ = Client(node).hello(timeout_ms=asked_ms)
    assert timeout_ms == granted_ms
    found = node.replica.state.sessions.get(session)
    assert found is not None and found.timeout_ms == granted_ms and found.results_kept == 0


def test_a_session_goes_on_at_another_connection_and_the_first_one_ends() -> None:
    node = WireNode()
    first, second = Client(node), Client(node)
    _, session, secret, _ = first.hello()
    first.ask(asked(CREATE.format(1, "/mine", 1))[4:])
    timeout_ms, again, same, flag = second.hello(session=session, secret=secret, timeout_ms=6000)
    assert (timeout_ms, again, same, flag) == (6000, session, secret, b"\0")
    first.settle()
    assert first.ended and not second.ended
    assert node.replica.state.tree.get("/mine") is not None


@pytest.mark.parametrize("flag", [b"", b"\0", b"\1"])
def test_what_is_no_session_of_the_client_is_expired(flag: bytes) -> None:
    node = WireNode()
    _, session, secret, _ = Client(node).hello()
    closed = Client(node)
    _, over, its_secret, _ = closed.hello()
    closed.ask(request(1, -11))
    for number, password in (
        (session, NOBODY), (session, b"short"), (session, b""), (over, its_secret), (1 << 50, secret), (-7, secret)
    ):  # fmt: skip
        client = Client(node)
        assert frames(client.send(hello(number, password, flag))) == [REFUSED + (b"\0" if flag else b"")]
        assert client.ended
    assert node.replica.state.sessions.get(session) is not None, "nobody has taken it"


def test_a_client_that_has_seen_more_is_sent_away() -> None:
    node = WireNode()
    client = Client(node)
    assert client.send(hello(seen=1 << 60)) == b"" and client.ended


def test_a_node_without_a_quorum_sends_everybody_away() -> None:
    client = Client(WireNode(members=3, settings=ClientPort(read_only=False)))
    assert client.send(hello(flag=b"\1")) == b"" and client.ended
    client = Client(WireNode(members=3))
    assert client.send(hello(flag=b"\0")) == b"" and client.ended


@pytest.mark.parametrize(
    "data",
    [b"", bytes(27), struct.pack("!iqiqi", 0, 0, 0, 0, 100), struct.pack("!iqiqi", 0, 0, 0, 0, -2)],
    ids=["nothing", "short", "password past the end", "negative password"],
)
def test_what_is_no_handshake_ends_the_connection(data: bytes) -> None:
    node = WireNode()
    client = Client(node)
    assert client.send(frame(data)) == b"" and client.ended
    assert not any(isinstance(event, Connect) for event in node.asked)


def test_a_node_that_is_full_sends_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zooweeper.model.limits.CONNECTIONS_MAX", 1)
    node = WireNode()
    connected(node)
    client = Client(node)
    assert client.send(hello()) == b"" and client.ended


def test_nothing_is_read_while_the_session_is_opened() -> None:
    node = WireNode()
    client = Client(node)
    client.connection.received(hello() + asked(GET.format(1, "/", False)), WALL_MS)
    assert client.connection.state is State.CONNECTING and not client.connection.hungry
    assert not any(isinstance(event, Ask) for event in node.asked)
    response, answer = frames(client.settle())
    assert len(response) == 37 and struct.unpack_from("!i", answer) == (1,)


# --- order


def test_what_comes_right_behind_the_handshake_is_answered_behind_it() -> None:
    node = WireNode()
    auth = asked("auth(xid=-4, type=0, scheme='digest', auth=b'bob:secret')")
    watches = asked("setWatches(xid=-8, relativeZxid=0, dataWatches=['/'], existWatches=[], childWatches=[])")
    first, *rest = frames(Client(node).send(hello() + auth + watches + asked(GET.format(1, "/", True))))
    assert len(first) == 37
    assert [struct.unpack_from("!i", one)[0] for one in rest] == [-4, -8, 1]


def test_answers_keep_the_order_of_the_requests_whatever_they_wait_for() -> None:
    node = WireNode()
    client = connected(node)
    rows = [
        (1, CREATE.format(1, "/a", 0)), (2, GET.format(2, "/a", False)), (3, "sync(xid=3, path='/a')"),
        (4, SET.format(4, "/a")), (5, GET.format(5, "/none", False)), (6, "whoAmI(xid=6)"),
        (2**31 - 1, SET.format(2**31 - 1, "/a")),
    ]  # fmt: skip
    told = client.ask(*(asked(text)[4:] for _, text in rows))
    assert [xid for xid, *_ in told] == [xid for xid, _ in rows]
    assert [error for _, _, error, _ in told] == [0, 0, 0, 0, ErrorCode.NO_NODE, 0, 0]
    zxids = [zxid for _, zxid, *_ in told]
    assert zxids == sorted(zxids)


def test_an_event_comes_before_the_answer_that_shows_what_happened() -> None:
    node = WireNode()
    watcher, writer = connected(node), connected(node, "10.0.0.2")
    writer.ask(asked(CREATE.format(1, "/a", 0))[4:])
    watcher.ask(asked(GET.format(1, "/a", True))[4:])
    ((_, zxid, _, _),) = writer.ask(asked(SET.format(2, "/a"))[4:])
    told = watcher.ask(asked(GET.format(2, "/a", False))[4:])
    assert [(xid, at, error) for xid, at, error, _ in told] == [(-1, zxid, 0), (2, zxid, 0)]
    ((_, zxid, _, _),) = writer.ask(asked(SET.format(3, "/a"))[4:])
    assert watcher.settle() == b"", "once"
    own = watcher.ask(asked(GET.format(4, "/a", True))[4:], asked(SET.format(5, "/a"))[4:])
    assert [(xid, at) for xid, at, *_ in own] == [(4, zxid), (-1, zxid + 1), (5, zxid + 1)]


def test_xids_are_echoed_as_they_are() -> None:
    client = connected(WireNode())
    for xid in (0, 7, 7, -1, -2, -8, 2**31 - 1, -(2**31)):
        ((echoed, *_),) = client.ask(request(xid, 107))
        assert echoed == xid


def test_a_ping_is_answered_with_what_the_client_has_seen() -> None:
    client = connected(WireNode())
    ((_, zxid, _, _),) = client.ask(asked(CREATE.format(5, "/a", 0))[4:])
    assert client.ask(request(77, 11)) == [(-2, zxid, 0, b"")]


def test_a_ping_says_that_the_session_lives() -> None:
    node = WireNode()
    client = Client(node)
    _, session, *_ = client.hello(timeout_ms=1000)
    for _ in range(30):
        client.ask(request(-2, 11))
        node.tick()
    assert not client.ended and node.replica.state.sessions.get(session) is not None
    for _ in range(30):
        node.tick()
    client.settle()
    assert client.ended and node.replica.state.sessions.get(session) is None


def test_bytes_may_come_one_by_one() -> None:
    node = WireNode()
    client = Client(node)
    told = b"".join(client.send(bytes((byte,))) for byte in hello() + asked(CREATE.format(3, "/a", 0)))
    _, answer = frames(told)
    assert struct.unpack_from("!iqi", answer)[0::2] == (3, 0)


# --- what ends a connection, and what does not


@pytest.mark.parametrize("code", [0, -1, 10, 13, 20, -10, -12, -13, -14, 99, 200, 204, 2**31 - 1, -(2**31)])
def test_what_clients_may_not_ask_is_refused_in_its_turn_and_ends_it(code: int) -> None:
    node = WireNode()
    client = connected(node)
    told = client.ask(
        asked(CREATE.format(1, "/a", 0))[4:], request(2, code, b"\0\0\0\1/"), asked(SET.format(3, "/a"))[4:]
    )
    assert [(xid, error) for xid, _, error, _ in told] == [(1, 0), (2, ErrorCode.UNIMPLEMENTED)]
    assert client.ended
    assert node.replica.state.tree.node("/a").version == 0, "nothing behind it was taken"


@pytest.mark.parametrize(
    "code", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 17, 18, 19, 21, 22, 100, 101, 102, 103, 104, 105, 106]
)
def test_a_body_that_is_no_record_is_refused_and_the_connection_goes_on(code: int) -> None:
    client = connected(WireNode())
    told = client.ask(request(1, code, b"\0\0"), request(2, code, b"\x7f\xff\xff\xff"), request(3, 107))
    assert [(xid, error) for xid, _, error, _ in told] == [(1, -5), (2, -5), (3, 0)]
    assert not client.ended


def test_what_follows_a_record_is_not_looked_at() -> None:
    client = connected(WireNode())
    ((xid, _, error, _),) = client.ask(asked(GET.format(1, "/", False))[4:] + b"more")
    assert (xid, error) == (1, 0)


@pytest.mark.parametrize(
    "data", [frame(b""), frame(bytes(7)), struct.pack("!i", -1), struct.pack("!i", FRAME_BYTES_MAX + 1), b"ruok"]
)
def test_what_is_no_frame_ends_it(data: bytes) -> None:
    client = connected(WireNode())
    assert client.send(data + asked(GET.format(1, "/", False))) == b"" and client.ended


def test_the_largest_frame_passes() -> None:
    client = connected(WireNode())
    ((xid, _, error, _),) = client.ask(request(1, 107, bytes(FRAME_BYTES_MAX - 8)))
    assert (xid, error) == (1, 0)


def test_closing_is_answered_and_is_the_last() -> None:
    node = WireNode()
    client = connected(node)
    told = client.ask(asked(CREATE.format(1, "/e", 1))[4:], request(2, -11), request(3, 107))
    assert [(xid, error) for xid, _, error, _ in told] == [(1, 0), (2, 0)]
    assert client.ended and node.replica.state.tree.get("/e") is None and not node.sinks


def test_a_session_that_ends_elsewhere_ends_the_connection_without_a_word() -> None:
    node = WireNode()
    client = connected(node)
    for _ in range(110):
        node.tick()
    assert client.settle() == b"" and client.ended


@pytest.mark.parametrize(
    "error", [ErrorCode.NO_QUORUM, ErrorCode.BEHIND, ErrorCode.SESSION_MOVED, ErrorCode.OPERATION_TIMEOUT]
)
def test_an_answer_that_clients_do_not_know_ends_it(error: ErrorCode) -> None:
    client = connected(WireNode())
    client.connection.received(asked(GET.format(1, "/", False)), WALL_MS)
    client.connection.deliver(Answer(1, 1, 5, error, b""))
    assert client.connection.take(WALL_MS) == b"" and client.ended


def test_our_own_limits_are_answered_with_a_code_that_clients_know() -> None:
    client = connected(WireNode())
    ((xid, _, error, _),) = client.ask(asked(CREATE.format(1, "/" + "x" * 5000, 0))[4:])
    assert (xid, error) == (1, ErrorCode.BAD_ARGUMENTS)


def test_an_ended_connection_takes_and_gives_nothing() -> None:
    node = WireNode()
    client = connected(node)
    client.connection.end()
    client.connection.deliver(Hangup(1, ErrorCode))  # type: ignore[arg-type]  # it is not looked at
    assert client.send(asked(GET.format(1, "/", False))) == b"" and not node.sinks


# --- bounds


def test_a_turn_takes_so_many_frames() -> None:
    node = WireNode()
    client = connected(node)
    node.asked.clear()
    client.woken = False
    client.connection.received(frame(request(1, 107)) * (SLICE + 5), WALL_MS)
    assert len(node.asked) == SLICE and client.woken
    assert len(replies(client.settle())) == SLICE + 5


def test_with_too_much_unanswered_nothing_more_is_taken() -> None:
    node = WireNode()
    client = connected(node)
    node.asked.clear()
    many = asked(CREATE.format(1, "/a", 2)) * (PENDING_REQUESTS_MAX + 10)
    client.connection.received(many, WALL_MS)
    for _ in range(2 * PENDING_REQUESTS_MAX // SLICE):
        client.connection.proceed(WALL_MS)
    assert len(node.asked) == PENDING_REQUESTS_MAX and not client.connection.hungry
    assert len(replies(client.settle())) == PENDING_REQUESTS_MAX + 10
    assert client.connection.hungry


def test_with_too_many_bytes_unanswered_nothing_more_is_taken() -> None:
    node = WireNode()
    client = connected(node)
    node.asked.clear()
    client.connection.received(
        asked(CREATE.format(1, "/a", 2)) + frame(request(2, 107, bytes(1_000_000))) * 20, WALL_MS
    )
    assert len(node.asked) == 1 + ASKED_BYTES_MAX // 1_000_000 + 1 and not client.connection.hungry
    assert len(replies(client.settle())) == 21
    assert client.connection.hungry


def test_with_too_much_unsent_nothing_more_is_taken() -> None:
    client = connected(WireNode())
    client.connection.congested = True
    assert client.send(frame(request(1, 107))) == b"" and not client.connection.hungry
    client.connection.congested = False
    assert len(replies(client.settle())) == 1 and client.connection.hungry


# --- words


def test_a_word_is_answered_at_once_and_is_all() -> None:
    client = Client(WireNode())
    assert client.send(b"ruok\n") == b"imok" and client.ended


@pytest.mark.parametrize("word", [b"abcd", b"\xff\xf4\xff\xfd", b"RUOK"])
def test_a_word_that_is_none_ends_it(word: bytes) -> None:
    client = Client(WireNode())
    assert client.send(word) == b"" and client.ended


def test_a_word_may_come_in_pieces() -> None:
    client = Client(WireNode())
    assert client.send(b"ru") == b"" and client.connection.hungry
    assert client.send(b"ok") == b"imok"


# --- who it is


def test_a_refused_credential_is_answered_and_ends_it() -> None:
    client = connected(WireNode())
    told = client.ask(asked("auth(xid=-4, type=0, scheme='none', auth=b'x:y')")[4:], request(2, 107))
    assert told == [(-4, 0, ErrorCode.AUTH_FAILED, b"")] and client.ended


def test_the_super_user_is_somebody_that_acls_can_name() -> None:
    client = connected(WireNode())
    told = client.ask(
        asked("auth(xid=-4, type=0, scheme='digest', auth=b'super:test')")[4:],
        asked("create(xid=1, path='/s', data=b'', acl=[(31, 'auth', '')], flags=0)")[4:],
        asked("getACL(xid=2, path='/s')")[4:],
    )
    assert [(xid, error) for xid, _, error, _ in told] == [(-4, 0), (1, 0), (2, 0)]
    assert b"super:D/InIHSb7yEEbrWz8b9l71RjZJU=" in told[2][3]


def test_a_certificate_is_an_identity_from_the_start() -> None:
    node = WireNode()
    client = Client(node, certified=Id("x509", "CN=bob"))
    told = client.send(hello() + frame(request(1, 107)) + asked("auth(xid=-4, type=0, scheme='x509', auth=b'')"))
    _, who, again = frames(told)
    assert b"x509" in who and b"CN=bob" in who
    assert struct.unpack_from("!iqi", again) == (-4, 0, 0)
    stranger = connected(node)
    assert stranger.ask(asked("auth(xid=-4, type=0, scheme='x509', auth=b'')")[4:]) == [(-4, 0, -115, b"")]


# --- without a quorum


def lonely() -> tuple[WireNode, int, bytes]:
    """One of three, alone again, and a session that it knows."""
    node = WireNode()
    _, session, secret, _ = connected_session(node)
    node.replica.zab.connected_quorum = False
    return node, session, secret


def connected_session(node: WireNode) -> tuple[int, int, bytes, bytes]:
    client = Client(node)
    shaken = client.hello()
    client.ask(asked("auth(xid=-4, type=0, scheme='digest', auth=b'bob:secret')")[4:])
    client.connection.end()
    return shaken


def test_a_visitor_reads_pings_and_writes_nothing() -> None:
    node = WireNode(members=3)
    client = Client(node)
    timeout_ms, session, secret, flag = client.hello(flag=b"\1", timeout_ms=7000)
    assert (timeout_ms, flag, session >> 56, len(secret)) == (7000, b"\1", VISIT, 16)
    told = client.ask(
        asked(GET.format(1, "/", True))[4:], request(-2, 11), asked(CREATE.format(2, "/a", 0))[4:], request(3, -11)
    )
    by_xid = {xid: error for xid, _, error, _ in told}
    assert by_xid == {1: 0, -2: 0, 2: ErrorCode.NOT_READ_ONLY, 3: ErrorCode.NOT_READ_ONLY} and client.ended
    assert not any(isinstance(event, Heard) for event in node.asked)


def test_a_session_that_the_node_knows_stays_what_it_is() -> None:
    node, session, secret = lonely()
    client = Client(node)
    assert client.hello(session=session, secret=secret, flag=b"\1")[1:] == (session, secret, b"\1")
    ((_, _, _, who),) = client.ask(request(1, 107))
    assert b"bob" in who
    thief = Client(node)
    assert frames(thief.send(hello(session, b"x" * 16, b"\1"))) == [REFUSED + b"\1"]


def test_a_session_that_the_node_does_not_know_is_not_judged() -> None:
    client = Client(WireNode(members=3))
    assert client.hello(session=1 << 41, secret=b"p" * 16, flag=b"\1")[1:] == (1 << 41, b"p" * 16, b"\1")


def test_a_visitor_who_comes_to_a_node_with_a_quorum_gets_a_session() -> None:
    _, session, secret, _ = Client(WireNode(members=3)).hello(flag=b"\1")
    node = WireNode()
    timeout_ms, new, fresh, flag = Client(node).hello(session=session, secret=secret, flag=b"\1")
    assert timeout_ms and flag == b"\0" and fresh != secret
    assert node.replica.state.sessions.get(new) is not None


def test_members_may_be_for_the_settings_alone_to_change() -> None:
    node = WireNode()
    node.replica.config = replace(node.config, reconfig=False)
    client = Client(node)
    client.hello()
    wish = Reconfig.Request("", "7", "", -1).encode()
    ((_, _, error, _),) = client.ask(request(1, Reconfig.code, wish))
    assert error == ErrorCode.RECONFIG_DISABLED
    node.replica.config = node.config
    ((_, _, error, _),) = client.ask(request(2, Reconfig.code, wish))
    assert error == ErrorCode.NO_AUTH, "now it is a matter of rights"


# --- what is counted


def test_what_is_shown_of_a_connection() -> None:
    node = WireNode()
    client = Client(node, "10.0.0.9")
    _, session, *_ = client.hello()
    client.ask(asked(CREATE.format(5, "/a", 0))[4:], request(-2, 11))
    row = client.connection.row()
    assert (row.host, row.port, row.session, row.last_xid, row.last_op) == ("10.0.0.9", 4711, session, 5, 11)
    assert (row.received, row.sent, row.queued, row.latency.count) == (3, 3, 0, 1)
    assert row.last_zxid == node.replica.state.zxid and row.timeout_ms == 10_000 and row.reading
    assert (node.port.traffic.received, node.port.traffic.sent) == (3, 3)
    client.connection.reset()
    row = client.connection.row()
    assert (row.received, row.sent, row.latency.count) == (0, 0, 0)
