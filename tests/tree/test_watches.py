"""Which watches a change fires, in which order, and who is told."""

import contextlib

import pytest

from tests.tree.world import World
from zooweeper.model.acl import Acl, Id, Perm
from zooweeper.model.errors import MarshallingError, NoAuth, NoNode, NoWatcher, ThrottledOp
from zooweeper.model.events import EventType, WatcherType
from zooweeper.model.limits import WATCHES_PER_CONNECTION_MAX
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import Check, GetData, SetAcl, SetData, VersionRequest, WatchRequest
from zooweeper.ops.delete import Delete, DeleteRecursive
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.read import Exists, GetChildren, GetChildren2
from zooweeper.ops.session import CloseSession
from zooweeper.ops.watches import AddWatch, CheckWatches, RemoveWatches, SetWatches, SetWatches2, WatcherRequest
from zooweeper.tree.watches import WatchTable

CREATED, DELETED, DATA, CHILDREN = EventType.CREATED, EventType.DELETED, EventType.DATA, EventType.CHILDREN
BOB = Id("digest", "bob:hash")


@pytest.fixture
def world() -> World:
    """/w with a child /w/c; nothing at /n."""
    world = World()
    s = world.open()
    world.create(s, "/w")
    world.create(s, "/w/c")
    world.create(s, "/w/c/d")
    return world


# What happens, as (operation, request) in order; the first says how the events are named below.
CHANGES = {
    "create /n": (Create, CreateRequest("/n", b"", [Acl(31, Id("world", "anyone"))], 0)),
    "create /w/n": (Create, CreateRequest("/w/n", b"", [Acl(31, Id("world", "anyone"))], 0)),
    "delete /w/c/d": (Delete, Delete.Request("/w/c/d", -1)),
    "set /w": (SetData, SetData.Request("/w", b"1", -1)),
    "set /w/c": (SetData, SetData.Request("/w/c", b"1", -1)),
    "acl /w": (SetAcl, SetAcl.Request("/w", [Acl(31, Id("world", "anyone"))], -1)),
    "all /w": (DeleteRecursive, DeleteRecursive.Request("/w")),
}
EXISTS, GET, LIST = "exists", "get", "list"
PERSISTENT, RECURSIVE = "persistent", "recursive"

MATRIX: list[tuple[str, str, str, list[tuple[int, str]]]] = [
    (EXISTS, "/n", "create /n", [(CREATED, "/n")]),
    (EXISTS, "/n", "create /w/n", []),
    (EXISTS, "/w", "set /w", [(DATA, "/w")]),
    (EXISTS, "/w", "create /w/n", []),
    (EXISTS, "/w", "all /w", [(DELETED, "/w")]),
    (GET, "/w", "set /w", [(DATA, "/w")]),
    (GET, "/w", "set /w/c", []),
    (GET, "/w", "create /w/n", []),
    (GET, "/w", "acl /w", []),
    (GET, "/w", "all /w", [(DELETED, "/w")]),
    (LIST, "/w", "set /w", []),
    (LIST, "/w", "create /w/n", [(CHILDREN, "/w")]),
    (LIST, "/w", "delete /w/c/d", []),
    (LIST, "/w/c", "delete /w/c/d", [(CHILDREN, "/w/c")]),
    (LIST, "/w/c", "set /w/c", []),
    (LIST, "/", "create /n", [(CHILDREN, "/")]),
    (LIST, "/w/c/d", "delete /w/c/d", [(DELETED, "/w/c/d")]),
    (LIST, "/w", "all /w", [(CHILDREN, "/w")]),
    (PERSISTENT, "/n", "create /n", [(CREATED, "/n")]),
    (PERSISTENT, "/w", "set /w", [(DATA, "/w")]),
    (PERSISTENT, "/w", "create /w/n", [(CHILDREN, "/w")]),
    (PERSISTENT, "/w", "set /w/c", []),
    (PERSISTENT, "/w", "acl /w", []),
    (PERSISTENT, "/w", "all /w", [(CHILDREN, "/w"), (DELETED, "/w")]),
    (RECURSIVE, "/n", "create /n", [(CREATED, "/n")]),
    (RECURSIVE, "/w", "set /w", [(DATA, "/w")]),
    (RECURSIVE, "/w", "set /w/c", [(DATA, "/w/c")]),
    (RECURSIVE, "/w", "create /w/n", [(CREATED, "/w/n")]),
    (RECURSIVE, "/w", "create /n", []),
    (RECURSIVE, "/", "create /w/n", [(CREATED, "/w/n")]),
    (RECURSIVE, "/", "delete /w/c/d", [(DELETED, "/w/c/d")]),
    (RECURSIVE, "/w", "all /w", [(DELETED, "/w/c/d"), (DELETED, "/w/c"), (DELETED, "/w")]),
]


def register(world: World, kind: str, path: str, connection: int = 1) -> None:
    s = world.state.sessions.values()[0].id
    if kind == EXISTS:
        with contextlib.suppress(NoNode):
            world.ask(s, Exists, WatchRequest(path, True), connection)
    elif kind in (GET, LIST):
        world.ask(s, GetData if kind == GET else GetChildren, WatchRequest(path, True), connection)
    else:
        world.ask(s, AddWatch, AddWatch.Request(path, int(kind == RECURSIVE)), connection)


@pytest.mark.parametrize(("kind", "path", "what", "events"), MATRIX)
def test_cell(world: World, kind: str, path: str, what: str, events: list[tuple[int, str]]) -> None:
    register(world, kind, path)
    world.send(world.open(), *CHANGES[what])
    assert world.fire() == [(1, type, where) for type, where in events]
    lasting = kind in (PERSISTENT, RECURSIVE)
    assert world.watches.count() == (1 if lasting or not events else 0), "one-shot watches are used up, others stay"
    if events and lasting and what == "set /w":
        world.send(world.open(), *CHANGES[what])
        assert world.fire() == [(1, type, where) for type, where in events], "again and again"


def test_one_event_however_many_watches_match(world: World) -> None:
    for kind in (GET, EXISTS, LIST, PERSISTENT, RECURSIVE):
        register(world, kind, "/w")
    register(world, RECURSIVE, "/")
    world.send(world.open(), *CHANGES["set /w"])
    assert world.fire() == [(1, DATA, "/w")]
    world.send(world.open(), DeleteRecursive, DeleteRecursive.Request("/w/c"))
    assert world.fire() == [(1, DELETED, "/w/c/d"), (1, DELETED, "/w/c"), (1, CHILDREN, "/w")]
    world.send(world.open(), Delete, Delete.Request("/w", -1))
    assert world.fire() == [(1, DELETED, "/w")]


def test_order_of_events(world: World) -> None:
    for connection in (3, 1, 2):
        register(world, LIST, "/w/c", connection)
        register(world, LIST, "/w/c/d", connection)
        register(world, GET, "/w/c/d", connection)
    world.send(world.open(), *CHANGES["delete /w/c/d"])
    assert world.fire() == [
        *((connection, DELETED, "/w/c/d") for connection in (3, 1, 2)),
        *((connection, CHILDREN, "/w/c") for connection in (3, 1, 2)),
    ]


def test_events_of_a_multi_in_the_order_of_its_parts_and_none_of_a_failed_one(world: World) -> None:
    register(world, RECURSIVE, "/")
    parts = [Part(op.code, request) for op, request in (CHANGES["create /n"], CHANGES["set /w"])]
    failing = [*parts, Part(Check.code, VersionRequest("/w", 99))]
    s = world.open()
    world.send(s, Multi, Multi.Request(failing))
    assert world.fire() == []
    world.send(s, Multi, Multi.Request(parts))
    assert world.fire() == [(1, CREATED, "/n"), (1, DATA, "/w")]


def test_end_of_a_session_tells_of_its_ephemerals(world: World) -> None:
    s = world.open()
    world.create(s, "/w/e2", flags=1)
    world.create(s, "/w/e1", flags=1)
    register(world, LIST, "/w")
    register(world, EXISTS, "/w/e2", 2)
    world.send(s, CloseSession, CloseSession.Request())
    assert world.fire() == [(1, CHILDREN, "/w"), (2, DELETED, "/w/e2")], "in path order"


def test_a_read_that_fails_registers_nothing(world: World) -> None:
    s = world.open()
    world.create(s, "/secret", acl=(Acl(31, BOB),))
    for op, path, error in (
        (GetData, "/none", NoNode),
        (GetData, "/secret", NoAuth),
        (GetChildren2, "/none", NoNode),
        (Exists, "/secret", NoAuth),
    ):
        with pytest.raises(error):
            world.ask(s, op, WatchRequest(path, True))
    assert world.watches.count() == 0


def test_nobody_hears_of_what_he_may_not_read(world: World) -> None:
    """The ACL that counts is the one before a deletion, the parent's for its children."""
    everybody = {1: (), 2: (BOB,), 3: (Id("super", ""),)}
    s = world.open()
    world.identify(s, *map(str, BOB))
    for connection in everybody:
        register(world, EXISTS, "/secret", connection)
        register(world, LIST, "/", connection)
    world.create(s, "/secret", acl=(Acl(31, BOB),))
    assert world.fire(everybody) == [
        *((connection, CREATED, "/secret") for connection in (2, 3)),
        *((connection, CHILDREN, "/") for connection in (1, 2, 3)),
    ]
    assert world.watches.count() == 0, "used up all the same"
    for connection in everybody:
        register(world, PERSISTENT, "/secret", connection)
    world.create(s, "/secret/child", acl=(Acl(Perm.READ, Id("world", "anyone")),))
    assert world.fire(everybody) == [(2, CHILDREN, "/secret"), (3, CHILDREN, "/secret")]
    world.send(s, DeleteRecursive, DeleteRecursive.Request("/secret"))
    assert [connection for connection, _, _ in world.fire(everybody)] == [2, 3, 2, 3]


# --- after a reconnect


@pytest.mark.parametrize(
    ("kind", "path", "ahead", "event"),
    [
        ("data", "/none", 0, DELETED),
        ("data", "/w", 0, None),
        ("data", "/w", 1, None),
        ("data", "/w", -1, DATA),
        ("exist", "/none", 0, None),
        ("exist", "/w", 99, CREATED),
        ("children", "/none", 0, DELETED),
        ("children", "/w", 0, None),
        ("children", "/w", -1, CHILDREN),
        ("persistent", "/none", -9, None),
        ("recursive", "/w", -9, None),
    ],
)
def test_set_watches(world: World, kind: str, path: str, ahead: int, event: EventType | None) -> None:
    """`ahead`: how far the client has seen beyond the last change."""
    s = world.open()
    world.send(s, SetData, SetData.Request("/w", b"", -1))
    node = world.state.tree.get(path)
    last = (node.pzxid if kind == "children" else node.mzxid) if node else world.state.zxid
    lists: dict[str, list[str]] = {"data": [], "exist": [], "children": [], "persistent": [], "recursive": []}
    lists[kind] = [path]
    view = world.view(s)
    SetWatches2.read(SetWatches2.Request(last + ahead, **lists), view)
    assert view.events == ([(event, path)] if event else [])
    assert world.watches.count() == (0 if event else 1)
    if kind not in ("persistent", "recursive"):
        old = {name: lists[name] for name in ("data", "exist", "children")}
        again = world.view(s, 2)
        SetWatches.read(SetWatches.Request(last + ahead, **old), again)
        assert again.events == view.events


def test_set_watches_tells_nothing_of_what_may_not_be_read(world: World) -> None:
    s, other = world.open(), world.open()
    world.identify(s, *map(str, BOB))
    world.create(s, "/secret", acl=(Acl(31, BOB),))
    view = world.view(other)
    SetWatches.read(SetWatches.Request(0, ["/secret"], ["/secret"], ["/secret"]), view)
    assert view.events == []


# --- checking, removing, bounds


TYPES = {
    GET: [WatcherType.DATA, WatcherType.ANY],
    LIST: [WatcherType.CHILDREN, WatcherType.ANY],
    PERSISTENT: [WatcherType.PERSISTENT, WatcherType.ANY],
    RECURSIVE: [WatcherType.RECURSIVE, WatcherType.ANY],
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("type", list(WatcherType))
def test_check_and_remove(world: World, kind: str, type: WatcherType) -> None:
    s = world.open()
    register(world, kind, "/w")
    request = WatcherRequest("/w", type)
    if type not in TYPES[kind]:
        for op in (CheckWatches, RemoveWatches):
            with pytest.raises(NoWatcher):
                world.ask(s, op, request)
        assert world.watches.count() == 1
        return
    world.ask(s, CheckWatches, request)
    with pytest.raises(NoWatcher):
        world.ask(s, CheckWatches, request, connection=2)
    world.ask(s, RemoveWatches, request)
    assert world.watches.count() == 0
    world.send(s, *CHANGES["all /w"])
    assert world.fire() == []


def test_removing_one_kind_leaves_the_others(world: World) -> None:
    s = world.open()
    for kind in TYPES:
        register(world, kind, "/w")
    world.ask(s, RemoveWatches, WatcherRequest("/w", WatcherType.PERSISTENT))
    world.ask(s, RemoveWatches, WatcherRequest("/w", WatcherType.RECURSIVE))
    for type in (WatcherType.DATA, WatcherType.CHILDREN):
        world.ask(s, CheckWatches, WatcherRequest("/w", type))
    world.ask(s, RemoveWatches, WatcherRequest("/w", WatcherType.ANY))
    assert world.watches.count() == 0


def test_numbers_that_mean_nothing(world: World) -> None:
    s = world.open()
    for op, request in (
        (AddWatch, AddWatch.Request("/w", 2)),
        (CheckWatches, WatcherRequest("/w", 0)),
        (RemoveWatches, WatcherRequest("/w", 6)),
    ):
        with pytest.raises(MarshallingError):
            world.ask(s, op, request)


def test_a_connection_that_is_gone_is_forgotten(world: World) -> None:
    for connection in (1, 2):
        for kind in TYPES:
            register(world, kind, "/w", connection)
            register(world, kind, "/w/c", connection)
    world.watches.forget(1)
    assert world.watches.count() == 2
    world.watches.forget(2)
    world.watches.forget(2)
    empty = WatchTable()
    assert all(getattr(world.watches, slot) == getattr(empty, slot) for slot in WatchTable.__slots__), "nothing leaks"


def test_watches_are_bounded() -> None:
    table = WatchTable()
    for number in range(WATCHES_PER_CONNECTION_MAX):
        table.add(1, f"/{number}", WatcherType.DATA)
    table.add(1, "/7", WatcherType.PERSISTENT)
    table.add(2, "/x", WatcherType.DATA)
    with pytest.raises(ThrottledOp):
        table.add(1, "/x", WatcherType.DATA)
    with pytest.raises(ThrottledOp):
        table.room(1, 1)
