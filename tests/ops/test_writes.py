"""Writes: the error of every check in ZooKeeper's order, what each field of the Stat does, names of sequences."""

from typing import Any

import pytest

from tests.tree.world import START_MS, World
from zooweeper.codec.record import Record
from zooweeper.model.acl import ANYONE, OPEN, Acl, Id, Perm
from zooweeper.model.errors import (
    BadArguments,
    BadVersion,
    InvalidAcl,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    TooManyNodes,
    ZkError,
)
from zooweeper.model.stat import INT_MAX, TTL_MS_MAX
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateRequest, CreateTtl, CreateTtlRequest
from zooweeper.ops.data import SetAcl, SetData
from zooweeper.ops.delete import Delete, DeleteContainer, DeleteRecursive
from zooweeper.ops.op import Op

READ_ONLY = (Acl(Perm.READ, ANYONE),)
NO_WAY = (Acl(31, Id("digest", "x:y")),)


@pytest.fixture
def world() -> World:
    """/open/child, /closed/child (nobody may change /closed), /ephemeral, /secret (nobody may do anything)."""
    world = World()
    s = world.open()
    world.create(s, "/open")
    world.create(s, "/open/child")
    world.create(s, "/closed")
    world.create(s, "/closed/child")
    world.send(s, SetAcl, SetAcl.Request("/closed", list(READ_ONLY), -1))
    world.create(s, "/ephemeral", flags=1)
    world.create(s, "/secret", acl=NO_WAY)
    return world


def create(path: str, flags: int = 0, acl: tuple[Acl, ...] = OPEN) -> tuple[type[Op], Record]:
    return Create, CreateRequest(path, b"", list(acl), flags)


def ttl(path: str, flags: int, ms: int) -> tuple[type[Op], Record]:
    return CreateTtl, CreateTtlRequest(path, b"", list(OPEN), flags, ms)


def container(path: str, flags: int) -> tuple[type[Op], Record]:
    return CreateContainer, CreateRequest(path, b"", list(OPEN), flags)


ERRORS: list[tuple[tuple[type[Op], Record], type[ZkError]]] = [
    # create: flags, path, ACL, parent, permission, final name, target, ephemeral parent; a row differs from the next
    # check's error in one thing
    (create("nowhere", flags=7, acl=()), BadArguments),
    (create("/a", flags=-1), BadArguments),
    (create("/a", flags=5), BadArguments),
    (create("/a", flags=6), BadArguments),
    (container("/a", 0), BadArguments),
    (container("/a", 1), BadArguments),
    (ttl("/a", 0, 1), BadArguments),
    (ttl("/a", 4, 1), BadArguments),
    (ttl("/a", 5, 0), BadArguments),
    (ttl("/a", 5, -1), BadArguments),
    (ttl("/a", 5, TTL_MS_MAX + 1), BadArguments),
    (create("", acl=()), BadArguments),
    (create("a", acl=()), BadArguments),
    (create("/a\0b", acl=()), BadArguments),
    (create("/none/a", acl=()), InvalidAcl),
    (create("/a", acl=(Acl(31, Id("auth", "")),)), InvalidAcl),
    (create("/none/a"), NoNode),
    (create("/none//a"), NoNode),
    (create("/closed/child"), NoAuth),
    (create("/closed/a/"), NoNode),
    (create("/closed/."), NoAuth),
    (create("/open/."), BadArguments),
    (create("/open/"), BadArguments),
    (create("/"), NodeExists),
    (create("/open/child"), NodeExists),
    (create("/ephemeral"), NodeExists),
    (create("/ephemeral/a"), NoChildrenForEphemerals),
    (create("/ephemeral/a", flags=3), NoChildrenForEphemerals),
    (create("/zookeeper/config/a"), NoAuth),
    # delete: reserved, parent, permission on the parent, target, version, children
    ((Delete, Delete.Request("/", 9)), BadArguments),
    ((Delete, Delete.Request("/zookeeper", -1)), BadArguments),
    ((Delete, Delete.Request("/zookeeper/quota", -1)), BadArguments),
    ((Delete, Delete.Request("/zookeeper/config", -1)), BadArguments),
    ((Delete, Delete.Request("", -1)), BadArguments),
    ((Delete, Delete.Request("a", -1)), BadArguments),
    ((Delete, Delete.Request("/none/a", -1)), NoNode),
    ((Delete, Delete.Request("/closed/none", -1)), NoAuth),
    ((Delete, Delete.Request("/closed/child", 9)), NoAuth),
    ((Delete, Delete.Request("/none", 9)), NoNode),
    ((Delete, Delete.Request("/open", 9)), BadVersion),
    ((Delete, Delete.Request("/open", 0)), NotEmpty),
    ((DeleteRecursive, DeleteRecursive.Request("/zookeeper")), BadArguments),
    ((DeleteRecursive, DeleteRecursive.Request("/")), BadArguments),
    ((DeleteRecursive, DeleteRecursive.Request("/none")), NoNode),
    ((DeleteRecursive, DeleteRecursive.Request("/closed/child")), NoAuth),
    ((DeleteRecursive, DeleteRecursive.Request("/closed")), NoAuth),
    ((DeleteRecursive, DeleteRecursive.Request("/open", 1)), TooManyNodes),
    # setData: path, node, permission, version
    ((SetData, SetData.Request("", b"", 9)), BadArguments),
    ((SetData, SetData.Request("/a//b", b"", 9)), BadArguments),
    ((SetData, SetData.Request("/none", b"", 9)), NoNode),
    ((SetData, SetData.Request("/closed", b"", 9)), NoAuth),
    ((SetData, SetData.Request("/zookeeper/config", b"", -1)), NoAuth),
    ((SetData, SetData.Request("/open", b"", 9)), BadVersion),
    ((SetData, SetData.Request("/open", b"", -2)), BadVersion),
    # setACL: path, ACL, node, permission, version
    ((SetAcl, SetAcl.Request("/a/", [], 9)), BadArguments),
    ((SetAcl, SetAcl.Request("/none", [], 9)), InvalidAcl),
    ((SetAcl, SetAcl.Request("/none", list(OPEN), 9)), NoNode),
    ((SetAcl, SetAcl.Request("/secret", list(OPEN), 9)), NoAuth),
    ((SetAcl, SetAcl.Request("/closed", list(OPEN), -1)), NoAuth),
    ((SetAcl, SetAcl.Request("/open", list(OPEN), 9)), BadVersion),
]


@pytest.mark.parametrize(("call", "error"), ERRORS, ids=[f"{call[1]!r:.60} {error.__name__}" for call, error in ERRORS])
def test_error(world: World, call: tuple[type[Op], Record], error: type[ZkError]) -> None:
    before = world.state.tree.total
    with pytest.raises(ZkError) as caught:
        world.send(world.open(), *call)
    assert type(caught.value) is error
    assert world.last.changes == [] and world.last.body == b""
    assert world.state.tree.total == before, "a refused operation leaves no trace"


def test_create_answers_as_its_code_wants(world: World) -> None:
    s = world.open()
    assert world.send(s, *create("/c1")) == Create.Result("/c1")
    result = world.send(s, Create2, CreateRequest("/c2", b"data", list(OPEN), 0))
    assert result.path == "/c2" and result.stat.data_length == 4
    assert result.stat.czxid == result.stat.mzxid == result.stat.pzxid == world.state.zxid


def test_flag_4_with_create_makes_a_persistent_node(world: World) -> None:
    world.send(world.open(), *create("/c", flags=4))
    assert world.state.tree.node("/c").owner == 0


def test_stat_field_by_field() -> None:
    world = World()
    s = world.open()

    def stat(path: str) -> Any:
        return world.state.tree.node(path).stat()

    first, time = world.state.zxid + 1, world.time_ms + 10
    world.create(s, "/a", b"four")
    assert stat("/a") == (first, first, time, time, 0, 0, 0, 0, 4, 0, first)
    world.create(s, "/a/x")
    assert stat("/a") == (first, first, time, time, 0, 1, 0, 0, 4, 1, first + 1)
    world.create(s, "/a/y", None, flags=1)
    assert stat("/a") == (first, first, time, time, 0, 2, 0, 0, 4, 2, first + 2)
    assert stat("/a/y").ephemeral_owner == s and stat("/a/y").data_length == 0
    world.send(s, Delete, Delete.Request("/a/x", -1))
    assert stat("/a") == (first, first, time, time, 0, 3, 0, 0, 4, 1, first + 3)
    assert world.send(s, SetData, SetData.Request("/a", b"four", 0)).stat == stat("/a")
    assert stat("/a") == (first, first + 4, time, time + 40, 1, 3, 0, 0, 4, 1, first + 3)
    assert world.send(s, SetAcl, SetAcl.Request("/a", list(OPEN), 0)).stat == stat("/a")
    assert stat("/a") == (first, first + 4, time, time + 40, 1, 3, 1, 0, 4, 1, first + 3)
    world.send(s, SetData, SetData.Request("/a/y", b"!", -1))
    assert stat("/a") == (first, first + 4, time, time + 40, 1, 3, 1, 0, 4, 1, first + 3), "a child's data is its own"


def test_stats_of_the_built_in_nodes() -> None:
    state = World().state
    assert state.tree.node("/").stat() == (0, 0, 0, 0, 0, -1, 0, 0, 0, 1, 0)
    assert state.tree.node("/zookeeper").stat().cversion == -2
    config = state.tree.node("/zookeeper/config").stat()
    assert (config.version, config.aversion) == (-1, -1)


def test_containers_and_ttl_nodes_show_no_owner(world: World) -> None:
    s = world.open()
    world.create(s, "/container", flags=4)
    world.create(s, "/ttl", flags=5, ttl=TTL_MS_MAX)
    assert world.state.tree.node("/container").stat().ephemeral_owner == 0
    assert world.state.tree.node("/ttl").stat().ephemeral_owner == 0
    assert world.state.tree.node("/ttl").ttl_ms == TTL_MS_MAX
    world.create(s, "/ttl/child")


def test_versions_jump_over_minus_one(world: World) -> None:
    node = world.state.tree.node("/open")
    s = world.open()
    for before, after in ((INT_MAX, -INT_MAX - 1), (-3, -2), (-2, 0), (0, 1)):
        node.version = before
        assert world.send(s, SetData, SetData.Request("/open", b"", -1)).stat.version == after


def test_data_null_and_empty_stay_apart(world: World) -> None:
    s = world.open()
    for data in (None, b""):
        world.send(s, SetData, SetData.Request("/open", data, -1))
        assert world.state.tree.node("/open").data == data


def test_names_of_sequences() -> None:
    world = World()
    s = world.open()
    world.create(s, "/q")
    assert world.create(s, "/q/a-", flags=2) == "/q/a-0000000000"
    assert world.create(s, "/q/b-", flags=3) == "/q/b-0000000001"
    world.create(s, "/q/plain")
    assert world.create(s, "/q/", flags=2) == "/q/0000000003", "every created child counts"
    world.send(s, Delete, Delete.Request("/q/0000000003", -1))
    assert world.create(s, "/q/a-", flags=6, ttl=5) == "/q/a-0000000004", "a number never comes back"
    with pytest.raises(NodeExists):
        world.create(s, "/q/plain")
    assert world.create(s, "/q/a-", flags=2) == "/q/a-0000000005", "a failed create uses no number"
    family = world.state.tree.node("/q").family
    assert family is not None
    family.cversion = INT_MAX
    assert world.create(s, "/q/a-", flags=2) == "/q/a-2147483647"
    with pytest.raises(BadArguments):
        world.create(s, "/q/a-", flags=2)


def test_delete_recursive_takes_all_in_one_entry(world: World) -> None:
    s = world.open()
    world.create(s, "/open/child/deep", flags=1)
    world.create(s, "/open/other")
    assert world.send(s, DeleteRecursive, DeleteRecursive.Request("/open", 4)).count == 4
    order = [change.path for change in world.last.changes]
    assert order == ["/open/child/deep", "/open/child", "/open/other", "/open"], "children first, in name order"
    assert world.state.tree.get("/open/child/deep") is None
    assert world.state.tree.owned(s) == []
    assert world.state.digest() == world.state.recompute_digest()


def sweep(world: World, now_ms: int) -> list[str]:
    return [DeleteContainer.Request.decode(body).path for body in world.state.tree.sweep(now_ms, 100)]


def test_what_a_sweep_finds() -> None:
    world = World()
    s = world.open()
    world.create(s, "/container", flags=4)
    world.create(s, "/ttl", flags=5, ttl=1000)
    world.create(s, "/plain")
    made = world.state.tree.node("/container").mtime
    assert sweep(world, made) == []
    assert sweep(world, made + 1011) == ["/ttl"]
    assert sweep(world, made + 300_001) == ["/container", "/ttl"], "never used, for five minutes"
    world.create(s, "/container/a")
    world.create(s, "/ttl/a")
    assert sweep(world, made + 10**9) == [], "whoever has children stays"
    world.send(s, Delete, Delete.Request("/container/a", -1))
    assert sweep(world, made) == ["/container"], "its children have gone"
    assert world.state.tree.sweep(made, 0) == []


def test_delete_container_checks_what_the_leader_saw() -> None:
    world = World()
    s = world.open()
    for path in ("/touched", "/used", "/same"):
        world.create(s, path, flags=4)
    bodies = {DeleteContainer.Request.decode(body).path: body for body in world.state.tree.sweep(10**15, 9)}
    world.send(s, SetData, SetData.Request("/touched", b"", -1))
    world.create(s, "/used/a")

    def outcome(body: bytes) -> int:
        return world.raw(0, 0, 0, DeleteContainer.code, body).error

    assert outcome(bodies["/touched"]) == BadVersion.code
    assert outcome(bodies["/used"]) == NotEmpty.code
    world.send(s, Delete, Delete.Request("/used/a", -1))
    assert outcome(bodies["/used"]) == BadVersion.code, "it was used in between"
    assert outcome(bodies["/same"]) == 0
    assert outcome(bodies["/same"]) == NoNode.code
    world.create(s, "/plain")
    node = world.state.tree.node("/plain")
    plain = DeleteContainer.Request("/plain", node.mzxid, node.cversion).encode()
    assert outcome(plain) == BadVersion.code, "neither container nor TTL"


def test_time_comes_from_the_entry() -> None:
    world = World()
    world.create(world.open(), "/a")
    assert world.state.tree.node("/a").ctime == START_MS + 20
