"""Sessions: opening, moving, numbers and remembered results, ends."""

import pytest

from tests.tree.world import World
from zooweeper.model.acl import OPEN, Id
from zooweeper.model.errors import (
    BadArguments,
    BadVersion,
    ErrorCode,
    NodeExists,
    NumberGap,
    ResultForgotten,
    SessionExpired,
    SessionMoved,
    ThrottledOp,
    Unimplemented,
    UnknownSession,
)
from zooweeper.model.limits import IDENTITIES_MAX, RESULTS_BYTES_MAX, RESULTS_KEPT_MAX
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import SetData
from zooweeper.ops.session import AddIdentity, Attach, CloseSession, ExpireSession, OpenSession, PlaceRequest

SECRET = b"s" * 16


def create(path: str) -> bytes:
    return CreateRequest(path, b"", list(OPEN), 0).encode()


def attach(
    world: World, session: int, token: int, secret: bytes = SECRET, timeout_ms: int = 0, results: int = 0
) -> int:
    """Attach from process 88; the error."""
    body = PlaceRequest(secret, timeout_ms, results, "10.9.9.9").encode()
    return world.raw(session, 88, token, Attach.code, body).error


def test_open() -> None:
    world = World()
    s = world.open(results=4, address="10.0.0.7")
    session = world.state.sessions[s]
    assert s == world.state.zxid == session.id == session.attach
    assert (session.timeout_ms, session.number, session.results_kept) == (10_000, 0, 4)
    assert session.identities == (Id("ip", "10.0.0.7"),)
    assert list(world.state.sessions) == [s] and s in world.state.sessions and len(world.state.sessions) == 1
    assert "ssss" not in repr(session)


def test_the_same_opening_ordered_twice_opens_one_session() -> None:
    world = World()
    s = world.open()
    world.tokens -= 1
    assert world.open() == s
    assert len(world.state.sessions) == 1
    assert world.open() != s


def test_results_kept_are_bounded() -> None:
    world = World()
    assert world.state.sessions[world.open(results=10**6)].results_kept == RESULTS_KEPT_MAX
    assert world.state.sessions[world.open(results=-1)].results_kept == 0


def test_attach_moves_the_session() -> None:
    world = World()
    s = world.open(results=2)
    old = world.state.sessions[s].attach
    world.identify(s, "digest", "bob:x")
    assert attach(world, s, 1, timeout_ms=4000, results=2) == 0
    result = Attach.Result.decode(world.last.body)
    assert (result.session, result.attach, result.number, result.timeout_ms) == (s, world.state.zxid, 1, 4000)
    assert world.state.sessions[s].identities == (Id("ip", "10.9.9.9"),), "identities belong to the connection"
    assert world.raw(s, old, 2, Create.code, create("/late")).error == SessionMoved.code
    assert world.raw(s, result.attach, 2, Create.code, create("/a")).error == 0, "the late one used no number"
    assert world.state.tree.get("/late") is None


def test_attaching_again_from_the_same_place_changes_nothing() -> None:
    world = World()
    s = world.open()
    attach(world, s, 1)
    first, digest = world.last.body, world.state.sessions.total
    assert attach(world, s, 1, timeout_ms=9) == 0
    assert world.last.body == first and world.state.sessions.total == digest
    other = world.open()
    assert attach(world, other, 1) == BadArguments.code, "a connection carries one session"


@pytest.mark.parametrize("secret", [b"", b"t" * 16, SECRET[:-1], SECRET + b"s"])
def test_a_wrong_secret_is_no_session(secret: bytes) -> None:
    world = World()
    s = world.open()
    before = world.state.sessions.total
    assert attach(world, s, 1, secret) == SessionExpired.code
    assert attach(world, s + 7, 1) == SessionExpired.code
    assert world.state.sessions.total == before


def test_each_number_takes_effect_once() -> None:
    world = World()
    s = world.open(results=3)
    at = world.state.sessions[s].attach
    first = world.raw(s, at, 1, Create.code, create("/1"))
    zxid = world.state.zxid
    assert world.raw(s, at, 3, Create.code, create("/3")).error == NumberGap.code
    again = world.raw(s, at, 1, Create.code, create("/1"))
    assert (again.error, again.body, again.changes, again.repeat) == (0, first.body, [], True)
    assert world.state.sessions[s].result(1) == (0, first.body, zxid)
    failed = world.raw(s, at, 2, Create.code, create("/1"))
    assert failed.error == NodeExists.code and not failed.repeat
    again = world.raw(s, at, 2, Create.code, create("/1"))
    assert (again.error, again.repeat) == (NodeExists.code, True), "errors are results, and use a number"
    assert world.raw(s, at, 3, 999, b"").error == Unimplemented.code
    assert world.raw(s, at, 4, Create.code, b"junk").error == ErrorCode.MARSHALLING_ERROR
    assert world.raw(s, at, 5, Create.code, create("/5")).error == 0
    for number, error in ((1, ResultForgotten.code), (2, ResultForgotten.code), (3, Unimplemented.code)):
        done = world.raw(s, at, number, Create.code, create("/x"))
        assert (done.error, done.repeat) == (error, True)
    assert world.raw(s, at, -1, Create.code, create("/x")).error == ResultForgotten.code
    assert world.state.tree.get("/x") is None


def test_a_session_that_keeps_no_results() -> None:
    world = World()
    s = world.open()
    at = world.state.sessions[s].attach
    assert world.raw(s, at, 1, Create.code, create("/1")).error == 0
    again = world.raw(s, at, 1, Create.code, create("/1"))
    assert (again.error, again.repeat) == (ResultForgotten.code, True)


def test_the_memory_of_results_is_bounded_in_bytes() -> None:
    world = World()
    session = world.state.sessions[world.open(results=100)]
    for number in range(1, 6):
        entry = world.entries[-1]._replace(session=session.id, number=number)
        world.state.sessions.remember(entry, 0, bytes(RESULTS_BYTES_MAX // 3))
    assert [number for number in range(8) if session.result(number)] == [3, 4, 5]
    entry = world.entries[-1]._replace(session=session.id, number=6)
    world.state.sessions.remember(entry, 0, bytes(RESULTS_BYTES_MAX + 1))
    assert [number for number in range(8) if session.result(number)] == [6], "the last one is kept whatever its size"


def test_unknown_sessions_write_nothing() -> None:
    world = World()
    for session in (0, 5):
        for code, body in ((Create.code, create("/a")), (CloseSession.code, b""), (999, b"")):
            assert world.raw(session, 0, 1, code, body).error == SessionExpired.code


def test_close_takes_the_ephemerals_along_in_one_entry() -> None:
    world = World()
    s, other = world.open(), world.open()
    for path, owner in (("/b", s), ("/a", s), ("/theirs", other)):
        world.create(owner, path, flags=1)
    world.create(s, "/stays")
    world.send(s, CloseSession, CloseSession.Request())
    assert [change.path for change in world.last.changes] == ["/a", "/b"]
    assert world.state.tree.node("/").pzxid == world.state.zxid
    assert world.state.tree.get("/a") is None and world.state.tree.get("/theirs") is not None
    assert world.state.sessions.get(s) is None
    with pytest.raises(SessionExpired):
        world.send(s, SetData, SetData.Request("/stays", b"", -1))
    assert world.state.digest() == world.state.recompute_digest()


def test_expiry_is_void_if_the_session_has_attached_since() -> None:
    world = World()
    s = world.open()
    world.create(s, "/e", flags=1)
    stale = ExpireSession.Request(s, world.state.sessions[s].attach).encode()
    attach(world, s, 1)
    fresh = ExpireSession.Request(s, world.state.sessions[s].attach).encode()
    assert world.raw(0, 0, 0, ExpireSession.code, stale).error == BadVersion.code
    assert world.state.tree.get("/e") is not None
    assert world.raw(0, 0, 0, ExpireSession.code, fresh).error == 0
    assert world.state.tree.get("/e") is None
    assert world.raw(0, 0, 0, ExpireSession.code, fresh).error == UnknownSession.code


def test_identities_are_bounded_and_not_doubled() -> None:
    world = World()
    s = world.open()
    for _ in range(2):
        for number in range(IDENTITIES_MAX - 1):
            world.identify(s, "digest", f"user{number}:x")
    assert len(world.state.sessions[s].identities) == IDENTITIES_MAX
    with pytest.raises(ThrottledOp):
        world.send(s, AddIdentity, AddIdentity.Request("digest", "one:more"))


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zooweeper.tree.sessions.SESSIONS_MAX", 2)
    world = World()
    world.open()
    world.open()
    done = world.raw(0, 77, 99, OpenSession.code, PlaceRequest(SECRET, 1000, 0, "").encode())
    assert done.error == ThrottledOp.code
