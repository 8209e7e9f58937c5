"""Execution as such: each entry once and in order, refusals that are results, defects that are not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree.world import World
from zooweeper.model.acl import OPEN
from zooweeper.model.entry import Entry
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import make
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.session import Ping
from zooweeper.replica.execute import execute
from zooweeper.tree.state import State

ROOT = Path(__file__).resolve().parents[2]
BODY = CreateRequest("/a", b"", list(OPEN), 0).encode()


@pytest.mark.parametrize("zxid", [make(1, 2), make(1, 4), make(1, 1), make(2, 2), make(2, 0), 0])
def test_an_entry_out_of_order_is_a_defect(zxid: int) -> None:
    world = World()
    world.open()
    world.open()
    with pytest.raises(AssertionError):
        execute(world.state, Entry(zxid, 1, 0, 0, 1, Create.code, BODY))


def test_epochs_may_follow() -> None:
    world = World()
    world.open()
    assert execute(world.state, Entry(make(7, 1), 1, 0, 0, 1, Create.code, BODY)).error == ErrorCode.SESSION_EXPIRED
    assert world.state.zxid == make(7, 1), "a refused entry is an entry"


def test_what_is_no_entry_uses_its_number_all_the_same() -> None:
    world = World()
    session = world.state.sessions[world.open()]
    for number, code in enumerate((GetData.code, Ping.code, 12345), 1):
        done = world.raw(session.id, session.attach, number, code, b"")
        assert done.error == ErrorCode.UNIMPLEMENTED and type(done.error) is int
    assert world.raw(session.id, session.attach, 4, Create.code, BODY).error == 0


def test_a_defect_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    session = world.state.sessions[world.open()]

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SetData, "execute", staticmethod(broken))
    with pytest.raises(ZeroDivisionError):
        world.raw(session.id, session.attach, 1, SetData.code, SetData.Request("/", b"", -1).encode())


def test_details_are_for_people() -> None:
    world = World()
    session = world.state.sessions[world.open()]
    body = SetData.Request("/zookeeper", b"", 7).encode()
    assert world.raw(session.id, session.attach, 1, SetData.code, body).detail == "/zookeeper: expected 7, is 0"
    body = CreateRequest("/\ud800\x1b[31m", b"", list(OPEN), 0).encode()
    assert world.raw(session.id, session.attach, 2, Create.code, body).detail.isprintable()


def test_answers_are_part_of_the_digest() -> None:
    one, two = State(), State()
    one.answered(0, b"x")
    two.answered(0, b"y")
    assert one.digest() != two.digest()


def test_nothing_depends_on_the_seed_of_hashes() -> None:
    program = (
        "from tests.properties.entries import Player\n"
        "player = Player(7)\n"
        "for _ in range(300): player.step()\n"
        "print(player.world.state.digest(), [body.hex() for body in player.world.state.tree.sweep(10**14, 99)])\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] and outputs[0] == outputs[1]
