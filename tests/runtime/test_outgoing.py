"""What leaves for clients: in order for each, and an event for thousands in slices."""

from collections.abc import Callable

import pytest

from zooweeper.model.errors import ThrottledOp
from zooweeper.model.limits import CONNECTIONS_MAX
from zooweeper.replica.outbox import Answer, Delivery, Notice
from zooweeper.runtime.outgoing import SLICE, Outgoing

MANY = 3 * SLICE


class Client:
    """A sink that keeps what it is given."""

    def __init__(self, on_delivery: Callable[[], object] = lambda: None) -> None:
        self.got: list[Delivery] = []
        self.on_delivery = on_delivery

    def deliver(self, item: Delivery) -> None:
        self.got.append(item)
        self.on_delivery()


def crowd(outgoing: Outgoing, number: int) -> tuple[list[Client], tuple[int, ...]]:
    clients = [Client() for _ in range(number)]
    return clients, tuple(outgoing.register(client) for client in clients)


def event(connections: tuple[int, ...], zxid: int = 1) -> Notice:
    return Notice(connections, zxid, 3, "/w")


def answer(connection: int) -> Answer:
    return Answer(connection, 1, 9, 0, b"")


def told(clients: list[Client]) -> int:
    return sum(bool(client.got) for client in clients)


def test_what_is_for_few_leaves_at_once() -> None:
    outgoing = Outgoing()
    clients, numbers = crowd(outgoing, SLICE)
    outgoing.deliver([event(numbers)])
    assert told(clients) == SLICE
    assert not outgoing.waiting


def test_an_event_for_many_leaves_in_slices() -> None:
    outgoing = Outgoing()
    clients, numbers = crowd(outgoing, MANY)
    outgoing.deliver([event(numbers)])
    for turn in range(3):
        assert outgoing.waiting
        assert told(clients) == turn * SLICE
        outgoing.tell_some()
    assert told(clients) == MANY
    assert not outgoing.waiting


def test_an_answer_goes_behind_the_events_before_it() -> None:
    outgoing = Outgoing()
    clients, numbers = crowd(outgoing, MANY)
    first, second = event(numbers, 1), event(numbers, 2)
    outgoing.deliver([first, second, answer(numbers[-1])])
    assert clients[-1].got == [first, second, answer(numbers[-1])]
    assert told(clients) == 1
    while outgoing.waiting:
        outgoing.tell_some()
    assert all(client.got == [first, second] for client in clients[:-1])
    assert len(clients[-1].got) == 3


def test_an_event_for_few_goes_behind_the_one_for_many() -> None:
    outgoing = Outgoing()
    clients, numbers = crowd(outgoing, MANY)
    outgoing.register(alone := Client())
    first, second = event(numbers, 1), event((numbers[-1], MANY + 1), 2)
    outgoing.deliver([first, second])
    assert alone.got == [second], "it does not wait for the many"
    assert not clients[-1].got
    while outgoing.waiting:
        outgoing.tell_some()
    assert clients[-1].got == [first, second]


def test_who_left_is_told_nothing() -> None:
    outgoing = Outgoing()
    clients, numbers = crowd(outgoing, MANY)
    outgoing.deliver([event(numbers)])
    clients[0].on_delivery = lambda: outgoing.forget(numbers[1])
    assert outgoing.forget(numbers[-1])
    assert not outgoing.forget(numbers[-1])
    while outgoing.waiting:
        outgoing.tell_some()
    assert told(clients) == MANY - 2
    outgoing.deliver([event((numbers[1],)), answer(numbers[1])])
    assert not clients[1].got


def test_there_are_only_so_many() -> None:
    outgoing = Outgoing()
    _, numbers = crowd(outgoing, CONNECTIONS_MAX)
    with pytest.raises(ThrottledOp):
        outgoing.register(Client())
    outgoing.forget(numbers[0])
    assert outgoing.register(Client()) == CONNECTIONS_MAX + 1
