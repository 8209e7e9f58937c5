"""multi: all or nothing, each part sees the ones before, and a failed one leaves no trace; multiRead."""

import pytest

from tests.tree.world import World
from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.errors import ErrorCode, MarshallingError, TooLarge
from zooweeper.model.limits import MULTI_PARTS_MAX
from zooweeper.ops.admit import admit
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateRequest, CreateTtl, CreateTtlRequest
from zooweeper.ops.data import Check, GetData, SetData, VersionRequest, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import FAILED, Multi, MultiRead, Part
from zooweeper.ops.op import Nothing, Op
from zooweeper.ops.read import GetChildren


def part(op: type[Op], request: Record) -> Part:
    return Part(op.code, request)


def create(path: str, flags: int = 0, op: type[Op] = Create) -> Part:
    return part(op, CreateRequest(path, b"x", list(OPEN), flags))


def run(world: World, session: int, *parts: Part) -> list[Part]:
    result: list[Part] = world.send(session, Multi, Multi.Request(list(parts))).parts
    return result


BAD = part(Check, VersionRequest("/", 99))


def test_parts_see_the_ones_before() -> None:
    world = World()
    s = world.open()
    results = run(
        world,
        s,
        create("/a"),
        create("/a/b", op=Create2),
        create("/a/c", 4, CreateContainer),
        part(CreateTtl, CreateTtlRequest("/a/t", None, list(OPEN), 5, 9)),
        create("/a/s-", 3),
        create("/a/s-", 2),
        part(Check, VersionRequest("/a", 0)),
        part(SetData, SetData.Request("/a", b"new", 0)),
        part(Delete, Delete.Request("/a/b", 0)),
        create("/a/b"),
    )
    assert [one.code for one in results] == [1, 15, 15, 15, 1, 1, 13, 5, 2, 1], "the types of ZooKeeper's answers"
    assert results[4].record == Create.Result("/a/s-0000000003")
    assert results[5].record == Create.Result("/a/s-0000000004")
    assert isinstance(results[7].record, SetData.Result) and results[7].record.stat.version == 1
    assert results[8].record == Nothing()
    zxids = [node.czxid for path, node in world.state.tree.walk() if path.startswith("/a")]
    assert zxids == [world.state.zxid] * 6, "one zxid for all"
    assert [(change.kind, change.path) for change in world.last.changes][-3:] == [(3, "/a"), (2, "/a/b"), (1, "/a/b")]


@pytest.mark.parametrize("at", range(6))
def test_a_failure_anywhere_leaves_no_trace(at: int) -> None:
    world = World()
    s = world.open()
    for path in ("/old", "/old/child", "/gone"):
        world.create(s, path)
    before, images = world.state.tree.total, {path: node.stat() for path, node in world.state.tree.walk()}
    parts = [
        create("/old/x-", 3),
        part(SetData, SetData.Request("/old", b"new", -1)),
        part(Delete, Delete.Request("/gone", -1)),
        part(Delete, Delete.Request("/old/child", -1)),
        create("/old/c", 4, CreateContainer),
    ]
    parts.insert(at, BAD)
    results = run(world, s, *parts)
    codes = [0] * at + [ErrorCode.BAD_VERSION] + [ErrorCode.RUNTIME_INCONSISTENCY] * (5 - at)
    assert results == [Part(FAILED, None, code) for code in codes]
    assert world.last.error == 0 and world.last.changes == []
    assert world.state.tree.total == before == world.state.tree.recomputed()
    assert {path: node.stat() for path, node in world.state.tree.walk()} == images
    assert world.state.tree.owned(s) == [] and not world.state.tree.reapable
    assert world.create(s, "/old/x-", flags=2) == "/old/x-0000000001", "the counter is rolled back, too"


def test_an_empty_multi_is_an_entry() -> None:
    world = World()
    s = world.open()
    assert run(world, s) == []
    assert world.last.body == bytes.fromhex("ffffffff 01 ffffffff")


def test_parts_that_are_no_parts() -> None:
    for code in (4, 8, 3, 7, 14, 201, 0, -11):
        with pytest.raises(MarshallingError):
            Multi.Request.decode(bytes.fromhex(f"{code & 0xFFFFFFFF:08x} 00 ffffffff") + bytes(99))
    with pytest.raises(MarshallingError):
        MultiRead.Request.decode(Multi.Request([BAD]).encode())
    with pytest.raises(MarshallingError):
        Multi.Request.decode(Multi.Request([BAD]).encode()[:-9])


@pytest.mark.parametrize(
    "odd",
    [
        create("/b", 5),
        create("/b", 7, Create2),
        create("/b", -1),
        create("/b", 6, CreateContainer),
    ],
)
def test_one_impossible_flag_refuses_the_whole(odd: Part) -> None:
    with pytest.raises(MarshallingError):
        admit(Multi.code, Multi.Request([BAD, odd]).encode())


def test_flags_that_do_not_fit_fail_in_their_turn() -> None:
    world = World()
    s = world.open()
    odd = part(CreateTtl, CreateTtlRequest("/b", None, list(OPEN), 0, 1000))
    admit(Multi.code, Multi.Request([BAD, odd]).encode())
    assert [one.error for one in run(world, s, create("/a"), odd)] == [ErrorCode.OK, ErrorCode.BAD_ARGUMENTS]


def test_too_many_parts() -> None:
    body = Multi.Request([BAD] * MULTI_PARTS_MAX).encode()
    admit(Multi.code, body)
    more = Multi.Request([BAD] * (MULTI_PARTS_MAX + 1)).encode()
    with pytest.raises(TooLarge):
        admit(Multi.code, more)
    world = World()
    session = world.state.sessions[world.open()]
    assert world.raw(session.id, session.attach, 1, Multi.code, more).error == TooLarge.code, "whoever let it in"


def test_multi_read() -> None:
    world = World()
    s = world.open()
    world.create(s, "/a", b"data")
    world.create(s, "/secret", acl=(Acl(31, Id("digest", "x:y")),))
    parts = [
        Part(GetData.code, WatchRequest("/a", True)),
        Part(GetData.code, WatchRequest("/none", True)),
        Part(GetChildren.code, WatchRequest("/", True)),
        Part(GetChildren.code, WatchRequest("/secret", True)),
    ]
    results = world.ask(s, MultiRead, MultiRead.Request(parts)).parts
    assert isinstance(results[0].record, GetData.Result) and results[0].record.data == b"data"
    assert [results[1], results[3]] == [Part(FAILED, None, -101), Part(FAILED, None, -102)]
    assert results[2] == Part(8, GetChildren.Result(["a", "secret", "zookeeper"]))
    assert world.watches.count() == 0, "multiRead sets no watches"


def test_a_multi_read_of_few_names_and_gigabytes() -> None:
    """What it may come to is bounded, and not only what it asks."""
    world = World()
    s = world.open()
    world.create(s, "/full", bytes(1_000_000))
    ask = Part(GetData.code, WatchRequest("/full", False))
    assert len(world.ask(s, MultiRead, MultiRead.Request([ask] * 8)).parts) == 8
    with pytest.raises(TooLarge):
        world.ask(s, MultiRead, MultiRead.Request([ask] * 9))
