"""What a program must be told that was away: all that everybody may read, and nothing that was hidden meanwhile."""

from types import SimpleNamespace
from typing import Any

import pytest
from zooweeper_client.watches import WatchKind

from sim.checks.watches import Program
from sim.history import Armed, Shown, Told
from sim.model import Model
from sim.world import Violation
from zooweeper.model.acl import ANYONE, OPEN, Acl, Id
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.events import EventType
from zooweeper.ops.create import Create
from zooweeper.ops.data import SetAcl, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.session import OpenSession
from zooweeper.replica.outbox import Notice, Welcome

CLOSED = [Acl(1, Id("digest", "bob:proven")), Acl(30, ANYONE)]
SESSION = 1


def model(*requests: tuple[type[Any], Any]) -> Model:
    """A session opens (zxid 1), and does all that from zxid 2 on."""
    opens = OpenSession.Request(timeout_ms=4000, secret=b"secret", results=32, address="")
    data = pack_request(0, 0, 0, OpenSession.code, opens.encode())
    for number, (op, request) in enumerate(requests, 1):
        data += pack_request(SESSION, SESSION, number, op.code, request.encode())
    made = Model()
    made.run([Batch(1, 1 + len(requests), 1000, data)])
    return made


def welcome(zxid: int) -> Welcome:
    return Welcome(1, SESSION, b"secret", 4000, 0, 0, zxid)


def judge(history: Model, away: bool) -> None:
    """A program that set a watch at zxid 2, was away or not, and was shown zxid 5 without a word."""
    program = [welcome(1), Armed(1, WatchKind.DATA, "/x", 2), *([welcome(4)] if away else []), Shown(5)]
    Program(history, SimpleNamespace(id=1, program=program)).judge()


CREATE = (Create, Create.Request("/x", b"", list(OPEN), 0))
SET = (SetData, SetData.Request("/x", b"changed", -1))
CLOSE = (SetAcl, SetAcl.Request("/x", CLOSED, -1))
OTHER = (Create, Create.Request("/y", b"", list(OPEN), 0))


@pytest.mark.parametrize("away", [False, True])
def test_a_change_that_everybody_may_read_is_told(away: bool) -> None:
    with pytest.raises(Violation, match="watchers"):
        judge(model(CREATE, SET, OTHER, OTHER), away)


def test_who_was_away_is_not_told_of_what_is_hidden_now() -> None:
    judge(model(CREATE, SET, CLOSE, OTHER), away=True)
    with pytest.raises(Violation, match="watchers"):
        judge(model(CREATE, SET, CLOSE, OTHER), away=False)


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_hidden_when_it_happened_is_told_to_all_who_watch_there_by_now(hidden: bool) -> None:
    """Watcher 1 was not told that /x went, so the next server tells it; watcher 2 has waited for /x since then."""
    program = [
        welcome(1),
        Armed(1, WatchKind.DATA, "/x", 2),
        Armed(2, WatchKind.EXIST, "/x", 4),
        welcome(5),
        Notice((1,), 5, EventType.DELETED, "/x"),
        *(Told(watcher, int(EventType.DELETED), "/x", 5) for watcher in (1, 2)),
    ]
    history = model(CREATE, CLOSE if hidden else OTHER, (Delete, Delete.Request("/x")), OTHER)
    checked = Program(history, SimpleNamespace(id=1, program=program))
    if hidden:
        checked.judge()
    else:
        with pytest.raises(Violation, match="nothing has happened since"):
            checked.judge()
