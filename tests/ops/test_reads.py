"""Reads: their errors in order, what they show and to whom, and pages."""

from typing import Any

import pytest

from tests.tree.world import World
from zooweeper.codec.record import Record
from zooweeper.model.acl import ANYONE, OPEN, Acl, Id, Perm
from zooweeper.model.errors import BadArguments, NoAuth, NoNode, ZkError
from zooweeper.model.limits import PAGE_BYTES_MAX, PAGE_NODES_MAX
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import GetAcl, GetData, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.op import Op
from zooweeper.ops.read import (
    Exists,
    GetAllChildrenNumber,
    GetChildren,
    GetChildren2,
    GetEphemerals,
    ListChildren,
    ListSubtree,
    PageRequest,
    PathRequest,
    WhoAmI,
)

BOB = Id("digest", "bob:hash")


@pytest.fixture
def world() -> World:
    world = World()
    s = world.open()
    world.create(s, "/a", b"data")
    world.create(s, "/secret", b"x", acl=(Acl(31, BOB),))
    world.create(s, "/admin", acl=(Acl(Perm.ADMIN, ANYONE), Acl(31, BOB)))
    return world


@pytest.mark.parametrize("watch", [False, True])
@pytest.mark.parametrize(
    ("op", "request_type", "path", "error"),
    [
        (Exists, WatchRequest, "/a\0", BadArguments),
        (Exists, WatchRequest, "/secret", NoAuth),
        (Exists, WatchRequest, "/none", NoNode),
        (GetData, WatchRequest, "/none", NoNode),
        (GetData, WatchRequest, "not a path", NoNode),
        (GetData, WatchRequest, "/secret", NoAuth),
        (GetData, WatchRequest, "/admin", NoAuth),
        (GetChildren, WatchRequest, "/none", NoNode),
        (GetChildren, WatchRequest, "/secret", NoAuth),
        (GetChildren2, WatchRequest, "/none", NoNode),
        (GetChildren2, WatchRequest, "/secret", NoAuth),
        (GetAcl, GetAcl.Request, "/none", NoNode),
        (GetAcl, GetAcl.Request, "/secret", NoAuth),
        (GetAllChildrenNumber, PathRequest, "/none", NoNode),
        (GetAllChildrenNumber, PathRequest, "/secret", NoAuth),
        (ListChildren, PageRequest, "/none", NoNode),
        (ListChildren, PageRequest, "/secret", NoAuth),
        (ListSubtree, PageRequest, "/none", NoNode),
        (ListSubtree, PageRequest, "/secret", NoAuth),
    ],
)
def test_error(world: World, op: type[Op], request_type: Any, path: str, error: type[ZkError], watch: bool) -> None:
    request: Record = request_type(path)
    if request_type is WatchRequest:
        request = WatchRequest(path, watch)
    with pytest.raises(ZkError) as caught:
        world.ask(world.open(), op, request)
    assert type(caught.value) is error
    assert world.watches.count() == (1 if watch and op is Exists and error is NoNode else 0), "exists alone waits"


def test_super_reads_everything(world: World) -> None:
    s = world.open()
    world.identify(s, "super", "")
    assert world.ask(s, GetData, WatchRequest("/secret", False)).data == b"x"


def test_acl_is_masked_for_who_may_not_change_it(world: World) -> None:
    s = world.open()
    world.create(s, "/shown", acl=(Acl(Perm.READ, ANYONE), Acl(31, BOB)))
    assert world.ask(s, GetAcl, GetAcl.Request("/shown")).acl[1] == Acl(31, Id("digest", "bob:x"))
    assert world.ask(s, GetAcl, GetAcl.Request("/admin")).acl[1] == Acl(31, BOB)
    world.identify(s, *map(str, BOB))
    assert world.ask(s, GetAcl, GetAcl.Request("/shown")).acl[1] == Acl(31, BOB)
    assert world.ask(s, GetAcl, GetAcl.Request("/")).acl == list(OPEN)


def test_children_and_numbers(world: World) -> None:
    s = world.open()
    for path in ("/a/c", "/a/b", "/a/b/x", "/a/b/y"):
        world.create(s, path)
    result = world.ask(s, GetChildren2, WatchRequest("/a", False))
    assert result.children == ["b", "c"] == world.ask(s, GetChildren, WatchRequest("/a", False)).children
    assert result.stat == world.state.tree.node("/a").stat()
    assert world.ask(s, GetAllChildrenNumber, PathRequest("/a")).number == 4
    assert world.ask(s, GetAllChildrenNumber, PathRequest("/a/c")).number == 0
    assert world.ask(s, GetAllChildrenNumber, PathRequest("/")).number == len(world.state.tree) - 1


def test_ephemerals_of_the_session(world: World) -> None:
    s, other = world.open(), world.open()
    for path in ("/a/z", "/a/e", "/e"):
        world.create(s, path, flags=1)
    world.create(other, "/a/theirs", flags=1)
    for prefix, paths in (
        ("/", ["/a/e", "/a/z", "/e"]),
        (None, ["/a/e", "/a/z", "/e"]),
        (" ", ["/a/e", "/a/z", "/e"]),
        ("/a", ["/a/e", "/a/z"]),
        ("/x", []),
    ):
        assert world.ask(s, GetEphemerals, GetEphemerals.Request(prefix)).paths == paths


def test_who_am_i(world: World) -> None:
    s = world.open(address="10.0.0.9")
    world.identify(s, "digest", "bob:hash")
    world.identify(s, "super", "")
    who = world.ask(s, WhoAmI, WhoAmI.Request()).identities
    assert [(one.scheme, one.user) for one in who] == [("ip", "10.0.0.9"), ("digest", "bob"), ("super", "")]


# --- pages


def pages(world: World, session: int, op: type[Op], path: str, limit: int, **flags: bool) -> list[list[Any]]:
    found, after = [], ""
    while True:
        page = world.ask(session, op, PageRequest(path, after, limit, **flags))
        found.append(page.entries)
        if not page.more:
            return found
        after = page.entries[-1].name


def forest(world: World) -> tuple[int, list[str]]:
    s = world.open()
    paths = ["/f", "/f/a", "/f/a/x", "/f/a/x/1", "/f/a-b", "/f/b", "/f/b/1", "/f/b/2", "/f/c"]
    for path in paths:
        world.create(s, path, path.encode())
    return s, paths[1:]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 0])
def test_pages_of_a_subtree(world: World, limit: int) -> None:
    s, paths = forest(world)
    found = pages(world, s, ListSubtree, "/f", limit)
    assert [one.name for page in found for one in page] == paths
    assert all(len(page) == limit for page in found[:-1])


def test_a_walk_goes_on_where_its_last_node_was(world: World) -> None:
    s, _ = forest(world)
    for gone, expected in (("/f/b/1", "/f/b/2"), ("/f/b/2", "/f/c"), ("/f/b", "/f/c"), ("/f/c", None)):
        world.send(s, Delete, Delete.Request(gone, -1))
        names = [one.name for one in world.ask(s, ListSubtree, PageRequest("/f", gone)).entries]
        assert names[:1] == ([expected] if expected else [])
    assert next(one.name for one in world.ask(s, ListSubtree, PageRequest("/f", "/f/a/0")).entries) == "/f/a/x"
    with pytest.raises(BadArguments):
        world.ask(s, ListSubtree, PageRequest("/f", "/elsewhere"))


@pytest.mark.parametrize("count", [5, 300])
def test_pages_of_children(world: World, count: int) -> None:
    s = world.open()
    world.create(s, "/many")
    names = [f"n{number:04}" for number in range(count)]
    for name in reversed(names):
        world.create(s, f"/many/{name}", b"x")
    found = pages(world, s, ListChildren, "/many", 7, with_stat=True, with_data=True)
    assert [one.name for page in found for one in page] == names
    assert all(one.data == b"x" and one.stat.data_length == 1 for page in found for one in page)
    world.create(s, "/many/n0000x")
    world.send(s, Delete, Delete.Request("/many/n0003", -1))
    now = [one.name for page in pages(world, s, ListChildren, "/many", 100) for one in page]
    assert now == sorted([*names, "n0000x"])[:4] + names[4:], "name order is kept through changes"
    assert all(one.stat is None and one.data is None for one in pages(world, s, ListChildren, "/many", 0)[0])


def test_what_may_not_be_read_is_a_name_alone(world: World) -> None:
    s = world.open()
    world.create(s, "/a/closed", b"x")
    world.create(s, "/a/closed/below")
    world.state.tree.set_acl("/a/closed", (Acl(31, BOB),))
    world.state.journal.take()
    for op, name in ((ListChildren, "closed"), (ListSubtree, "/a/closed")):
        entries = world.ask(s, op, PageRequest("/a", with_stat=True, with_data=True)).entries
        assert [(one.name, one.readable, one.stat, one.data) for one in entries] == [(name, False, None, None)]
    assert world.ask(s, ListSubtree, PageRequest("/a", "/a/closed/a")).entries == []


def test_a_page_ends_before_it_outgrows_a_frame(world: World) -> None:
    s = world.open()
    for number in range(6):
        world.send(s, Create, CreateRequest(f"/a/{number}", bytes(PAGE_BYTES_MAX // 3), list(OPEN), 0))
    found = pages(world, s, ListChildren, "/a", 0, with_data=True)
    assert [len(page) for page in found] == [2, 2, 2]


def test_a_page_has_a_greatest_length(world: World) -> None:
    s = world.open()
    world.create(s, "/many")
    for number in range(PAGE_NODES_MAX + 1):
        world.state.tree.create(f"/many/{number}", None, OPEN, 0, 1, 1)
    world.state.journal.take()
    page = world.ask(s, ListChildren, PageRequest("/many", limit=10**9))
    assert page.more and len(page.encode()) <= PAGE_BYTES_MAX and len(page.entries) <= PAGE_NODES_MAX
