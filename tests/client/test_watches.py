"""The client's table of watches, and the table of states."""

import itertools

import pytest
from zooweeper_client.states import PUBLIC, TABLE, Input, State
from zooweeper_client.watches import REARM_BYTES_MAX, EventType, Watches, WatchKind

ALL = {kind: watcher for watcher, kind in enumerate(WatchKind, start=1)}


def everything_on(path: str) -> Watches:
    watches = Watches()
    for kind, watcher in ALL.items():
        watches.add(kind, path, watcher)
    return watches


@pytest.mark.parametrize(
    ("event", "path", "hit"),
    [
        (EventType.CREATED, "/a", ["DATA", "EXIST", "PERSISTENT", "RECURSIVE"]),
        (EventType.DELETED, "/a", ["DATA", "EXIST", "CHILD", "PERSISTENT", "RECURSIVE"]),
        (EventType.CHANGED, "/a", ["DATA", "EXIST", "PERSISTENT", "RECURSIVE"]),
        (EventType.CHILD, "/a", ["CHILD", "PERSISTENT"]),
        (EventType.CREATED, "/a/b/c", ["RECURSIVE"]),
        (EventType.CHILD, "/a/b", []),
        (EventType.CREATED, "/ab", []),
        (EventType.CHANGED, "/", []),
    ],
)
def test_who_hears_of_what(event: EventType, path: str, hit: list[str]) -> None:
    watches = everything_on("/a")
    assert watches.fire(event, path) == [ALL[WatchKind[name]] for name in hit]
    one_shot = [name for name in hit if name not in ("PERSISTENT", "RECURSIVE")]
    assert len(watches) == 5 - len(one_shot)
    again = watches.fire(event, path)
    assert again == [ALL[WatchKind[name]] for name in hit if name not in one_shot]


def test_a_recursive_watch_on_the_root_hears_everything() -> None:
    watches = Watches()
    watches.add(WatchKind.RECURSIVE, "/", 1)
    assert watches.fire(EventType.CREATED, "/a/b") == [1]
    assert watches.fire(EventType.CHANGED, "/") == [1]


def test_a_watcher_hears_of_an_event_once() -> None:
    watches = Watches()
    for kind in WatchKind:
        watches.add(kind, "/a", 1)
    assert watches.fire(EventType.DELETED, "/a") == [1]


def test_the_last_one_to_leave_says_so() -> None:
    watches = Watches()
    watches.add(WatchKind.PERSISTENT, "/a", 1)
    watches.add(WatchKind.PERSISTENT, "/a", 2)
    assert not watches.remove(WatchKind.PERSISTENT, "/a", 1)
    assert not watches.remove(WatchKind.PERSISTENT, "/a", 1)
    assert watches.remove(WatchKind.PERSISTENT, "/a", 2)
    assert len(watches) == 0 and list(watches.rearm()) == []


def test_arming_again_goes_in_pieces_that_hold_everything_once() -> None:
    watches = Watches()
    for at, kind in itertools.product(range(3000), WatchKind):
        watches.add(kind, f"/some/rather/long/path/{at}", at)
    pieces = list(watches.rearm())
    assert len(pieces) > 1
    for kind in WatchKind:
        assert [path for piece in pieces for path in piece[kind]] == [
            f"/some/rather/long/path/{at}" for at in range(3000)
        ]
    for piece in pieces:
        assert sum(4 + 3 * len(path) for paths in piece for path in paths) <= REARM_BYTES_MAX


def test_the_table_of_states_is_complete_and_closed_is_the_end() -> None:
    assert set(TABLE) == set(itertools.product(State, Input))
    assert set(PUBLIC) == set(State)
    for input in Input:
        assert TABLE[State.CLOSED, input] is State.CLOSED
    for state in State:
        assert TABLE[state, Input.CLOSE] is State.CLOSED
