"""Barriers: one question at a time, void with its leader, reached when all before its answer is executed."""

import pytest

from zooweeper.model.errors import ErrorCode
from zooweeper.ops.session import Sync
from zooweeper.replica.barriers import Barriers
from zooweeper.replica.connection import NOT_KNOWN, Connection, Kind, Pending
from zooweeper.replica.events import Ask, Connect


class World:
    """Who is asked, and what has been executed."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.executed = 0
        self.answered: list[tuple[int, int]] = []  # xid, error
        self.barriers = Barriers(self._drain)
        self.connection = Connection(Connect(1, 0, b"", 4000, 0, 0, ""), 0)

    def barrier(self, token: int) -> None:
        self.tokens.append(token)

    def want(self, xid: int) -> None:
        self.barriers.add(self.connection, Ask(1, xid, Sync.code, b""))

    def _drain(self, connection: Connection) -> None:
        pending = connection.pending
        while pending:
            head = pending[0]
            assert isinstance(head, Pending)
            if head.kind is not Kind.DONE and not NOT_KNOWN < head.zxid <= self.executed:
                return
            pending.popleft()
            connection.barriers -= head.kind is Kind.BARRIER
            self.answered.append((head.ask.xid, head.error))


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_wanted_while_a_question_is_under_way_waits_for_the_next(world: World) -> None:
    world.want(1)
    world.want(2)
    world.barriers.ask(world)
    world.want(3)
    world.barriers.ask(world)
    assert world.tokens == [1]
    world.barriers.answered(1, 0)
    assert world.answered == [(1, 0), (2, 0)]
    world.barriers.ask(world)
    assert world.tokens == [1, 2]


def test_it_is_reached_when_all_before_the_answer_is_executed(world: World) -> None:
    world.want(1)
    world.barriers.ask(world)
    world.barriers.answered(1, 7)
    assert world.answered == []
    world.executed = 7
    world.barriers.caught_up()
    assert world.answered == [(1, 0)]


def test_the_answer_of_a_leader_that_is_gone_counts_for_nothing(world: World) -> None:
    world.want(1)
    world.barriers.ask(world)
    world.barriers.leader_lost()
    world.barriers.answered(1, 0)
    assert world.answered == []
    world.barriers.ask(world)
    world.barriers.answered(1, 0)
    assert world.answered == [], "that was the old question once more"
    world.barriers.answered(world.tokens[-1], 0)
    assert world.answered == [(1, 0)]


def test_without_a_quorum_all_are_refused_but_those_whose_connection_is_gone(world: World) -> None:
    world.want(1)
    world.barriers.ask(world)
    world.want(2)
    world.barriers.quorum_lost()
    assert world.answered == [(1, ErrorCode.NO_QUORUM), (2, ErrorCode.NO_QUORUM)]
    world.want(3)
    world.barriers.forget(world.connection)
    world.connection.pending.clear()
    world.barriers.quorum_lost()
    assert len(world.answered) == 2
