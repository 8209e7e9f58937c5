"""Gathering: order kept, loads bounded, pieces whole."""

from zooweeper.model import limits
from zooweeper.model.entry import pack_request
from zooweeper.replica.order import Gathering, seal


def test_a_load_keeps_order_and_names_its_last_ticket() -> None:
    gathering = Gathering()
    for ticket in (4, 5, 6):
        gathering.add(1, pack_request(1, 1, ticket, 5, b"x"), ticket)
    batch = seal(gathering, 100, 7)
    assert (batch.first, batch.last, batch.time_ms) == (100, 102, 7)
    assert [entry.number for entry in batch.entries()] == [4, 5, 6]
    assert not gathering


def test_a_load_is_bounded_but_a_single_piece_always_goes() -> None:
    gathering = Gathering()
    large = b"x" * (limits.BATCH_BYTES_MAX + 1)
    gathering.add(1, large, 1)
    gathering.add(1, b"y", 2)
    assert gathering.take() == (1, large, 1)
    assert gathering.take() == (1, b"y", 2)
    for ticket in range(limits.BATCH_REQUESTS_MAX + 1):
        gathering.add(1, b"z", ticket)
    assert gathering.take()[0] == limits.BATCH_REQUESTS_MAX
    assert gathering.take()[0] == 1
